//! Who fails again and again.

use std::collections::HashMap;

use cascina_core::id::BindingId;
use parking_lot::Mutex;

/// Failures in a row, a binding. Only in memory: after a restart each gets a fresh start, and what
/// was put in quarantine stays there because the engine keeps that.
pub(crate) struct Quarantine {
    after: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    failures: HashMap<BindingId, u32>,
    due: Vec<(BindingId, String)>,
}

impl Quarantine {
    pub fn new(after: u32) -> Quarantine {
        Quarantine { after: after.max(1), state: Mutex::default() }
    }

    pub fn succeeded(&self, binding: BindingId) {
        let mut state = self.state.lock();
        if !state.failures.is_empty() {
            state.failures.remove(&binding);
        }
    }

    pub fn failed(&self, binding: BindingId, error: &dyn std::fmt::Display) {
        let mut state = self.state.lock();
        let failures = state.failures.entry(binding).or_default();
        *failures += 1;
        if *failures >= self.after {
            let why = format!("it failed {failures} times in a row; the last time {error}");
            state.failures.remove(&binding);
            if !state.due.iter().any(|(known, _)| *known == binding) {
                state.due.push((binding, why));
            }
        }
    }

    pub fn take_due(&self) -> Vec<(BindingId, String)> {
        std::mem::take(&mut self.state.lock().due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_in_a_row_count() {
        let quarantine = Quarantine::new(2);
        let (one, two) = (BindingId(1), BindingId(2));
        quarantine.failed(one, &"it trapped");
        quarantine.succeeded(one);
        quarantine.failed(one, &"it trapped");
        quarantine.failed(two, &"it trapped");
        assert_eq!(quarantine.take_due(), []);
        quarantine.failed(one, &"it trapped");
        let due = quarantine.take_due();
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].0, one);
        assert!(due[0].1.contains("2 times"), "{}", due[0].1);
        assert_eq!(quarantine.take_due(), []);
    }
}
