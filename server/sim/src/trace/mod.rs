//! Traces: requests as they came, real or made up, replayed to see where policies would put them.
//!
//! A trace is a folder with `requests.csv` and `hosts.csv`. [`generate`] makes one from a seed,
//! [`Trace::read`] reads one, and [`replay`] lets the real engine and the real policies place it.

mod csv;
mod drawn;
mod generator;
mod measure;
mod plot;
mod replay;
mod report;
mod site;
#[cfg(test)]
mod tests;

pub use csv::TraceError;
pub use generator::{Mixture, generate};
pub use plot::plots;
pub use replay::{Mode, Replay, ReplayError, replay};
pub use report::{Facts, PolicyReport, Report, Sample, Share};
pub use site::{hosts_of, prepared, reallocating};

use cascina_core::units::Size;

/// Disk of every guest: traces do not say, and it is to refuse nobody.
const DISK_GIB: u64 = 1;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceRequest {
    pub id: String,
    pub arrive_s: u64,
    /// None: it never leaves.
    pub depart_s: Option<u64>,
    pub cpu_milli: u64,
    pub mem_mib: u64,
    /// Whole devices; read and not asked for.
    pub gpu: u32,
    /// May be evicted for others.
    pub low: bool,
}

impl TraceRequest {
    /// Parts of a core are rounded up, since guests have whole ones.
    pub fn size(&self) -> Size {
        let vcpus = u32::try_from(self.cpu_milli.div_ceil(1000)).unwrap_or(u32::MAX);
        Size::new(vcpus.max(1), self.mem_mib.max(1), DISK_GIB)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceHost {
    pub id: String,
    pub cpu_milli: u64,
    pub mem_mib: u64,
    pub gpu: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// Where it is from, and what it is a mixture of.
    pub source: String,
    /// What it was made from, if it was made.
    pub seed: Option<u64>,
    /// In the order in which they arrive.
    pub requests: Vec<TraceRequest>,
    pub hosts: Vec<TraceHost>,
}
