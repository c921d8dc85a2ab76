use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::decision::Amounts;
use crate::event::Change;
use crate::farm::{Farm, FarmRequest, FarmState};
use crate::host::{ClassKind, Host, HostClass, HostState};
use crate::id::*;
use crate::instance::{Instance, InstanceState};
use crate::launch::OnShutdown;
use crate::plan::{Plan, PlanState, Trigger};
use crate::policy::Scope;
use crate::site::Site;
use crate::state::Row;
use crate::tenant::TenantRequest;
use crate::units::{Gib, Size};

const NOW: Timestamp = Timestamp(10_000_000_000);

fn put(state: &mut State, row: impl Into<Row>) {
    state.apply(&Change::Put(row.into()));
}

fn host(number: u32, capacity: Size, state: HostState) -> Host {
    Host {
        id: HostId(number),
        name: format!("h{number}").parse().unwrap(),
        class: "services".parse().unwrap(),
        share: ShareId::SITE,
        uri: "sim:".into(),
        capacity,
        measured: false,
        facts: None,
        state,
        note: None,
        created: Timestamp(0),
        updated: Timestamp(0),
    }
}

fn farm(number: u64, labels: &[(&str, &str)], lease_s: u64) -> Farm {
    Farm {
        id: FarmId(number),
        tenant: TenantId(1),
        name: format!("farm{number}").parse().unwrap(),
        state: FarmState::Active,
        note: None,
        request: FarmRequest {
            name: format!("farm{number}").parse().unwrap(),
            tenant: TenantRequest { name: "t".parse().unwrap(), groups: Vec::new(), tier: "standard".parse().unwrap() },
            user: "u".parse().unwrap(),
            ssh_key: None,
            items: Vec::new(),
            lease_s,
            labels: labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        },
        user: None,
        approver: None,
        decision: DecisionId(1),
        operation: None,
        requested_by: "u".into(),
        created: Timestamp(0),
        updated: Timestamp(0),
    }
}

fn instance(number: u64, farm: u64, on: u32, size: Size) -> Instance {
    Instance {
        id: InstanceId(number),
        farm: FarmId(farm),
        tenant: TenantId(1),
        name: format!("i{number}").parse().unwrap(),
        flavor: "f".parse().unwrap(),
        image: ImageId(1),
        class: "services".parse().unwrap(),
        size,
        state: InstanceState::Running,
        powered: true,
        note: None,
        host: Some(HostId(on)),
        bound_for: None,
        ip: std::net::Ipv4Addr::from(0x0a00_0000 + number as u32),
        mac: "02:00:00:00:00:01".parse().unwrap(),
        decision: None,
        operation: None,
        reservation: ReservationId(0),
        launch_index: 0,
        groups: Vec::new(),
        key: None,
        terminate_protected: false,
        stop_protected: false,
        on_shutdown: OnShutdown::default(),
        client_token: None,
        metadata: Default::default(),
        launched: Timestamp(0),
        created: Timestamp(0),
        updated: Timestamp(0),
    }
}

/// Hosts of 8 vCPUs and 16 GiB; every guest is (farm, host, vCPUs, GiB).
fn state(hosts: u32, guests: &[(u64, u32, u32, u64)], rules: Rules) -> State {
    let mut state = State::default();
    put(&mut state, Site { rules, ..Site::default() });
    put(
        &mut state,
        HostClass {
            name: "services".parse().unwrap(),
            kind: ClassKind::Services,
            cpu_overcommit_permille: 1000,
            volumes: Gib(0),
        },
    );
    for number in 1..=hosts {
        put(&mut state, host(number, Size::new(8, 16 << 10, 100), HostState::Up));
    }
    put(&mut state, farm(1, &[], 0));
    put(&mut state, farm(2, &[("apart", "hosts")], 0));
    put(&mut state, farm(3, &[("pinned", "true"), ("reclaimable", "true")], 0));
    put(&mut state, farm(4, &[("reclaimable", "true")], 60));
    for (i, (farm, on, vcpus, gib)) in guests.iter().enumerate() {
        let size = Size::new(*vcpus, gib << 10, 1);
        // What does not fit was never there.
        if (state.used_on(HostId(*on)) + size).fits_in(Size::new(8, 16 << 10, 100)) {
            put(&mut state, instance(i as u64 + 1, *farm, *on, size));
        }
    }
    state
}

