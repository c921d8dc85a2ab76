//! Numbers for ids, and numbers that nobody can guess.

use cascina_core::units::Timestamp;
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// Bits of an id that are chance; those before them are the time in milliseconds, until the year 2109.
const CHANCE: u32 = 22;

/// All follow from the seed, and ids from the time as well.
pub struct Numbers {
    rng: StdRng,
    last: u64,
}

impl Numbers {
    pub fn seeded(seed: u64) -> Numbers {
        Numbers { rng: StdRng::seed_from_u64(seed), last: 0 }
    }

    /// Larger than any before. What is made together so lies together in the database: a commit writes
    /// a few pages rather than one for each row.
    pub fn id(&mut self, now: Timestamp) -> u64 {
        let chance = self.rng.next_u64() >> (64 - CHANCE);
        self.last = (now.0 << CHANCE | chance).max(self.last + 1);
        self.last
    }

    pub fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_even_if_the_clock_does_not() {
        let mut numbers = Numbers::seeded(1);
        let mut last = 0;
        for now in [5, 5, 5, 4, 0, 6, 1_790_000_000_000, 7] {
            let id = numbers.id(Timestamp(now));
            assert!(id > last, "{id}");
            last = id;
        }
        assert_eq!(last >> CHANCE, 1_790_000_000_000);
    }
}
