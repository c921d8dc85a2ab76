//! One call at a time works on a guest, a network, a volume: a late one cannot cross another.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cascina_core::id::{NetworkId, SnapshotId, VolumeId};
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::{HostCall, HostRef};

/// Who needs more than one waits for them in this order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Key {
    /// On the host with this uri.
    Network(String, NetworkId),
    /// On whichever host.
    Guest(Guest),
    Volume(VolumeId),
    Snapshot(SnapshotId),
    /// Images on the host with this uri.
    Images(String),
    /// A file that is read all through.
    Check(String),
}

/// What the call must have for itself. Calls that only look need nothing.
pub(super) fn keys(host: &HostRef, call: &HostCall) -> BTreeSet<Key> {
    let network = |id: NetworkId| Key::Network(host.uri.clone(), id);
    match call {
        HostCall::DefineNetwork { network: spec } => [network(spec.id)].into(),
        HostCall::RemoveNetwork { network: id } | HostCall::ApplyFirewall { network: id, .. } => [network(*id)].into(),
        // Its port's filter is one of the network's, and the network must not go meanwhile.
        HostCall::Boot { spec } => {
            let volumes = spec.volumes.iter().map(|at| Key::Volume(at.volume));
            [network(spec.network), Key::Guest(spec.guest)].into_iter().chain(volumes).collect()
        }
        HostCall::Migrate { spec, to } => {
            [Key::Network(to.uri.clone(), spec.network), network(spec.network), Key::Guest(spec.guest)].into()
        }
        HostCall::StageDisk { spec, image, .. } => {
            let snapshot = super::image::snapshot_of(image).and_then(Result::ok).map(Key::Snapshot);
            [Key::Guest(spec.guest)].into_iter().chain(snapshot).collect()
        }
        HostCall::Stop { guest }
        | HostCall::Reboot { guest, .. }
        | HostCall::Destroy { guest }
        | HostCall::Evict { guest }
        | HostCall::ApplyRouter { guest, .. } => [Key::Guest(*guest)].into(),
        HostCall::MakeVolume { volume, from, .. } => {
            [Key::Volume(*volume)].into_iter().chain(from.map(Key::Snapshot)).collect()
        }
        HostCall::ResizeVolume { volume, .. } | HostCall::RemoveVolume { volume, .. } => [Key::Volume(*volume)].into(),
        HostCall::AttachVolume { guest, volume, .. } => [Key::Guest(*guest), Key::Volume(volume.volume)].into(),
        HostCall::DetachVolume { guest, volume, .. } => [Key::Guest(*guest), Key::Volume(*volume)].into(),
        HostCall::MakeSnapshot { snapshot, of, .. } => {
            let of = match of {
                Disk::Volume(volume) => Key::Volume(*volume),
                Disk::Root(instance) => Key::Guest(Guest::Instance(*instance)),
                Disk::Copy(snapshot) => Key::Snapshot(*snapshot),
            };
            [Key::Snapshot(*snapshot), of].into()
        }
        HostCall::RemoveSnapshot { snapshot, .. } => [Key::Snapshot(*snapshot)].into(),
        HostCall::CheckImage { image, .. } => [Key::Check(image.clone())].into(),
        HostCall::CopyImage { .. } | HostCall::DropImage { .. } => [Key::Images(host.uri.clone())].into(),
        HostCall::ProbeRouter { .. }
        | HostCall::Console { .. }
        | HostCall::Stored { .. }
        | HostCall::Inventory
        | HostCall::Describe
        | HostCall::Sample => BTreeSet::new(),
    }
}

#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<HashMap<Key, Arc<Turn<()>>>>);

impl Turns {
    pub(super) async fn wait(&self, keys: BTreeSet<Key>) -> Vec<OwnedMutexGuard<()>> {
        let mut turns = Vec::with_capacity(keys.len());
        for key in keys {
            let turn = {
                let mut all = self.0.lock();
                // Those that nobody has or waits for.
                if all.len() > 1000 {
                    all.retain(|_, turn| Arc::strong_count(turn) > 1);
                }
                Arc::clone(all.entry(key).or_default())
            };
            turns.push(turn.lock_owned().await);
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_a_turn_is_alone() {
        let turns = Turns::default();
        let key = || BTreeSet::from([Key::Volume(VolumeId(1)), Key::Snapshot(SnapshotId(1))]);
        let first = turns.wait(key()).await;
        let other = turns.wait([Key::Volume(VolumeId(2))].into()).await;
        let short = std::time::Duration::from_millis(20);
        assert!(tokio::time::timeout(short, turns.wait([Key::Snapshot(SnapshotId(1))].into())).await.is_err());
        drop((first, other));
        turns.wait(key()).await;
    }
}
