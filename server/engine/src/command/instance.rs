//! Instances: run, start, stop, reboot, terminate, change.

use std::sync::Arc;

use cascina_core::command::{NewInstances, Outcome, Power};
use cascina_core::decision::{Amounts, Decided, Decision, Question};
use cascina_core::farm::{Farm, Item};
use cascina_core::id::{FarmId, HostId, InstanceId};
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::launch::{Bytes, InstanceChange, MOST_USER_DATA, MOST_VOLUMES, UserData};
use cascina_core::operation::{OperationState, SagaKind};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;

use super::{Setback, farm, key_pair, outcome, own_farm, security_group, told, usable_farm, volume};
use crate::saga::{self, Answer, firewall_apply, instance_run};
use crate::tx::{Told, Tx};
use crate::verdict::{self, Party};

fn only(state: &State, who: &Principal, ask: &NewInstances) -> Result<Vec<HostId>, Refusal> {
    let Some(name) = &ask.host else { return Ok(Vec::new()) };
    super::admin(who, "name a host")?;
    let id = state.indexes.host_names.get(name).ok_or_else(|| Refusal::not_found("host", name))?;
    Ok(vec![*id])
}

fn line(state: &State, who: &Principal, id: FarmId, ask: &NewInstances) -> Result<(Arc<Farm>, Item), Refusal> {
    let farm = usable_farm(state, who, id)?;
    let item = farm::item(state, Some(farm.tenant), Some(farm.id), ask, "")?;
    if item.min_count == 0 {
        return Err(Refusal::invalid("min_count", 0, "1 to max_count"));
    }
    let launch = &ask.launch;
    if launch.user_data.as_ref().is_some_and(|bytes| bytes.len() > MOST_USER_DATA) {
        return Err(Refusal::invalid("user_data", "…", format!("at most {MOST_USER_DATA} bytes")));
    }
    security_group::chosen(state, &farm, &launch.groups)?;
    key_pair::chosen(state, farm.id, launch.key)?;
    disks(state, &item, ask, farm.id)?;
    Ok((farm, item))
}

/// The devices that a root disk goes by.
pub const ROOT_DEVICES: [&str; 4] = ["/dev/sda1", "/dev/sda", "/dev/vda", "/dev/xvda"];

/// GiB of all volumes that come with one instance, which are checked.
fn disks(state: &State, item: &Item, ask: &NewInstances, farm: FarmId) -> Result<u64, Refusal> {
    let volumes = &ask.launch.volumes;
    if volumes.len() > MOST_VOLUMES {
        return Err(Refusal::invalid("volumes", volumes.len(), format!("at most {MOST_VOLUMES}")));
    }
    let mut sum = 0;
    for (i, wanted) in volumes.iter().enumerate() {
        volume::check_device(&wanted.device)?;
        let twice = volumes[..i].iter().any(|other| other.device == wanted.device);
        if twice || ROOT_DEVICES.contains(&wanted.device.as_str()) {
            return Err(Refusal::invalid("device", &wanted.device, "a device that no other disk of the instance has"));
        }
        sum += volume::size(state, farm, &item.class, wanted.size, wanted.snapshot)?.0;
    }
    if sum > 0 {
        volume::room(state, &item.class, cascina_core::units::Gib(sum))?;
    }
    Ok(sum)
}

/// What so many of them take: their own and their volumes'.
fn amounts(state: &State, item: &Item, ask: &NewInstances, farm: FarmId, count: u32) -> Result<Amounts, Refusal> {
    let mut amounts = Amounts::of_instances(item.size, count);
    amounts.disk_gib = amounts.disk_gib.saturating_add(disks(state, item, ask, farm)?.saturating_mul(count.into()));
    Ok(amounts)
}

pub fn run_questions(
    state: &State,
    who: &Principal,
    id: FarmId,
    ask: &NewInstances,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let (_, item) = line(state, who, id, ask)?;
    let party = Party::of_farm(state, id, who).ok_or_else(|| Refusal::not_found("farm", id))?;
    let check = Question::CheckQuota {
        verb: "create-instances".into(),
        class: item.class.to_string(),
        wanted: amounts(state, &item, ask, id, item.max_count)?,
    };
    let place = instance_run::question(&item, &only(state, who, ask)?, "create");
    Ok(vec![(party.clone(), check), (party, place)])
}

