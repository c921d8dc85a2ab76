//! What must hold, a file each. A check gives a text that says what does not.

pub mod acknowledged;
pub mod empty;
pub mod guests;
pub mod hosts;
pub mod images;
pub mod log;
pub mod operations;
pub mod plans;
pub mod state;
pub mod stores;

use cascina_core::id::FarmId;
use cascina_core::state::State;

/// Nothing found is good.
fn verdict(found: Vec<String>) -> Result<(), String> {
    if found.is_empty() { Ok(()) } else { Err(found.join("; ")) }
}

/// Nothing is under way with the farm, and nothing of it waits for a person.
fn quiet(state: &State, farm: FarmId) -> bool {
    state.indexes.operations_by_farm.of(&farm).next().is_none()
}
