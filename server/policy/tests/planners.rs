//! Planners without sense or goodwill: what they say is contained, and told.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::fmt::Write as _;
use std::sync::Arc;

use cascina_core::cluster::Cluster;
use cascina_core::decision::{Decided, Said, Wish, Wished};
use cascina_core::id::{FarmId, HostId, InstanceId, RouterId, ShareId};
use cascina_core::plan::Step;
use cascina_core::policy::{Binding, Fallback, Hook, Scope};
use cascina_core::state::Guest;
use cascina_policy::{Bounds, Judgement, Sandbox};
use fixture::{DRY_RUN, LOOP, Parts, ask, binding, component, sandbox, sandbox_with, words};

/// Bytes of one move as it lies in memory.
const MOVE: u32 = 80;
const MOVES: u32 = 8192;

/// A move: number of its case, two numbers, and what it waits for.
type Moved = (u32, u32, u32, &'static [u32]);

fn moves(all: &[Moved]) -> (String, String) {
    let (mut list, mut after) = (String::new(), String::new());
    let lists = 32_768;
    let mut used = 0u32;
    for (case, a, b, waits) in all {
        let mut bytes = vec![0u32; MOVE as usize / 4];
        (bytes[0], bytes[2], bytes[3]) = (*case, *a, *b);
        (bytes[12], bytes[13]) = (lists + used, waits.len() as u32);
        // Why: information, with a code and a text.
        (bytes[15], bytes[16], bytes[17], bytes[18]) = (600, 4, 604, 5);
        list.push_str(&words(&bytes));
        after.push_str(&words(waits));
        used += 4 * waits.len() as u32;
    }
    (list, after)
}

/// Does nothing in trials, and this when it counts.
fn planner(body: &str, data: &str) -> Vec<u8> {
    let extra = format!(
        r#"{data}
        (data (i32.const 600) "testWhim.")
        (func (export "cascina:policy/reallocation@1.0.0#propose") (param $in i32) (result i32)
            (i32.store (i32.const 256) (i32.const 0))
            (i32.store (i32.const 264) (i32.const 0))
            (i32.store (i32.const 280) (i32.const 0))
            (if (i32.load8_u offset={DRY_RUN} (local.get $in)) (then (return (i32.const 256))))
            {body})"#
    );
    component(&Parts { world: "policy", extra, ..Parts::default() }.text(), "reallocation-policy")
}

fn says(all: &[Moved]) -> Vec<u8> {
    let (list, after) = moves(all);
    let data = format!(r#"(data (i32.const {MOVES}) "{list}") (data (i32.const 32768) "{after}")"#);
    planner(&answer(MOVES, all.len() as u32), &data)
}

fn answer(at: u32, count: u32) -> String {
    let mut body = String::new();
    for (place, word) in [(260, at), (264, count), (268, 9), (272, 1)] {
        write!(body, "(i32.store (i32.const {place}) (i32.const {}))", word as i32).unwrap();
    }
    body + "(i32.const 256)"
}

/// Hosts 1 to 3, of which the third is share 1's; instances 1 and 2 on host 1, a router, and one on host 3.
fn cluster() -> Cluster {
    let column = |value: u32, count: usize| vec![value; count];
    Cluster {
        host: vec![1, 2, 3],
        host_vcpus: column(16, 3),
        host_vcpus_free: column(8, 3),
        host_memory_mib: column(65_536, 3),
        host_memory_free_mib: column(32_768, 3),
        host_load_permille: column(500, 3),
        host_class: column(0, 3),
        host_share: vec![0, 0, 1],
        host_state: column(0, 3),
        instance: vec![1, 2, 3, 4],
        farm: column(1, 4),
        home: vec![1, 1, 2, 3],
        vcpus: column(2, 4),
        memory_mib: column(4096, 4),
        cpu_permille: column(0, 4),
        idle_s: column(0, 4),
        traits: column(1, 4),
        share: vec![1],
        share_vcpus: vec![16],
        share_vcpus_own: vec![0],
        share_vcpus_lent: vec![2],
        share_state: vec![0],
        guests: vec![
            Guest::Instance(InstanceId(11)),
            Guest::Instance(InstanceId(12)),
            Guest::Router(RouterId(13)),
            Guest::Instance(InstanceId(14)),
        ],
        farms: vec![FarmId(21)],
        ..Cluster::default()
    }
}

fn bound(sandbox: &Sandbox, bytes: &[u8]) -> Binding {
    binding(1, Hook::Reallocation, sandbox.inspect(bytes).unwrap().digest)
}

fn asked(sandbox: &Sandbox, binding: &Binding) -> Judgement {
    sandbox.propose(&ask(&[Arc::new(binding.clone())]), &cluster(), 8)
}

fn wishes(judgement: &Judgement) -> &[Wished] {
    match &judgement.decided {
        Decided::Wished { moves, .. } => moves,
        other => panic!("{other:?}"),
    }
}

/// It has nothing to say, and the decision says why.
fn failed(bytes: &[u8], bounds: Bounds) -> String {
    let sandbox = sandbox_with(bounds);
    let judgement = asked(&sandbox, &bound(&sandbox, bytes));
    assert!(wishes(&judgement).is_empty(), "{judgement:?}");
    match &judgement.opinions[0].said {
        Said::Failed { error, fallback: Fallback::Deny } => error.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn numbers_become_things_and_unknown_ones_are_told() {
    let sandbox = sandbox();
    let bytes = says(&[
        (0, 1, 2, &[]),
        (0, 3, 1, &[0]),
        (0, 9, 1, &[]),
        (0, 1, 9, &[]),
        (0, 0, 1, &[]),
        (2, 3, 0, &[]),
        (3, 2, 0, &[]),
        (8, 7, 0, &[]),
    ]);
    let judgement = asked(&sandbox, &bound(&sandbox, &bytes));
    let said: Vec<_> = wishes(&judgement)
        .iter()
        .map(|one| match &one.wish {
            Wish::Known(step) => step.as_str().to_owned(),
            Wish::Unknown(what) => what.clone(),
        })
        .collect();
    assert_eq!(
        said,
        [
            "migrate",
            "move-router",
            "instance 9",
            "host 9",
            "instance 0",
            "instance 3, which is a router,",
            "power-off",
            "farm 7"
        ]
    );
    let (instance, from) = (InstanceId(11), HostId(1));
    let first = Step::Migrate { instance, from, to: Some(HostId(2)) };
    assert_eq!(wishes(&judgement)[0].wish, Wish::Known(first));
    assert_eq!(wishes(&judgement)[1].after, [0]);
    assert_eq!(judgement.opinions[0].said, Said::Proposed { moves: 8, before: 9, after: 1 });
}

#[test]
fn owners_know_their_own_hosts_only() {
    let sandbox = sandbox();
    let mut own = bound(&sandbox, &says(&[(0, 4, 3, &[]), (0, 1, 3, &[]), (0, 4, 2, &[])]));
    own.scope = Scope::Share(ShareId(1));
    let known: Vec<_> = wishes(&asked(&sandbox, &own)).iter().map(|one| matches!(one.wish, Wish::Known(_))).collect();
    assert_eq!(known, [true, false, false]);
    own.scope = Scope::Tenant(cascina_core::id::TenantId(1));
    assert!(asked(&sandbox, &own).opinions.is_empty(), "a tenant has no hosts to plan for");
}

#[test]
fn a_thousand_moves_circles_and_lies_about_lengths() {
    let many: Vec<Moved> = (0..9).map(|_| (0, 1, 2, &[][..])).collect();
    assert!(failed(&says(&many), Bounds::default()).contains("9 moves, where at most 8"));
    let circle = says(&[(0, 1, 2, &[1]), (0, 2, 1, &[0])]);
    assert!(failed(&circle, Bounds::default()).contains("waits for move 1"));
    assert!(failed(&says(&[(0, 1, 2, &[0])]), Bounds::default()).contains("waits for move 0"));
    assert!(!failed(&planner(&answer(MOVES, u32::MAX), ""), Bounds::default()).is_empty());
    assert!(!failed(&planner(&answer(MOVES, 1_000), ""), Bounds::default()).is_empty());
    assert!(!failed(&planner(&answer(0xffff_fff0, 1), ""), Bounds::default()).is_empty());
    assert!(!failed(&says(&[(77, 1, 2, &[])]), Bounds::default()).is_empty(), "a case that there is not");
}

#[test]
fn loops_end() {
    let bounds = Bounds { plan_fuel: 5_000_000, ..Bounds::default() };
    assert!(failed(&planner(LOOP, ""), bounds).contains("used up its 5000000 of fuel"));
    let bounds = Bounds { plan_fuel: u64::MAX >> 8, plan_deadline_ms: 50, ..Bounds::default() };
    assert!(failed(&planner(LOOP, ""), bounds).contains("ms of processor time"));
    assert!(failed(&planner("unreachable", ""), Bounds::default()).contains("unreachable"));
}

#[test]
fn one_that_fails_again_and_again_is_quarantined() {
    let sandbox = sandbox();
    let bad = bound(&sandbox, &planner("unreachable", ""));
    for _ in 0..sandbox.bounds().quarantine_after {
        assert!(sandbox.quarantine_due().is_empty());
        asked(&sandbox, &bad);
    }
    assert_eq!(sandbox.quarantine_due().len(), 1);
    let judgement = asked(&sandbox, &Binding { quarantined: Some("it fails".into()), ..bad });
    assert!(matches!(judgement.opinions[0].said, Said::Quarantined { .. }) && wishes(&judgement).is_empty());
}

#[test]
fn a_second_planner_gets_what_the_first_left() {
    let sandbox = sandbox();
    let first = bound(&sandbox, &says(&[(0, 1, 2, &[]), (0, 2, 2, &[0])]));
    let mut second = first.clone();
    second.id = cascina_core::id::BindingId(2);
    let chain = [Arc::new(first), Arc::new(second)];
    let judgement = sandbox.propose(&ask(&chain), &cluster(), 4);
    let after: Vec<_> = wishes(&judgement).iter().map(|one| one.after.clone()).collect();
    assert_eq!(after, [vec![], vec![0], vec![], vec![2]]);
    let judgement = sandbox.propose(&ask(&chain), &cluster(), 3);
    assert!(matches!(judgement.opinions[1].said, Said::Failed { .. }), "it was told how many are left");
    assert_eq!(wishes(&judgement).len(), 2);
}
