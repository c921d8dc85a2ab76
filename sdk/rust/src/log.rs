//! Lines in the decision's record, the one thing that a policy may call.
//!
//! The server keeps at most 64 lines of 500 bytes a decision. A policy that never logs does not
//! even import the interface. In native tests the lines are kept for
//! [`testing::logged`](crate::testing::logged).

pub use crate::bindings::base::log::Level;

/// For the author.
pub fn debug(message: &str) {
    write(Level::Debug, message);
}

/// For whoever reads the decision.
pub fn info(message: &str) {
    write(Level::Info, message);
}

/// Something that the operator should look at.
pub fn warn(message: &str) {
    write(Level::Warn, message);
}

/// Something that is wrong with the settings or the input.
pub fn error(message: &str) {
    write(Level::Error, message);
}

#[cfg(target_arch = "wasm32")]
fn write(level: Level, message: &str) {
    crate::bindings::base::log::write(level, message);
}

#[cfg(not(target_arch = "wasm32"))]
fn write(level: Level, message: &str) {
    crate::testing::keep_log_line(level, message);
}
