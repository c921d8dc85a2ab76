//! Volumes: create, attach, detach, resize, delete.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascina_core::command::Outcome;
use cascina_core::decision::{Amounts, Decision, Question};
use cascina_core::farm::Farm;
use cascina_core::id::{FarmId, InstanceId, SnapshotId, VolumeId};
use cascina_core::instance::InstanceState;
use cascina_core::launch::MOST_VOLUMES;
use cascina_core::name::Name;
use cascina_core::operation::{OperationState, SagaKind};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::snapshot::SnapshotState;
use cascina_core::state::State;
use cascina_core::tag::Resource;
use cascina_core::units::Gib;
use cascina_core::volume::{Attachment, AttachmentState, MOST_GIB, Modified, Pace, Volume, VolumeKind, VolumeState};

use super::{Setback, outcome, tag, told, usable_farm};
use crate::saga::{self, Answer, instance_run};
use crate::tx::{Told, Tx};
use crate::verdict::{self, Party};

pub struct Wanted<'a> {
    pub class: &'a Name,
    pub size: Option<Gib>,
    pub snapshot: Option<SnapshotId>,
    pub kind: VolumeKind,
    pub pace: Pace,
}

/// How large a volume is to be; one of a snapshot is at least as large as that.
pub fn size(
    state: &State,
    farm: FarmId,
    class: &Name,
    wanted: Option<Gib>,
    snapshot: Option<SnapshotId>,
) -> Result<Gib, Refusal> {
    let least = match snapshot {
        None => Gib(1),
        Some(id) => {
            let row = state.rows.snapshots.get(&id).filter(|row| row.farm == farm);
            let row = row.ok_or_else(|| Refusal::not_found("snapshot", id))?;
            if row.state != SnapshotState::Completed {
                return Err(Refusal::Conflict(format!("snapshot {id} is not completed")));
            }
            if row.class != *class {
                return Err(Refusal::invalid("class", class, format!("{}, where snapshot {id} lies", row.class)));
            }
            row.size
        }
    };
    let size = wanted.or(snapshot.map(|_| least)).ok_or_else(|| Refusal::invalid("size", "", "GiB, or a snapshot"))?;
    if size < least || size.0 > MOST_GIB {
        return Err(Refusal::invalid("size", size.0, format!("{} to {MOST_GIB} GiB", least.0)));
    }
    Ok(size)
}

/// Is there room in the store of a class?
pub fn room(state: &State, class: &Name, size: Gib) -> Result<(), Refusal> {
    let row = state.rows.classes.get(class).ok_or_else(|| {
        let known: Vec<_> = state.rows.classes.keys().map(Name::to_string).collect();
        Refusal::invalid("class", class, format!("one of {}", known.join(", ")))
    })?;
    if row.volumes == Gib::ZERO {
        let with = state.rows.classes.values().filter(|row| row.volumes > Gib::ZERO);
        let with: Vec<_> = with.map(|row| row.name.to_string()).collect();
        return Err(Refusal::invalid("class", class, format!("one with a volume store: {}", with.join(", "))));
    }
    if state.stored_in(class) + size > row.volumes {
        return Err(Refusal::Exhausted("room in the volume store of this class"));
    }
    Ok(())
}

fn check(party: Party, class: &Name, size: Gib) -> Vec<(Party, Question)> {
    let (verb, class) = ("create-volume".into(), class.to_string());
    vec![(party, Question::CheckQuota { verb, class, wanted: Amounts::of_disk(size) })]
}

pub fn questions(
    state: &State,
    who: &Principal,
    farm: FarmId,
    class: &Name,
    wanted: Option<Gib>,
    snapshot: Option<SnapshotId>,
) -> Result<Vec<(Party, Question)>, Refusal> {
    usable_farm(state, who, farm)?;
    let size = size(state, farm, class, wanted, snapshot)?;
    room(state, class, size)?;
    let party = Party::of_farm(state, farm, who).ok_or_else(|| Refusal::not_found("farm", farm))?;
    Ok(check(party, class, size))
}

/// What policies and limits say of so much more disk.
pub fn within_quota(
    state: &State,
    farm: &Farm,
    class: &Name,
    size: Gib,
    decisions: &[Arc<Decision>],
    now: cascina_core::units::Timestamp,
) -> Result<(), Setback> {
    let [checked] = decisions else { return Err(Setback::Stale) };
    verdict::refusal(checked).map_or(Ok(()), Err)?;
    let tenant = super::tenant::active(state, farm.tenant)?;
    state.check_quota(&tenant, &[(Some(class.clone()), Amounts::of_disk(size))], now)?;
    Ok(())
}

