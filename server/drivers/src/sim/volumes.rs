//! Calls about what lies in volume stores: stricter than most real ones, as hosts are.

use cascina_core::id::{FarmId, SnapshotId, VolumeId};
use cascina_core::name::Name;
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;
use cascina_core::units::Gib;

use super::answer::{Answer, No, done, never};
use super::change::Effect;
use super::machine::Machine;
use super::stores::{SimSnapshot, SimVolume, Stores};
use crate::{Place, Reply, Stored};

/// How an image is called that is a snapshot.
pub(super) const FROM_SNAPSHOT: &str = "snapshot:";

impl Stores {
    pub(super) fn make_volume(&self, id: VolumeId, at: &Place, size: Gib, from: Option<SnapshotId>) -> Answer {
        if let Some(there) = self.volume_at(id, at)? {
            if there.from != from {
                return never(format!("{id} was made from {}, not {}", source(there.from), source(from)));
            }
            // It may have grown since this was first asked, but it never was smaller.
            return match there.size >= size {
                true => done(Vec::new()),
                false => never(format!("{id} has {}, not {size}", there.size)),
            };
        }
        if let Some(from) = from {
            self.holds(from, size)?;
        }
        self.put(id, at, SimVolume { farm: at.farm, size, from })
    }

    pub(super) fn resize_volume(&self, id: VolumeId, at: &Place, size: Gib) -> Answer {
        match self.volume_at(id, at)? {
            None => missing(id, at),
            Some(there) if there.size >= size => done(Vec::new()),
            Some(there) => self.put(id, at, SimVolume { size, ..there.clone() }),
        }
    }

    pub(super) fn remove_volume_of(&self, id: VolumeId, at: &Place) -> Answer {
        if self.volume_at(id, at)?.is_none() {
            return done(Vec::new());
        }
        match self.holders(id).first() {
            Some((host, guest)) => never(format!("{guest} on {host} has {id}")),
            None => done(vec![Effect::VolumeGone { class: at.class.clone(), volume: id }]),
        }
    }

    pub(super) fn remove_snapshot_of(&self, id: SnapshotId, at: &Place) -> Answer {
        match self.snapshot_at(id, at)? {
            Some(_) => done(vec![Effect::SnapshotGone { class: at.class.clone(), snapshot: id }]),
            None => done(Vec::new()),
        }
    }

    pub(super) fn stored(&self, class: &Name) -> Answer {
        let Some(store) = self.classes().get(class) else { return Ok((Vec::new(), Reply::Stored(Stored::default()))) };
        let stored = Stored {
            volumes: store.volumes.iter().map(|(id, volume)| (*id, volume.farm)).collect(),
            snapshots: store.snapshots.iter().map(|(id, snapshot)| (*id, snapshot.farm)).collect(),
        };
        Ok((Vec::new(), Reply::Stored(stored)))
    }

    /// The volume, if it exists; it is the farm's and in the class's store then.
    pub(super) fn volume_at(&self, id: VolumeId, at: &Place) -> Result<Option<&SimVolume>, No> {
        let Some((class, volume)) = self.volume(id) else { return Ok(None) };
        is_at(&id, class, volume.farm, at)?;
        Ok(Some(volume))
    }

    fn snapshot_at(&self, id: SnapshotId, at: &Place) -> Result<Option<&SimSnapshot>, No> {
        let Some((class, snapshot)) = self.snapshot(id) else { return Ok(None) };
        is_at(&id, class, snapshot.farm, at)?;
        Ok(Some(snapshot))
    }

    /// The snapshot is in some store, and fits on a disk of this size.
    pub(super) fn holds(&self, id: SnapshotId, disk: Gib) -> Result<(), No> {
        match self.snapshot(id) {
            None => never(format!("{id} is in no store")),
            Some((_, snapshot)) if snapshot.size > disk => {
                never(format!("{id} is of a disk of {}, which {disk} do not hold", snapshot.size))
            }
            Some(_) => Ok(()),
        }
    }

    fn put(&self, id: VolumeId, at: &Place, is: SimVolume) -> Answer {
        done(vec![Effect::Volume { class: at.class.clone(), volume: id, is }])
    }
}

impl Machine {
    pub(super) fn make_snapshot(&self, stores: &Stores, id: SnapshotId, at: &Place, of: Disk) -> Answer {
        if let Some(there) = stores.snapshot_at(id, at)? {
            return match there.of == of {
                true => done(Vec::new()),
                false => never(format!("{id} is of another disk")),
            };
        }
        let size = match of {
            Disk::Volume(volume) => match stores.volume_at(volume, at)? {
                None => return missing(volume, at),
                Some(volume) => volume.size,
            },
            Disk::Root(instance) => {
                let there = self.guest(Guest::Instance(instance))?;
                if there.spec.farm != at.farm {
                    return never(format!("{instance} belongs to {}", there.spec.farm));
                }
                there.spec.size.disk
            }
            // Whose it is does not matter: farms copy from images that others share.
            Disk::Copy(source) => match stores.snapshot(source) {
                Some((class, snapshot)) if *class == at.class => snapshot.size,
                _ => return never(format!("{source} is not in the store of {}", at.class)),
            },
        };
        let is = SimSnapshot { farm: at.farm, of, size };
        done(vec![Effect::Snapshot { class: at.class.clone(), snapshot: id, is }])
    }
}

pub(super) fn missing<T>(id: VolumeId, at: &Place) -> Result<T, No> {
    never(format!("{id} is not in the store of {}", at.class))
}

fn is_at(id: &impl std::fmt::Display, class: &Name, farm: FarmId, at: &Place) -> Result<(), No> {
    if farm != at.farm {
        return never(format!("{id} belongs to {farm}"));
    }
    match *class == at.class {
        true => Ok(()),
        false => never(format!("{id} is in the store of {class}, not in that of {}", at.class)),
    }
}

fn source(from: Option<SnapshotId>) -> String {
    from.map_or_else(|| "nothing".into(), |from| from.to_string())
}
