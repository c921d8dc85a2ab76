//! Indexes: what the rows say, sorted by something else.

use std::collections::BTreeMap;

/// One to many; each of the many with what is worth having at hand, if anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index<K, V, T = ()>(BTreeMap<K, BTreeMap<V, T>>);

impl<K, V, T> Default for Index<K, V, T> {
    fn default() -> Self {
        Index(BTreeMap::new())
    }
}

impl<K: Ord, V: Ord + Copy, T> Index<K, V, T> {
    /// `with` None takes it out.
    pub(crate) fn put(&mut self, key: K, value: V, with: Option<T>) {
        if let Some(with) = with {
            self.0.entry(key).or_default().insert(value, with);
        } else if let Some(many) = self.0.get_mut(&key) {
            many.remove(&value);
            if many.is_empty() {
                self.0.remove(&key);
            }
        }
    }

    pub fn of(&self, key: &K) -> impl Iterator<Item = V> + '_ {
        self.0.get(key).into_iter().flat_map(|many| many.keys()).copied()
    }

    /// What is at hand for each of them.
    pub fn with(&self, key: &K) -> impl Iterator<Item = &T> + '_ {
        self.0.get(key).into_iter().flat_map(|many| many.values())
    }
}

impl<K: Ord, V: Ord + Copy> Index<K, V> {
    pub(crate) fn set(&mut self, key: K, value: V, present: bool) {
        self.put(key, value, present.then_some(()));
    }
}

impl<K: Ord, V: Ord + Copy, T> Index<K, V, T> {
    /// Each of them with what is at hand for it.
    pub fn pairs(&self, key: &K) -> impl Iterator<Item = (V, &T)> + '_ {
        self.0.get(key).into_iter().flat_map(|many| many.iter()).map(|(value, with)| (*value, with))
    }
}

impl<K: Ord, V: Ord + Copy> Index<K, V, u32> {
    /// One more of it, or one less.
    pub(crate) fn count(&mut self, key: K, value: V, present: bool) {
        let now = self.0.get(&key).and_then(|many| many.get(&value)).copied().unwrap_or(0);
        let now = if present { now + 1 } else { now.saturating_sub(1) };
        self.put(key, value, (now > 0).then_some(now));
    }
}
