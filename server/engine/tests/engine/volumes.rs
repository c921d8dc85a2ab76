//! A volume's life, what is refused, and that volumes count as disk.

use std::collections::BTreeMap;

use cascina_core::command::{Command, NewInstances, Power};
use cascina_core::decision::Amounts;
use cascina_core::id::{FarmId, InstanceId, SnapshotId, VolumeId};
use cascina_core::launch::{InstanceChange, Launch, NewVolume};
use cascina_core::operation::OperationState;
use cascina_core::principal::{Principal, Role};
use cascina_core::refusal::Refusal;
use cascina_core::snapshot::Disk;
use cascina_core::units::Gib;
use cascina_core::volume::{Pace, VolumeKind, VolumeState};
use cascina_drivers::sim::{CallKind, Fault, Rule};

use crate::site::{TestSite, lines, name};

fn create(farm: FarmId, class: &str, size: Option<u64>, snapshot: Option<SnapshotId>) -> Command {
    let (class, size, kind) = (name(class), size.map(Gib), VolumeKind::Gp3);
    Command::CreateVolume { farm, class, size, snapshot, kind, pace: Pace::default(), tags: BTreeMap::new() }
}

fn attach(volume: VolumeId, instance: InstanceId, device: &str) -> Command {
    Command::AttachVolume { volume, instance, device: device.into() }
}

fn invalid(refusal: &Refusal, named: &str) -> bool {
    matches!(refusal, Refusal::Invalid { field, .. } if field == named)
}

fn conflict(refusal: &Refusal, part: &str) -> bool {
    matches!(refusal, Refusal::Conflict(text) | Refusal::Busy(text) if text.contains(part))
}

