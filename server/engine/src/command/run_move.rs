//! One move of a plan: checked again, begun by the same commands that people have, and noted in the plan, all
//! in one transaction.

use std::sync::Arc;

use cascina_core::command::{Outcome, Power};
use cascina_core::decision::{Decided, Decision, PlacementQuestion, Question};
use cascina_core::farm::Farm;
use cascina_core::host::{Host, HostState};
use cascina_core::id::{HostId, InstanceId, OperationId, PlanId, RouterId};
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::launch::InstanceChange;
use cascina_core::network::VRouter;
use cascina_core::operation::SagaKind;
use cascina_core::plan::{Move, MoveState, Plan, PlanState, Step};
use cascina_core::planning::check_now;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_core::upkeep::Switch;

use super::plan::set_upkeep;
use super::{Setback, admin, farm, host, instance, migrate, outcome, rebuild, told, usable_farm};
use crate::plans::Busy;
use crate::saga::{self, Answer, instance_run};
use crate::tx::{Told, Tx};
use crate::verdict::{self, Party};

fn find(state: &State, plan: PlanId, index: u32) -> Result<(Arc<Plan>, Move), Refusal> {
    let plan = state.rows.plans.get(&plan).cloned().ok_or_else(|| Refusal::not_found("plan", plan))?;
    let one = plan.moves.get(index as usize).cloned();
    let one = one.ok_or_else(|| Refusal::not_found("move", index))?;
    Ok((plan, one))
}

/// It is given up notice, and its time has not come.
fn noticed(one: &Move) -> bool {
    one.state == MoveState::Running && one.operation.is_none() && matches!(one.step, Step::Reclaim { .. })
}

pub fn questions(state: &State, who: &Principal, plan: PlanId, index: u32) -> Result<Vec<(Party, Question)>, Refusal> {
    let (plan, one) = find(state, plan, index)?;
    if !plan.state.is_active() || !(one.state == MoveState::Waiting || noticed(&one)) {
        return Ok(Vec::new());
    }
    let forced = plan.trigger.is_forced();
    let name = |host: HostId| state.rows.hosts.get(&host).map(|row| row.name.clone());
    match &one.step {
        // Where it can go in an emergency is for placement to say when it goes.
        Step::Migrate { instance, to, .. } => {
            migrate::questions(state, who, *instance, to.filter(|_| !forced).and_then(name).as_ref())
        }
        Step::MoveRouter { router, from, to } => {
            let only = to.filter(|_| !forced).into_iter().collect();
            router_question(state, who, *router, *from, only)
        }
        Step::RebuildRouter { router, .. } => rebuild::questions(state, who, *router, None),
        Step::Restart { instance, from } => restart_question(state, who, *instance, *from),
        Step::Reclaim { instance } if one.state == MoveState::Waiting && !forced => {
            victims_question(state, who, &plan, *instance)
        }
        Step::Resize { instance, size } => {
            let change = resized(state, *instance, size)?;
            instance::change_questions(state, who, *instance, &change)
        }
        Step::Reclaim { .. }
        | Step::PowerOff { .. }
        | Step::PowerOn { .. }
        | Step::Evacuate { .. }
        | Step::Lend { .. }
        | Step::Recall { .. }
        | Step::Expire { .. } => Ok(Vec::new()),
    }
}

fn router_question(
    state: &State,
    who: &Principal,
    id: RouterId,
    from: HostId,
    only: Vec<HostId>,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let row = state.rows.routers.get(&id).ok_or_else(|| Refusal::not_found("router", id))?;
    idle_farm(state, who, row)?;
    let party = Party::of_farm(state, row.farm, who).ok_or_else(|| Refusal::not_found("farm", row.farm))?;
    let question = PlacementQuestion {
        router: true,
        flavor: "router".into(),
        image: None,
        class: row.class.clone(),
        size: row.size,
        count: 1,
        cause: "evacuate".into(),
        only,
        avoid: vec![from],
        taken: Vec::new(),
        reserved: Vec::new(),
    };
    Ok(vec![(party, Question::Place(question))])
}

fn idle_farm(state: &State, who: &Principal, row: &VRouter) -> Result<Arc<Farm>, Refusal> {
    let farm = usable_farm(state, who, row.farm)?;
    if state.indexes.operations_by_farm.of(&farm.id).next().is_some() {
        return Err(Refusal::Busy(format!("farm {} is busy with another operation", farm.name)));
    }
    Ok(farm)
}

