//! The hook that says which host suits a workload best.

use crate::{Context, Failure, Policy, Reason, Subject};

pub use crate::bindings::placement::exports::cascina::policy::placement::{
    Exclusion, Hosts, Kind, Outcome, Ranking, Share, Workload,
};

/// Ranks hosts.
pub trait Placement: Policy {
    /// Scores for the candidates, or why none will do. The server has already removed those that
    /// are down, full or forbidden.
    ///
    /// # Errors
    /// Only when no answer can be formed; [`Outcome::Abstain`] is for having no opinion.
    fn rank(&self, ctx: &Context, request: &Request) -> Result<Outcome, Failure>;
}

/// A workload that looks for a host.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Who asks, and for whom.
    pub subject: Subject,
    /// What is to run.
    pub workload: Workload,
    /// The share that the policy is bound to, if it is bound to one.
    pub share: Option<Share>,
    /// The candidates.
    pub hosts: Hosts,
}

/// The best score that a host can get.
pub const BEST: u32 = 10_000;

/// `Hosts::traits`: the image is on the host already.
const IMAGE_CACHED: u32 = 1;

/// One candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// Where it stands in the list; what an exclusion refers to.
    pub row: u32,
    /// Number of the host, stable over its life: the right thing to break ties by.
    pub id: u32,
    /// All of its vCPUs.
    pub vcpus: u32,
    /// Free before this workload is placed.
    pub vcpus_free: u32,
    /// All of its memory.
    pub memory_mib: u32,
    /// Free before this workload is placed.
    pub memory_free_mib: u32,
    /// Free before this workload is placed.
    pub disk_free_gib: u32,
    /// CPU load, 1000 = all of it.
    pub load_permille: u32,
    /// Instances of the same farm on the host.
    pub same_farm: u32,
    /// Number of the share that owns the host, 0 for the site.
    pub share: u32,
    traits: u32,
}

impl Host {
    /// Is the image on the host already?
    pub fn image_cached(&self) -> bool {
        self.traits & IMAGE_CACHED != 0
    }

    /// Does nothing run here?
    pub fn is_empty(&self) -> bool {
        self.vcpus_free == self.vcpus
    }

    /// What would be free with this much more on the host.
    #[inline]
    pub fn left_after(&self, vcpus: u32, memory_mib: u32) -> Left {
        Left {
            vcpus_permille: permille(self.vcpus_free.saturating_sub(vcpus), self.vcpus),
            memory_permille: permille(self.memory_free_mib.saturating_sub(memory_mib), self.memory_mib),
        }
    }
}

/// What is free on a host, in parts of a thousand of what it has: comparable between hosts of any
/// size, and between cores and memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// 0 to 1000.
    pub vcpus_permille: u32,
    /// 0 to 1000.
    pub memory_permille: u32,
}

impl Workload {
    /// Memory of one, in the width that hosts are described in.
    pub fn memory_mib(&self) -> u32 {
        u32::try_from(self.size.memory_mib).unwrap_or(u32::MAX)
    }
}

#[inline]
fn permille(part: u32, whole: u32) -> u32 {
    if whole == 0 {
        return 0;
    }
    // 32-bit division, the cheap one, up to 4 TiB of memory; a GiB is precise enough beyond.
    match part.checked_mul(1000) {
        Some(product) => product / whole,
        None => (part >> 10) * 1000 / (whole >> 10).max(1),
    }
    .min(1000)
}

impl Hosts {
    /// How many candidates there are.
    pub fn len(&self) -> usize {
        self.id.len()
    }

    /// Are there no candidates at all?
    pub fn is_empty(&self) -> bool {
        self.id.is_empty()
    }

