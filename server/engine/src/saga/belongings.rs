//! What a farm's people made beside instances: volumes, snapshots, images, security groups, key pairs,
//! tags. All of it goes with the farm.

use cascina_core::id::FarmId;
use cascina_core::security_group::SecurityGroup;
use cascina_core::state::{Key, State};

use super::{Errand, StepError, Work, site_calls, snapshot, volume};
use crate::command::{security_group, tag};
use crate::tx::Tx;

/// Takes the farm's volumes and snapshots out of their stores.
pub fn remove_stored(state: &State, farm: FarmId) -> Result<Work, StepError> {
    let mut errands = Vec::new();
    for id in state.indexes.volumes_by_farm.of(&farm) {
        let Some(row) = state.rows.volumes.get(&id) else { continue };
        let host = site_calls::store_host(state, &row.class, id.0)?;
        errands.push(Errand { host, guest: None, calls: vec![volume::remove(row)] });
    }
    for id in state.indexes.snapshots_by_farm.of(&farm) {
        let Some(row) = state.rows.snapshots.get(&id) else { continue };
        let host = site_calls::store_host(state, &row.class, id.0)?;
        errands.push(Errand { host, guest: None, calls: vec![snapshot::remove(row)] });
    }
    Ok(if errands.is_empty() { Work::Nothing } else { Work::Errands(errands) })
}

/// Removes the rows of everything, once nothing of it is left in any store.
pub fn remove(tx: &mut Tx<'_>, farm: FarmId) {
    let ix = &tx.state().indexes;
    let images = ix.images_by_farm.of(&farm).map(Key::Image);
    let volumes = ix.volumes_by_farm.of(&farm).map(Key::Volume);
    let snapshots = ix.snapshots_by_farm.of(&farm).map(Key::Snapshot);
    let pairs = ix.key_pairs_by_farm.of(&farm).map(Key::KeyPair);
    let all: Vec<Key> = images.chain(volumes).chain(snapshots).chain(pairs).collect();
    for key in all {
        tx.remove(key);
    }
    let groups: Vec<_> = tx.state().indexes.groups_by_farm.of(&farm).collect();
    for id in groups {
        if let Some(group) = tx.state().rows.security_groups.get(&id).map(|row| SecurityGroup::clone(row)) {
            security_group::remove(tx, &group);
        }
    }
    tag::forget_all(tx, farm);
}