fn restart_question(
    state: &State,
    who: &Principal,
    id: InstanceId,
    from: HostId,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let row = instance::find(state, who, id)?;
    if instance::busy(state, &row) {
        return Err(Refusal::Busy(format!("instance {id} is busy with another operation")));
    }
    let party = Party::of_farm(state, row.farm, who).ok_or_else(|| Refusal::not_found("farm", row.farm))?;
    let question = PlacementQuestion {
        router: false,
        flavor: row.flavor.to_string(),
        image: Some(row.image),
        class: row.class.clone(),
        size: row.size,
        count: 1,
        cause: "evacuate".into(),
        only: Vec::new(),
        avoid: vec![from],
        taken: Vec::new(),
        reserved: Vec::new(),
    };
    Ok(vec![(party, Question::Place(question))])
}

/// The borrower may offer another of its instances on hosts of the same share.
fn victims_question(
    state: &State,
    who: &Principal,
    plan: &Plan,
    id: InstanceId,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let row = instance::find(state, who, id)?;
    let Some(share) = row.host.and_then(|host| state.rows.hosts.get(&host)).map(|host| host.share) else {
        return Ok(Vec::new());
    };
    let party = Party::of_farm(state, row.farm, who).ok_or_else(|| Refusal::not_found("farm", row.farm))?;
    let named: std::collections::BTreeSet<_> = plan.moves.iter().filter_map(|one| one.step.guest()).collect();
    let there = |host: &HostId| state.rows.hosts.get(host).is_some_and(|host| host.share == share);
    let farms = state.indexes.farms_by_tenant.of(&row.tenant);
    let own = farms.flat_map(|farm| state.indexes.instances_by_farm.with(&farm).cloned().collect::<Vec<_>>());
    let instances = own.filter(|other| {
        let own = other.id == id || !named.contains(&cascina_core::state::Guest::Instance(other.id));
        own && other.state == InstanceState::Running
            && other.host.as_ref().is_some_and(there)
            && !other.stop_protected
            && !instance::busy(state, other)
    });
    let instances: Vec<_> = instances.map(|other| other.id).collect();
    let deadline = plan.updated.plus_ms(state.site().rules.notice_ms);
    let question = Question::ChooseVictims { share, size: row.size, deadline, instances };
    Ok(vec![(party, question)])
}

fn resized(state: &State, id: InstanceId, size: &cascina_core::decision::Amounts) -> Result<InstanceChange, Refusal> {
    let fits = |flavor: &&Arc<cascina_core::flavor::Flavor>| {
        !flavor.deprecated && flavor.size.vcpus.0 == size.vcpus && flavor.size.memory.0 == size.memory_mib
    };
    let flavor = state.rows.flavors.values().find(fits).map(|flavor| flavor.name.clone());
    let flavor = flavor.ok_or_else(|| {
        let asked = format!("{} vCPUs, {} MiB", size.vcpus, size.memory_mib);
        Refusal::invalid("size", asked, format!("the size of a flavor, for instance {id}"))
    })?;
    Ok(InstanceChange { flavor: Some(flavor), ..InstanceChange::default() })
}

/// What a move that was begun leaves in its plan.
struct Begun {
    operation: Option<OperationId>,
    /// It is done already.
    done: bool,
    note: Option<String>,
    /// It is about another instance than was proposed.
    step: Option<Step>,
}

impl Begun {
    fn operation(operation: Option<OperationId>) -> Begun {
        Begun { operation, done: operation.is_none(), note: None, step: None }
    }
}