pub fn create(
    tx: &mut Tx<'_>,
    who: &Principal,
    farm: FarmId,
    wanted: &Wanted<'_>,
    tags: &BTreeMap<String, String>,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let farm = usable_farm(tx.state(), who, farm)?;
    let size = size(tx.state(), farm.id, wanted.class, wanted.size, wanted.snapshot)?;
    room(tx.state(), wanted.class, size)?;
    within_quota(tx.state(), &farm, wanted.class, size, decisions, tx.now)?;
    let id = VolumeId(tx.number());
    let operation = operation(tx, SagaKind::VolumeCreate, &farm, id, None);
    tx.put(Volume {
        id,
        farm: farm.id,
        tenant: farm.tenant,
        class: wanted.class.clone(),
        size,
        kind: wanted.kind,
        pace: wanted.pace,
        snapshot: wanted.snapshot,
        state: VolumeState::Creating,
        attachment: None,
        modified: None,
        note: None,
        operation: Some(operation.id),
        created: tx.now,
        updated: tx.now,
    });
    tag::put(tx, &farm, Resource::Volume(id), tags)?;
    let begun = begin(tx, &farm, operation, "volume.creating", format!("volume of {size}"));
    let decisions = decisions.iter().map(|decision| decision.id).collect();
    Ok(Outcome { decisions, ..begun })
}

fn operation(
    tx: &mut Tx<'_>,
    saga: SagaKind,
    farm: &Farm,
    volume: VolumeId,
    instance: Option<InstanceId>,
) -> cascina_core::operation::Operation {
    let mut operation = instance_run::operation(tx, saga, farm, instance.into_iter().collect(), 0);
    operation.volume = Some(volume);
    operation
}

fn begin(
    tx: &mut Tx<'_>,
    farm: &Farm,
    operation: cascina_core::operation::Operation,
    kind: &'static str,
    text: String,
) -> Outcome {
    let id = operation.volume.map(|id| id.to_string()).unwrap_or_default();
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        ..told(kind, &id, format!("{text} of farm {}", farm.name))
    });
    let operation = saga::begin(tx, operation, Answer::Nothing);
    Outcome { operation: Some(operation), ..outcome(id) }
}

fn find(state: &State, who: &Principal, id: VolumeId) -> Result<(Volume, Arc<Farm>), Refusal> {
    let row = state.rows.volumes.get(&id).filter(|row| who.sees(row.tenant));
    let row = Volume::clone(row.ok_or_else(|| Refusal::not_found("volume", id))?);
    let farm = usable_farm(state, who, row.farm)?;
    Ok((row, farm))
}

/// Nothing else is under way with it, which a snapshot would be.
fn idle(state: &State, volume: &Volume) -> Result<(), Refusal> {
    let copied = state.indexes.operations_by_farm.of(&volume.farm).any(|id| {
        let row = state.rows.operations.get(&id).filter(|row| row.state != OperationState::Stuck);
        row.is_some_and(|row| row.volume == Some(volume.id))
    });
    if copied || !volume.is_settled() {
        return Err(Refusal::Busy(format!("volume {} is busy with another operation", volume.id)));
    }
    stays(state, volume)
}

/// It does not go with an instance that is being terminated: of an operation that got stuck on one host,
/// nobody knows what it has removed on another.
pub fn stays(state: &State, volume: &Volume) -> Result<(), Refusal> {
    let Some(held) = volume.attachment.as_ref().filter(|held| held.delete_on_termination) else { return Ok(()) };
    let row = state.rows.instances.get(&held.instance).filter(|row| row.state == InstanceState::ShuttingDown);
    match row {
        Some(row) => Err(Refusal::Conflict(format!(
            "volume {} goes with instance {}, which is being terminated",
            volume.id, row.id
        ))),
        None => Ok(()),
    }
}

pub fn delete(tx: &mut Tx<'_>, who: &Principal, id: VolumeId) -> Result<Outcome, Refusal> {
    let (mut volume, farm) = find(tx.state(), who, id)?;
    if let Some(held) = &volume.attachment {
        return Err(Refusal::Conflict(format!("volume {id} is attached to {}; detach it first", held.instance)));
    }
    idle(tx.state(), &volume)?;
    let operation = operation(tx, SagaKind::VolumeDelete, &farm, id, None);
    volume.state = VolumeState::Deleting;
    save(tx, volume, &operation);
    Ok(begin(tx, &farm, operation, "volume.deleting", "volume".into()))
}

fn save(tx: &mut Tx<'_>, mut volume: Volume, operation: &cascina_core::operation::Operation) {
    volume.operation = Some(operation.id);
    volume.updated = tx.now;
    volume.note = None;
    tx.put(volume);
}

/// `/dev/sd[f-p]`, `/dev/vdb` and the like: what people write, kept as they wrote it.
pub fn check_device(device: &str) -> Result<(), Refusal> {
    let name = device.strip_prefix("/dev/").unwrap_or(device);
    let letters = name.strip_prefix("xvd").or_else(|| name.strip_prefix("sd")).or_else(|| name.strip_prefix("vd"));
    let letters = letters.map(|rest| rest.trim_end_matches(|c: char| c.is_ascii_digit()));
    let right =
        letters.is_some_and(|rest| (1..=2).contains(&rest.len()) && rest.bytes().all(|b| b.is_ascii_lowercase()));
    if right {
        Ok(())
    } else {
        Err(Refusal::invalid("device", device, "/dev/sdb to /dev/sdzz, /dev/vdb …, or xvdb …"))
    }
}