pub fn run(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: FarmId,
    ask: &NewInstances,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let (farm, item) = line(tx.state(), who, id, ask)?;
    let [checked, rest @ ..] = decisions else { return Err(Setback::Stale) };
    if let Some(refusal) = verdict::refusal(checked) {
        return Err(refusal.into());
    }
    if matches!(checked.decided, Decided::Pending { .. }) {
        let text = "a policy wants this to be approved by a person, which is possible for farms only; ask for less";
        return Err(Refusal::Denied {
            decision: checked.id,
            reasons: vec![cascina_core::decision::Reason::denial("needs-approval", text)],
        }
        .into());
    }
    let tenant = super::tenant::active(tx.state(), farm.tenant)?;
    let [placed] = rest else { return Err(Setback::Stale) };
    // What will really be made: placement may have found room for the minimum only.
    let count = match &placed.decided {
        Decided::Placed { hosts } => hosts.len(),
        Decided::NoHost { placed } => placed.len(),
        _ => 0,
    } as u32;
    let wanted = amounts(tx.state(), &item, ask, id, count.max(item.min_count))?;
    tx.state().check_quota(&tenant, &[(Some(item.class.clone()), wanted)], tx.now)?;
    let mut operation = instance_run::operation(tx, SagaKind::InstanceRun, &farm, Vec::new(), item.min_count);
    let made = match instance_run::place_items(tx, &farm, &operation, &[item], rest, &ask.launch) {
        Ok(made) => made,
        Err(saga::StepError::Stale) => return Err(Setback::Stale),
        Err(error) => match verdict::refusal(placed) {
            Some(refusal) => return Err(refusal.into()),
            None => return Err(error.into()),
        },
    };
    operation.instances = made.clone();
    let text = format!("{} instances of farm {}", made.len(), farm.name);
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        decision: Some(placed.id),
        ..told("instance.scheduled", made[0], text)
    });
    let operation = saga::begin(tx, operation, Answer::Nothing);
    Ok(Outcome {
        instances: made.clone(),
        operation: Some(operation),
        decisions: decisions.iter().map(|decision| decision.id).collect(),
        ..outcome(made[0])
    })
}

pub fn find(state: &State, who: &Principal, id: InstanceId) -> Result<Arc<Instance>, Refusal> {
    let row = state.rows.instances.get(&id).filter(|row| who.sees(row.tenant));
    let row = row.ok_or_else(|| Refusal::not_found("instance", id))?;
    own_farm(state, who, row.farm)?;
    Ok(row.clone())
}

/// Something works on it.
pub fn busy(state: &State, row: &Instance) -> bool {
    state.indexes.operations_by_farm.of(&row.farm).any(|id| {
        let operation = state.rows.operations.get(&id).filter(|operation| operation.state != OperationState::Stuck);
        operation.is_some_and(|operation| operation.instances.contains(&row.id))
    })
}

/// All of one farm, and each in a state in which it can be done.
fn group(
    state: &State,
    who: &Principal,
    ids: &[InstanceId],
    power: Power,
) -> Result<(Arc<Farm>, Vec<Arc<Instance>>), Refusal> {
    let mut rows = Vec::new();
    for id in ids {
        let row = find(state, who, *id)?;
        let busy = busy(state, &row);
        let protected = match power {
            Power::Terminate => row.terminate_protected && row.is_live(),
            Power::Stop => row.stop_protected,
            Power::Start | Power::Reboot => false,
        };
        if protected {
            let verb = if power == Power::Stop { "stopped" } else { "terminated" };
            return Err(Refusal::Protected(format!(
                "instance {id} is protected from being {verb}; take that off first"
            )));
        }
        let may = match power {
            Power::Start => row.state == InstanceState::Stopped && !busy,
            Power::Stop | Power::Reboot => row.state == InstanceState::Running && !busy,
            Power::Terminate => row.is_live(),
        };
        if !may {
            let allowed = match power {
                Power::Start => "stopped",
                Power::Stop | Power::Reboot => "running",
                Power::Terminate => "not terminated",
            };
            if busy {
                return Err(Refusal::Busy(format!("instance {id} is busy with another operation")));
            }
            let now = row.state.as_str();
            return Err(Refusal::Conflict(format!("instance {id} is {now}; this needs one that is {allowed}")));
        }
        rows.push(row);
    }
    let first = rows.first().ok_or_else(|| Refusal::invalid("instances", "[]", "at least one instance"))?;
    if let Some(other) = rows.iter().find(|row| row.farm != first.farm) {
        return Err(Refusal::invalid("instances", other.id, "instances of one farm in one request"));
    }
    Ok((own_farm(state, who, first.farm)?, rows))
}

pub fn power_questions(
    state: &State,
    who: &Principal,
    ids: &[InstanceId],
    power: Power,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let (farm, rows) = group(state, who, ids, power)?;
    if power != Power::Start {
        return Ok(Vec::new());
    }
    usable_farm(state, who, farm.id)?;
    let party = Party::of_farm(state, farm.id, who).ok_or_else(|| Refusal::not_found("farm", farm.id))?;
    let mut questions = Vec::new();
    for row in rows {
        // Where its disk is: no driver can say yet that another host would find it on shared storage.
        let only: Vec<HostId> = row.host.into_iter().collect();
        let item = Item {
            name: row.name.clone(),
            flavor: row.flavor.clone(),
            class: row.class.clone(),
            image: row.image,
            size: row.size_to_start(),
            min_count: 1,
            max_count: 1,
        };
        questions.push((party.clone(), instance_run::question(&item, &only, "start")));
    }
    Ok(questions)
}

