//! Snapshots of volumes and of the disks that instances boot from.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascina_core::command::Outcome;
use cascina_core::decision::{Amounts, Decision, Question};
use cascina_core::farm::Farm;
use cascina_core::id::{ImageId, InstanceId, OperationId, SnapshotId};
use cascina_core::image::ImageState;
use cascina_core::instance::InstanceState;
use cascina_core::name::Name;
use cascina_core::operation::{Operation, SagaKind};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::snapshot::{Disk, Snapshot, SnapshotState};
use cascina_core::state::State;
use cascina_core::tag::Resource;
use cascina_core::units::Gib;
use cascina_core::volume::VolumeState;

use super::{Setback, outcome, tag, told, usable_farm, volume};
use crate::saga::{self, Answer, instance_run};
use crate::tx::{Told, Tx};
use crate::verdict::Party;

/// A disk that can be copied now.
pub struct Found {
    pub farm: Arc<Farm>,
    pub class: Name,
    pub size: Gib,
    /// Has it now, and must not be moved or ended meanwhile.
    instance: Option<InstanceId>,
}

pub fn find_disk(state: &State, who: &Principal, disk: Disk) -> Result<Found, Refusal> {
    let found = match disk {
        Disk::Volume(id) => {
            let row = state.rows.volumes.get(&id).filter(|row| who.sees(row.tenant));
            let row = row.ok_or_else(|| Refusal::not_found("volume", id))?;
            if row.state != VolumeState::Ready || !row.is_settled() {
                let text = format!("volume {id} is not ready, or busy with another operation");
                let waits = row.state != VolumeState::Error;
                return Err(if waits { Refusal::Busy(text) } else { Refusal::Conflict(text) });
            }
            volume::stays(state, row)?;
            let instance = row.attachment.as_ref().map(|held| held.instance);
            Found { farm: usable_farm(state, who, row.farm)?, class: row.class.clone(), size: row.size, instance }
        }
        Disk::Root(id) => {
            let row = state.rows.instances.get(&id).filter(|row| who.sees(row.tenant) && row.is_live());
            let row = row.ok_or_else(|| Refusal::not_found("instance", id))?;
            if !matches!(row.state, InstanceState::Running | InstanceState::Stopped) {
                let now = row.state.as_str();
                return Err(Refusal::Conflict(format!(
                    "instance {id} is {now}; this needs one that runs or is stopped"
                )));
            }
            let (class, size) = (row.class.clone(), row.size.disk);
            Found { farm: usable_farm(state, who, row.farm)?, class, size, instance: Some(id) }
        }
        Disk::Copy(id) => {
            let row = state.rows.snapshots.get(&id).filter(|row| who.sees(row.tenant));
            let row = row.ok_or_else(|| Refusal::not_found("snapshot", id))?;
            return find_copied(state, usable_farm(state, who, row.farm)?, id);
        }
    };
    let busy = found
        .instance
        .and_then(|id| state.rows.instances.get(&id))
        .is_some_and(|row| super::instance::busy(state, row));
    if busy {
        return Err(Refusal::Busy("the instance that has the disk is busy with another operation".into()));
    }
    volume::room(state, &found.class, found.size)?;
    Ok(found)
}

/// A snapshot of which a farm is to have a copy; that it may is settled.
pub fn find_copied(state: &State, farm: Arc<Farm>, id: SnapshotId) -> Result<Found, Refusal> {
    let row = state.rows.snapshots.get(&id).ok_or_else(|| Refusal::not_found("snapshot", id))?;
    if row.state != SnapshotState::Completed {
        return Err(Refusal::Conflict(format!("snapshot {id} is not completed")));
    }
    volume::room(state, &row.class, row.size)?;
    Ok(Found { farm, class: row.class.clone(), size: row.size, instance: None })
}

/// What is asked before there is one more snapshot.
pub fn questions(state: &State, who: &Principal, found: &Found) -> Result<Vec<(Party, Question)>, Refusal> {
    let party = Party::of_farm(state, found.farm.id, who).ok_or_else(|| Refusal::not_found("farm", found.farm.id))?;
    let (verb, class) = ("create-snapshot".into(), found.class.to_string());
    Ok(vec![(party, Question::CheckQuota { verb, class, wanted: Amounts::of_disk(found.size) })])
}

/// A snapshot whose operation is still to begin.
pub struct Made {
    pub id: SnapshotId,
    pub farm: Arc<Farm>,
    pub operation: Operation,
}

