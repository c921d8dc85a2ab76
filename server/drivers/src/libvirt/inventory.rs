//! What of ours is on a host, and in a store.

use cascina_core::name::Name;

use super::driver::Site;
use super::names::Kept;
use super::trouble::Trouble;
use crate::{FoundGuest, Inventory, Stored};

impl Site {
    pub(super) fn inventory(&self) -> Result<Inventory, Trouble> {
        let connect = self.link.quick()?;
        let mut guests = Vec::new();
        for here in self.all_here(&connect)? {
            let Some(state) = here.state()? else { continue };
            let marks = &here.seen.marks;
            let volumes = here.seen.volumes().collect();
            guests.push(FoundGuest { guest: marks.guest, farm: marks.farm, state, volumes });
        }
        Ok(Inventory { guests, networks: self.found_networks(&connect)?, images: self.images_here() })
    }

    pub(super) fn stored(&self, class: &Name) -> Result<Stored, Trouble> {
        let mut stored = Stored::default();
        for kept in self.store(class)?.list()? {
            match kept {
                Kept::Volume(volume, farm) => stored.volumes.push((volume, farm)),
                Kept::Snapshot(snapshot, farm) => stored.snapshots.push((snapshot, farm)),
                _ => {}
            }
        }
        Ok(stored)
    }
}