pub fn run(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: PlanId,
    index: u32,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    admin(who, "carry plans out")?;
    let (plan, one) = find(tx.state(), id, index)?;
    let second = noticed(&one);
    if !plan.state.is_active() || !(one.state == MoveState::Waiting || second) {
        // Asking twice is asking once.
        return Ok(outcome(id));
    }
    let (forced, rules) = (plan.trigger.is_forced(), tx.state().site().rules.clone());
    if !second {
        if !plan.is_due(index) {
            return Err(Refusal::Busy(format!("move {index} of {id} waits for others")).into());
        }
        if !Busy::of(tx.state()).allows(&rules, &one.step) {
            return Err(Refusal::Busy("as much is under way as the site allows".into()).into());
        }
    }
    check_now(tx.state(), tx.now, &rules, &one.step, forced).map_err(|(_, text)| Refusal::Conflict(text))?;
    let begun = begin(tx, who, &one, second, decisions)?;
    let mut plan = Plan { state: PlanState::Executing, updated: tx.now, ..Plan::clone(&plan) };
    let now = tx.now;
    let Some(one) = plan.moves.get_mut(index as usize) else { return Err(Setback::Stale) };
    one.state = if begun.done { MoveState::Done } else { MoveState::Running };
    one.operation = begun.operation;
    one.note = begun.note;
    one.updated = now;
    if let Some(step) = begun.step {
        one.step = step;
    }
    let text = format!("move {index}: {} {}: {}", one.step.as_str(), one.step.subject(), one.state.as_str());
    tx.put(plan);
    tx.tell(Told { operation: begun.operation, ..told("plan.move", id, text) });
    Ok(Outcome { operation: begun.operation, ..outcome(id) })
}

fn begin(
    tx: &mut Tx<'_>,
    who: &Principal,
    one: &Move,
    second: bool,
    decisions: &[Arc<Decision>],
) -> Result<Begun, Setback> {
    match &one.step {
        Step::Migrate { instance, .. } => {
            Ok(Begun::operation(migrate::migrate(tx, who, *instance, decisions)?.operation))
        }
        Step::MoveRouter { router, from, .. } => move_router(tx, who, *router, *from, decisions),
        Step::RebuildRouter { router, .. } => {
            Ok(Begun::operation(rebuild::rebuild(tx, who, *router, decisions)?.operation))
        }
        Step::Restart { instance, from } => restart(tx, who, *instance, *from, decisions),
        Step::Reclaim { instance } if second || tx.state().site().rules.notice_ms == 0 => {
            let stopped = instance::power(tx, who, &[*instance], Power::Stop, &[])?;
            Ok(Begun::operation(stopped.operation))
        }
        Step::Reclaim { instance } => notice(tx, *instance, decisions),
        Step::Resize { instance, size } => {
            let change = resized(tx.state(), *instance, size)?;
            instance::change(tx, who, *instance, &change, decisions)?;
            Ok(Begun::operation(None))
        }
        Step::PowerOff { host } => power(tx, *host, Switch::Off),
        Step::PowerOn { host } => power(tx, *host, Switch::On),
        Step::Evacuate { .. } => Err(Refusal::Conflict("it was not taken apart when the plan was made".into()).into()),
        Step::Lend { share } => {
            host::recall(tx, who, *share, false)?;
            Ok(Begun::operation(None))
        }
        Step::Recall { share } => {
            host::recall(tx, who, *share, true)?;
            Ok(Begun::operation(None))
        }
        Step::Expire { farm } => {
            let deleted = farm::delete(tx, who, *farm)?;
            Ok(Begun::operation(deleted.operation))
        }
    }
}

/// The host that a placement decision gives, if it still has room.
fn placed(
    tx: &Tx<'_>,
    decisions: &[Arc<Decision>],
    size: cascina_core::units::Size,
) -> Result<(HostId, Arc<Decision>), Setback> {
    let [decision] = decisions else { return Err(Setback::Stale) };
    let Decided::Placed { hosts } = &decision.decided else {
        return Err(verdict::refusal(decision).map_or(Setback::Stale, Setback::Refused));
    };
    let to = *hosts.first().ok_or(Setback::Stale)?;
    if !instance_run::took(tx.state(), to, size) {
        return Err(Setback::Stale);
    }
    Ok((to, decision.clone()))
}

fn move_router(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: RouterId,
    from: HostId,
    decisions: &[Arc<Decision>],
) -> Result<Begun, Setback> {
    let row = tx.state().rows.routers.get(&id).cloned().ok_or_else(|| Refusal::not_found("router", id))?;
    let farm = idle_farm(tx.state(), who, &row)?;
    let (to, decision) = placed(tx, decisions, row.size)?;
    if to == from {
        return Err(Setback::Stale);
    }
    let operation = instance_run::operation(tx, SagaKind::RouterMove, &farm, Vec::new(), 0);
    tx.put(VRouter { bound_for: Some(to), updated: tx.now, ..VRouter::clone(&row) });
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        decision: Some(decision.id),
        ..told("router.moving", id, format!("router of farm {} goes to another host", farm.name))
    });
    Ok(Begun::operation(Some(saga::begin(tx, operation, Answer::Nothing))))
}

