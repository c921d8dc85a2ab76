//! What schedules have found in the engine, told in its shortest form.
#![allow(clippy::unwrap_used)]

#[path = "../components/mod.rs"]
mod components;
mod disks;
mod firewalls;
mod routers;
mod scene;

use cascina_core::command::{Command, NewInstances, Power, Remedy};
use cascina_core::farm::FarmState;
use cascina_core::id::InstanceId;
use cascina_core::instance::InstanceState;
use cascina_core::network::{NatRule, Protocol};
use cascina_core::operation::OperationState;
use cascina_core::policy::{Hook, Scope};
use cascina_core::refusal::Refusal;
use cascina_core::state::Guest;
use cascina_core::tenant::TenantRequest;
use cascina_core::units::{Gib, Timestamp};
use cascina_drivers::sim::{CallKind, Fate, Fault, Rule};
use cascina_drivers::{GuestState, HostCall, Inventory};
use cascina_engine::reconcile::difference;
use cascina_sim::bound;
use scene::{Scene, farm, line, name, refuse, rule};

#[test]
fn a_first_start_that_is_cut_short_makes_its_bindings_at_the_next() {
    for ms in 0..20 {
        let mut scene = Scene::starting();
        scene.sim.crash_after(ms);
        scene.pass(5000);
        assert!(scene.sim.is_ready());
        assert_eq!((scene.sim.starts, scene.state().rows.policies.len()), (2, 5));
        assert_eq!(scene.state().rows.bindings.len(), 3, "after a crash at {ms} ms");
    }
}

#[test]
fn bindings_that_were_taken_away_stay_away_after_a_restart() {
    let mut scene = Scene::new();
    let bindings: Vec<_> = scene.state().rows.bindings.keys().copied().collect();
    for binding in bindings {
        scene.ask(Command::Unbind { binding }).unwrap();
    }
    scene.sim.crash_after(0);
    scene.pass(5000);
    assert_eq!((scene.sim.starts, scene.state().rows.bindings.len()), (2, 0));
}

#[test]
fn a_closed_tenant_takes_its_images_and_rules_along() {
    let mut scene = Scene::new();
    let request = TenantRequest { name: name("bob"), groups: Vec::new(), tier: name("standard") };
    let tenant = scene.ask(Command::CreateTenant(request)).unwrap().subject.parse().unwrap();
    let (image, min_disk) = (name("own"), Gib(1));
    let own = Command::RegisterImage {
        name: image,
        tenant: Some(tenant),
        source: "own.qcow2".into(),
        min_disk,
        sha256: None,
    };
    scene.ask(own).unwrap();
    let mut rule = bound(&name("placement-spread"), Hook::Placement);
    rule.scope = Scope::Tenant(tenant);
    scene.ask(Command::Bind(rule)).unwrap();
    scene.ask(Command::CloseTenant { tenant }).unwrap();
    assert!(scene.state().rows.images.values().all(|image| image.tenant.is_none()));
    assert_eq!(scene.state().rows.bindings.len(), 3);
}

#[test]
fn a_skipped_step_of_a_deletion_leaves_no_half_farm() {
    let mut scene = Scene::new();
    let farm = scene.farm(vec![line("m1.small", None)]);
    scene.faults(vec![rule(CallKind::Destroy, 5, refuse())]);
    let operation = scene.ask(Command::DeleteFarm { farm }).unwrap().operation.unwrap();
    assert_eq!(scene.wait(operation).state, OperationState::Stuck);
    scene.ask(Command::Mend { operation, remedy: Remedy::Skip }).unwrap();
    assert_eq!(scene.wait(operation).state, OperationState::Done);
    assert_eq!(scene.state().rows.farms[&farm].state, FarmState::Deleted);
    // What the hosts still had belongs to nobody now.
    scene.settle();
    assert!(scene.sim.world.totals().is_empty(), "{:?}", scene.sim.world.totals());
}

#[test]
fn a_stopped_instance_claims_no_more_than_its_disk_while_it_ends() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let stopped = scene.run(farm, line("m1.large", Some("w1")));
    scene.make(Command::Power { instances: vec![stopped], power: Power::Stop });
    // 16 vCPUs: these two fit only because the first one is stopped.
    scene.run(farm, line("m1.large", Some("w1")));
    scene.run(farm, line("m1.large", Some("w1")));
    scene.faults(vec![rule(CallKind::Destroy, 1, Fault::Hang { effect: false })]);
    scene.ask(Command::Power { instances: vec![stopped], power: Power::Terminate }).unwrap();
    assert_eq!(scene.instance(stopped).state, InstanceState::ShuttingDown);
    assert_eq!(scene.instance(stopped).claim().unwrap().1.vcpus.0, 0);
    scene.settle();
}

