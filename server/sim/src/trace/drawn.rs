//! Which requests come, in inflation mode: drawn with replacement until they ask for more than there is.

use cascina_core::units::Size;

use super::TraceRequest;
use crate::chance::Chance;

/// Asked, in thousandths of what the hosts have, when no more are drawn.
pub const MOST_PERMILLE: u64 = 1300;

/// Positions in `requests`.
pub fn draw(requests: &[TraceRequest], capacity: Capacity, seed: u64) -> Vec<usize> {
    let mut chance = Chance::new(seed);
    let mut drawn = Vec::new();
    let mut asked = Capacity::default();
    while !requests.is_empty() && asked.permille_of(capacity) < MOST_PERMILLE {
        let which = chance.below(requests.len() as u64) as usize;
        asked.add(requests[which].size());
        drawn.push(which);
    }
    drawn
}

/// vCPUs and memory of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capacity {
    pub vcpus: u64,
    pub memory_mib: u64,
}

impl Capacity {
    pub fn add(&mut self, size: Size) {
        self.vcpus += u64::from(size.vcpus.0);
        self.memory_mib += size.memory.0;
    }

    /// The larger of both shares.
    pub fn permille_of(self, whole: Capacity) -> u64 {
        let share = |part: u64, whole: u64| part.saturating_mul(1000) / whole.max(1);
        share(self.vcpus, whole.vcpus).max(share(self.memory_mib, whole.memory_mib))
    }
}
