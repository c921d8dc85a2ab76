//! Brings instances up on hosts that placement has chosen. The farm's creation uses the same parts.

use std::sync::Arc;

use cascina_core::decision::{Decided, Decision, PlacementQuestion, Question};
use cascina_core::farm::{Farm, Item};
use cascina_core::id::{DecisionId, HostId, InstanceId, OperationId, ReservationId, VolumeId};
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::ipam;
use cascina_core::launch::{Bytes, Launch, NewVolume, UserData};
use cascina_core::operation::{Operation, SagaKind};
use cascina_core::refusal::Refusal;
use cascina_core::state::{Guest, Key, State};
use cascina_core::tag::Resource;
use cascina_core::units::Size;
use cascina_core::volume::{Attachment, AttachmentState, Volume, VolumeState};

use super::{Answer, Saga, StepError, Work, executor, firewall_apply, names_apply, site_calls};
use crate::command::{key_pair, security_group, tag, volume};
use crate::tx::Tx;
use crate::verdict;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Stage,
    Boot,
    Finish,
}

pub struct InstanceRun;

impl Saga for InstanceRun {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Finish;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Stage, "stage"), (Step::Boot, "boot"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::Stage => site_calls::for_instances(state, &operation.instances, |row| site_calls::stage(state, row)),
            Step::Boot => site_calls::boot(state, operation.farm, &operation.instances),
            Step::Finish => Ok(Work::Nothing),
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        match step {
            Step::Stage => staged(tx, operation, &answer),
            Step::Boot => booted(tx, operation, &answer),
            Step::Finish => Ok(None),
        }
    }

    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        match step {
            Step::Stage | Step::Boot => site_calls::destroy_instances(state, operation.farm, &operation.instances),
            Step::Finish => Work::Nothing,
        }
    }

    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        let why = operation.error.clone().unwrap_or_else(|| "could not be started".into());
        forget(tx, &operation.instances, &why);
    }
}

/// The placement question for a line of a shopping list.
pub fn question(item: &Item, only: &[HostId], cause: &str) -> Question {
    Question::Place(PlacementQuestion {
        router: false,
        flavor: item.flavor.to_string(),
        image: Some(item.image),
        class: item.class.clone(),
        size: item.size,
        count: item.max_count,
        cause: cause.into(),
        only: only.to_vec(),
        avoid: Vec::new(),
        taken: Vec::new(),
        reserved: Vec::new(),
    })
}

/// The server's own last word: is there still room on a host that takes guests?
pub fn took(state: &State, host: HostId, size: Size) -> bool {
    state
        .rows
        .hosts
        .get(&host)
        .is_some_and(|row| row.state.takes_guests() && (state.used_on(host) + size).fits_in(row.capacity))
}

/// Hosts that a decision gives for one line, if they are enough.
fn hosts(item: &Item, decision: &Decision) -> Result<Vec<HostId>, Refusal> {
    let hosts = match &decision.decided {
        Decided::Placed { hosts } => hosts,
        Decided::NoHost { placed } if item.min_count >= 1 && placed.len() as u32 >= item.min_count => placed,
        Decided::NoHost { placed } if item.min_count == 0 => placed,
        _ => {
            return Err(verdict::refusal(decision)
                .unwrap_or_else(|| Refusal::Conflict("the decision does not name a host".into())));
        }
    };
    Ok(hosts.clone())
}

/// Makes the rows of instances, one a host, each checked again against what is true now.
pub fn place_items(
    tx: &mut Tx<'_>,
    farm: &Farm,
    operation: &Operation,
    items: &[Item],
    decisions: &[Arc<Decision>],
    launch: &Launch,
) -> Result<Vec<InstanceId>, StepError> {
    let mut made = Vec::new();
    for decision in decisions {
        tx.decided(decision.clone());
    }
    for (item, decision) in items.iter().zip(decisions) {
        let hosts = hosts(item, decision)?;
        let reservation = ReservationId(tx.number());
        for (i, host) in hosts.iter().enumerate() {
            if !took(tx.state(), *host, item.size) {
                return Err(StepError::Stale);
            }
            let name = if item.max_count == 1 { item.name.to_string() } else { format!("{}-{}", item.name, i + 1) };
            let place = Seat { host: *host, decision: decision.id, reservation, launch_index: i as u32 };
            made.push(new_instance(tx, farm, operation.id, item, &name, place, launch)?);
        }
    }
    let on = made.iter().filter_map(|id| tx.state().rows.instances.get(id)).filter_map(|row| row.host).collect();
    firewall_apply::members_changed(tx, farm, &on);
    if !made.is_empty() {
        names_apply::changed(tx, farm.id);
    }
    Ok(made)
}

