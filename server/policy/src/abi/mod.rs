//! The contract as Rust types, a module per major version.

pub(crate) mod v1;