fn generous() -> Rules {
    Rules { least_gain_permille: 0, gib_per_permille: u32::MAX, ..Rules::default() }
}

fn wish(step: Step, after: &[u32]) -> Wished {
    needed(step, after.to_vec(), "planner", "test", "For a test.")
}

fn migrate(instance: u64, from: u32, to: u32) -> Step {
    Step::Migrate { instance: InstanceId(instance), from: HostId(from), to: Some(HostId(to)) }
}

fn codes(drawn: &Drawn) -> Vec<&str> {
    drawn.dropped.iter().map(|one| one.code.as_str()).collect()
}

#[test]
fn what_may_not_be_is_dropped_and_the_rest_stays() {
    let mut state = state(3, &[(1, 1, 2, 4), (3, 1, 2, 4), (1, 2, 2, 4)], generous());
    put(&mut state, host(4, Size::new(8, 16 << 10, 100), HostState::Cordoned));
    let wishes = [
        wish(migrate(1, 1, 3), &[]),
        wish(migrate(1, 1, 2), &[]),
        wish(migrate(2, 1, 3), &[]),
        wish(migrate(3, 2, 2), &[]),
        wish(migrate(3, 2, 4), &[]),
        wish(migrate(3, 2, 9), &[]),
        wish(migrate(7, 2, 3), &[]),
        wish(migrate(3, 1, 3), &[]),
        wish(Step::Reclaim { instance: InstanceId(3) }, &[]),
        wish(Step::Expire { farm: FarmId(1) }, &[]),
        wish(Step::PowerOn { host: HostId(2) }, &[]),
    ];
    let drawn = draw(&state, NOW, &wishes, false);
    assert_eq!(drawn.moves.len(), 1, "{drawn:?}");
    assert_eq!(
        codes(&drawn),
        ["twice", "pinned", "own-host", "twice", "twice", "unknown", "twice", "twice", "not-expired", "not-off"]
    );
}

#[test]
fn owners_touch_their_own_hosts_only() {
    let mut state = state(2, &[(1, 1, 2, 4)], generous());
    let mut owned = host(3, Size::new(8, 16 << 10, 100), HostState::Up);
    owned.share = ShareId(1);
    put(&mut state, owned);
    let mut wishes = vec![wish(migrate(1, 1, 2), &[])];
    wishes[0].scope = Scope::Share(ShareId(1));
    assert_eq!(codes(&draw(&state, NOW, &wishes, false)), ["not-yours"]);
}

#[test]
fn a_full_host_is_entered_after_others_left_it() {
    // Host 2 is full: the second guest must leave before the first can come.
    let state = state(3, &[(1, 1, 8, 8), (1, 2, 8, 8)], generous());
    let drawn = draw(&state, NOW, &[wish(migrate(1, 1, 2), &[]), wish(migrate(2, 2, 3), &[])], false);
    let order: Vec<_> = drawn.moves.iter().map(|one| (one.step.subject(), one.after.clone())).collect();
    assert_eq!(order, [(InstanceId(2).to_string(), vec![]), (InstanceId(1).to_string(), vec![0])]);
}

#[test]
fn of_a_circle_the_first_gives_way() {
    let state = state(2, &[(1, 1, 8, 8), (1, 2, 8, 8)], generous());
    let drawn = draw(&state, NOW, &[wish(migrate(1, 1, 2), &[]), wish(migrate(2, 2, 1), &[])], false);
    assert_eq!((drawn.moves.len(), codes(&drawn)), (0, vec!["no-room", "no-room"]));
}

#[test]
fn what_gains_nothing_does_not_move() {
    let rules = Rules { cooldown_ms: 0, ..Rules::default() };
    let state = state(2, &[(1, 1, 2, 4)], rules);
    let drawn = draw(&state, NOW, &[wish(migrate(1, 1, 2), &[])], false);
    assert_eq!((drawn.moves.len(), codes(&drawn)), (0, vec!["does-not-pay"]));
    assert_eq!(drawn.before, drawn.after);
}

