//! What guests are given to read when they boot: kept once, however many were given the same.
//!
//! A farm's guests have the same keys and mostly the same user-data, which may be a megabyte.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use cascina_core::launch::Bytes;
use serde::{Deserialize, Serialize};

use super::change::Effect;
use super::machine::SimGuest;
use super::world::World;
use crate::GuestSpec;

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Given {
    /// Lines of `authorized_keys`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Bytes>,
}

impl Given {
    fn order(&self) -> (&[String], Option<&[u8]>) {
        (&self.ssh_keys, self.user_data.as_ref().map(|bytes| &*bytes.0))
    }
}

impl Ord for Given {
    fn cmp(&self, other: &Given) -> Ordering {
        self.order().cmp(&other.order())
    }
}

impl PartialOrd for Given {
    fn partial_cmp(&self, other: &Given) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// By numbers, which guests and the journal use in its place, and the other way round.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Givens {
    by_number: BTreeMap<u64, Kept>,
    numbers: BTreeMap<Arc<Given>, u64>,
}

#[derive(Debug, Clone, PartialEq)]
struct Kept {
    given: Arc<Given>,
    /// Guests that have it; it goes with the last.
    guests: u32,
}

impl Givens {
    pub fn get(&self, number: u64) -> Option<&Arc<Given>> {
        self.by_number.get(&number).map(|kept| &kept.given)
    }

    /// The number for what the guest is given, if that is anything, and what must be said before it is
    /// used if this is its first use.
    pub fn number(&self, spec: &GuestSpec) -> (Option<u64>, Option<Effect>) {
        if spec.ssh_keys.is_empty() && spec.user_data.is_none() {
            return (None, None);
        }
        let given = Given { ssh_keys: spec.ssh_keys.clone(), user_data: spec.user_data.clone() };
        if let Some(number) = self.numbers.get(&given) {
            return (Some(*number), None);
        }
        let number = self.by_number.last_key_value().map_or(1, |(last, _)| last + 1);
        (Some(number), Some(Effect::Given { number, given: Arc::new(given) }))
    }

    pub fn learn(&mut self, number: u64, given: &Arc<Given>) {
        let kept = self.by_number.entry(number).or_insert_with(|| Kept { given: Arc::clone(given), guests: 0 });
        self.numbers.insert(Arc::clone(&kept.given), number);
    }

    /// A guest has another one than before.
    pub fn moved(&mut self, before: Option<u64>, now: Option<u64>) {
        if before == now {
            return;
        }
        if let Some(kept) = now.and_then(|now| self.by_number.get_mut(&now)) {
            kept.guests += 1;
        }
        let Some(before) = before else { return };
        if let Some(kept) = self.by_number.get_mut(&before) {
            kept.guests = kept.guests.saturating_sub(1);
            if kept.guests == 0 {
                self.forget(before);
            }
        }
    }

    /// Of a write that was cut off before its guest.
    pub fn forget_unused(&mut self) {
        let unused: Vec<u64> =
            self.by_number.iter().filter(|(_, kept)| kept.guests == 0).map(|(number, _)| *number).collect();
        for number in unused {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(kept) = self.by_number.remove(&number) {
            self.numbers.remove(&kept.given);
        }
    }

    pub fn effects(&self) -> impl Iterator<Item = Effect> + '_ {
        self.by_number.iter().map(|(number, kept)| Effect::Given { number: *number, given: Arc::clone(&kept.given) })
    }
}

impl World {
    /// What the guest was given when its disk was made or when it last booted. None: nothing.
    pub fn given(&self, guest: &SimGuest) -> Option<&Given> {
        guest.given.and_then(|number| self.state().givens.get(number)).map(|given| &**given)
    }
}