fn restart(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: InstanceId,
    from: HostId,
    decisions: &[Arc<Decision>],
) -> Result<Begun, Setback> {
    let row = instance::find(tx.state(), who, id)?;
    if instance::busy(tx.state(), &row) {
        return Err(Refusal::Busy(format!("instance {id} is busy with another operation")).into());
    }
    let farm = usable_farm(tx.state(), who, row.farm)?;
    let (to, decision) = placed(tx, decisions, row.size)?;
    if to == from {
        return Err(Setback::Stale);
    }
    let operation = instance_run::operation(tx, SagaKind::InstanceRestart, &farm, vec![id], 1);
    tx.put(Instance {
        bound_for: Some(to),
        decision: Some(decision.id),
        operation: Some(operation.id),
        updated: tx.now,
        ..Instance::clone(&row)
    });
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        decision: Some(decision.id),
        ..told("instance.restarting", id, format!("instance {} starts elsewhere: its host is lost", row.name))
    });
    Ok(Begun::operation(Some(saga::begin(tx, operation, Answer::Nothing))))
}

/// Its tenant hears of it in time, and may have offered another one.
fn notice(tx: &mut Tx<'_>, id: InstanceId, decisions: &[Arc<Decision>]) -> Result<Begun, Setback> {
    let mut victim = id;
    if let [decision] = decisions {
        tx.decided(decision.clone());
        if let Decided::Victims { instances } = &decision.decided {
            let size = |id: &InstanceId| tx.state().rows.instances.get(id).map(|row| row.size);
            let wanted = size(&id);
            // One that gives back at least as much.
            let enough = |other: &&InstanceId| {
                size(other)
                    .zip(wanted)
                    .is_some_and(|(other, wanted)| other.vcpus >= wanted.vcpus && other.memory >= wanted.memory)
            };
            victim = instances.iter().find(enough).copied().unwrap_or(id);
        }
    }
    let row = tx.state().rows.instances.get(&victim).cloned().ok_or(Setback::Stale)?;
    let at = tx.now.plus_ms(tx.state().site().rules.notice_ms);
    let minutes = (at.0 - tx.now.0).div_ceil(60_000);
    let text = format!("instance {} is stopped in {minutes} minutes: its capacity is wanted back", row.name);
    let note = Some(format!("notice given; it is stopped {minutes} minutes later"));
    tx.tell(Told { tenant: Some(row.tenant), farm: Some(row.farm), ..told("instance.notice", victim, text) });
    let step = (victim != id).then_some(Step::Reclaim { instance: victim });
    Ok(Begun { operation: None, done: false, note, step })
}

fn power(tx: &mut Tx<'_>, id: HostId, switch: Switch) -> Result<Begun, Setback> {
    let row = tx.state().rows.hosts.get(&id).cloned().ok_or_else(|| Refusal::not_found("host", id))?;
    let off = switch == Switch::Off;
    if off && tx.state().indexes.guests_by_host.of(&id).next().is_some() {
        return Err(Refusal::Conflict(format!("guests are on host {}", row.name)).into());
    }
    let now = tx.now;
    // Nothing is switched in a simulation.
    let pending = (!row.is_simulated()).then_some(switch);
    set_upkeep(tx, id, |upkeep| {
        upkeep.off = off.then_some(now);
        upkeep.switch = pending;
    });
    let (state, kind, word) = match (off, pending) {
        (true, _) => (HostState::Maintenance, "host.off", "is switched off"),
        (false, None) => (HostState::Up, "host.on", "is switched on"),
        // It is up when it answers.
        (false, Some(_)) => (HostState::Down, "host.on", "is switched on"),
    };
    let note = Some(format!("{word} by a plan"));
    tx.put(Host { state, note, updated: now, ..Host::clone(&row) });
    tx.tell(told(kind, &row.name, format!("host {} {word}", row.name)));
    Ok(Begun::operation(None))
}