#[test]
fn what_moved_lately_rests() {
    let mut state = state(3, &[(1, 1, 2, 4)], generous());
    let mut drawn = draw(&state, NOW, &[wish(migrate(1, 3, 1), &[])], false);
    assert_eq!(codes(&drawn), ["departed"]);
    drawn = draw(&state, NOW, &[wish(migrate(1, 1, 2), &[])], false);
    drawn.moves[0].state = MoveState::Done;
    put(
        &mut state,
        Plan {
            id: PlanId(1),
            trigger: Trigger::Hand,
            binding: None,
            decision: None,
            state: PlanState::Done,
            moves: drawn.moves,
            dropped: Vec::new(),
            before: drawn.before,
            after: drawn.after,
            claimed: None,
            cost: drawn.cost,
            note: None,
            actor: "u".into(),
            approved_by: None,
            created: NOW,
            updated: NOW,
            lasts_until: NOW,
            forget_at: Some(NOW),
        },
    );
    let again = |ms| draw(&state, NOW.plus_ms(ms), &[wish(migrate(1, 1, 3), &[])], false);
    assert_eq!(codes(&again(1)), ["cooldown"]);
    assert_eq!(again(7 * 3_600_000).moves.len(), 1);
    // A host that must be emptied waits for nobody.
    assert_eq!(draw(&state, NOW.plus_ms(1), &[wish(migrate(1, 1, 3), &[])], true).moves.len(), 1);
}

#[test]
fn a_drained_host_gives_its_guests_room_elsewhere() {
    let mut state = state(3, &[(1, 1, 4, 4), (2, 1, 4, 4), (2, 2, 4, 4), (1, 3, 6, 4)], generous());
    put(&mut state, host(1, Size::new(8, 16 << 10, 100), HostState::Draining));
    let drawn = draw(&state, NOW, &[wish(Step::Evacuate { host: HostId(1) }, &[])], true);
    // The farm that keeps apart cannot go to host 2, and host 3 has no room for it.
    assert_eq!(drawn.moves.len(), 1, "{drawn:?}");
    assert_eq!(codes(&drawn), ["no-room"]);
}

#[test]
fn windows_open_and_close() {
    let cron = crate::crontab::Crontab::new("0 22 * * *", "UTC").unwrap();
    let rules = Rules { windows: vec![crate::plan::Window { cron, lasts_ms: 2 * 3_600_000 }], ..Rules::default() };
    let day = 20_000 * 86_400_000;
    let at = |hour: u64| rules.open_at(Timestamp(day + hour * 3_600_000 + 60_000));
    assert_eq!([at(21), at(22), at(23), at(0)], [false, true, true, false]);
}

