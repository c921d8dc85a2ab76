//! Properties over random sequences of calls, incidents and faults.

use cascina_core::id::OperationId;
use proptest::prelude::*;

use super::*;
use crate::sim::{CallKind, Fault, Probability, Rule};

/// One host's name and what is asked of it.
pub(super) fn calls(hosts: &'static [&'static str]) -> impl Strategy<Value = Vec<(HostRef, HostCall)>> {
    let one = (prop::sample::select(hosts), call()).prop_map(|(name, call)| (host(name), call));
    prop::collection::vec(one, 1..60)
}

fn call() -> impl Strategy<Value = HostCall> {
    prop_oneof![3 => power(), 2 => storage()]
}

fn guest() -> impl Strategy<Value = GuestSpec> {
    (1u8..3, 0u8..5, 0u8..3).prop_map(|(farm, k, given)| GuestSpec {
        ssh_keys: vec!["ssh-ed25519 AAAA somebody".into(); given.into()],
        ..if k == 4 { router(farm) } else { instance(farm, k) }
    })
}

fn power() -> impl Strategy<Value = HostCall> {
    (guest(), 1u8..3, 0u64..4, 0u8..18).prop_map(|(spec, farm, number, which)| match which {
        0 | 1 => define(farm),
        2 => HostCall::RemoveNetwork { network: network(farm).id },
        3..=5 => stage(&spec),
        6..=8 => boot(&spec),
        9 => HostCall::Stop { guest: spec.guest },
        10 | 11 => HostCall::Reboot { guest: spec.guest, operation: OperationId(number) },
        12 => HostCall::Destroy { guest: spec.guest },
        13 => HostCall::ApplyRouter { guest: router(farm).guest, revision: number, config: config(number as u8) },
        14 => HostCall::ProbeRouter { guest: router(farm).guest },
        15 => protect(farm, number, super::firewalls::open(farm, number as u16)),
        16 => HostCall::Console { guest: spec.guest },
        _ => HostCall::Inventory,
    })
}

/// Volumes 1 to 3 and snapshots 1 and 2.
fn storage() -> impl Strategy<Value = HostCall> {
    (guest(), 1u8..3, 1u64..4, 1u64..4, 0u8..16).prop_map(|(spec, farm, id, number, which)| match which {
        0..=2 => make(id, farm, number, None),
        3 => make(id, farm, number * 10, Some(1 + id % 2)),
        4 => resize(id, farm, number),
        5 => remove(id, farm),
        6..=8 => attach(&spec, farm, id, ["/dev/vdb", "/dev/vdc"][number as usize % 2]),
        9 => detach(&spec, farm, id),
        10 | 11 => boot(&GuestSpec { volumes: vec![volume_at(id, "/dev/vdb")], ..spec }),
        12 => take(1 + number % 2, farm, Disk::Volume(VolumeId(id))),
        13 => match spec.guest {
            Guest::Instance(instance) => take(1 + number % 2, farm, Disk::Root(instance)),
            Guest::Router(_) => HostCall::Stored { class: place(farm).class },
        },
        14 => HostCall::RemoveSnapshot { snapshot: SnapshotId(1 + number % 2), at: place(farm) },
        _ => stage_from(&spec, 1 + number % 2),
    })
}

pub(super) fn incident() -> impl Strategy<Value = Incident> {
    let name = prop::sample::select(&["w1", "w2"][..]).prop_map(|name| host(name).name);
    (name, 0u8..5, 1u8..3, 0u8..4).prop_map(|(host, which, farm, k)| match which {
        0 => Incident::AddHost { host, capacity: Size::new(u32::from(k) * 8, 65_536, 500) },
        1 => Incident::Lose { host },
        2 => Incident::Restore { host },
        3 => Incident::PowerCycle { host },
        _ => Incident::CrashGuest { guest: instance(farm, k).guest },
    })
}