/// A farm without limits, and its instances.
async fn farm(site: &TestSite, instances: u32) -> (FarmId, Vec<InstanceId>) {
    let farm = site.farm("alice", 0).await;
    let tenant = site.engine.read(|state| state.rows.farms[&farm].tenant);
    for class in [None, Some(name("services")), Some(name("workers"))] {
        site.submit(Command::SetQuota { tenant, class, limit: Amounts::UNLIMITED }).await.unwrap();
    }
    let made = site.make(Command::RunInstances { farm, ask: lines("m1.small", instances) }).await;
    (farm, made.instances)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_is_made_used_moved_enlarged_copied_and_removed() {
    let site = TestSite::new().await;
    let (farm, instances) = farm(&site, 2).await;
    let volume: VolumeId = site.make(create(farm, "workers", Some(3), None)).await.subject.parse().unwrap();
    for instance in &instances {
        site.make(attach(volume, *instance, "/dev/sdf")).await;
        assert_eq!(site.hosts.world().holders(volume).len(), 1);
        site.sound();
        site.make(Command::DetachVolume { volume }).await;
        assert_eq!(site.hosts.world().holders(volume).len(), 0);
    }
    site.make(Command::ResizeVolume { volume, size: Gib(5), kind: Some(VolumeKind::Io1), pace: None }).await;
    site.engine.read(|state| {
        let row = &state.rows.volumes[&volume];
        assert_eq!((row.size, row.kind, row.state), (Gib(5), VolumeKind::Io1, VolumeState::Ready));
    });
    let copy = Command::CreateSnapshot {
        disk: Disk::Volume(volume),
        description: "nightly".into(),
        tags: BTreeMap::from([("Name".into(), "nightly".into())]),
    };
    let snapshot: SnapshotId = site.make(copy).await.subject.parse().unwrap();
    site.make(Command::DeleteVolume { volume }).await;
    let again: VolumeId = site.make(create(farm, "workers", None, Some(snapshot))).await.subject.parse().unwrap();
    assert_eq!(site.engine.read(|state| state.rows.volumes[&again].size), Gib(5));
    let refused = site.submit(create(farm, "workers", Some(4), Some(snapshot))).await.unwrap_err();
    assert!(invalid(&refused, "size"), "smaller than its snapshot: {refused}");
    let refused = site.submit(create(farm, "services", None, Some(snapshot))).await.unwrap_err();
    assert!(invalid(&refused, "class"), "where the snapshot does not lie: {refused}");
    site.make(Command::DeleteSnapshot { snapshot }).await;
    site.make(Command::DeleteFarm { farm }).await;
    site.sound();
    assert!(site.hosts.totals().is_empty(), "{:?}", site.hosts.totals());
    site.engine.read(|state| assert_eq!((state.rows.volumes.len(), state.rows.tags.len()), (0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_come_with_an_instance_and_go_with_it_or_stay() {
    let site = TestSite::new().await;
    let (farm, _) = farm(&site, 1).await;
    let with = |device: &str, delete_on_termination| NewVolume {
        device: device.into(),
        size: Some(Gib(2)),
        snapshot: None,
        kind: VolumeKind::Gp2,
        pace: cascina_core::volume::Pace::default(),
        delete_on_termination,
    };
    let launch = Launch { volumes: vec![with("/dev/sdf", true), with("/dev/sdg", false)], ..Launch::default() };
    let ask = NewInstances { launch, ..lines("m1.small", 1) };
    let instance = site.make(Command::RunInstances { farm, ask: ask.clone() }).await.instances[0];
    assert_eq!(site.engine.read(|state| state.indexes.volumes_by_instance.of(&instance).count()), 2);
    assert_eq!(site.hosts.totals().volumes, 2);
    // Which of them ends with it is changed for both.
    let change = InstanceChange {
        delete_on_termination: [("/dev/sdf".into(), false), ("/dev/sdg".into(), true)].into(),
        ..InstanceChange::default()
    };
    site.make(Command::SetInstance { instance, change }).await;
    site.make(Command::Power { instances: vec![instance], power: Power::Terminate }).await;
    site.engine.read(|state| {
        let left: Vec<_> = state.rows.volumes.values().map(|row| (row.attachment.is_none(), row.state)).collect();
        assert_eq!(left, [(true, VolumeState::Ready)]);
    });
    assert_eq!(site.hosts.totals().volumes, 1);
    // One that does not come up takes its volumes along.
    let refuse = Rule { call: Some(CallKind::Boot), ..Rule::always(Fault::Refuse { why: "no".into() }) };
    site.hosts.set_faults(vec![refuse]);
    let made = site.submit(Command::RunInstances { farm, ask }).await.unwrap();
    assert_eq!(site.wait(made.operation.unwrap()).await.state, OperationState::Failed);
    assert_eq!((site.hosts.totals().volumes, site.engine.read(|state| state.rows.volumes.len())), (1, 1));
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name() {
    let site = TestSite::new().await;
    let (farm, instances) = farm(&site, 2).await;
    let (first, second) = (instances[0], instances[1]);
    let refused = site.submit(create(farm, "nowhere", Some(1), None)).await.unwrap_err();
    assert!(invalid(&refused, "class"), "{refused}");
    for size in [Some(0), Some(20_000), None] {
        let refused = site.submit(create(farm, "workers", size, None)).await.unwrap_err();
        assert!(invalid(&refused, "size"), "{refused}");
    }
    let refused = site.submit(create(farm, "workers", Some(1), Some(SnapshotId(7)))).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotFound { noun: "snapshot", .. }), "{refused}");
    let refused = site.submit(create(farm, "workers", Some(1001), None)).await.unwrap_err();
    assert!(matches!(refused, Refusal::Exhausted(_)), "the store has 1000 GiB: {refused}");

    let volume: VolumeId = site.make(create(farm, "workers", Some(2), None)).await.subject.parse().unwrap();
    let far: VolumeId = site.make(create(farm, "services", Some(2), None)).await.subject.parse().unwrap();
    let other: VolumeId = site.make(create(farm, "workers", Some(2), None)).await.subject.parse().unwrap();
    for device in ["", "/dev/sda", "/dev/sda1", "/dev/hdb", "sd", "/dev/sdF"] {
        let refused = site.submit(attach(volume, first, device)).await.unwrap_err();
        assert!(invalid(&refused, "device"), "{device}: {refused}");
    }
    let refused = site.submit(attach(far, first, "/dev/sdf")).await.unwrap_err();
    assert!(invalid(&refused, "instance"), "another class: {refused}");
    let refused = site.submit(Command::DetachVolume { volume }).await.unwrap_err();
    assert!(conflict(&refused, "not attached"), "{refused}");
    site.make(attach(volume, first, "/dev/sdf")).await;
    let refused = site.submit(attach(other, first, "/dev/sdf")).await.unwrap_err();
    assert!(invalid(&refused, "device"), "it is taken: {refused}");
    let refused = site.submit(attach(volume, second, "/dev/sdf")).await.unwrap_err();
    assert!(conflict(&refused, "already attached"), "{refused}");
    let refused = site.submit(Command::DeleteVolume { volume }).await.unwrap_err();
    assert!(conflict(&refused, "detach it first"), "{refused}");
    let refused =
        site.submit(Command::ResizeVolume { volume, size: Gib(1), kind: None, pace: None }).await.unwrap_err();
    assert!(invalid(&refused, "size"), "{refused}");
    let tenant = Some(site.engine.read(|state| state.rows.farms[&farm].tenant));
    let viewer = Principal { user: None, name: "eve".into(), role: Role::Viewer, tenant, groups: Vec::new() };
    let refused = site.submit_as(viewer, Command::DeleteVolume { volume: other }).await.unwrap_err();
    assert!(matches!(refused, Refusal::Forbidden(_)), "{refused}");
    let stranger =
        Principal { user: None, name: "eve".into(), role: Role::TenantAdmin, tenant: None, groups: Vec::new() };
    let refused = site.submit_as(stranger, Command::DeleteVolume { volume: other }).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotFound { noun: "volume", .. }), "{refused}");
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_cannot_be_made_stays_in_sight_and_can_be_deleted() {
    let site = TestSite::new().await;
    let (farm, instances) = farm(&site, 1).await;
    let refuse = Rule { call: Some(CallKind::MakeVolume), ..Rule::always(Fault::Refuse { why: "full".into() }) };
    site.hosts.set_faults(vec![refuse]);
    let made = site.submit(create(farm, "workers", Some(2), None)).await.unwrap();
    assert_eq!(site.wait(made.operation.unwrap()).await.state, OperationState::Failed);
    let volume: VolumeId = made.subject.parse().unwrap();
    site.engine.read(|state| {
        let row = &state.rows.volumes[&volume];
        assert_eq!(row.state, VolumeState::Error);
        assert!(row.note.as_ref().unwrap().contains("full"));
    });
    let refused = site.submit(attach(volume, instances[0], "/dev/sdf")).await.unwrap_err();
    assert!(conflict(&refused, "only be deleted"), "{refused}");
    site.make(Command::DeleteVolume { volume }).await;
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_and_snapshots_count_as_disk() {
    let site = TestSite::new().await;
    let (farm, _) = farm(&site, 1).await;
    let tenant = site.engine.read(|state| state.rows.farms[&farm].tenant);
    // The instance has 1 GiB of its own.
    let limit = Amounts { disk_gib: 6, ..Amounts::UNLIMITED };
    site.submit(Command::SetQuota { tenant, class: Some(name("workers")), limit }).await.unwrap();
    let quota = |refusal: &Refusal| matches!(refusal, Refusal::Quota { resource: "disk_gib" | "disk", .. });
    let refused = site.submit(create(farm, "workers", Some(6), None)).await.unwrap_err();
    assert!(quota(&refused), "{refused:?}");
    let volume: VolumeId = site.make(create(farm, "workers", Some(2), None)).await.subject.parse().unwrap();
    let copy =
        Command::CreateSnapshot { disk: Disk::Volume(volume), description: String::new(), tags: BTreeMap::new() };
    let snapshot: SnapshotId = site.make(copy.clone()).await.subject.parse().unwrap();
    let refused = site.submit(copy).await.unwrap_err();
    assert!(quota(&refused), "1 + 2 + 2 + 2: {refused:?}");
    let refused =
        site.submit(Command::ResizeVolume { volume, size: Gib(4), kind: None, pace: None }).await.unwrap_err();
    assert!(quota(&refused), "{refused:?}");
    let wanted = NewVolume {
        device: "/dev/sdf".into(),
        size: Some(Gib(1)),
        snapshot: None,
        kind: VolumeKind::Gp2,
        pace: cascina_core::volume::Pace::default(),
        delete_on_termination: true,
    };
    let launch = Launch { volumes: vec![wanted], ..Launch::default() };
    let ask = NewInstances { launch, ..lines("m1.small", 1) };
    let refused = site.submit(Command::RunInstances { farm, ask }).await.unwrap_err();
    assert!(quota(&refused), "its own disk and its volume's: {refused:?}");
    site.make(Command::DeleteSnapshot { snapshot }).await;
    site.make(Command::ResizeVolume { volume, size: Gib(4), kind: None, pace: None }).await;
    // Another class has its own limit.
    site.make(create(farm, "services", Some(50), None)).await;
    site.sound();
}