pub fn attach(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: VolumeId,
    instance: InstanceId,
    device: &str,
) -> Result<Outcome, Refusal> {
    let (mut volume, farm) = find(tx.state(), who, id)?;
    check_device(device)?;
    let row = tx.state().rows.instances.get(&instance).filter(|row| row.farm == farm.id && row.is_live()).cloned();
    let row = row.ok_or_else(|| Refusal::not_found("instance", instance))?;
    if let Some(held) = &volume.attachment {
        return Err(Refusal::Conflict(format!("volume {id} is already attached to {}", held.instance)));
    }
    if volume.state == VolumeState::Error {
        return Err(Refusal::Conflict(format!("volume {id} could not be made and can only be deleted")));
    }
    idle(tx.state(), &volume)?;
    if !matches!(row.state, InstanceState::Running | InstanceState::Stopped) {
        return Err(Refusal::Conflict(format!(
            "instance {instance} is {}; this needs one that runs or is stopped",
            row.state.as_str()
        )));
    }
    if super::instance::busy(tx.state(), &row) {
        return Err(Refusal::Busy(format!("instance {instance} is busy with another operation")));
    }
    if row.class != volume.class {
        let allowed = format!("an instance in class {}, where the volume lies", volume.class);
        return Err(Refusal::invalid("instance", instance, allowed));
    }
    let own: Vec<_> = tx.state().indexes.volumes_by_instance.of(&instance).collect();
    if own.len() >= MOST_VOLUMES {
        return Err(Refusal::Conflict(format!(
            "instance {instance} has {MOST_VOLUMES} volumes, the most there can be"
        )));
    }
    let taken = |id: &VolumeId| {
        let held = tx.state().rows.volumes.get(id).and_then(|row| row.attachment.clone());
        held.is_some_and(|held| held.device == device)
    };
    if own.iter().any(taken) || super::instance::ROOT_DEVICES.contains(&device) {
        return Err(Refusal::invalid("device", device, "a device that no other disk of the instance has"));
    }
    let operation = operation(tx, SagaKind::VolumeAttach, &farm, id, Some(instance));
    volume.attachment = Some(Attachment {
        instance,
        device: device.into(),
        state: AttachmentState::Attaching,
        delete_on_termination: false,
        since: tx.now,
    });
    save(tx, volume, &operation);
    Ok(begin(tx, &farm, operation, "volume.attaching", format!("volume to {instance} as {device}")))
}

pub fn detach(tx: &mut Tx<'_>, who: &Principal, id: VolumeId) -> Result<Outcome, Refusal> {
    let (mut volume, farm) = find(tx.state(), who, id)?;
    idle(tx.state(), &volume)?;
    let Some(held) = &mut volume.attachment else {
        return Err(Refusal::Conflict(format!("volume {id} is not attached to any instance")));
    };
    let instance = held.instance;
    if tx.state().rows.instances.get(&instance).is_some_and(|row| super::instance::busy(tx.state(), row)) {
        return Err(Refusal::Busy(format!("instance {instance} is busy with another operation")));
    }
    held.state = AttachmentState::Detaching;
    held.since = tx.now;
    let operation = operation(tx, SagaKind::VolumeDetach, &farm, id, Some(instance));
    save(tx, volume, &operation);
    Ok(begin(tx, &farm, operation, "volume.detaching", format!("volume from {instance}")))
}

pub fn resize_questions(
    state: &State,
    who: &Principal,
    id: VolumeId,
    wanted: Gib,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let (volume, farm) = find(state, who, id)?;
    let more = wanted.saturating_sub(volume.size);
    if more == Gib::ZERO {
        return Ok(Vec::new());
    }
    let party = Party::of_farm(state, farm.id, who).ok_or_else(|| Refusal::not_found("farm", farm.id))?;
    Ok(check(party, &volume.class, more))
}

pub fn resize(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: VolumeId,
    wanted: Gib,
    (kind, pace): (Option<VolumeKind>, Option<Pace>),
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let (mut volume, farm) = find(tx.state(), who, id)?;
    if wanted < volume.size || wanted.0 > MOST_GIB {
        return Err(Refusal::invalid("size", wanted.0, format!("{} to {MOST_GIB} GiB", volume.size.0)).into());
    }
    if volume.state == VolumeState::Error {
        return Err(Refusal::Conflict(format!("volume {id} could not be made and can only be deleted")).into());
    }
    idle(tx.state(), &volume)?;
    let more = wanted.saturating_sub(volume.size);
    if more > Gib::ZERO {
        room(tx.state(), &volume.class, more)?;
        within_quota(tx.state(), &farm, &volume.class, more, decisions, tx.now)?;
    }
    let Volume { size, kind: before, pace: so_far, .. } = volume;
    volume.modified = Some(Modified { size, kind: before, pace: so_far, begun: tx.now, ended: None });
    volume.kind = kind.unwrap_or(before);
    volume.pace = pace.unwrap_or(so_far);
    volume.size = wanted;
    volume.state = VolumeState::Resizing;
    let operation = operation(tx, SagaKind::VolumeResize, &farm, id, None);
    save(tx, volume, &operation);
    Ok(begin(tx, &farm, operation, "volume.resizing", format!("volume to {wanted}")))
}