pub fn power(
    tx: &mut Tx<'_>,
    who: &Principal,
    ids: &[InstanceId],
    power: Power,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let (farm, rows) = group(tx.state(), who, ids, power)?;
    let saga = match power {
        Power::Start => SagaKind::InstanceStart,
        Power::Stop => SagaKind::InstanceStop,
        Power::Reboot => SagaKind::InstanceReboot,
        Power::Terminate => SagaKind::InstanceTerminate,
    };
    if power == Power::Terminate
        && let Some(id) = terminating(tx.state(), farm.id, ids)
    {
        // Asking twice is asking once.
        return Ok(Outcome { instances: ids.to_vec(), operation: Some(id), ..outcome(ids[0]) });
    }
    let operation = instance_run::operation(tx, saga, &farm, ids.to_vec(), ids.len() as u32);
    match power {
        Power::Start => start(tx, &rows, decisions)?,
        Power::Stop => {
            for row in &rows {
                instance_run::set(tx, row.id, InstanceState::Stopping, None);
            }
        }
        Power::Reboot | Power::Terminate => {}
    }
    let kind = match power {
        Power::Start => "instance.starting",
        Power::Stop => "instance.stopping",
        Power::Reboot => "instance.rebooting",
        Power::Terminate => "instance.terminating",
    };
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        ..told(kind, ids[0], format!("{} instances of farm {}", ids.len(), farm.name))
    });
    let operation = saga::begin(tx, operation, Answer::Nothing);
    if power == Power::Terminate {
        cancel_runs(tx, farm.id, operation, ids);
    }
    let decisions = decisions.iter().map(|decision| decision.id).collect();
    Ok(Outcome { instances: ids.to_vec(), operation: Some(operation), decisions, ..outcome(ids[0]) })
}

fn terminating(state: &State, farm: FarmId, ids: &[InstanceId]) -> Option<cascina_core::id::OperationId> {
    state.indexes.operations_by_farm.of(&farm).find(|id| {
        state.rows.operations.get(id).is_some_and(|row| {
            row.saga == SagaKind::InstanceTerminate && ids.iter().all(|id| row.instances.contains(id))
        })
    })
}

/// Bringing up what is to be ended is undone, unless others come up with it.
fn cancel_runs(tx: &mut Tx<'_>, farm: FarmId, except: cascina_core::id::OperationId, ids: &[InstanceId]) {
    let operations: Vec<_> = tx.state().indexes.operations_by_farm.of(&farm).filter(|id| *id != except).collect();
    for id in operations {
        let moot =
            tx.state().rows.operations.get(&id).is_some_and(|row| {
                row.saga == SagaKind::InstanceRun && row.instances.iter().all(|id| ids.contains(id))
            });
        if moot {
            saga::cancel(tx, id);
        }
    }
}

fn start(tx: &mut Tx<'_>, rows: &[Arc<Instance>], decisions: &[Arc<Decision>]) -> Result<(), Setback> {
    if rows.len() != decisions.len() {
        return Err(Setback::Stale);
    }
    for (row, decision) in rows.iter().zip(decisions) {
        tx.decided(decision.clone());
        let Decided::Placed { hosts } = &decision.decided else {
            return Err(verdict::refusal(decision).map_or(Setback::Stale, Setback::Refused));
        };
        if row.host != hosts.first().copied() {
            return Err(Setback::Stale);
        }
        if !row.host.is_some_and(|host| instance_run::took(tx.state(), host, row.size_to_start())) {
            return Err(Setback::Stale);
        }
        let mut row = Instance::clone(row);
        row.set(InstanceState::Scheduled);
        row.decision = Some(decision.id);
        row.launched = tx.now;
        row.updated = tx.now;
        tx.put(row);
    }
    Ok(())
}

/// More of something than the instance has now.
fn more(state: &State, row: &Instance, change: &InstanceChange) -> Result<Option<(Item, Amounts)>, Refusal> {
    let Some(name) = change.flavor.as_ref().filter(|name| **name != row.flavor) else { return Ok(None) };
    let flavor = state.rows.flavors.get(name).filter(|flavor| !flavor.deprecated).ok_or_else(|| {
        let known: Vec<_> = state.rows.flavors.keys().map(ToString::to_string).collect();
        Refusal::invalid("flavor", name, format!("one of {}", known.join(", ")))
    })?;
    // Its disk stays as it is.
    let size = cascina_core::units::Size { disk: row.size.disk, ..flavor.size };
    let item = Item {
        name: row.name.clone(),
        flavor: name.clone(),
        class: row.class.clone(),
        image: row.image,
        size,
        min_count: 1,
        max_count: 1,
    };
    let more = Amounts::of_instances(size, 1).minus(Amounts::of_instances(row.size, 1));
    Ok(Some((item, more)))
}

