//! What a replay found, for people and for programs.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::Trace;

/// Parts of what the workers have, 1 being all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Share {
    pub vcpus: f64,
    pub memory: f64,
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:5.1} % {:5.1} %", self.vcpus * 100.0, self.memory * 100.0)
    }
}

/// What all policies had in common.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    pub source: String,
    /// Of a made-up trace.
    pub trace_seed: Option<u64>,
    /// Of the replay: draws, latencies, decisions.
    pub seed: u64,
    pub mode: &'static str,
    pub requests: u64,
    pub low_priority: u64,
    /// Asked for devices, which nobody gives here: their vCPUs and memory were placed all the same.
    pub gpu_requests: u64,
    pub workers: u64,
    pub vcpus: u64,
    pub memory_mib: u64,
    /// Larger than any worker, so that no policy can place them.
    pub too_large: u64,
}

/// How far a policy came when something happened.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Stand {
    pub requests: u64,
    pub placed: u64,
    pub allocated: Share,
    /// Hosts with a guest.
    pub hosts: u64,
}

/// A moment of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Sample {
    pub at_s: u64,
    pub allocated: Share,
    pub stranded: f64,
    /// So far.
    pub refused: u64,
    pub migrations: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PolicyReport {
    pub policy: String,
    pub placed: u64,
    /// By reason, for people.
    pub refused: BTreeMap<String, u64>,
    /// Of one that some host could have held, were it empty.
    pub first_refusal: Option<Stand>,
    /// When as much was asked for as the workers have, of the scarcer of vCPUs and memory …
    pub at_100: Option<Stand>,
    /// … and 1.3 times as much.
    pub at_130: Option<Stand>,
    pub peak: Share,
    /// Over time, from the first arrival to the last; in timed mode.
    pub mean: Option<Share>,
    /// Most hosts in use at once, and fewest that could have held the most that was placed at once: for
    /// vCPUs and for memory alone, the largest hosts first, the worse of both.
    pub most_hosts: u64,
    pub lower_bound: u64,
    /// Free and of no use, as a part of what the workers have, over time.
    pub stranded: f64,
    /// Guests that went from host to host, with how many GiB of memory and disk.
    pub migrations: u64,
    pub migrated_gib: u64,
    /// Plans that were carried out, wholly or in part.
    pub plans: u64,
    /// vCPU-hours of workers without guests: what could be lent or switched off.
    pub idle_core_hours: f64,
    /// Of those that waited for room and got it, seconds on average; and how many waited.
    pub waited_s: f64,
    pub waited: u64,
    /// Jain's index of what eight owners got of what they asked for, in vCPU-seconds; 1 is even.
    pub jain: f64,
    /// For plots: not in the table.
    pub samples: Vec<Sample>,
    /// All policies asked for a request.
    pub decisions: u64,
    /// Real time; nothing without a stopwatch.
    pub decisions_per_second: f64,
    pub decision_p50_us: f64,
    pub decision_p99_us: f64,
    /// The whole of it: decisions, checks, commits, simulated hosts.
    pub requests_per_second: f64,
    pub virtual_s: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub facts: Facts,
    pub policies: Vec<PolicyReport>,
}

impl Facts {
    pub fn of(trace: &Trace, seed: u64, mode: &'static str) -> Facts {
        let count =
            |what: fn(&super::TraceRequest) -> bool| trace.requests.iter().filter(|row| what(row)).count() as u64;
        Facts {
            source: trace.source.clone(),
            trace_seed: trace.seed,
            seed,
            mode,
            requests: trace.requests.len() as u64,
            low_priority: count(|row| row.low),
            gpu_requests: count(|row| row.gpu > 0),
            workers: 0,
            vcpus: 0,
            memory_mib: 0,
            too_large: 0,
        }
    }
}

impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "trace      {}", self.source)?;
        if let Some(seed) = self.trace_seed {
            writeln!(f, "           made from seed {seed}")?;
        }
        writeln!(f, "mode       {}, seed {}", self.mode, self.seed)?;
        writeln!(f, "requests   {}, {} of low priority (nobody is evicted)", self.requests, self.low_priority)?;
        if self.gpu_requests > 0 {
            writeln!(f, "           {} ask for GPUs, which are read and ignored", self.gpu_requests)?;
        }
        if self.too_large > 0 {
            writeln!(f, "           {} are larger than any worker and can only be refused", self.too_large)?;
        }
        let gib = self.memory_mib >> 10;
        writeln!(f, "workers    {} with {} vCPUs and {gib} GiB", self.workers, self.vcpus)
    }
}

/// One line of the table: its name, and what it says of a policy.
type Line = (&'static str, fn(&PolicyReport) -> String);

fn stand(stand: Option<Stand>) -> String {
    stand.map_or("never".into(), |stand| stand.allocated.to_string())
}

const LINES: &[Line] = &[
    ("placed", |p| p.placed.to_string()),
    ("refused", |p| p.refused.values().sum::<u64>().to_string()),
    ("placed before the first refusal", |p| p.first_refusal.map_or("all".into(), |at| at.placed.to_string())),
    ("vCPU, memory at first refusal", |p| stand(p.first_refusal)),
    ("vCPU, memory at 100 % asked", |p| stand(p.at_100)),
    ("vCPU, memory at 130 % asked", |p| stand(p.at_130)),
    ("vCPU, memory at the peak", |p| p.peak.to_string()),
    ("vCPU, memory on average", |p| p.mean.map_or("-".into(), |mean| mean.to_string())),
    ("stranded, on average", |p| format!("{:.2} %", p.stranded * 100.0)),
    ("migrations (GiB)", |p| format!("{} ({})", p.migrations, p.migrated_gib)),
    ("plans carried out", |p| p.plans.to_string()),
    ("waited (mean)", |p| format!("{} ({:.0} s)", p.waited, p.waited_s)),
    ("Jain's index of owners", |p| format!("{:.4}", p.jain)),
    ("idle core-hours", |p| format!("{:.0}", p.idle_core_hours)),
    ("most hosts in use", |p| p.most_hosts.to_string()),
    ("fewest that could do", |p| p.lower_bound.to_string()),
    ("decisions", |p| p.decisions.to_string()),
    ("decisions a second", |p| format!("{:.0}", p.decisions_per_second)),
    ("a decision, p50", |p| format!("{:.0} us", p.decision_p50_us)),
    ("a decision, p99", |p| format!("{:.0} us", p.decision_p99_us)),
    ("requests a second, in all", |p| format!("{:.0}", p.requests_per_second)),
    ("simulated hours", |p| format!("{:.1}", p.virtual_s as f64 / 3600.0)),
];

const NAME: usize = 33;
const COLUMN: usize = 24;

/// The end of a long name tells more than its beginning.
fn short(name: &str) -> String {
    let count = name.chars().count();
    if count < COLUMN {
        name.into()
    } else {
        format!("…{}", name.chars().skip(count + 2 - COLUMN).collect::<String>())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.facts)?;
        write!(f, "{:NAME$}", "")?;
        self.policies
            .iter()
            .try_for_each(|policy| write!(f, " {:>width$}", short(&policy.policy), width = COLUMN - 1))?;
        writeln!(f)?;
        for (name, value) in LINES {
            write!(f, "{name:NAME$}")?;
            self.policies.iter().try_for_each(|policy| write!(f, "{:>COLUMN$}", value(policy)))?;
            writeln!(f)?;
        }
        let reasons: std::collections::BTreeSet<&String> =
            self.policies.iter().flat_map(|policy| policy.refused.keys()).collect();
        for reason in reasons {
            write!(f, "  {reason:<width$}", width = NAME - 2)?;
            let count = |policy: &PolicyReport| policy.refused.get(reason).copied().unwrap_or(0);
            self.policies.iter().try_for_each(|policy| write!(f, "{:>COLUMN$}", count(policy)))?;
            writeln!(f)?;
        }
        Ok(())
    }
}
