//! Indexes: what the rows say, sorted by something else.

use std::collections::{BTreeMap, BTreeSet};

/// One to many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index<K, V>(BTreeMap<K, BTreeSet<V>>);

impl<K, V> Default for Index<K, V> {
    fn default() -> Self {
        Index(BTreeMap::new())
    }
}

impl<K: Ord, V: Ord + Copy> Index<K, V> {
    pub(crate) fn set(&mut self, key: K, value: V, present: bool) {
        if present {
            self.0.entry(key).or_default().insert(value);
        } else if let Some(set) = self.0.get_mut(&key) {
            set.remove(&value);
            if set.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    pub fn of(&self, key: &K) -> impl Iterator<Item = V> + '_ {
        self.0.get(key).into_iter().flatten().copied()
    }
}
