//! Schedules: whatever a seed says, the checks hold.
//!
//! `CASCINA_SEED=7 cargo test -p cascina-sim --test schedules one_seed -- --nocapture` plays one seed
//! and tells what happens.
#![allow(clippy::unwrap_used)]

mod common;

use cascina_sim::schedule::{Options, play, schedules};
use common::policies;

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
    for seed in 0..4 {
        let once = play(policies(), seed, &Options::default()).unwrap();
        let again = play(policies(), seed, &Options::default()).unwrap();
        assert!(once.events > 50);
        assert_eq!(once.trace, again.trace);
    }
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