/// Where an instance goes, and its place in the request.
struct Seat {
    host: HostId,
    decision: DecisionId,
    reservation: ReservationId,
    launch_index: u32,
}

fn new_instance(
    tx: &mut Tx<'_>,
    farm: &Farm,
    operation: OperationId,
    item: &Item,
    name: &str,
    seat: Seat,
    launch: &Launch,
) -> Result<InstanceId, StepError> {
    let network = site_calls::network(tx.state(), farm.id)?.clone();
    let taken = tx.state().indexes.guest_ips.range((farm.id, network.cidr.network())..);
    let taken = taken.take_while(|(of, _)| *of == farm.id).map(|(_, ip)| *ip);
    let ip = ipam::free_guest_address(network.cidr, taken).ok_or(Refusal::Exhausted("address in the farm's subnet"))?;
    let groups = security_group::chosen(tx.state(), farm, &launch.groups)?;
    let key = key_pair::chosen(tx.state(), farm.id, launch.key)?;
    let id = InstanceId(tx.number());
    let name = name.parse().map_err(|_| StepError::Final(format!("`{name}` is too long for a name")))?;
    tx.put(Instance {
        id,
        farm: farm.id,
        tenant: farm.tenant,
        name,
        flavor: item.flavor.clone(),
        image: item.image,
        class: item.class.clone(),
        size: item.size,
        state: InstanceState::Scheduled,
        powered: true,
        note: None,
        host: Some(seat.host),
        bound_for: None,
        ip,
        mac: network.mac(ip),
        decision: Some(seat.decision),
        operation: Some(operation),
        reservation: seat.reservation,
        launch_index: seat.launch_index,
        groups,
        key,
        terminate_protected: launch.terminate_protected,
        stop_protected: launch.stop_protected,
        on_shutdown: launch.on_shutdown,
        metadata: launch.metadata,
        client_token: launch.client_token.clone(),
        launched: tx.now,
        created: tx.now,
        updated: tx.now,
    });
    if let Some(bytes) = &launch.user_data {
        tx.put(UserData { instance: id, farm: farm.id, bytes: Bytes(bytes.clone()) });
    }
    tag::put(tx, farm, Resource::Instance(id), &launch.tags)?;
    tag::put(tx, farm, Resource::Volume(VolumeId(id.0)), &launch.volume_tags)?;
    for wanted in &launch.volumes {
        new_volume(tx, farm, operation, item, id, wanted, launch)?;
    }
    Ok(id)
}

/// A volume that is made with its instance.
fn new_volume(
    tx: &mut Tx<'_>,
    farm: &Farm,
    operation: OperationId,
    item: &Item,
    instance: InstanceId,
    wanted: &NewVolume,
    launch: &Launch,
) -> Result<(), StepError> {
    let size = volume::size(tx.state(), farm.id, &item.class, wanted.size, wanted.snapshot)?;
    volume::room(tx.state(), &item.class, size)?;
    let id = VolumeId(tx.number());
    tx.put(Volume {
        id,
        farm: farm.id,
        tenant: farm.tenant,
        class: item.class.clone(),
        size,
        kind: wanted.kind,
        pace: wanted.pace,
        snapshot: wanted.snapshot,
        state: VolumeState::Creating,
        attachment: Some(Attachment {
            instance,
            device: wanted.device.clone(),
            state: AttachmentState::Attaching,
            delete_on_termination: wanted.delete_on_termination,
            since: tx.now,
        }),
        modified: None,
        note: None,
        operation: Some(operation),
        created: tx.now,
        updated: tx.now,
    });
    tag::put(tx, farm, Resource::Volume(id), &launch.volume_tags)?;
    Ok(())
}

/// The volumes of an instance that go with it: those that are marked so, and those that never were ready.
pub fn ending_with(state: &State, id: InstanceId) -> Vec<Volume> {
    let rows = state.indexes.volumes_by_instance.of(&id).filter_map(|id| state.rows.volumes.get(&id));
    let ends = |row: &&Arc<Volume>| {
        row.state == VolumeState::Creating || row.attachment.as_ref().is_some_and(|held| held.delete_on_termination)
    };
    rows.filter(ends).map(|row| Volume::clone(row)).collect()
}

/// An instance that came up has its volumes.
fn volumes_came(tx: &mut Tx<'_>, id: InstanceId) {
    let ids: Vec<_> = tx.state().indexes.volumes_by_instance.of(&id).collect();
    for id in ids {
        let row = tx.state().rows.volumes.get(&id).filter(|row| row.state == VolumeState::Creating).cloned();
        if let Some(row) = row {
            let mut row = Volume::clone(&row);
            row.state = VolumeState::Ready;
            row.updated = tx.now;
            if let Some(held) = &mut row.attachment {
                held.state = AttachmentState::Attached;
            }
            tx.put(row);
        }
    }
}

