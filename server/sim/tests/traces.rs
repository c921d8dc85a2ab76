//! Traces, replayed with the real policies.
#![allow(clippy::unwrap_used)]

mod components;

use std::sync::Arc;
use std::time::Duration;

use cascina_core::policy::Hook;
use cascina_drivers::sim::Latencies;
use cascina_sim::bound;
use cascina_sim::trace::{Mixture, Mode, PolicyReport, Replay, Trace, generate, hosts_of, replay};
use components::policies;

fn run(trace: &Trace, mode: Mode, policy: &str) -> PolicyReport {
    let site = hosts_of(trace);
    let binding = |text: &str, hook| bound(&text.parse().unwrap(), hook);
    let replayed = replay(&Replay {
        trace,
        mode,
        seed: 1,
        site: &site,
        policy: policy.into(),
        bindings: vec![
            binding("admission-default", Hook::Admission),
            binding("quota-tiers", Hook::Quota),
            binding(policy, Hook::Placement),
        ],
        policies: policies(),
        latencies: Latencies::default(),
        patience_s: 0,
        // A clock that ticks when it is looked at.
        stopwatch: Some({
            let ticks = std::sync::atomic::AtomicU64::new(0);
            Arc::new(move || Duration::from_micros(ticks.fetch_add(1, std::sync::atomic::Ordering::Relaxed)))
        }),
    });
    replayed.unwrap().1
}

fn day() -> Trace {
    generate(7, &Mixture { days: 1, hosts: 12, ..Mixture::default() })
}

#[test]
fn everybody_comes_and_goes_in_timed_mode() {
    let trace = generate(7, &Mixture { days: 1, hosts: 24, ..Mixture::default() });
    let report = run(&trace, Mode::Timed, "placement-pack");
    let refused: u64 = report.refused.values().sum();
    assert_eq!(report.placed + refused, trace.requests.len() as u64);
    assert!(report.placed > 2 * refused, "{report:#?}");
    assert_eq!(report.virtual_s, trace.requests.last().unwrap().arrive_s - trace.requests[0].arrive_s);
    let mean = report.mean.unwrap();
    assert!(0.0 < mean.vcpus && mean.vcpus < report.peak.vcpus && report.peak.vcpus <= 1.0, "{report:#?}");
    assert!(report.lower_bound <= report.most_hosts && report.most_hosts <= 24);
    assert_eq!(report.decisions, trace.requests.len() as u64);
    assert_eq!((report.decision_p50_us, report.decision_p99_us), (1.0, 1.0));
}

#[test]
fn hosts_fill_in_inflation_mode_and_the_same_seed_gives_the_same_report() {
    let trace = day();
    let pack = run(&trace, Mode::Inflation, "placement-pack");
    assert_eq!(pack, run(&trace, Mode::Inflation, "placement-pack"));
    let spread = run(&trace, Mode::Inflation, "placement-spread");
    for report in [&pack, &spread] {
        let (first, full, over) = (report.first_refusal.unwrap(), report.at_100.unwrap(), report.at_130.unwrap());
        assert!(first.allocated.vcpus > 0.5, "{report:#?}");
        assert!(first.placed <= full.placed && full.placed <= over.placed);
        assert!(over.allocated.vcpus.max(over.allocated.memory) > 0.95, "{report:#?}");
    }
    assert_ne!(pack.first_refusal, spread.first_refusal, "the policies differ");
}

#[test]
fn packing_uses_fewer_hosts_than_spreading() {
    let quiet = generate(7, &Mixture { days: 1, hosts: 40, per_hour: 40.0, ..Mixture::default() });
    let pack = run(&quiet, Mode::Timed, "placement-pack");
    let spread = run(&quiet, Mode::Timed, "placement-spread");
    assert!(pack.most_hosts < spread.most_hosts, "{} and {}", pack.most_hosts, spread.most_hosts);
}
