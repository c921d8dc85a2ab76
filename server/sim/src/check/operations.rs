//! Every operation is over, or stuck in sight of a person.

use cascina_core::operation::OperationState;
use cascina_core::state::State;

use super::verdict;

pub fn check(state: &State) -> Result<(), String> {
    let under_way = |state| matches!(state, OperationState::Running | OperationState::Compensating);
    let found = state.rows.operations.values().filter(|row| under_way(row.state)).map(|row| {
        let step = row.current().map_or("its end", |record| record.step.as_str());
        format!("{} {} of {} never ends: {:?} at {step}", row.id, row.saga.as_str(), row.farm, row.state)
    });
    verdict(found.collect())
}

/// A person has mended all that was stuck.
pub fn check_none_stuck(state: &State) -> Result<(), String> {
    let stuck = state.rows.operations.values().filter(|row| row.state == OperationState::Stuck).map(|row| {
        let error = row.error.as_deref().unwrap_or("for no reason given");
        format!("{} {} of {} is stuck: {error}", row.id, row.saga.as_str(), row.farm)
    });
    verdict(stuck.collect())
}
