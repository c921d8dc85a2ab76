//! `cascina:policy@1`: what crosses the border, as it crosses.
//!
//! Questions borrow and answers own. Wasmtime checks these types against the component's when it
//! is loaded, so a difference to the WIT text cannot go unnoticed.

pub(crate) mod admission;
pub(crate) mod choose_victims;
pub(crate) mod log;
pub(crate) mod metadata;
pub(crate) mod placement;
pub(crate) mod quota;
pub(crate) mod reallocation;
pub(crate) mod types;

pub(crate) const METADATA: &str = "cascina:policy/metadata@1.0.0";