pub(super) fn rules() -> impl Strategy<Value = Vec<Rule>> {
    let fault = prop_oneof![
        Just(Fault::Refuse { why: "chance".into() }),
        any::<bool>().prop_map(|effect| Fault::Crash { effect }),
        (0u64..100).prop_map(|ms| Fault::Slow { ms }),
    ];
    let call = prop::option::of(prop::sample::select(&[CallKind::Boot, CallKind::StageDisk, CallKind::Destroy][..]));
    let rule = (fault, call, prop::option::of(0u32..5), 0u32..3, 0.0..=1.0).prop_map(
        |(fault, call, times, after, probability)| Rule {
            call,
            times,
            after,
            probability: Probability::try_from(probability).unwrap(),
            ..Rule::always(fault)
        },
    );
    prop::collection::vec(rule, 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn doing_each_call_twice_is_doing_it_once(calls in calls(&["w1", "w2"])) {
        let (mut once, mut twice) = (world(1), world(1));
        for (host, call) in &calls {
            let first = ask(&mut once, host, call);
            prop_assert_eq!(&ask(&mut twice, host, call), &first);
            prop_assert_eq!(&ask(&mut twice, host, call), &first, "{:?}", call);
            prop_assert_eq!(once.state(), twice.state(), "{:?}", call);
        }
    }

    #[test]
    fn a_host_never_breaks_its_own_rules(calls in calls(&["w1"])) {
        let mut world = world(1);
        for (host, call) in &calls {
            let _ = ask(&mut world, host, call);
            prop_assert_eq!(world.violations(), Vec::<String>::new(), "{:?}", call);
        }
    }

    #[test]
    fn who_has_which_volume_follows_from_the_guests(calls in calls(&["w1", "w2"])) {
        let mut world = world(1);
        for (host, call) in &calls {
            let _ = ask(&mut world, host, call);
        }
        for id in 1..4 {
            let mut holders = Vec::new();
            for (name, machine) in world.hosts() {
                let guests = machine.guests.values().filter(|guest| guest.has(VolumeId(id)));
                holders.extend(guests.map(|guest| (name.clone(), guest.spec.guest)));
            }
            prop_assert_eq!(world.holders(VolumeId(id)), holders);
        }
    }

    #[test]
    fn a_call_that_is_not_done_changes_nothing(calls in calls(&["w1"])) {
        let mut world = world(1);
        for (host, call) in &calls {
            let before = world.state().clone();
            if ask(&mut world, host, call).is_err() {
                prop_assert_eq!(world.state(), &before, "{:?}", call);
            }
        }
    }

    #[test]
    fn a_seed_makes_one_world(
        seed: u64, rules in rules(), calls in calls(&["w1", "w2"]), incidents in prop::collection::vec(incident(), 0..10),
    ) {
        let run = || {
            let mut world = World::new(Settings { seed, ..Settings::default() });
            world.set_faults(rules.clone());
            let mut answers = Vec::new();
            for (at, (host, call)) in calls.iter().enumerate() {
                if let Some(incident) = incidents.get(at) {
                    let _ = world.strike(incident);
                }
                let planned = world.begin(host, call);
                answers.push((world.finish(host, call, &planned.fate), planned));
            }
            (answers, world)
        };
        let (first, second) = (run(), run());
        prop_assert_eq!(first, second);
    }

    #[test]
    fn faults_keep_to_their_counts(rules in rules(), calls in calls(&["w1"])) {
        let mut world = world(1);
        world.set_faults(rules);
        let mut struck = 0;
        for (host, call) in &calls {
            let planned = world.begin(host, call);
            struck += u64::from(planned.fate != Fate::Answer);
            let _ = world.finish(host, call, &planned.fate);
        }
        let slow = |fault: &Fault| matches!(fault, Fault::Slow { .. });
        let fired = world.faults().iter().filter(|armed| !slow(&armed.rule.fault)).map(|armed| armed.fired).sum::<u64>();
        prop_assert_eq!(struck, fired);
        for armed in world.faults() {
            prop_assert!(armed.rule.times.is_none_or(|times| armed.fired <= u64::from(times)));
            prop_assert!(armed.fired <= armed.matched.saturating_sub(u64::from(armed.rule.after)));
        }
    }
}
