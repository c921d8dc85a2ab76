//! Volume stores: one for each class of hosts, reached by all of them, whatever becomes of a host.

use std::collections::BTreeMap;

use cascina_core::id::{FarmId, SnapshotId, VolumeId};
use cascina_core::name::Name;
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;
use cascina_core::units::Gib;
use serde::{Deserialize, Serialize};

use super::change::Effect;
use super::world::World;
use crate::VolumeAt;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimVolume {
    pub farm: FarmId,
    pub size: Gib,
    /// What was on it at first; None: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SnapshotId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimSnapshot {
    pub farm: FarmId,
    pub of: Disk,
    /// Of the disk when it was made.
    pub size: Gib,
}

/// What lies in the store of one class.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Store {
    pub volumes: BTreeMap<VolumeId, SimVolume>,
    pub snapshots: BTreeMap<SnapshotId, SimSnapshot>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Stores {
    /// Those that are not empty.
    classes: BTreeMap<Name, Store>,
    /// Who has which volume, and where: follows from the guests. Sorted; more than one entry only if
    /// a guest is in two places.
    holders: BTreeMap<VolumeId, Vec<(Name, Guest)>>,
}

impl Stores {
    pub fn classes(&self) -> &BTreeMap<Name, Store> {
        &self.classes
    }

    /// Ids are the site's: no two stores have the same one.
    pub fn volume(&self, id: VolumeId) -> Option<(&Name, &SimVolume)> {
        self.classes.iter().find_map(|(class, store)| store.volumes.get(&id).map(|volume| (class, volume)))
    }

    pub fn snapshot(&self, id: SnapshotId) -> Option<(&Name, &SimSnapshot)> {
        self.classes.iter().find_map(|(class, store)| store.snapshots.get(&id).map(|snapshot| (class, snapshot)))
    }

    pub fn holders(&self, id: VolumeId) -> &[(Name, Guest)] {
        self.holders.get(&id).map_or(&[], Vec::as_slice)
    }

    pub fn held(&self) -> impl Iterator<Item = (VolumeId, &[(Name, Guest)])> {
        self.holders.iter().map(|(id, holders)| (*id, holders.as_slice()))
    }

    /// A guest on a host has other volumes than before.
    pub fn moved(&mut self, host: &Name, guest: Guest, before: &[VolumeAt], now: &[VolumeAt]) {
        let is_in = |of: &[VolumeAt], at: &VolumeAt| of.iter().any(|other| other.volume == at.volume);
        let holder = (host.clone(), guest);
        for at in before.iter().filter(|at| !is_in(now, at)) {
            let Some(holders) = self.holders.get_mut(&at.volume) else { continue };
            holders.retain(|other| *other != holder);
            if holders.is_empty() {
                self.holders.remove(&at.volume);
            }
        }
        for at in now.iter().filter(|at| !is_in(before, at)) {
            let holders = self.holders.entry(at.volume).or_default();
            if let Err(place) = holders.binary_search(&holder) {
                holders.insert(place, holder.clone());
            }
        }
    }

    pub fn put_volume(&mut self, class: &Name, id: VolumeId, volume: &SimVolume) {
        self.classes.entry(class.clone()).or_default().volumes.insert(id, volume.clone());
    }

    pub fn put_snapshot(&mut self, class: &Name, id: SnapshotId, snapshot: &SimSnapshot) {
        self.classes.entry(class.clone()).or_default().snapshots.insert(id, snapshot.clone());
    }

    pub fn remove_volume(&mut self, class: &Name, id: VolumeId) {
        self.change(class, |store| {
            store.volumes.remove(&id);
        });
    }

    pub fn remove_snapshot(&mut self, class: &Name, id: SnapshotId) {
        self.change(class, |store| {
            store.snapshots.remove(&id);
        });
    }

    fn change(&mut self, class: &Name, change: impl FnOnce(&mut Store)) {
        let Some(store) = self.classes.get_mut(class) else { return };
        change(store);
        if store.volumes.is_empty() && store.snapshots.is_empty() {
            self.classes.remove(class);
        }
    }

    /// The shortest list of changes that makes the stores.
    pub fn effects(&self) -> impl Iterator<Item = Effect> + '_ {
        self.classes.iter().flat_map(|(class, store)| {
            let volumes = store.volumes.iter().map(|(id, volume)| Effect::Volume {
                class: class.clone(),
                volume: *id,
                is: volume.clone(),
            });
            let snapshots = store.snapshots.iter().map(|(id, snapshot)| Effect::Snapshot {
                class: class.clone(),
                snapshot: *id,
                is: snapshot.clone(),
            });
            volumes.chain(snapshots)
        })
    }
}

impl World {
    /// What lies in volume stores, by class; empty ones are left out.
    pub fn stores(&self) -> &BTreeMap<Name, Store> {
        self.state().stores.classes()
    }

    /// The guests that have a volume, running or not, and their hosts. More than one only if a guest
    /// is in two places.
    pub fn holders(&self, volume: VolumeId) -> &[(Name, Guest)] {
        self.state().stores.holders(volume)
    }
}
