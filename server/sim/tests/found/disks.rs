//! What schedules have found about volumes and their stores.

use std::collections::BTreeMap;

use cascina_core::command::{Command, NewInstances, Power, Remedy};
use cascina_core::host::HostState;
use cascina_core::id::{FarmId, InstanceId, VolumeId};
use cascina_core::launch::{Launch, NewVolume};
use cascina_core::operation::OperationState;
use cascina_core::refusal::Refusal;
use cascina_core::state::Guest;
use cascina_core::units::Gib;
use cascina_core::volume::{AttachmentState, Pace, VolumeKind};
use cascina_drivers::sim::{CallKind, Fate, Fault};
use cascina_drivers::{HostCall, Place, VolumeAt};

use crate::scene::{Scene, line, name, refuse, rule};

const DEVICE: &str = "/dev/sdf";

fn volume(scene: &mut Scene, farm: FarmId) -> VolumeId {
    let (class, size, kind) = (name("workers"), Some(Gib(2)), VolumeKind::Gp3);
    let made =
        Command::CreateVolume { farm, class, size, snapshot: None, kind, pace: Pace::default(), tags: BTreeMap::new() };
    scene.make(made).subject.parse().unwrap()
}

fn attach(volume: VolumeId, instance: InstanceId) -> Command {
    Command::AttachVolume { volume, instance, device: DEVICE.into() }
}

/// An instance with a volume that goes with it.
fn with_volume(scene: &mut Scene, farm: FarmId) -> (InstanceId, VolumeId) {
    let ends = NewVolume {
        device: DEVICE.into(),
        size: Some(Gib(2)),
        snapshot: None,
        kind: VolumeKind::Gp3,
        pace: cascina_core::volume::Pace::default(),
        delete_on_termination: true,
    };
    let launch = Launch { volumes: vec![ends], ..Launch::default() };
    let id = scene.run(farm, NewInstances { launch, ..line("m1.small", None) });
    let volume = scene.state().indexes.volumes_by_instance.of(&id).next().unwrap();
    (id, volume)
}

fn power(instance: InstanceId, power: Power) -> Command {
    Command::Power { instances: vec![instance], power }
}

#[test]
fn a_volume_that_was_detached_while_it_went_with_its_instance_is_gone() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let (id, volume) = with_volume(&mut scene, farm);
    scene.faults(vec![
        rule(CallKind::DetachVolume, 1, refuse()),
        rule(CallKind::RemoveVolume, 1, Fault::Slow { ms: 5000 }),
    ]);
    let detach = scene.ask(Command::DetachVolume { volume }).unwrap().operation.unwrap();
    assert_eq!(scene.wait(detach).state, OperationState::Stuck);
    let end = scene.ask(power(id, Power::Terminate)).unwrap().operation.unwrap();
    scene.pass(2000);
    scene.ask(Command::Mend { operation: detach, remedy: Remedy::Retry }).unwrap();
    assert_eq!(scene.wait(detach).state, OperationState::Done);
    assert_eq!(scene.wait(end).state, OperationState::Done);
    assert!(!scene.state().rows.volumes.contains_key(&volume));
    scene.settle();
}

#[test]
fn a_volume_goes_although_all_hosts_of_its_class_are_cordoned() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let volume = volume(&mut scene, farm);
    let hosts: Vec<_> = scene.state().rows.hosts.keys().copied().collect();
    for host in hosts {
        scene.ask(Command::SetHostState { host, state: HostState::Cordoned, note: None }).unwrap();
    }
    scene.make(Command::DeleteVolume { volume });
    assert!(scene.sim.world.stores().is_empty());
}

#[test]
fn an_attachment_that_was_stuck_leaves_the_volume_where_it_is_now() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let (first, second) = (scene.run(farm, line("m1.small", None)), scene.run(farm, line("m1.small", None)));
    let volume = volume(&mut scene, farm);
    scene.faults(vec![rule(CallKind::AttachVolume, 1, refuse()), rule(CallKind::DetachVolume, 5, refuse())]);
    let stuck = scene.ask(attach(volume, first)).unwrap().operation.unwrap();
    assert_eq!(scene.wait(stuck).state, OperationState::Stuck);
    scene.make(power(first, Power::Terminate));
    scene.make(attach(volume, second));
    scene.ask(Command::Mend { operation: stuck, remedy: Remedy::Retry }).unwrap();
    assert_eq!(scene.wait(stuck).state, OperationState::Failed);
    let held = scene.state().rows.volumes[&volume].attachment.clone().unwrap();
    assert_eq!((held.instance, held.state), (second, AttachmentState::Attached));
    assert_eq!(scene.sim.world.holders(volume).len(), 1);
    scene.settle();
}