pub fn change_questions(
    state: &State,
    who: &Principal,
    id: InstanceId,
    change: &InstanceChange,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let row = find(state, who, id)?;
    let Some((item, wanted)) = more(state, &row, change)?.filter(|(_, more)| !more.is_zero()) else {
        return Ok(Vec::new());
    };
    let party = Party::of_farm(state, row.farm, who).ok_or_else(|| Refusal::not_found("farm", row.farm))?;
    let (verb, class) = ("resize-instance".into(), item.class.to_string());
    Ok(vec![(party, Question::CheckQuota { verb, class, wanted })])
}

/// Changes what was said at launch. Whether a host has room for another flavor shows when it is started.
pub fn change(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: InstanceId,
    change: &InstanceChange,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let row = find(tx.state(), who, id)?;
    let farm = usable_farm(tx.state(), who, row.farm)?;
    let mut row = Instance::clone(&row);
    if matches!(row.state, InstanceState::ShuttingDown | InstanceState::Terminated) {
        return Err(Refusal::Conflict(format!("instance {id} is {}", row.state.as_str())).into());
    }
    let (state, idle) = (row.state, !busy(tx.state(), &row));
    let stopped = |what: &str| match (state, idle) {
        (InstanceState::Stopped, true) => Ok(()),
        (state, _) => {
            let state = state.as_str();
            Err(Refusal::Conflict(format!("instance {id} is {state}; its {what} changes only while it is stopped")))
        }
    };
    let resized = more(tx.state(), &row, change)?;
    if let Some((item, wanted)) = resized {
        stopped("flavor")?;
        if !wanted.is_zero() {
            let [checked] = decisions else { return Err(Setback::Stale) };
            verdict::refusal(checked).map_or(Ok(()), Err)?;
            let tenant = super::tenant::active(tx.state(), farm.tenant)?;
            tx.state().check_quota(&tenant, &[(Some(row.class.clone()), wanted)], tx.now)?;
        }
        row.size = item.size;
        row.flavor = item.flavor;
    }
    if let Some(bytes) = &change.user_data {
        stopped("user-data")?;
        if bytes.len() > MOST_USER_DATA {
            return Err(Refusal::invalid("user_data", "…", format!("at most {MOST_USER_DATA} bytes")).into());
        }
        match bytes.is_empty() {
            true => tx.remove(cascina_core::state::Key::UserData(id)),
            false => tx.put(UserData { instance: id, farm: row.farm, bytes: Bytes(bytes.clone()) }),
        }
    }
    for (device, ends) in &change.delete_on_termination {
        let volumes = tx.state().indexes.volumes_by_instance.of(&id).filter_map(|id| tx.state().rows.volumes.get(&id));
        let held = |row: &&Arc<cascina_core::volume::Volume>| {
            row.attachment.as_ref().is_some_and(|held| held.device == *device)
        };
        let volume = volumes.into_iter().find(held).cloned();
        let volume = volume.ok_or_else(|| Refusal::invalid("device", device, "the device of an attached volume"))?;
        let mut volume = cascina_core::volume::Volume::clone(&volume);
        if let Some(held) = &mut volume.attachment {
            held.delete_on_termination = *ends;
        }
        tx.put(volume);
    }
    let moved = change.groups.is_some();
    if let Some(groups) = &change.groups {
        if groups.is_empty() {
            return Err(Refusal::invalid("groups", "[]", "at least one security group").into());
        }
        row.groups = security_group::chosen(tx.state(), &farm, groups)?;
    }
    row.terminate_protected = change.terminate_protected.unwrap_or(row.terminate_protected);
    row.stop_protected = change.stop_protected.unwrap_or(row.stop_protected);
    row.on_shutdown = change.on_shutdown.unwrap_or(row.on_shutdown);
    row.metadata = row.metadata.with(&change.metadata);
    row.updated = tx.now;
    tx.put(row);
    let text = format!("instance of farm {}", farm.name);
    let told = Told { tenant: Some(farm.tenant), farm: Some(farm.id), ..told("instance.changed", id, text) };
    let operation = if moved {
        firewall_apply::changed(tx, &farm, told)
    } else {
        tx.tell(told);
        None
    };
    let decisions = decisions.iter().map(|decision| decision.id).collect();
    Ok(Outcome { operation, decisions, ..outcome(id) })
}
