//! Schedules: whatever a seed says, the checks hold.
//!
//! `CASCINA_SEED=7 cargo test -p cascina-sim --test schedules one_seed -- --nocapture` plays one seed
//! and tells what happens.
#![allow(clippy::unwrap_used)]

mod components;

use cascina_sim::schedule::{Options, Points, play, schedules};
use components::policies;

#[test]
fn many_seeds_hold() {
    let seeds = match std::env::var("CASCINA_SEEDS") {
        Ok(text) => {
            let (from, to) = text.split_once("..").unwrap();
            from.parse().unwrap()..to.parse().unwrap()
        }
        Err(_) => 0..150,
    };
    let totals = schedules(policies(), seeds, 2, &Options::default(), |_, _| {});
    println!("{totals}");
    for failure in &totals.failures {
        println!("{failure}");
    }
    if let Some(failure) = totals.failures.first() {
        panic!("{failure}\n{}\nagain: CASCINA_SEED={}", failure.trail.join("\n"), failure.seed);
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let mut events = 0;
    for seed in 0..4 {
        let once = play(policies(), seed, &Options::default()).unwrap();
        let again = play(policies(), seed, &Options::default()).unwrap();
        assert_eq!(once.trace, again.trace);
        events += once.events;
    }
    assert!(events > 200, "{events}");
}

#[test]
fn one_seed() {
    let Ok(seed) = std::env::var("CASCINA_SEED") else { return };
    let options = Options {
        actions: std::env::var("CASCINA_ACTIONS").ok().map(|text| text.parse().unwrap()),
        told: true,
        ..Options::default()
    };
    if let Err(failure) = play(policies(), seed.parse().unwrap(), &options) {
        panic!("{}\n{failure}", failure.trail.join("\n"));
    }
}

/// Every step of every saga, in both directions, at each of its four moments.
#[test]
fn a_crash_at_every_point_that_is_passed_does_no_harm() {
    let mut passed = std::collections::BTreeMap::new();
    let never = Options { points: Points::Never, ..Options::default() };
    for seed in 0..200 {
        for point in play(policies(), seed, &never).unwrap().passed {
            passed.entry(point).or_insert(seed);
        }
    }
    assert!(passed.len() > 120, "{}", passed.len());
    for (point, seed) in passed {
        // Twice: the second time while recovering from the first.
        let options = Options { points: Points::At(point, 2), ..Options::default() };
        let summary = play(policies(), seed, &options).unwrap_or_else(|failure| {
            panic!("crash at {point}: {failure}\n{}", failure.trail.join("\n"));
        });
        assert!(summary.struck.contains_key(&point), "{point} was passed in seed {seed}");
    }
}

/// The same, with SQLite under it: opened anew after every crash, and checked as `cascina fsck` does.
#[test]
fn a_real_database_says_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..6 {
        let store = Some(folder.path().join(format!("{seed}.db")));
        let stored = play(policies(), seed, &Options { store, ..Options::default() }).unwrap();
        let only_log = play(policies(), seed, &Options::default()).unwrap();
        assert_eq!(stored.trace, only_log.trace);
    }
}
