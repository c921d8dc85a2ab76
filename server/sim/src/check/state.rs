//! The list of truths holds in every committed state.

use cascina_core::invariant;
use cascina_core::state::State;

use super::verdict;

pub fn check(state: &State) -> Result<(), String> {
    verdict(invariant::check(state).into_iter().map(|found| format!("{}: {}", found.rule, found.text)).collect())
}