#[test]
fn a_farm_unwinds_while_those_of_its_instances_that_did_not_come_up_are_ended() {
    let mut scene = Scene::new();
    // The first disk is the router's. One of two instances gets none, which is enough; its end hangs.
    scene.faults(vec![
        Rule { after: 1, ..rule(CallKind::StageDisk, 1, refuse()) },
        rule(CallKind::Destroy, 1, Fault::Hang { effect: false }),
    ]);
    let two = NewInstances { max_count: 2, ..line("m1.small", None) };
    let outcome = scene.ask(Command::CreateFarm(farm(vec![two]))).unwrap();
    let farm = outcome.subject.parse().unwrap();
    let ending = |scene: &Scene| {
        let rows = &scene.state().rows.instances;
        rows.values().any(|row| matches!(row.state, InstanceState::Error | InstanceState::ShuttingDown))
    };
    for _ in 0..120 {
        if ending(&scene) {
            break;
        }
        scene.pass(500);
    }
    assert!(ending(&scene), "one of them is being ended");
    let deletion = scene.ask(Command::DeleteFarm { farm }).unwrap().operation.unwrap();
    assert_eq!(scene.wait(deletion).state, OperationState::Done);
    assert_eq!(scene.wait(outcome.operation.unwrap()).state, OperationState::Failed);
    scene.settle();
    assert!(scene.sim.world.totals().is_empty(), "{:?}", scene.sim.world.totals());
}

#[test]
fn a_router_that_is_behind_is_brought_up_to_date() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let router = scene.state().indexes.routers_by_farm.of(&farm).next().unwrap();
    let to = scene.state().rows.networks.values().next().unwrap().cidr.hosts().nth(20).unwrap();
    let forwards = vec![NatRule { protocol: Protocol::Tcp, public_port: 80, to, to_port: 80 }];
    scene.faults(vec![rule(CallKind::ApplyRouter, 1, refuse())]);
    let operation = scene.ask(Command::SetForwards { router, forwards }).unwrap().operation.unwrap();
    assert_eq!(scene.wait(operation).state, OperationState::Stuck);
    scene.ask(Command::Mend { operation, remedy: Remedy::Skip }).unwrap();
    assert_eq!(scene.wait(operation).state, OperationState::Done);
    let behind = &scene.state().rows.routers[&router];
    assert!(behind.applied_revision < behind.desired_revision, "nobody claims that it has it");
    // Compares the router's configuration with the rows, too.
    scene.settle();
    assert_eq!(scene.state().rows.farms[&farm].state, FarmState::Active);
}

#[test]
fn a_guest_that_should_be_stopped_and_runs_is_stopped() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let id = scene.run(farm, line("m1.small", None));
    scene.make(Command::Power { instances: vec![id], power: Power::Stop });
    scene.pass(60_000);
    let host = scene.host(scene.instance(id).host.unwrap());
    let spec = scene.sim.world.hosts()[&host.name].guests[&Guest::Instance(id)].spec.clone();
    // As a call would that was given up long ago.
    scene.sim.world.finish(&host, &HostCall::Boot { spec }, &Fate::Answer).unwrap();
    scene.settle();
    assert_eq!(scene.instance(id).state, InstanceState::Stopped);
}

#[test]
fn what_no_row_owns_is_swept_although_its_farm_has_a_stuck_operation() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let id = scene.run(farm, line("m1.small", None));
    scene.faults(vec![rule(CallKind::Reboot, 1, refuse())]);
    let reboot = scene.ask(Command::Power { instances: vec![id], power: Power::Reboot }).unwrap();
    assert_eq!(scene.wait(reboot.operation.unwrap()).state, OperationState::Stuck);
    let host = scene.host(scene.instance(id).host.unwrap());
    let mut spec = scene.sim.world.hosts()[&host.name].guests[&Guest::Instance(id)].spec.clone();
    spec.guest = Guest::Instance(InstanceId(7));
    let stage = HostCall::StageDisk { spec, image: "debian.qcow2".into(), sha256: None };
    scene.sim.world.finish(&host, &stage, &Fate::Answer).unwrap();
    scene.pass(100_000);
    let guests = &scene.sim.world.hosts()[&host.name].guests;
    assert!(guests.contains_key(&Guest::Instance(id)) && !guests.contains_key(&Guest::Instance(InstanceId(7))));
}

