//! What volume stores let happen and what they refuse.

use cascina_core::id::OperationId;

use super::*;
use crate::sim::{CallKind, Fault, Rule};
use crate::{GuestState, Stored};

const VDB: &str = "/dev/vdb";

/// Two instances of farm 1 that run on `w1`, one that runs on `w2`, and a volume of 4 GiB.
fn inhabited() -> (World, HostRef, HostRef) {
    let (mut world, w1, w2) = (world(1), host("w1"), host("w2"));
    for (host, guests) in [(&w1, &[0, 1][..]), (&w2, &[2][..])] {
        all(&mut world, host, &[define(1)]);
        for k in guests {
            all(&mut world, host, &[stage(&instance(1, *k)), boot(&instance(1, *k))]);
        }
    }
    all(&mut world, &w1, &[make(1, 1, 4, None)]);
    (world, w1, w2)
}

fn volumes(world: &World, host: &HostRef, k: u8) -> Vec<VolumeAt> {
    world.hosts()[&host.name].guests[&instance(1, k).guest].spec.volumes.clone()
}

fn stored(world: &mut World, host: &HostRef, class: &str) -> Stored {
    match ask(world, host, &HostCall::Stored { class: class.parse().unwrap() }) {
        Ok(Reply::Stored(stored)) => stored,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_store_is_its_classes_and_all_hosts_reach_it() {
    let (mut world, _, w2) = inhabited();
    assert_eq!(stored(&mut world, &w2, "c").volumes, [(VolumeId(1), FarmId(1))]);
    assert_eq!(stored(&mut world, &w2, "d"), Stored::default());
    let elsewhere =
        HostCall::RemoveVolume { volume: VolumeId(1), at: Place { class: "d".parse().unwrap(), ..place(1) } };
    assert!(why(ask(&mut world, &w2, &elsewhere)).contains("in the store of c, not in that of d"));
    assert!(why(ask(&mut world, &w2, &remove(1, 2))).contains("belongs to farm-0"));
    world.strike(&Incident::Lose { host: host("w1").name }).unwrap();
    all(&mut world, &w2, &[remove(1, 1)]);
    assert!(world.stores().is_empty());
}

#[test]
fn volumes_grow_only() {
    let (mut world, w1, _) = inhabited();
    let size = |world: &World| world.stores()["c"].volumes[&VolumeId(1)].size.0;
    all(&mut world, &w1, &[resize(1, 1, 6), resize(1, 1, 5), make(1, 1, 4, None)]);
    assert_eq!(size(&world), 6);
    assert!(why(ask(&mut world, &w1, &make(1, 1, 7, None))).contains("has 6 GiB"));
    assert!(why(ask(&mut world, &w1, &resize(2, 1, 5))).contains("not in the store"));
}

#[test]
fn a_volume_has_one_guest() {
    let (mut world, w1, w2) = inhabited();
    let (first, second, far) = (instance(1, 0), instance(1, 1), instance(1, 2));
    let take = attach(&first, 1, 1, VDB);
    all(&mut world, &w1, &[take.clone(), take.clone(), make(2, 1, 1, None)]);
    assert_eq!(world.holders(VolumeId(1)), [(w1.name.clone(), first.guest)]);
    assert!(why(ask(&mut world, &w1, &attach(&second, 1, 1, VDB))).contains("on w1 has vol-"));
    assert!(why(ask(&mut world, &w2, &attach(&far, 1, 1, VDB))).contains("on w1 has vol-"));
    assert!(why(ask(&mut world, &w1, &attach(&first, 1, 1, "/dev/vdc"))).contains("as /dev/vdb"));
    assert!(why(ask(&mut world, &w1, &attach(&first, 1, 2, VDB))).contains("cannot be it"));
    assert!(why(ask(&mut world, &w1, &attach(&first, 1, 3, "/dev/vdc"))).contains("not in the store"));
    assert!(why(ask(&mut world, &w2, &attach(&first, 1, 2, VDB))).contains("is not here"));
    assert!(why(ask(&mut world, &w2, &remove(1, 1))).contains("on w1 has"));
    all(&mut world, &w2, &[detach(&far, 1, 1), detach(&first, 1, 1)]);
    assert_eq!(volumes(&world, &w1, 0), [volume_at(1, VDB)], "detached where the guest is not");
    all(&mut world, &w1, &[detach(&first, 1, 1), detach(&first, 1, 1)]);
    all(&mut world, &w2, &[attach(&far, 1, 1, VDB)]);
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn a_guest_boots_with_exactly_its_volumes() {
    let (mut world, w1, w2) = inhabited();
    let guest = instance(1, 0);
    let with = |ids: &[u64]| {
        let volumes = ids.iter().zip([VDB, "/dev/vdc"]).map(|(id, device)| volume_at(*id, device)).collect();
        GuestSpec { volumes, ..guest.clone() }
    };
    let stop = HostCall::Stop { guest: guest.guest };
    all(&mut world, &w1, &[make(2, 1, 1, None), attach(&guest, 1, 1, VDB), stop.clone()]);
    assert_eq!(volumes(&world, &w1, 0), [volume_at(1, VDB)], "stopping keeps them");
    assert!(why(ask(&mut world, &w1, &boot(&with(&[1, 3])))).contains("in no store"));
    assert!(why(ask(&mut world, &w1, &boot(&with(&[1, 1])))).contains("twice"));
    all(&mut world, &w1, &[boot(&with(&[2])), boot(&with(&[1]))]);
    assert_eq!(volumes(&world, &w1, 0), [volume_at(2, VDB)], "while it runs, a boot changes nothing");
    all(&mut world, &w2, &[attach(&instance(1, 2), 1, 1, VDB)]);
    all(&mut world, &w1, std::slice::from_ref(&stop));
    assert!(why(ask(&mut world, &w1, &boot(&with(&[1])))).contains("on w2 has"));
    all(&mut world, &w1, &[HostCall::Reboot { guest: guest.guest, operation: OperationId(1) }]);
    assert_eq!(volumes(&world, &w1, 0), [volume_at(2, VDB)]);
    all(&mut world, &w1, &[HostCall::Destroy { guest: guest.guest }, remove(2, 1), stage(&with(&[]))]);
    assert!(why(ask(&mut world, &w1, &attach(&guest, 1, 2, VDB))).contains("not in the store"));
    all(&mut world, &w1, &[make(2, 1, 1, None)]);
    assert!(why(ask(&mut world, &w1, &attach(&guest, 1, 2, VDB))).contains("never booted"));
    let foreign = GuestSpec { volumes: vec![volume_at(2, VDB)], ..instance(2, 0) };
    all(&mut world, &w1, &[define(2), stage(&foreign)]);
    assert!(why(ask(&mut world, &w1, &boot(&foreign))).contains("belongs to farm-0"));
}

#[test]
fn the_same_guest_may_have_its_volume_in_two_places() {
    // Moved away from a lost host, on which it may well go on.
    let (mut world, w1, w2) = inhabited();
    let guest = GuestSpec { volumes: vec![volume_at(1, VDB)], ..instance(1, 3) };
    for host in [&w1, &w2] {
        all(&mut world, host, &[stage(&guest), boot(&guest)]);
    }
    assert_eq!(world.violations(), ["i-0000000000000000d runs on w1 and w2"]);
    all(&mut world, &w1, &[HostCall::Destroy { guest: guest.guest }]);
    assert_eq!(world.holders(VolumeId(1)), [(w2.name, guest.guest)]);
    assert_eq!(world.violations(), [""; 0]);
}

#[test]
fn snapshots_are_of_disks_that_are_there() {
    let (mut world, w1, w2) = inhabited();
    let (of_volume, of_root) = (Disk::Volume(VolumeId(1)), Disk::Root(InstanceId(10)));
    assert!(why(ask(&mut world, &w1, &take(1, 1, Disk::Volume(VolumeId(9))))).contains("not in the store"));
    assert!(why(ask(&mut world, &w2, &take(2, 1, of_root))).contains("is not here"));
    assert!(why(ask(&mut world, &w1, &take(2, 2, of_root))).contains("belongs to"));
    all(&mut world, &w1, &[take(1, 1, of_volume), take(2, 1, of_root), remove(1, 1)]);
    all(&mut world, &w2, &[take(1, 1, of_volume), take(2, 1, of_root)]);
    assert!(why(ask(&mut world, &w2, &take(1, 1, of_root))).contains("of another disk"));
    let sizes: Vec<u64> = world.stores()["c"].snapshots.values().map(|snapshot| snapshot.size.0).collect();
    assert_eq!(sizes, [4, 20]);
    assert_eq!((world.totals().volumes, world.totals().snapshots), (0, 2));
    assert_eq!(world.snapshot().stores["c"].snapshots.len(), 2);
}

#[test]
fn snapshots_are_copied_for_whoever_may_have_them() {
    let (mut world, w1, w2) = inhabited();
    let copy = take(2, 2, Disk::Copy(SnapshotId(1)));
    assert!(why(ask(&mut world, &w1, &copy)).contains("not in the store"));
    let gone = HostCall::RemoveSnapshot { snapshot: SnapshotId(1), at: place(1) };
    all(&mut world, &w1, &[take(1, 1, Disk::Root(InstanceId(10))), copy.clone(), gone]);
    all(&mut world, &w2, &[copy]);
    let left: Vec<_> =
        world.stores()["c"].snapshots.values().map(|snapshot| (snapshot.farm, snapshot.size.0)).collect();
    assert_eq!(left, [(FarmId(2), 20)]);
}

#[test]
fn what_is_made_from_a_snapshot_needs_it_and_holds_it() {
    let (mut world, w1, w2) = inhabited();
    let new = instance(1, 3);
    assert!(why(ask(&mut world, &w1, &make(2, 1, 4, Some(1)))).contains("in no store"));
    assert!(why(ask(&mut world, &w2, &stage_from(&new, 1))).contains("in no store"));
    let nonsense = HostCall::StageDisk { spec: new.clone(), image: "snapshot:lot-1".into(), sha256: None };
    assert!(why(ask(&mut world, &w2, &nonsense)).contains("is not an id"));
    all(&mut world, &w1, &[take(1, 1, Disk::Volume(VolumeId(1)))]);
    assert!(why(ask(&mut world, &w1, &make(2, 1, 3, Some(1)))).contains("do not hold"));
    let small = GuestSpec { size: Size::new(1, 512, 3), ..new.clone() };
    assert!(why(ask(&mut world, &w2, &stage_from(&small, 1))).contains("do not hold"));
    let gone = HostCall::RemoveSnapshot { snapshot: SnapshotId(1), at: place(1) };
    all(&mut world, &w1, &[make(2, 1, 4, Some(1))]);
    all(&mut world, &w2, &[stage_from(&new, 1), gone.clone(), gone, stage_from(&new, 1), make(2, 1, 4, Some(1))]);
    assert!(why(ask(&mut world, &w1, &make(2, 1, 4, None))).contains("was made from snap-"));
    let there = &world.hosts()[&w2.name];
    assert_eq!(there.guests[&new.guest].state, GuestState::Staged);
    assert_eq!(there.images.iter().collect::<Vec<_>>(), ["image"], "a snapshot is no copy of the host's");
}

#[test]
fn rules_find_calls_about_volumes() {
    let (mut world, w1, _) = inhabited();
    let no = Fault::Refuse { why: "no".into() };
    let rule = |call, farm, guest| Rule { call, farm, guest, ..Rule::always(no.clone()) };
    world.set_faults(vec![
        rule(Some(CallKind::ResizeVolume), Some(FarmId(1)), None),
        rule(None, None, Some(instance(1, 1).guest)),
    ]);
    assert_eq!(why(ask(&mut world, &w1, &resize(1, 1, 9))), "no");
    all(&mut world, &w1, &[attach(&instance(1, 0), 1, 1, VDB), detach(&instance(1, 0), 1, 1)]);
    assert_eq!(why(ask(&mut world, &w1, &attach(&instance(1, 1), 1, 1, VDB))), "no");
    assert_eq!(why(ask(&mut world, &w1, &take(1, 1, Disk::Root(InstanceId(11))))), "no");
    assert_eq!(why(ask(&mut world, &w1, &HostCall::Console { guest: instance(1, 1).guest })), "no");
}

#[test]
fn reading_a_whole_disk_is_slow() {
    let latencies = Latencies { jitter_permille: 0, ..Latencies::default() };
    let (mut world, w1) = (World::new(Settings { latencies: latencies.clone(), ..Settings::default() }), host("w1"));
    let (fresh, snap) = (make(1, 1, 1, None), take(1, 1, Disk::Volume(VolumeId(1))));
    let takes = |world: &mut World, call: &HostCall| world.begin(&w1, call).latency_ms;
    assert_eq!(takes(&mut world, &fresh), latencies.volume_ms);
    all(&mut world, &w1, std::slice::from_ref(&fresh));
    assert_eq!(takes(&mut world, &fresh), latencies.call_ms);
    assert_eq!(takes(&mut world, &snap), latencies.snapshot_ms);
    all(&mut world, &w1, std::slice::from_ref(&snap));
    assert_eq!(takes(&mut world, &snap), latencies.call_ms);
    assert_eq!(takes(&mut world, &make(2, 1, 1, Some(1))), latencies.snapshot_ms);
    assert_eq!(takes(&mut world, &stage_from(&instance(1, 0), 1)), latencies.copy_ms);
    assert_eq!(takes(&mut world, &resize(1, 1, 1)), latencies.call_ms);
    assert_eq!(takes(&mut world, &resize(1, 1, 2)), latencies.volume_ms);
}