    /// The candidates one by one. They are read from the columns without copies, and the fields
    /// that a policy does not look at cost nothing.
    ///
    /// # Panics
    /// If a column is shorter than the others, which the server never sends.
    #[inline]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Host> + DoubleEndedIterator + '_ {
        // Equal lengths made visible here spare a check a field and row.
        let n = self.len();
        let id = &self.id[..n];
        let vcpus = &self.vcpus[..n];
        let vcpus_free = &self.vcpus_free[..n];
        let memory_mib = &self.memory_mib[..n];
        let memory_free_mib = &self.memory_free_mib[..n];
        let disk_free_gib = &self.disk_free_gib[..n];
        let load_permille = &self.load_permille[..n];
        let same_farm = &self.same_farm[..n];
        let share = &self.share[..n];
        let traits = &self.traits[..n];
        (0..n).map(move |row| Host {
            row: row as u32,
            id: id[row],
            vcpus: vcpus[row],
            vcpus_free: vcpus_free[row],
            memory_mib: memory_mib[row],
            memory_free_mib: memory_free_mib[row],
            disk_free_gib: disk_free_gib[row],
            load_permille: load_permille[row],
            same_farm: same_farm[row],
            share: share[row],
            traits: traits[row],
        })
    }
}

impl Ranking {
    /// No preference among the candidates.
    pub fn indifferent() -> Self {
        Self { scores: Vec::new(), excluded: Vec::new(), codes: Vec::new(), reasons: Vec::new() }
    }

    /// A score for each candidate, 0 (worst) to [`BEST`]; what is above counts as the best.
    #[inline]
    pub fn score_by(hosts: &Hosts, mut score: impl FnMut(Host) -> u32) -> Self {
        Self { scores: hosts.iter().map(|host| score(host).min(BEST)).collect(), ..Self::indifferent() }
    }

    /// Rules a candidate out. Reasons with the same code and text are kept once.
    pub fn exclude(&mut self, row: u32, reason: &Reason) {
        // The last one is nearly always the one: policies exclude in runs.
        let code = match self.codes.iter().rposition(|known| known == reason) {
            Some(code) => code,
            None => {
                self.codes.push(reason.clone());
                self.codes.len() - 1
            }
        };
        self.excluded.push(Exclusion { row, code: code as u32 });
    }

    /// Rules out all candidates that match.
    pub fn exclude_where(&mut self, hosts: &Hosts, reason: &Reason, mut matches: impl FnMut(Host) -> bool) {
        for host in hosts.iter() {
            if matches(host) {
                self.exclude(host.row, reason);
            }
        }
    }

    /// Adds a reason for the ranking as a whole.
    pub fn note(mut self, code: &str, text: impl Into<String>) -> Self {
        self.reasons.push(Reason::info(code, text));
        self
    }

    /// Rows from best to worst without the excluded ones, ties by host number: the order in which
    /// the server would try them if no other policy had a say.
    pub fn order(&self, hosts: &Hosts) -> Vec<u32> {
        let mut rows: Vec<Host> =
            hosts.iter().filter(|host| self.excluded.iter().all(|out| out.row != host.row)).collect();
        rows.sort_by_key(|host| {
            let score = self.scores.get(host.row as usize).copied().unwrap_or(0);
            (std::cmp::Reverse(score), host.id)
        });
        rows.into_iter().map(|host| host.row).collect()
    }
}

impl From<Ranking> for Outcome {
    fn from(ranking: Ranking) -> Self {
        Self::Rank(ranking)
    }
}

impl Outcome {
    /// No candidate will do.
    pub fn refuse(code: &str, text: impl Into<String>) -> Self {
        Self::Refuse(vec![Reason::denial(code, text)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{host, hosts};

    #[test]
    fn terabytes_of_memory_do_not_overflow() {
        assert_eq!(permille(6_000_000, 12_000_000), 500);
        assert_eq!(permille(1, 0), 0);
        assert_eq!(permille(u32::MAX, u32::MAX), 1000);
    }

    #[test]
    fn exclusions_share_their_reason() {
        let hosts = hosts([host(7), host(8), host(9)]);
        let mut ranking = Ranking::score_by(&hosts, |host| host.id * 100_000);
        let reserved = Reason::denial("reserved", "Reserved.");
        ranking.exclude_where(&hosts, &reserved, |host| host.id != 8);
        assert_eq!(ranking.scores, [BEST, BEST, BEST]);
        assert_eq!(ranking.codes, [reserved]);
        assert_eq!(ranking.order(&hosts), [1]);
    }
}
