//! Volumes of a class's store.

use cascina_core::id::{SnapshotId, VolumeId};
use cascina_core::units::Gib;
use virt::storage_vol::StorageVol;

use super::driver::Site;
use super::names::Kept;
use super::storage::{New, Store};
use super::trouble::{Trouble, never};
use crate::Place;

const GIB: u64 = 1 << 30;

impl Site {
    /// The store that all hosts of the class have.
    pub(super) fn shared_store(&self, at: &Place) -> Result<Store, Trouble> {
        let store = self.store(&at.class)?;
        if store.shared { Ok(store) } else { Err(Trouble::NotShared(at.class.clone())) }
    }

    pub(super) fn listed_volume(&self, store: &Store, id: VolumeId) -> Result<Option<Kept>, Trouble> {
        Ok(store.list()?.into_iter().find(|kept| matches!(kept, Kept::Volume(there, _) if *there == id)))
    }

    pub(super) fn volume(&self, store: &Store, id: VolumeId) -> Result<(Kept, StorageVol), Trouble> {
        let kept = self.listed_volume(store, id)?.ok_or(Trouble::NoVolume(id))?;
        let volume = store.find_whole(kept)?.ok_or(Trouble::NoVolume(id))?;
        Ok((kept, volume))
    }

    pub(super) fn make_volume(
        &self,
        id: VolumeId,
        at: &Place,
        size: Gib,
        from: Option<SnapshotId>,
    ) -> Result<(), Trouble> {
        let store = self.shared_store(at)?;
        let kept = Kept::Volume(id, at.farm);
        if store.find_whole(kept)?.is_some() {
            return Ok(());
        }
        let bytes = bytes_of(size)?;
        match from {
            None => {
                store.remove(kept)?;
                store.make(&New::file(kept, bytes))?;
            }
            Some(snapshot) => {
                let from = self.snapshot_volume(&store, snapshot)?;
                store.remove(kept)?;
                let there = from.get_info()?.capacity;
                let volume = store.copy(&New::file(kept, there), &from)?;
                if there < bytes {
                    volume.resize(bytes, 0)?;
                }
            }
        }
        store.set_whole(kept)
    }

    pub(super) fn resize_volume(&self, id: VolumeId, at: &Place, size: Gib) -> Result<(), Trouble> {
        let store = self.shared_store(at)?;
        let bytes = bytes_of(size)?;
        let (_, volume) = self.volume(&store, id)?;
        if volume.get_info()?.capacity >= bytes {
            return Ok(());
        }
        let connect = self.link.quick()?;
        if let Some(holder) = self.holder(&connect, id)?
            && holder.is_active()?
        {
            // A running guest sees the new size at once.
            let live = holder.live()?;
            if let Some(disk) = live.disks.iter().find(|disk| disk.volume == Some(id)) {
                holder.domain.block_resize(&disk.target, bytes, virt_sys::VIR_DOMAIN_BLOCK_RESIZE_BYTES)?;
                return store.refresh();
            }
        }
        volume.resize(bytes, 0)?;
        Ok(())
    }

    pub(super) fn remove_volume(&self, id: VolumeId, at: &Place) -> Result<(), Trouble> {
        let store = self.shared_store(at)?;
        let connect = self.link.quick()?;
        if let Some(holder) = self.holder(&connect, id)? {
            return Err(Trouble::VolumeInUse { volume: id, guest: holder.guest() });
        }
        match self.listed_volume(&store, id)? {
            Some(kept) => store.remove(kept),
            None => Ok(()),
        }
    }
}

fn bytes_of(size: Gib) -> Result<u64, Trouble> {
    size.0.checked_mul(GIB).filter(|bytes| *bytes > 0).ok_or_else(|| never(format!("a volume cannot have {size}")))
}
