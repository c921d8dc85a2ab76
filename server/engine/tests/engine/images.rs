//! Images of disks: made, launched from, shared, deregistered; and what is refused.

use std::collections::BTreeMap;

use cascina_core::command::{Command, ImageChange, NewInstances, Power};
use cascina_core::decision::Amounts;
use cascina_core::id::{FarmId, ImageId, InstanceId, SnapshotId};
use cascina_core::image::ImageState;
use cascina_core::launch::Launch;
use cascina_core::operation::OperationState;
use cascina_core::refusal::Refusal;
use cascina_core::snapshot::{Disk, SnapshotState};
use cascina_core::units::Gib;
use cascina_drivers::sim::{CallKind, Fault, Rule};

use crate::site::{TestSite, lines, name};

fn image(instance: InstanceId, text: &str) -> Command {
    let (title, description) = (text.parse().unwrap(), "of a test".into());
    Command::CreateImage { instance, title, description, tags: BTreeMap::new(), snapshot_tags: BTreeMap::new() }
}

fn of(image: ImageId) -> NewInstances {
    NewInstances { image: image.to_string(), ..lines("m1.small", 1) }
}

async fn farm(site: &TestSite, text: &str) -> (FarmId, InstanceId) {
    let farm = site.farm(text, 1).await;
    let tenant = site.engine.read(|state| state.rows.farms[&farm].tenant);
    for class in [None, Some(name("workers"))] {
        site.submit(Command::SetQuota { tenant, class, limit: Amounts::UNLIMITED }).await.unwrap();
    }
    let instance = site.engine.read(|state| state.indexes.instances_by_farm.of(&farm).next().unwrap());
    (farm, instance)
}

fn launch(farm: FarmId, ask: NewInstances) -> Command {
    Command::RunInstances { farm, ask }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_a_disk_is_launched_from_and_deregistered() {
    let site = TestSite::new().await;
    let (farm, instance) = farm(&site, "alice").await;
    let golden: ImageId = site.make(image(instance, "golden")).await.subject.parse().unwrap();
    let snapshot = site.engine.read(|state| {
        let row = &state.rows.images[&golden];
        assert_eq!((row.state, row.farm, row.public), (ImageState::Available, Some(farm), false));
        let snapshot = &state.rows.snapshots[&row.snapshot.unwrap()];
        assert_eq!((snapshot.state, snapshot.source), (SnapshotState::Completed, Disk::Root(instance)));
        snapshot.id
    });
    let copy = site.make(launch(farm, of(golden))).await.instances[0];
    let refused = site.submit(Command::DeleteSnapshot { snapshot }).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("deregister it first")), "{refused}");
    site.make(Command::DeregisterImage { image: golden }).await;
    let refused = site.submit(launch(farm, of(golden))).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Invalid { field, .. } if field == "image"), "{refused}");
    // The instance that was made of it goes on without it, also after a restart.
    site.make(Command::DeleteSnapshot { snapshot }).await;
    for power in [Power::Stop, Power::Start, Power::Terminate] {
        site.make(Command::Power { instances: vec![copy], power }).await;
    }
    site.make(Command::DeleteFarm { farm }).await;
    site.sound();
    assert!(site.hosts.totals().is_empty(), "{:?}", site.hosts.totals());
    site.engine.read(|state| assert_eq!((state.rows.images.len(), state.rows.snapshots.len()), (1, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_for_its_farm_until_it_is_shared_or_public() {
    let site = TestSite::with(8, true).await;
    let ((own, instance), (other, _)) = (farm(&site, "alice").await, farm(&site, "bob").await);
    let copy =
        Command::CreateSnapshot { disk: Disk::Root(instance), description: String::new(), tags: BTreeMap::new() };
    let snapshot: SnapshotId = site.make(copy).await.subject.parse().unwrap();
    let register = Command::ImageOfSnapshot {
        farm: own,
        title: "golden".parse().unwrap(),
        description: String::new(),
        snapshot,
        tags: BTreeMap::new(),
    };
    let golden: ImageId = site.make(register).await.subject.parse().unwrap();
    let change = |change| Command::SetImage { image: golden, change };
    let strange = |refusal: &Refusal| matches!(refusal, Refusal::Invalid { field, .. } if field == "image");
    assert!(strange(&site.submit(launch(other, of(golden))).await.unwrap_err()));
    site.make(change(ImageChange { share_with: vec![other], ..ImageChange::default() })).await;
    site.make(launch(other, of(golden))).await;
    site.make(change(ImageChange { unshare_with: vec![other], ..ImageChange::default() })).await;
    assert!(strange(&site.submit(launch(other, of(golden))).await.unwrap_err()));
    site.make(change(ImageChange { public: Some(true), ..ImageChange::default() })).await;
    let guest = site.make(launch(other, of(golden))).await.instances[0];
    // It goes with its farm, and those who booted from it go on.
    site.make(Command::DeleteFarm { farm: own }).await;
    for power in [Power::Stop, Power::Start] {
        site.make(Command::Power { instances: vec![guest], power }).await;
    }
    assert!(site.engine.read(|state| !state.rows.images.contains_key(&golden)));
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name() {
    let site = TestSite::new().await;
    let (farm, instance) = farm(&site, "alice").await;
    let large =
        NewInstances { launch: Launch { root_disk: Some(Gib(8)), ..Launch::default() }, ..lines("m1.small", 1) };
    let large = site.make(launch(farm, large)).await.instances[0];
    let golden: ImageId = site.make(image(large, "golden")).await.subject.parse().unwrap();
    let refused = site.submit(launch(farm, of(golden))).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Invalid { field, .. } if field == "flavor"), "needs 8 GiB: {refused}");
    let refused = site.submit(image(instance, "golden")).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("is called golden already")), "{refused}");
    let refused = site.submit(image(InstanceId(7), "none")).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotFound { noun: "instance", .. }), "{refused}");
    let tenant = site.engine.read(|state| state.rows.farms[&farm].tenant);
    let limit = Amounts { disk_gib: 17, ..Amounts::UNLIMITED };
    site.submit(Command::SetQuota { tenant, class: None, limit }).await.unwrap();
    let refused = site.submit(image(instance, "more")).await.unwrap_err();
    assert!(matches!(refused, Refusal::Quota { .. }), "1 + 8 + 8 + 1 GiB: {refused}");
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_made_goes_with_its_snapshot() {
    let site = TestSite::new().await;
    let (_, instance) = farm(&site, "alice").await;
    let refuse = Rule { call: Some(CallKind::MakeSnapshot), ..Rule::always(Fault::Refuse { why: "full".into() }) };
    site.hosts.set_faults(vec![refuse]);
    let made = site.submit(image(instance, "golden")).await.unwrap();
    assert_eq!(site.wait(made.operation.unwrap()).await.state, OperationState::Failed);
    let golden: ImageId = made.subject.parse().unwrap();
    let snapshot = site.engine.read(|state| {
        let row = &state.rows.images[&golden];
        assert_eq!(row.state, ImageState::Failed);
        assert_eq!(state.rows.snapshots[&row.snapshot.unwrap()].state, SnapshotState::Error);
        row.snapshot.unwrap()
    });
    site.make(Command::DeleteSnapshot { snapshot }).await;
    site.engine.read(|state| assert!(!state.rows.images.contains_key(&golden)));
    site.sound();
}
