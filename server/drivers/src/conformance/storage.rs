//! Volumes and snapshots, and who has them.

use cascina_core::id::{SnapshotId, VolumeId};
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;
use cascina_core::units::Gib;

use super::Run;
use crate::{GuestSpec, GuestState, HostCall, VolumeAt};

impl Run<'_> {
    /// Before there are guests. Leaves the first volume.
    pub(super) async fn volumes(&mut self) {
        let ([one, two], [snapshot, other]) = (self.trial.volumes, self.trial.snapshots);
        self.stored_are("a store begins without the trial's volumes and snapshots", &[], &[]).await;
        self.twice("a volume that is not there can be removed", &self.remove(one)).await;
        self.twice("a snapshot that is not there can be removed", &self.remove_snapshot(snapshot)).await;
        self.refused("a volume that is not there does not grow", &self.resize(one, 2)).await;
        self.refused("a volume that is not there has no snapshot", &self.snapshot(snapshot, Disk::Volume(one))).await;
        self.refused("a snapshot that is not there has no copy", &self.snapshot(snapshot, Disk::Copy(other))).await;
        self.refused("no volume is made from a snapshot that is not there", &self.make(two, 1, Some(other))).await;
        if let Guest::Instance(id) = self.trial.instance.guest {
            self.refused("a disk that is not there has no snapshot", &self.snapshot(snapshot, Disk::Root(id))).await;
        }
        self.stored_are("what was refused is not there", &[], &[]).await;
        self.twice("a volume can be made twice", &self.make(one, 1, None)).await;
        self.stored_are("a volume that was made is stored, once, with its farm", &[one], &[]).await;
        self.twice("a volume can grow, twice", &self.resize(one, 2)).await;
        self.twice("a smaller size that comes late does no harm", &self.resize(one, 1)).await;
        self.twice("making a volume that has grown does no harm", &self.make(one, 1, None)).await;
        self.stored_are("a volume that has grown is stored, once", &[one], &[]).await;
        let instance = self.trial.instance.guest;
        self.refused("a guest that is not there has no volume", &self.attach(instance, one)).await;
        self.twice("a guest that is not there can be without a volume", &self.detach(instance, one)).await;
    }

    /// While the instance and the router run.
    pub(super) async fn attachments(&mut self) {
        let [one, two] = self.trial.volumes;
        let (instance, router) = (self.trial.instance.guest, self.trial.router.guest);
        self.refused("a volume that is not there is not attached", &self.attach(instance, two)).await;
        self.twice("a guest without the volume can be without it", &self.detach(instance, one)).await;
        self.twice("a volume can be attached twice", &self.attach(instance, one)).await;
        self.guest_is("a guest runs on when it gets a volume", instance, Some(GuestState::Running)).await;
        self.had_by_instance("a volume that was attached").await;
        self.twice("a volume in use can grow", &self.resize(one, 3)).await;
        self.twice("a volume that another guest has can be detached from one", &self.detach(router, one)).await;
        self.had_by_instance("a volume that was detached from another guest").await;

        let boot = |run: &Run<'_>, volumes: &[VolumeId]| {
            let at = |(place, id): (usize, &VolumeId)| run.volume_at(*id, ["/dev/vdb", "/dev/vdc"][place % 2]);
            let volumes = volumes.iter().enumerate().map(at).collect();
            HostCall::Boot { spec: GuestSpec { volumes, ..run.trial.instance.clone() } }
        };
        let stop = HostCall::Stop { guest: instance };
        self.done("a guest with a volume can be stopped", &stop).await;
        self.had_by_instance("the volume of a stopped guest").await;
        self.refused("a guest does not boot with a volume that is not there", &boot(self, &[one, two])).await;
        self.guest_is("a guest that may not boot stays stopped", instance, Some(GuestState::Stopped)).await;
        self.twice("a guest can be booted with its volume, twice", &boot(self, &[one])).await;
        self.guest_is("a guest with a volume runs", instance, Some(GuestState::Running)).await;
        self.had_by_instance("the volume that a guest was booted with").await;
        self.done("a guest with a volume can be stopped again", &stop).await;
        self.done("a guest can be booted without the volume that it had", &boot(self, &[])).await;
        self.done("a volume that a boot took away can go to another guest", &self.attach(router, one)).await;
        self.done("a guest without a volume can be stopped", &stop).await;
        self.refused("a guest does not boot with another's volume", &boot(self, &[one])).await;
        self.twice("a volume can be detached twice", &self.detach(router, one)).await;
        self.guest_is("a guest runs on when it loses a volume", router, Some(GuestState::Running)).await;
        self.done("a volume that was detached can come back", &boot(self, &[one])).await;
        self.guest_is("a guest whose volume came back runs", instance, Some(GuestState::Running)).await;
        self.had_by_instance("a volume that came back").await;
    }

    /// The instance has the first volume. Leaves the second, and a snapshot of its first disk.
    pub(super) async fn snapshots(&mut self) {
        let ([one, two], [first, second]) = (self.trial.volumes, self.trial.snapshots);
        let of_volume = self.snapshot(first, Disk::Volume(one));
        self.twice("a snapshot of a volume in use can be made twice", &of_volume).await;
        self.stored_are("a snapshot that was made is stored, once, with its farm", &[one], &[first]).await;
        self.twice("a volume can be made from a snapshot, twice", &self.make(two, 3, Some(first))).await;
        self.stored_are("a volume from a snapshot is stored", &[one, two], &[first]).await;
        self.twice("a snapshot can be copied, twice", &self.snapshot(second, Disk::Copy(first))).await;
        self.stored_are("a copy of a snapshot is stored", &[one, two], &[first, second]).await;
        self.twice("a copy of a snapshot can be removed", &self.remove_snapshot(second)).await;
        self.twice("a snapshot that a volume was made from can be removed", &self.remove_snapshot(first)).await;
        self.stored_are("nothing is left of a removed snapshot", &[one, two], &[]).await;
        self.twice("making a volume again whose snapshot is gone does no harm", &self.make(two, 3, Some(first))).await;
        if let Guest::Instance(id) = self.trial.instance.guest {
            let of_root = self.snapshot(second, Disk::Root(id));
            self.twice("a snapshot of a running guest's disk can be made twice", &of_root).await;
            self.stored_are("a snapshot of a disk is stored", &[one, two], &[second]).await;
        }
    }

    /// When both guests are destroyed: the first had the first volume. Leaves nothing.
    pub(super) async fn volumes_without_guests(&mut self) {
        let ([one, two], [_, second]) = (self.trial.volumes, self.trial.snapshots);
        let root = matches!(self.trial.instance.guest, Guest::Instance(_));
        let rest: &[SnapshotId] = if root { &[second] } else { &[] };
        self.stored_are("volumes outlive guests", &[one, two], rest).await;
        self.twice("the volume of a destroyed guest can be removed, twice", &self.remove(one)).await;
        self.stored_are("nothing is left of a removed volume", &[two], rest).await;
        self.twice("a volume that nobody had can be removed", &self.remove(two)).await;
        if let Guest::Instance(id) = self.trial.instance.guest {
            let again = self.snapshot(second, Disk::Root(id));
            self.twice("making a snapshot again whose disk is gone does no harm", &again).await;
            let guest = self.trial.instance.guest;
            let stage =
                HostCall::StageDisk { spec: self.trial.instance.clone(), image: self.image_of(second), sha256: None };
            self.twice("a disk can be staged from a snapshot, twice", &stage).await;
            self.guest_is("a disk from a snapshot is in the inventory", guest, Some(GuestState::Staged)).await;
            self.twice("a disk from a snapshot can be destroyed", &HostCall::Destroy { guest }).await;
            self.guest_is("nothing is left of a disk from a snapshot", guest, None).await;
        }
        self.twice("a snapshot can be removed, twice", &self.remove_snapshot(second)).await;
        self.stored_are("a store ends without the trial's volumes and snapshots", &[], &[]).await;
    }

    /// Which shows in what is refused to others.
    async fn had_by_instance(&mut self, what: &'static str) {
        let [one, _] = self.trial.volumes;
        let before = self.violations.len();
        self.refused("a volume that a guest has is not removed", &self.remove(one)).await;
        self.refused("a volume that a guest has is not given to another", &self.attach(self.trial.router.guest, one))
            .await;
        self.done("a guest that has its volume can be asked to have it", &self.attach(self.trial.instance.guest, one))
            .await;
        self.stored_are("a volume that a guest has stays", &[one], &[]).await;
        for violation in &mut self.violations[before..] {
            violation.found = format!("{what}: {}", violation.found);
        }
    }

    pub(super) fn image_of(&self, snapshot: SnapshotId) -> String {
        format!("snapshot:{snapshot}")
    }

    fn volume_at(&self, volume: VolumeId, device: &str) -> VolumeAt {
        VolumeAt { volume, device: device.into() }
    }

    fn make(&self, volume: VolumeId, gib: u64, from: Option<SnapshotId>) -> HostCall {
        HostCall::MakeVolume { volume, at: self.trial.at.clone(), size: Gib(gib), from }
    }

    fn resize(&self, volume: VolumeId, gib: u64) -> HostCall {
        HostCall::ResizeVolume { volume, at: self.trial.at.clone(), size: Gib(gib) }
    }

    fn remove(&self, volume: VolumeId) -> HostCall {
        HostCall::RemoveVolume { volume, at: self.trial.at.clone() }
    }

    fn attach(&self, guest: Guest, volume: VolumeId) -> HostCall {
        HostCall::AttachVolume { guest, volume: self.volume_at(volume, "/dev/vdb"), at: self.trial.at.clone() }
    }

    fn detach(&self, guest: Guest, volume: VolumeId) -> HostCall {
        HostCall::DetachVolume { guest, volume, at: self.trial.at.clone() }
    }

    fn snapshot(&self, snapshot: SnapshotId, of: Disk) -> HostCall {
        HostCall::MakeSnapshot { snapshot, at: self.trial.at.clone(), of }
    }

    fn remove_snapshot(&self, snapshot: SnapshotId) -> HostCall {
        HostCall::RemoveSnapshot { snapshot, at: self.trial.at.clone() }
    }
}
