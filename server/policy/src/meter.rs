//! What policies use: questions, fuel and time, by whose rule it is.
//!
//! A budget is fuel in an hour for all bindings of one owner together. Whoever goes beyond it finds the binding
//! that did in quarantine, which says so.

use std::collections::HashMap;

use cascina_core::id::BindingId;
use cascina_core::policy::{Binding, Hook, Scope};
use cascina_core::units::Timestamp;
use parking_lot::Mutex;

const HOUR_MS: u64 = 3_600_000;

/// Fuel in an hour; none: no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Budgets {
    pub site: Option<u64>,
    pub share: Option<u64>,
    pub tenant: Option<u64>,
}

impl Budgets {
    fn of(&self, scope: Scope) -> Option<u64> {
        match scope {
            Scope::Site => self.site,
            Scope::Share(_) => self.share,
            Scope::Tenant(_) => self.tenant,
        }
    }
}

/// One binding's part, since the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metered {
    pub binding: BindingId,
    pub scope: Scope,
    pub hook: Hook,
    pub asked: u64,
    pub failed: u64,
    pub fuel: u64,
    pub micros: u64,
}

pub(crate) struct Meter {
    budgets: Budgets,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bindings: HashMap<BindingId, Metered>,
    /// Which hour, and the fuel used in it.
    hours: HashMap<Scope, (u64, u64)>,
    due: Vec<(BindingId, String)>,
}

impl Meter {
    pub fn new(budgets: Budgets) -> Meter {
        Meter { budgets, state: Mutex::default() }
    }

    pub fn add(&self, binding: &Binding, at: Timestamp, fuel: u64, micros: u64, failed: bool) {
        let mut state = self.state.lock();
        let row = state.bindings.entry(binding.id).or_insert_with(|| Metered {
            binding: binding.id,
            scope: binding.scope,
            hook: binding.hook,
            asked: 0,
            failed: 0,
            fuel: 0,
            micros: 0,
        });
        row.asked += 1;
        row.failed += u64::from(failed);
        row.fuel += fuel;
        row.micros += micros;
        let Some(most) = self.budgets.of(binding.scope) else { return };
        let hour = at.0 / HOUR_MS;
        let used = state.hours.entry(binding.scope).or_default();
        if used.0 != hour {
            *used = (hour, 0);
        }
        used.1 += fuel;
        if used.1 > most && !state.due.iter().any(|(known, _)| *known == binding.id) {
            let why = format!("the policies of its owner used more than their {most} of fuel in an hour");
            state.due.push((binding.id, why));
        }
    }

    pub fn all(&self) -> Vec<Metered> {
        let mut all: Vec<Metered> = self.state.lock().bindings.values().cloned().collect();
        all.sort_by_key(|row| row.binding);
        all
    }

    pub fn take_due(&self) -> Vec<(BindingId, String)> {
        std::mem::take(&mut self.state.lock().due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_core::policy::{Digest, Fallback, Mode};

    fn binding(id: u64, scope: Scope) -> Binding {
        Binding {
            id: BindingId(id),
            name: "b".parse().unwrap(),
            hook: Hook::Quota,
            scope,
            digest: Digest([0; 32]),
            policy: "p@1.0.0".into(),
            settings: "{}".into(),
            order: 0,
            weight: 1,
            mode: Mode::Enforce,
            on_error: Fallback::Deny,
            quarantined: None,
            trial: None,
            previous: None,
            created: Timestamp(0),
            updated: Timestamp(0),
        }
    }

    #[test]
    fn an_owner_has_one_budget_an_hour_for_all_its_bindings() {
        let meter = Meter::new(Budgets { site: Some(100), ..Budgets::default() });
        let (one, two) = (binding(1, Scope::Site), binding(2, Scope::Site));
        let tenants = binding(3, Scope::Tenant(cascina_core::id::TenantId(1)));
        meter.add(&one, Timestamp(0), 60, 1, false);
        meter.add(&tenants, Timestamp(0), 1_000, 1, false);
        assert_eq!(meter.take_due(), []);
        meter.add(&two, Timestamp(1), 60, 1, true);
        let due = meter.take_due();
        assert_eq!(due.len(), 1);
        assert_eq!(due[0].0, two.id);
        meter.add(&one, Timestamp(HOUR_MS), 60, 1, false);
        assert_eq!(meter.take_due(), [], "another hour");
        let all = meter.all();
        assert_eq!(
            all.iter().map(|row| (row.asked, row.failed, row.fuel)).collect::<Vec<_>>(),
            [(2, 0, 120), (1, 1, 60), (1, 0, 1_000)]
        );
    }
}
