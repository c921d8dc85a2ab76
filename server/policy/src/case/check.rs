//! Thousands of worlds, and what must hold in each of them whatever the policy wants.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use cascina_core::policy::{Digest, Hook};
use parking_lot::Mutex;
use serde::Serialize;
use serde_json::{Map, Value};

use super::Case;
use super::answer::{Answered, CaseError};
use super::expect::{Said, Word};
use super::worlds::generate;
use crate::sandbox::Sandbox;

/// So many failing worlds are kept; more of them say nothing new.
const KEPT: usize = 20;

/// A world in which a policy did what it must not do.
#[derive(Debug, Clone, PartialEq)]
pub struct Failing {
    pub hook: Hook,
    pub seed: u64,
    pub why: String,
    pub case: Case,
}

#[derive(Debug, Clone, Default)]
pub struct Checked {
    pub worlds: u64,
    /// The first of them, by seed.
    pub failing: Vec<Failing>,
    pub failed: u64,
    /// Verdicts, and how often each was given.
    pub verdicts: BTreeMap<String, u64>,
    pub fuel: Quantiles,
    pub micros: Quantiles,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Quantiles {
    pub p50: u64,
    pub p99: u64,
    pub max: u64,
}

/// Of values in any order.
#[must_use]
pub fn quantiles(mut values: Vec<u64>) -> Quantiles {
    values.sort_unstable();
    let at = |permille: usize| values.get((values.len().saturating_sub(1)) * permille / 1000).copied().unwrap_or(0);
    Quantiles { p50: at(500), p99: at(990), max: at(1000) }
}

#[derive(Default)]
struct Found {
    failing: Vec<Failing>,
    failed: u64,
    verdicts: BTreeMap<String, u64>,
    fuel: Vec<u64>,
    micros: Vec<u64>,
}

/// Puts the worlds of these seeds to a component, on all cores.
///
/// # Errors
///
/// If the component is not loaded.
pub fn check(
    sandbox: &Sandbox,
    digest: &Digest,
    hooks: &[Hook],
    settings: &Map<String, Value>,
    seeds: Range<u64>,
) -> Result<Checked, CaseError> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let found = Mutex::new(Found::default());
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut own = Found::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            for hook in hooks {
                let Some(case) = generate(*hook, settings, seed) else { continue };
                let answered = sandbox.answer(digest, &case)?;
                own.fuel.push(answered.fuel);
                own.micros.push(answered.micros);
                *own.verdicts.entry(word(answered.said.verdict)).or_default() += 1;
                if let Some(why) = wrong(sandbox, digest, &case, &answered)? {
                    own.failed += 1;
                    own.failing.push(Failing { hook: *hook, seed, why, case });
                }
            }
        }
        let mut all = found.lock();
        all.failed += own.failed;
        all.failing.extend(own.failing);
        all.failing.sort_by_key(|failing| (failing.seed, failing.hook));
        all.failing.truncate(KEPT);
        all.fuel.extend(own.fuel);
        all.micros.extend(own.micros);
        for (verdict, count) in own.verdicts {
            *all.verdicts.entry(verdict).or_default() += count;
        }
        Ok::<_, CaseError>(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        }
        Ok::<_, CaseError>(())
    })?;
    let found = found.into_inner();
    Ok(Checked {
        worlds: found.fuel.len() as u64,
        failing: found.failing,
        failed: found.failed,
        verdicts: found.verdicts,
        fuel: quantiles(found.fuel),
        micros: quantiles(found.micros),
    })
}

fn word(verdict: Word) -> String {
    serde_json::to_value(verdict).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

/// What is wrong with an answer, if anything is.
fn wrong(sandbox: &Sandbox, digest: &Digest, case: &Case, answered: &Answered) -> Result<Option<String>, CaseError> {
    let said = &answered.said;
    if said.verdict == Word::Failed && !said.declared {
        // Rows and codes that there are not, traps and endless loops all end here.
        return Ok(said.error.clone());
    }
    let again = sandbox.answer(digest, case)?;
    let warm = sandbox.is_warm(digest);
    if again.said != *said || again.log != answered.log || (!warm && again.fuel != answered.fuel) {
        return Ok(Some(format!("asked the same twice, it did not do the same: first {said}, then {}", again.said)));
    }
    // Its answer may know that it is a rehearsal only in its reasons' words.
    let mut live = case.clone();
    live.context.dry_run = !case.context.dry_run;
    let rehearsed = sandbox.answer(digest, &live)?.said;
    if rehearsed.verdict != said.verdict || rehearsed.scores != said.scores || rehearsed.excluded != said.excluded {
        return Ok(Some(format!("in a rehearsal it answers otherwise: {} rather than {said}", rehearsed)));
    }
    let Some(rank) = case.rank.as_ref().filter(|rank| rank.hosts.len() > 1) else { return Ok(None) };
    let mut turned = case.clone();
    if let Some(rank) = &mut turned.rank {
        rank.hosts.reverse();
        let middle = rank.hosts.len() / 3;
        rank.hosts.rotate_left(middle);
    }
    let other = sandbox.answer(digest, &turned)?.said;
    if by_host(said, case) != by_host(&other, &turned) || said.excluded != other.excluded {
        let hosts = rank.hosts.len();
        return Ok(Some(format!("it judges a host by its place among the {hosts}: in another order it says {other}")));
    }
    Ok(None)
}

fn by_host(said: &Said, case: &Case) -> BTreeMap<u32, u32> {
    let hosts = case.rank.iter().flat_map(|rank| rank.hosts.iter().map(|host| host.id));
    hosts.zip(said.scores.iter().flatten().copied()).collect()
}
