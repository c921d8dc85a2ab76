//! Numbers for ids, and numbers that nobody can guess.

use cascina_core::state::State;
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

    /// Goes on after the largest id that is known, so that a clock that was set back gives none twice.
    pub fn after(state: &State, seed: u64) -> Numbers {
        let rows = &state.rows;
        let largest = [
            rows.operations.last_key_value().map(|(id, _)| id.0),
            rows.instances.last_key_value().map(|(id, _)| id.0),
            rows.farms.last_key_value().map(|(id, _)| id.0),
            rows.tenants.last_key_value().map(|(id, _)| id.0),
            rows.users.last_key_value().map(|(id, _)| id.0),
            rows.access_keys.last_key_value().map(|(id, _)| id.0),
            rows.quotas.last_key_value().map(|(id, _)| id.0),
            rows.addresses.last_key_value().map(|(id, _)| id.0),
            rows.networks.last_key_value().map(|(id, _)| id.0),
            rows.routers.last_key_value().map(|(id, _)| id.0),
            rows.images.last_key_value().map(|(id, _)| id.0),
            rows.bindings.last_key_value().map(|(id, _)| id.0),
            rows.security_groups
                .values()
                .flat_map(|row| row.rules.iter().map(|rule| rule.id.0).chain([row.id.0]))
                .max(),
            rows.key_pairs.last_key_value().map(|(id, _)| id.0),
            rows.volumes.last_key_value().map(|(id, _)| id.0),
            rows.snapshots.last_key_value().map(|(id, _)| id.0),
        ];
        // Decisions come before what follows from them. Only those that nothing followed from can be later.
        Numbers { last: largest.into_iter().flatten().max().unwrap_or(0), ..Numbers::seeded(seed) }
    }

    /// Larger than any before. What is made together so lies together in the database: a commit writes
    /// a few pages rather than one for each row.
    pub fn id(&mut self, now: Timestamp) -> u64 {
        let chance = self.rng.next_u64() >> (64 - CHANCE);
        self.last = (now.0 << CHANCE | chance).max(self.last.saturating_add(1));
        self.last
    }

    pub fn random(&mut self) -> u64 {
        self.rng.next_u64()
    }
}

#[cfg(test)]
mod tests {
    use cascina_core::decision::Amounts;
    use cascina_core::event::Change;
    use cascina_core::id::{QuotaId, TenantId};
    use cascina_core::quota::Quota;

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

    #[test]
    fn a_restart_under_a_clock_that_was_set_back_repeats_none() {
        let later = Numbers::seeded(1).id(Timestamp(2_000));
        let quota = Quota {
            id: QuotaId(later),
            tenant: TenantId(1),
            class: None,
            limit: Amounts::UNLIMITED,
            created: Timestamp(2_000),
            updated: Timestamp(2_000),
        };
        let mut state = State::default();
        state.apply(&Change::Put(quota.into()));
        assert!(Numbers::after(&state, 1).id(Timestamp(1_000)) > later);
    }
}