/// Volumes go with their instance, or stay behind without it.
fn part_from_volumes(tx: &mut Tx<'_>, id: InstanceId) {
    for volume in ending_with(tx.state(), id) {
        super::volume::forget(tx, volume.id);
    }
    let left: Vec<_> = tx.state().indexes.volumes_by_instance.of(&id).collect();
    for id in left {
        if let Some(row) = tx.state().rows.volumes.get(&id).map(|row| Volume::clone(row)) {
            tx.put(Volume { attachment: None, updated: tx.now, ..row });
        }
    }
}

pub fn staged(tx: &mut Tx<'_>, operation: &mut Operation, answer: &Answer) -> Result<Option<String>, StepError> {
    enough(tx, operation, answer, InstanceState::Staging)
}

pub fn booted(tx: &mut Tx<'_>, operation: &mut Operation, answer: &Answer) -> Result<Option<String>, StepError> {
    let noted = enough(tx, operation, answer, InstanceState::Running)?;
    for id in operation.instances.clone() {
        volumes_came(tx, id);
    }
    Ok(noted)
}

/// Goes on with those that worked if they are enough; the others are cleaned away on their own.
fn enough(
    tx: &mut Tx<'_>,
    operation: &mut Operation,
    answer: &Answer,
    state: InstanceState,
) -> Result<Option<String>, StepError> {
    let Answer::Errands(errands) = answer else { return Ok(None) };
    let mut lost = Vec::new();
    for (errand, result) in errands {
        match (result, errand.guest) {
            (Ok(_), _) => {}
            (Err(error), _) if error.is_passing() && attempts_left(operation) => {
                return Err(StepError::Passing(error.to_string()));
            }
            (Err(error), Some(Guest::Instance(id))) => lost.push((id, error.to_string())),
            (Err(error), _) => return Err(StepError::Final(error.to_string())),
        }
    }
    let kept: Vec<_> =
        operation.instances.iter().copied().filter(|id| !lost.iter().any(|(lost, _)| lost == id)).collect();
    if let Some((_, error)) = lost.first()
        && (kept.len() < operation.min_count as usize || kept.is_empty())
    {
        return Err(StepError::Final(error.clone()));
    }
    for id in &kept {
        set(tx, *id, state, None);
    }
    if lost.is_empty() {
        return Ok(None);
    }
    for (id, error) in &lost {
        set(tx, *id, InstanceState::Error, Some(error.clone()));
    }
    let note = format!("{} of {} came up", kept.len(), operation.instances.len());
    operation.instances = kept;
    let cleanup = super::instance_terminate::operation(tx, operation, lost.into_iter().map(|(id, _)| id).collect());
    executor::begin(tx, cleanup, Answer::Nothing);
    Ok(Some(note))
}

/// A passing error is worth waiting for as long as the executor would.
fn attempts_left(operation: &Operation) -> bool {
    operation.current().is_some_and(|record| record.attempts + 1 < 5)
}

pub fn set(tx: &mut Tx<'_>, id: InstanceId, state: InstanceState, note: Option<String>) {
    if let Some(mut row) = tx.state().rows.instances.get(&id).map(|row| Instance::clone(row)) {
        row.set(state);
        row.note = note;
        row.updated = tx.now;
        tx.put(row);
    }
}

/// Nothing of these is left on any host: they are over.
pub fn forget(tx: &mut Tx<'_>, instances: &[InstanceId], why: &str) {
    let first = instances.iter().find_map(|id| tx.state().rows.instances.get(id).filter(|row| row.is_live()));
    let Some(farm) = first.map(|row| row.farm) else { return };
    firewall_apply::bump(tx, farm);
    for id in instances {
        if tx.state().rows.instances.get(id).is_some_and(|row| row.is_live()) {
            set(tx, *id, InstanceState::Terminated, Some(why.into()));
            part_from_volumes(tx, *id);
            tx.remove(Key::UserData(*id));
        }
    }
    names_apply::changed(tx, farm);
}

/// An operation on instances of one farm.
pub fn operation(
    tx: &mut Tx<'_>,
    saga: SagaKind,
    farm: &Farm,
    instances: Vec<InstanceId>,
    min_count: u32,
) -> Operation {
    Operation {
        id: OperationId(tx.number()),
        saga,
        version: 0,
        tenant: Some(farm.tenant),
        farm: farm.id,
        instances,
        min_count,
        address: None,
        volume: None,
        snapshot: None,
        image: None,
        state: cascina_core::operation::OperationState::Running,
        steps: Vec::new(),
        cursor: 0,
        error: None,
        cancel: false,
        retry_at: None,
        actor: tx.actor.clone(),
        created: tx.now,
        updated: tx.now,
    }
}