#[test]
fn an_elastic_ip_does_not_go_to_an_instance_whose_end_is_stuck() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let id = scene.run(farm, line("m1.small", None));
    let address = scene
        .ask(Command::AllocateAddress { farm, tags: std::collections::BTreeMap::new() })
        .unwrap()
        .subject
        .parse()
        .unwrap();
    scene.faults(vec![rule(CallKind::Destroy, 5, refuse())]);
    let end = scene.ask(Command::Power { instances: vec![id], power: Power::Terminate }).unwrap();
    assert_eq!(scene.wait(end.operation.unwrap()).state, OperationState::Stuck);
    let refused = scene.ask(Command::AssociateAddress { address, instance: Some(id) }).unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("shutting-down")), "{refused}");
}

#[test]
fn a_stopped_instance_starts_where_its_disk_is_or_not_at_all() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let id = scene.run(farm, NewInstances { class: Some(name("services")), ..line("m1.small", Some("s2")) });
    let host = scene.instance(id).host.unwrap();
    scene.make(Command::Power { instances: vec![id], power: Power::Stop });
    let set = |state| Command::SetHostState { host, state, note: None };
    scene.ask(set(cascina_core::host::HostState::Cordoned)).unwrap();
    let start = Command::Power { instances: vec![id], power: Power::Start };
    assert!(matches!(scene.ask(start.clone()), Err(Refusal::NoHost { .. })));
    scene.ask(set(cascina_core::host::HostState::Up)).unwrap();
    scene.make(start);
    assert_eq!((scene.instance(id).host, scene.instance(id).state), (Some(host), InstanceState::Running));
    scene.settle();
}

#[test]
fn a_reboot_that_was_stuck_does_not_start_what_was_stopped_meanwhile() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let id = scene.run(farm, line("m1.small", None));
    scene.faults(vec![rule(CallKind::Reboot, 1, refuse())]);
    let reboot = scene.ask(Command::Power { instances: vec![id], power: Power::Reboot }).unwrap().operation.unwrap();
    assert_eq!(scene.wait(reboot).state, OperationState::Stuck);
    scene.make(Command::Power { instances: vec![id], power: Power::Stop });
    scene.ask(Command::Mend { operation: reboot, remedy: Remedy::Retry }).unwrap();
    assert_eq!(scene.wait(reboot).state, OperationState::Done);
    let host = scene.host(scene.instance(id).host.unwrap());
    let guest = &scene.sim.world.hosts()[&host.name].guests[&Guest::Instance(id)];
    assert_eq!((guest.state, scene.instance(id).state), (GuestState::Stopped, InstanceState::Stopped));
}

#[test]
fn a_stop_that_was_stuck_leaves_what_is_being_ended_alone() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let id = scene.run(farm, line("m1.small", None));
    scene.faults(vec![rule(CallKind::Stop, 1, refuse()), rule(CallKind::Destroy, 5, refuse())]);
    let stop = scene.ask(Command::Power { instances: vec![id], power: Power::Stop }).unwrap().operation.unwrap();
    assert_eq!(scene.wait(stop).state, OperationState::Stuck);
    let end = scene.ask(Command::Power { instances: vec![id], power: Power::Terminate }).unwrap().operation.unwrap();
    assert_eq!(scene.wait(end).state, OperationState::Stuck);
    scene.ask(Command::Mend { operation: stop, remedy: Remedy::Retry }).unwrap();
    assert_eq!(scene.wait(stop).state, OperationState::Done);
    assert_eq!(scene.instance(id).state, InstanceState::ShuttingDown);
}

#[test]
fn an_inventory_that_is_older_than_a_router_says_nothing_about_it() {
    let mut scene = Scene::new();
    scene.farm(Vec::new());
    let router = scene.state().rows.routers.values().next().unwrap().clone();
    let host = scene.state().rows.hosts[&router.host.unwrap()].clone();
    let judged = |asked| difference(scene.state(), &host, asked, &Inventory::default()).commands.len();
    assert_eq!(judged(router.updated), 0);
    assert_eq!(judged(Timestamp(router.updated.0 + 1)), 1);
}
