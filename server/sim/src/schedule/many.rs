//! Many schedules, on several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

use super::play::{Failure, Options, Summary, play};
use crate::crash::Point;
use crate::policies::Policies;

/// Failures after which no more schedules are begun.
const ENOUGH: usize = 10;

/// Sums over schedules.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    pub held: u64,
    pub failures: Vec<Failure>,
    pub commits: u64,
    pub events: u64,
    pub acknowledged: u64,
    pub unanswered: u64,
    pub crashes: u64,
    pub stuck: u64,
    pub virtual_ms: u64,
    /// Points that were passed, and how often the process ended at each.
    #[serde(serialize_with = "points")]
    pub passed: BTreeSet<Point>,
    #[serde(serialize_with = "counts")]
    pub struck: BTreeMap<Point, u32>,
}

fn points<S: Serializer>(points: &BTreeSet<Point>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(points.iter().map(Point::to_string))
}

fn counts<S: Serializer>(counts: &BTreeMap<Point, u32>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(counts.iter().map(|(point, count)| (point.to_string(), count)))
}

impl Totals {
    fn add(&mut self, result: Result<Summary, Failure>) {
        match result {
            Ok(summary) => {
                self.held += 1;
                self.commits += summary.commits;
                self.events += summary.events;
                self.acknowledged += summary.acknowledged;
                self.unanswered += summary.unanswered;
                self.crashes += summary.crashes;
                self.stuck += summary.stuck;
                self.virtual_ms += summary.virtual_ms;
                self.passed.extend(summary.passed);
                for (point, count) in summary.struck {
                    *self.struck.entry(point).or_default() += count;
                }
            }
            Err(failure) => self.failures.push(failure),
        }
    }

    /// Points that were passed and at which the process never ended.
    pub fn spared(&self) -> Vec<Point> {
        self.passed.iter().filter(|point| !self.struck.contains_key(point)).copied().collect()
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let days = self.virtual_ms as f64 / 86_400_000.0;
        writeln!(f, "schedules   {} held, {} failed, {days:.1} simulated days", self.held, self.failures.len())?;
        writeln!(f, "requests    {} acknowledged, {} unanswered", self.acknowledged, self.unanswered)?;
        writeln!(f, "commits     {} with {} events", self.commits, self.events)?;
        let points = format!("{} of {} points struck", self.struck.len(), self.passed.len());
        writeln!(f, "crashes     {}; {points}", self.crashes)?;
        writeln!(f, "operations  {} were stuck when the troubles ended, and were mended", self.stuck)
    }
}

/// Plays the schedules of these seeds. `progress` is told of each that ends, with the number of those
/// that ended so far.
pub fn schedules(
    policies: &Policies,
    seeds: Range<u64>,
    threads: usize,
    options: &Options,
    progress: impl Fn(u64, &Result<Summary, Failure>) + Sync,
) -> Totals {
    let next = AtomicU64::new(seeds.start);
    let totals = Mutex::new((0, Totals::default()));
    let work = || loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= seeds.end {
            return;
        }
        let result = play(policies, seed, options);
        // A thread that panicked with the lock held has a bug of its own to report.
        let Ok(mut totals) = totals.lock() else { return };
        totals.0 += 1;
        progress(totals.0, &result);
        totals.1.add(result);
        if totals.1.failures.len() >= ENOUGH {
            next.store(seeds.end, Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(work);
        }
        work();
    });
    totals.into_inner().map(|(_, totals)| totals).unwrap_or_default()
}