fn steps(hosts: u32, guests: u64) -> impl Strategy<Value = Step> {
    let host = 0..hosts + 2;
    let guest = 0..guests + 2;
    prop_oneof![
        6 => (guest.clone(), host.clone(), host.clone()).prop_map(|(instance, from, to)| migrate(instance, from, to)),
        1 => guest.prop_map(|instance| Step::Reclaim { instance: InstanceId(instance) }),
        1 => host.clone().prop_map(|host| Step::PowerOff { host: HostId(host) }),
        1 => host.clone().prop_map(|host| Step::PowerOn { host: HostId(host) }),
        1 => host.prop_map(|host| Step::Evacuate { host: HostId(host) }),
        1 => (0..6u64).prop_map(|farm| Step::Expire { farm: FarmId(farm) }),
        1 => (0..6u64).prop_map(|instance| Step::Resize { instance: InstanceId(instance), size: Amounts::default() }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever is wished for: in any order that keeps what waits for what, no host is overcommitted at any
    /// moment, a guest that moves keeping its room on both hosts until it has arrived.
    #[test]
    fn no_order_overcommits(
        guests in prop::collection::vec((1..5u64, 1..6u32, 1..9u32, 1..17u64), 0..25),
        wished in prop::collection::vec((steps(6, 25), prop::collection::vec(0..20u32, 0..3)), 0..30),
        true_home in prop::bool::ANY,
        forced in prop::bool::ANY,
        picks in prop::collection::vec(any::<prop::sample::Index>(), 64),
    ) {
        let mut state = state(5, &guests, generous());
        put(&mut state, host(6, Size::new(8, 16 << 10, 100), HostState::Draining));
        let wishes: Vec<Wished> = wished
            .into_iter()
            .enumerate()
            .map(|(i, (mut step, after))| {
                // Most planners know where guests are.
                if let (Step::Migrate { instance, from, .. }, true) = (&mut step, true_home)
                    && let Some(home) = state.rows.instances.get(instance).and_then(|row| row.host)
                {
                    *from = home;
                }
                let after: Vec<u32> = after.into_iter().filter(|before| (*before as usize) < i).collect();
                wish(step, &after)
            })
            .collect();
        let drawn = draw(&state, NOW, &wishes, forced);
        prop_assert_eq!(&drawn, &draw(&state, NOW, &wishes, forced), "the same wishes give the same plan");
        let rules = &state.site().rules;
        prop_assert!(forced || drawn.moves.len() <= rules.max_moves as usize);
        for (i, one) in drawn.moves.iter().enumerate() {
            prop_assert!(one.after.iter().all(|before| (*before as usize) < i), "circles: {:?}", drawn.moves);
            if let Step::Migrate { instance, from, to: Some(to) } = &one.step {
                let row = &state.rows.instances[instance];
                prop_assert_eq!(row.host, Some(*from));
                prop_assert!(row.farm != FarmId(3), "pinned");
                prop_assert!(state.rows.hosts[to].state.takes_guests());
            }
        }
        let expanded = wishes.iter().filter(|one| matches!(one.wish, Wish::Known(Step::Evacuate { .. }))).count();
        prop_assert!(drawn.moves.len() + drawn.dropped.len() + expanded >= wishes.len(), "a wish is forgotten");

        // Some order that keeps what waits for what.
        let mut used: BTreeMap<HostId, Size> = state.rows.hosts.keys().map(|id| (*id, state.used_on(*id))).collect();
        let mut left: Vec<usize> = (0..drawn.moves.len()).collect();
        let mut done = vec![false; drawn.moves.len()];
        let mut apart: BTreeMap<HostId, i32> = BTreeMap::new();
        for row in state.rows.instances.values().filter(|row| row.farm == FarmId(2)) {
            *apart.entry(row.host.unwrap()).or_default() += 1;
        }
        let already = apart.clone();
        let mut pick = picks.iter().cycle();
        while !left.is_empty() {
            let ready: Vec<usize> = left
                .iter()
                .copied()
                .filter(|i| drawn.moves[*i].after.iter().all(|before| done[*before as usize]))
                .collect();
            prop_assert!(!ready.is_empty());
            let next = *pick.next().unwrap().get(&ready);
            left.retain(|i| *i != next);
            done[next] = true;
            match &drawn.moves[next].step {
                Step::Migrate { instance, from, to: Some(to) } => {
                    let row = &state.rows.instances[instance];
                    let there = used[to] + row.size;
                    prop_assert!(there.fits_in(state.rows.hosts[to].capacity), "{:?}", drawn.moves);
                    used.insert(*to, there);
                    used.insert(*from, used[from].saturating_sub(row.size));
                    if row.farm == FarmId(2) {
                        *apart.entry(*from).or_default() -= 1;
                        let count = apart.entry(*to).or_default();
                        *count += 1;
                        prop_assert!(*count <= 1 || *count <= already.get(to).copied().unwrap_or(0), "apart");
                    }
                }
                Step::Reclaim { instance } => {
                    let row = &state.rows.instances[instance];
                    let host = row.host.unwrap();
                    used.insert(host, used[&host].saturating_sub(Size { disk: Gib::ZERO, ..row.size }));
                }
                Step::PowerOff { host } => prop_assert_eq!(used[host].vcpus.0, 0, "guests would run there"),
                _ => {}
            }
        }
    }
}
