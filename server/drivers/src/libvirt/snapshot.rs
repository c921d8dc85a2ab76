//! Snapshots: whole copies in the class's store.

use cascina_core::id::SnapshotId;
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;

use super::driver::Site;
use super::names::Kept;
use super::storage::New;
use super::trouble::{Trouble, not_now};
use crate::Place;

impl Site {
    pub(super) fn make_snapshot(&self, id: SnapshotId, at: &Place, of: Disk) -> Result<(), Trouble> {
        let store = self.shared_store(at)?;
        let kept = Kept::Snapshot(id, at.farm);
        if store.find_whole(kept)?.is_some() {
            return Ok(());
        }
        let connect = self.link.quick()?;
        let (from, user) = match of {
            Disk::Root(instance) => {
                let guest = Guest::Instance(instance);
                let here = self.needed(&connect, guest)?;
                let root = self.own_store()?.find_whole(Kept::Root(guest))?.ok_or(Trouble::NoDisk(guest))?;
                (root, Some(here))
            }
            Disk::Volume(volume) => (self.volume(&store, volume)?.1, self.holder(&connect, volume)?),
            Disk::Copy(other) => (self.snapshot_volume(&store, other)?, None),
        };
        // A disk that is written to has no state of which a copy could be made from outside.
        if let Some(user) = user.filter(|user| user.is_active().unwrap_or(true)) {
            return Err(not_now(format!("{} runs: it can be copied when that is stopped", user.guest())));
        }
        store.remove(kept)?;
        store.copy(&New::file(kept, from.get_info()?.capacity), &from)?;
        store.set_whole(kept)
    }

    pub(super) fn remove_snapshot(&self, id: SnapshotId, at: &Place) -> Result<(), Trouble> {
        let store = self.shared_store(at)?;
        let listed = store.list()?.into_iter().filter(|kept| matches!(kept, Kept::Snapshot(there, _) if *there == id));
        listed.into_iter().try_for_each(|kept| store.remove(kept))
    }
}