#[test]
fn a_volume_that_goes_with_an_instance_whose_end_is_stuck_is_left_alone() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let (id, volume) = with_volume(&mut scene, farm);
    scene.faults(vec![rule(CallKind::Destroy, 5, refuse())]);
    let end = scene.ask(power(id, Power::Terminate)).unwrap().operation.unwrap();
    assert_eq!(scene.wait(end).state, OperationState::Stuck);
    let refused = scene.ask(Command::DetachVolume { volume }).unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("being terminated")), "{refused}");
    scene.ask(Command::Mend { operation: end, remedy: Remedy::Retry }).unwrap();
    assert_eq!(scene.wait(end).state, OperationState::Done);
    scene.settle();
}

#[test]
fn what_was_skipped_of_detaching_and_resizing_is_not_taken_for_done() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let (_, volume) = with_volume(&mut scene, farm);
    scene.faults(vec![rule(CallKind::DetachVolume, 1, refuse()), rule(CallKind::ResizeVolume, 5, refuse())]);
    for command in
        [Command::DetachVolume { volume }, Command::ResizeVolume { volume, size: Gib(5), kind: None, pace: None }]
    {
        let operation = scene.ask(command).unwrap().operation.unwrap();
        assert_eq!(scene.wait(operation).state, OperationState::Stuck);
        scene.ask(Command::Mend { operation, remedy: Remedy::Skip }).unwrap();
        assert_eq!(scene.wait(operation).state, OperationState::Done);
    }
    let row = &scene.state().rows.volumes[&volume];
    assert_eq!(row.attachment.as_ref().unwrap().state, AttachmentState::Attached);
    assert!(row.note.as_ref().unwrap().contains("5 GiB"));
    scene.settle();
    // It can be asked for again.
    scene.make(Command::ResizeVolume { volume, size: Gib(5), kind: None, pace: None });
    let store = &scene.sim.world.stores()[&name("workers")];
    assert_eq!((store.volumes[&volume].size, &scene.state().rows.volumes[&volume].note), (Gib(5), &None));
}

#[test]
fn calls_about_volumes_that_end_late_are_made_good() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let id = scene.run(farm, line("m1.small", None));
    let (own, strange) = (volume(&mut scene, farm), volume(&mut scene, farm));
    scene.make(attach(own, id));
    scene.pass(1000);
    let host = scene.host(scene.instance(id).host.unwrap());
    let (guest, at) = (Guest::Instance(id), Place { farm, class: name("workers") });
    let nobodys = VolumeId(7);
    for call in [
        HostCall::DetachVolume { guest, volume: own, at: at.clone() },
        HostCall::AttachVolume { guest, volume: VolumeAt { volume: strange, device: DEVICE.into() }, at: at.clone() },
        HostCall::MakeVolume { volume: nobodys, at, size: Gib(1), from: None },
    ] {
        scene.sim.world.finish(&host, &call, &Fate::Answer).unwrap();
    }
    scene.settle();
    assert_eq!((scene.sim.world.holders(own).len(), scene.sim.world.holders(strange).len()), (1, 0));
    assert!(!scene.sim.world.stores()[&name("workers")].volumes.contains_key(&nobodys));
}

#[test]
fn a_volume_is_made_again_after_its_first_making_was_given_up() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    scene.faults(vec![rule(CallKind::MakeVolume, 1, Fault::Hang { effect: true })]);
    let volume = volume(&mut scene, farm);
    scene.make(Command::DeleteVolume { volume });
    scene.settle();
    assert!(scene.sim.world.stores().is_empty());
}

#[test]
fn a_volume_that_is_enlarged_while_it_goes_with_its_instance_needs_no_person() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let (id, volume) = with_volume(&mut scene, farm);
    scene.faults(vec![rule(CallKind::ResizeVolume, 1, Fault::Slow { ms: 3000 })]);
    let resize = Command::ResizeVolume { volume, size: Gib(5), kind: None, pace: None };
    let resize = scene.ask(resize).unwrap().operation.unwrap();
    scene.make(power(id, Power::Terminate));
    assert_eq!(scene.wait(resize).state, OperationState::Done);
    scene.settle();
}
