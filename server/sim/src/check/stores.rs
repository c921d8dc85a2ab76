//! Volume stores and rows say the same, in moments of rest, and guests have the volumes that rows say.
//!
//! What belongs to a farm with a stuck operation waits for a person and is not judged.

use cascina_core::id::{FarmId, VolumeId};
use cascina_core::instance::InstanceState;
use cascina_core::snapshot::SnapshotState;
use cascina_core::state::{Guest, State};
use cascina_core::volume::{Volume, VolumeState};
use cascina_drivers::sim::World;

use super::{quiet, verdict};

pub fn check(state: &State, world: &World) -> Result<(), String> {
    let mut found = Vec::new();
    let mut say = |text: String| found.push(text);
    leftovers(state, world, &mut say);
    for row in state.rows.volumes.values().filter(|row| quiet(state, row.farm)) {
        volume(state, world, row, &mut say);
    }
    for row in state.rows.snapshots.values().filter(|row| quiet(state, row.farm)) {
        let there = world.stores().get(&row.class).and_then(|store| store.snapshots.get(&row.id));
        // One that could not be made can only be deleted, whatever is left of it.
        let agrees = match row.state {
            SnapshotState::Completed => there.is_some_and(|there| (there.of, there.farm) == (row.source, row.farm)),
            SnapshotState::Pending | SnapshotState::Deleting => false,
            SnapshotState::Error => true,
        };
        if !agrees {
            say(format!("{} of {} is {:?} in the rows and {there:?} in its store", row.id, row.farm, row.state));
        }
    }
    verdict(found)
}

/// What lies in stores and belongs to nobody.
fn leftovers(state: &State, world: &World, say: &mut impl FnMut(String)) {
    let rows = &state.rows;
    for (class, store) in world.stores() {
        for (id, there) in store.volumes.iter().filter(|(_, there)| quiet(state, there.farm)) {
            if rows.volumes.get(id).is_none_or(|row| (&row.class, row.farm) != (class, there.farm)) {
                say(format!("{id} of {} is in the store of {class} and belongs to nobody", there.farm));
            }
        }
        for (id, there) in store.snapshots.iter().filter(|(_, there)| quiet(state, there.farm)) {
            if rows.snapshots.get(id).is_none_or(|row| (&row.class, row.farm) != (class, there.farm)) {
                say(format!("{id} of {} is in the store of {class} and belongs to nobody", there.farm));
            }
        }
    }
}

fn volume(state: &State, world: &World, row: &Volume, say: &mut impl FnMut(String)) {
    let there = world.stores().get(&row.class).and_then(|store| store.volumes.get(&row.id));
    let agrees = match row.state {
        // Somebody may have gone on without enlarging it, which is noted.
        VolumeState::Ready => there.is_some_and(|there| {
            let large = there.size == row.size || (there.size < row.size && row.note.is_some());
            large && there.from == row.snapshot
        }),
        VolumeState::Error => true,
        // With nothing that moves it, it can be in no other state.
        VolumeState::Creating | VolumeState::Resizing | VolumeState::Deleting => false,
    };
    if !agrees {
        say(format!("{} of {} is {:?} of {} and {there:?} in its store", row.id, row.farm, row.state, row.size));
    }
    holders(state, world, row.id, row.farm, say);
}

/// A guest that runs has its volumes. One that is stopped gets them when it boots.
fn holders(state: &State, world: &World, id: VolumeId, farm: FarmId, say: &mut impl FnMut(String)) {
    let row = state.rows.volumes.get(&id);
    let held = row.and_then(|row| row.attachment.as_ref());
    let instance = held.and_then(|held| state.rows.instances.get(&held.instance));
    let wanted = instance.and_then(|row| {
        let host = state.rows.hosts.get(&row.host?)?;
        Some((host.name.clone(), Guest::Instance(row.id)))
    });
    let holders = world.holders(id);
    let agrees = match instance.map(|row| row.state) {
        Some(InstanceState::Running) => holders == wanted.as_slice(),
        Some(_) => holders.iter().all(|holder| Some(holder) == wanted.as_ref()),
        None => holders.is_empty(),
    };
    if !agrees {
        say(format!("{id} of {farm} is attached as {held:?} in the rows, and {holders:?} have it"));
    }
    let device = holders.first().and_then(|(host, guest)| {
        let there = world.hosts().get(host)?.guests.get(guest)?;
        there.spec.volumes.iter().find(|at| at.volume == id).map(|at| at.device.clone())
    });
    if agrees && device.as_ref().is_some_and(|device| held.is_some_and(|held| held.device != *device)) {
        say(format!("{id} of {farm} is attached as {held:?} in the rows, and as {device:?} on its host"));
    }
}
