//! What must hold, a file each. A check gives a text that says what does not.

pub mod acknowledged;
pub mod empty;
pub mod hosts;
pub mod log;
pub mod operations;
pub mod state;

/// Nothing found is good.
fn verdict(found: Vec<String>) -> Result<(), String> {
    if found.is_empty() { Ok(()) } else { Err(found.join("; ")) }
}