pub fn make(
    tx: &mut Tx<'_>,
    found: Found,
    disk: Disk,
    description: &str,
    tags: &BTreeMap<String, String>,
    decisions: &[Arc<Decision>],
) -> Result<Made, Setback> {
    if description.chars().count() > 255 || description.chars().any(char::is_control) {
        return Err(Refusal::invalid("description", description, "at most 255 printable characters").into());
    }
    let Found { farm, class, size, instance } = found;
    volume::within_quota(tx.state(), &farm, &class, size, decisions, tx.now)?;
    let id = SnapshotId(tx.number());
    let mut operation = instance_run::operation(tx, SagaKind::SnapshotCreate, &farm, instance.into_iter().collect(), 0);
    operation.snapshot = Some(id);
    if let Disk::Volume(volume) = disk {
        operation.volume = Some(volume);
    }
    tx.put(Snapshot {
        id,
        farm: farm.id,
        tenant: farm.tenant,
        class,
        source: disk,
        size,
        description: description.into(),
        state: SnapshotState::Pending,
        note: None,
        operation: Some(operation.id),
        created: tx.now,
        updated: tx.now,
    });
    tag::put(tx, &farm, Resource::Snapshot(id), tags)?;
    Ok(Made { id, farm, operation })
}

/// Begins to copy; an image becomes available with it.
pub fn begin(tx: &mut Tx<'_>, made: Made, image: Option<ImageId>) -> OperationId {
    let Made { id, farm, mut operation } = made;
    operation.image = image;
    let text = format!("snapshot of farm {}", farm.name);
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        ..told("snapshot.creating", id, text)
    });
    saga::begin(tx, operation, Answer::Nothing)
}

pub fn create(
    tx: &mut Tx<'_>,
    who: &Principal,
    disk: Disk,
    description: &str,
    tags: &BTreeMap<String, String>,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let found = find_disk(tx.state(), who, disk)?;
    let made = make(tx, found, disk, description, tags, decisions)?;
    let id = made.id;
    let operation = begin(tx, made, None);
    let decisions = decisions.iter().map(|decision| decision.id).collect();
    Ok(Outcome { operation: Some(operation), decisions, ..outcome(id) })
}

pub fn delete(tx: &mut Tx<'_>, who: &Principal, id: SnapshotId) -> Result<Outcome, Refusal> {
    let row = tx.state().rows.snapshots.get(&id).filter(|row| who.sees(row.tenant));
    let mut row = Snapshot::clone(row.ok_or_else(|| Refusal::not_found("snapshot", id))?);
    let farm = usable_farm(tx.state(), who, row.farm)?;
    let images = tx.state().indexes.images_by_farm.of(&farm.id).filter_map(|id| tx.state().rows.images.get(&id));
    let image = images.into_iter().find(|image| image.snapshot == Some(id) && image.state != ImageState::Failed);
    if let Some(image) = image {
        return Err(Refusal::Conflict(format!("snapshot {id} is in use by image {}; deregister it first", image.id)));
    }
    if matches!(row.state, SnapshotState::Pending | SnapshotState::Deleting) {
        return Err(Refusal::Busy(format!("snapshot {id} is busy with another operation")));
    }
    let volumes = tx.state().indexes.volumes_by_farm.of(&farm.id).filter_map(|id| tx.state().rows.volumes.get(&id));
    let copied =
        |row: &&Arc<cascina_core::volume::Volume>| row.snapshot == Some(id) && row.state == VolumeState::Creating;
    if let Some(volume) = volumes.into_iter().find(copied) {
        return Err(Refusal::Conflict(format!("snapshot {id} is in use by volume {}, which is being made", volume.id)));
    }
    let copied = |row: &&Arc<Snapshot>| row.source == Disk::Copy(id) && row.state == SnapshotState::Pending;
    if let Some(copy) = tx.state().rows.snapshots.values().find(copied) {
        return Err(Refusal::Conflict(format!("snapshot {id} is in use by its copy {}, which is being made", copy.id)));
    }
    // Images that could not be made of it are worth nothing.
    let failed = tx.state().indexes.images_by_farm.of(&farm.id);
    let failed: Vec<_> =
        failed.filter(|image| tx.state().rows.images.get(image).is_some_and(|row| row.snapshot == Some(id))).collect();
    for image in failed {
        tag::forget(tx, farm.id, Resource::Image(image));
        tx.remove(cascina_core::state::Key::Image(image));
    }
    let mut operation = instance_run::operation(tx, SagaKind::SnapshotDelete, &farm, Vec::new(), 0);
    operation.snapshot = Some(id);
    row.state = SnapshotState::Deleting;
    row.operation = Some(operation.id);
    row.updated = tx.now;
    tx.put(row);
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        ..told("snapshot.deleting", id, format!("snapshot of farm {}", farm.name))
    });
    let operation = saga::begin(tx, operation, Answer::Nothing);
    Ok(Outcome { operation: Some(operation), ..outcome(id) })
}
