//! What hosts let happen and what they refuse.

use cascina_core::id::{FarmId, NetworkId, OperationId};

use super::*;
use crate::GuestState;
use crate::sim::{Fault, NothingThere, Rule};

#[test]
fn a_host_runs_only_what_fits() {
    let (mut world, w1) = (world(1), host("w1"));
    all(&mut world, &w1, &[define(1)]);
    for k in 0..4 {
        all(&mut world, &w1, &[stage(&instance(1, k)), boot(&instance(1, k))]);
    }
    let fifth = instance(1, 4);
    all(&mut world, &w1, &[stage(&fifth)]);
    assert_eq!(
        why(ask(&mut world, &w1, &boot(&fifth))),
        "4 vCPU, 4096 MiB, 20 GiB wanted, 0 vCPU, 49152 MiB, 420 GiB free"
    );
    // A stopped one keeps its disk only.
    all(&mut world, &w1, &[HostCall::Stop { guest: instance(1, 0).guest }, boot(&fifth)]);
    assert!(why(ask(&mut world, &w1, &boot(&instance(1, 0)))).contains("wanted"));
    let reboot = HostCall::Reboot { guest: instance(1, 0).guest, operation: OperationId(1) };
    assert!(why(ask(&mut world, &w1, &reboot)).contains("wanted"));
    let huge = GuestSpec { size: Size::new(1, 1, 401), ..instance(1, 5) };
    assert!(why(ask(&mut world, &w1, &stage(&huge))).contains("401 GiB wanted"));
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn boot_needs_disk_and_network_of_its_farm() {
    let (mut world, w1, guest) = (world(1), host("w1"), instance(1, 0));
    assert!(why(ask(&mut world, &w1, &boot(&guest))).contains("no disk"));
    all(&mut world, &w1, &[stage(&guest)]);
    assert!(why(ask(&mut world, &w1, &boot(&guest))).contains("not defined here"));
    all(&mut world, &w1, &[define(1), define(2)]);
    let strayed = GuestSpec { network: NetworkId(2), ..guest.clone() };
    assert!(why(ask(&mut world, &w1, &boot(&strayed))).contains("belongs to"));
    let elsewhere = GuestSpec { ip: Ipv4Addr::new(10, 65, 0, 1), ..guest.clone() };
    assert!(why(ask(&mut world, &w1, &boot(&elsewhere))).contains("is not in"));
    let stolen = GuestSpec { farm: FarmId(2), ..guest.clone() };
    assert!(why(ask(&mut world, &w1, &boot(&stolen))).contains("belongs to"));
    all(&mut world, &w1, &[boot(&guest)]);
    let twin = GuestSpec { guest: instance(1, 1).guest, ..guest };
    all(&mut world, &w1, &[stage(&twin)]);
    assert!(why(ask(&mut world, &w1, &boot(&twin))).contains("already has the address"));
}

#[test]
fn networks_stay_apart_and_go_last() {
    let (mut world, w1, guest) = (world(1), host("w1"), instance(1, 0));
    all(&mut world, &w1, &[define(1), stage(&guest), boot(&guest)]);
    let same_wire = NetworkSpec { segment: 1, ..network(2) };
    assert!(why(ask(&mut world, &w1, &HostCall::DefineNetwork { network: same_wire })).contains("segment 1 is used"));
    let remove = HostCall::RemoveNetwork { network: network(1).id };
    assert!(why(ask(&mut world, &w1, &remove)).contains("is used by"));
    all(&mut world, &w1, &[HostCall::Destroy { guest: guest.guest }, remove.clone(), remove]);
    assert!(world.totals().is_empty());
}

#[test]
fn an_operation_reboots_once() {
    let (mut world, w1, guest) = (world(1), host("w1"), instance(1, 0));
    all(&mut world, &w1, &[define(1), stage(&guest), boot(&guest)]);
    let boots = |world: &World| world.hosts()[&host("w1").name].guests[&instance(1, 0).guest].boots;
    let reboot = |operation| HostCall::Reboot { guest: guest.guest, operation: OperationId(operation) };
    all(&mut world, &w1, &[reboot(1), reboot(1), reboot(1)]);
    assert_eq!(boots(&world), 2);
    all(&mut world, &w1, &[reboot(2), reboot(1)]);
    assert_eq!(boots(&world), 3);
    for operation in 3..100 {
        all(&mut world, &w1, &[reboot(operation)]);
    }
    assert_eq!(world.hosts()[&w1.name].guests[&guest.guest].reboots.len(), 32);
}

#[test]
fn a_late_configuration_does_not_undo_a_newer_one() {
    let (mut world, w1, router) = (world(1), host("w1"), router(1));
    let guest = router.guest;
    let apply = |revision, last| HostCall::ApplyRouter { guest, revision, config: config(last) };
    all(&mut world, &w1, &[define(1), stage(&router), boot(&router)]);
    assert!(why(ask(&mut world, &w1, &HostCall::ProbeRouter { guest })).contains("no configuration"));
    all(&mut world, &w1, &[apply(2, 2), apply(1, 1), apply(2, 2)]);
    assert_eq!(ask(&mut world, &w1, &HostCall::ProbeRouter { guest }), Ok(Reply::Revision(2)));
    assert_eq!(world.hosts()[&w1.name].guests[&guest].router, Some((2, config(2))));
    assert!(why(ask(&mut world, &w1, &apply(2, 3))).contains("another configuration"));
    all(&mut world, &w1, &[HostCall::Stop { guest }]);
    assert!(ask(&mut world, &w1, &HostCall::ProbeRouter { guest }).unwrap_err().is_passing());
    let other = HostCall::ApplyRouter { guest: instance(1, 0).guest, revision: 1, config: config(1) };
    assert!(why(ask(&mut world, &w1, &other)).contains("not a router"));
}

#[test]
fn a_lost_host_keeps_what_it_has() {
    let (mut world, w1, guest) = (world(1), host("w1"), instance(1, 0));
    all(&mut world, &w1, &[define(1), stage(&guest), boot(&guest)]);
    let before = world.hosts().clone();
    world.strike(&Incident::Lose { host: w1.name.clone() }).unwrap();
    assert!(ask(&mut world, &w1, &HostCall::Destroy { guest: guest.guest }).unwrap_err().is_passing());
    world.strike(&Incident::Restore { host: w1.name.clone() }).unwrap();
    assert_eq!(world.hosts(), &before);
    world.strike(&Incident::PowerCycle { host: w1.name.clone() }).unwrap();
    assert_eq!(world.totals().crashed, 1);
    assert_eq!(
        world.strike(&Incident::CrashGuest { guest: guest.guest }),
        Err(NothingThere::Guest(guest.guest)),
        "it does not run"
    );
    assert_eq!(world.strike(&Incident::Lose { host: host("w9").name }), Err(NothingThere::Host(host("w9").name)));
    all(&mut world, &w1, &[boot(&guest)]);
    assert_eq!(world.totals().running, 1);
}

#[test]
fn a_host_lost_under_way_does_not_finish() {
    let (mut world, w1) = (world(1), host("w1"));
    let planned = world.begin(&w1, &define(1));
    world.strike(&Incident::Lose { host: w1.name.clone() }).unwrap();
    assert!(world.finish(&w1, &define(1), &planned.fate).unwrap_err().is_passing());
    assert!(world.totals().is_empty());
}

#[test]
fn fates_with_and_without_effect() {
    let (w1, call) = (host("w1"), define(1));
    for (fate, passing, networks) in [
        (Fate::Refuse { why: "no".into() }, false, 0),
        (Fate::Hang { effect: false }, true, 0),
        (Fate::Hang { effect: true }, true, 1),
        (Fate::Crash { effect: false }, true, 0),
        (Fate::Crash { effect: true }, true, 1),
    ] {
        let mut world = world(1);
        let error = finish(&mut world, &w1, &call, fate.clone()).unwrap_err();
        assert_eq!((error.is_passing(), world.totals().networks), (passing, networks), "{fate:?}");
    }
}

#[test]
fn a_rule_for_a_farm_finds_calls_that_name_only_a_guest() {
    let (mut world, w1) = (world(1), host("w1"));
    for farm in [1, 2] {
        all(&mut world, &w1, &[define(farm), stage(&instance(farm, 0)), boot(&instance(farm, 0))]);
    }
    world.set_faults(vec![Rule { farm: Some(FarmId(2)), ..Rule::always(Fault::Refuse { why: "no".into() }) }]);
    all(&mut world, &w1, &[HostCall::Stop { guest: instance(1, 0).guest }]);
    assert_eq!(why(ask(&mut world, &w1, &HostCall::Stop { guest: instance(2, 0).guest })), "no");
    assert_eq!(why(ask(&mut world, &w1, &HostCall::RemoveNetwork { network: network(2).id })), "no");
    assert_eq!(world.faults()[0].fired, 2);
}

#[test]
fn the_first_copy_of_an_image_is_slow() {
    let latencies = Latencies { jitter_permille: 0, ..Latencies::default() };
    let mut world = World::new(Settings { latencies: latencies.clone(), ..Settings::default() });
    let (w1, w2) = (host("w1"), host("w2"));
    assert_eq!(world.begin(&w1, &stage(&instance(1, 0))).latency_ms, latencies.copy_ms);
    all(&mut world, &w1, &[stage(&instance(1, 0)), define(1)]);
    assert_eq!(world.begin(&w1, &stage(&instance(1, 1))).latency_ms, latencies.clone_ms);
    assert_eq!(world.begin(&w1, &stage(&instance(1, 0))).latency_ms, latencies.call_ms);
    assert_eq!(world.begin(&w2, &stage(&instance(1, 1))).latency_ms, latencies.copy_ms);
    assert_eq!(world.begin(&w1, &boot(&instance(1, 0))).latency_ms, latencies.boot_ms);
    all(&mut world, &w1, &[boot(&instance(1, 0))]);
    assert_eq!(world.begin(&w1, &boot(&instance(1, 0))).latency_ms, latencies.call_ms);
    world.set_faults(vec![Rule::always(Fault::Slow { ms: 1_000 })]);
    assert_eq!(world.begin(&w1, &boot(&instance(1, 0))).latency_ms, latencies.call_ms + 1_000);
}

#[test]
fn violations_across_hosts_are_seen() {
    let mut world = world(1);
    for name in ["w1", "w2"] {
        all(&mut world, &host(name), &[define(1), stage(&instance(1, 0)), boot(&instance(1, 0))]);
    }
    assert_eq!(world.violations(), ["i-0000000000000000a runs on w1 and w2"]);
    let twin = GuestSpec { guest: instance(1, 1).guest, ..instance(1, 0) };
    all(&mut world, &host("w2"), &[HostCall::Destroy { guest: instance(1, 0).guest }, stage(&twin), boot(&twin)]);
    assert_eq!(
        world.violations(),
        ["10.64.1.10 on vpc-00000000000000001 is used by i-0000000000000000a and i-0000000000000000b"]
    );
}

#[test]
fn the_snapshot_has_everything_and_can_be_sent() {
    let (mut world, w1, guest) = (world(1), host("w1"), instance(1, 0));
    all(&mut world, &w1, &[define(1), stage(&guest), boot(&guest), stage(&instance(1, 1))]);
    let snapshot = world.snapshot();
    let totals = snapshot.totals;
    assert_eq!((totals.guests, totals.running, totals.disks, totals.networks), (1, 1, 2, 1));
    assert_eq!(snapshot.hosts[&w1.name].used, Size::new(4, 4096, 40));
    assert_eq!(snapshot.hosts[&w1.name].guests[1].state, GuestState::Staged);
    let text = serde_json::to_string(&snapshot).unwrap();
    assert_eq!(serde_json::from_str::<crate::sim::Snapshot>(&text).unwrap(), snapshot);
}
