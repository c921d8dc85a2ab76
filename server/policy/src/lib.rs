//! The sandbox in which stakeholders' policies run.
//!
//! A policy is a WebAssembly component and a pure function: everything it may know is in its
//! arguments, and it can call nothing but `log`. Each evaluation gets a fresh instance with bounded
//! memory, a deterministic budget of fuel, and a deadline as backstop. What comes back is checked
//! before anyone believes it; a policy that fails is replaced by what its binding says for that
//! case.
//!
//! [`Sandbox::inspect`] takes uploads, [`Sandbox::check_settings`] takes bindings, and the
//! questions are methods of [`Sandbox`] too, one for each hook of the contract.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod abi;
mod answer;
mod bounds;
mod cache;
pub mod case;
mod chain;
mod compile;
mod component;
mod engine;
mod error;
mod evaluate;
mod guest;
mod hook;
mod imports;
mod lane;
mod manifest;
mod meter;
mod native;
mod quarantine;
mod sandbox;
mod schema;
mod settings;
mod smoke;
mod structure;
mod trials;
mod warm;
mod wording;

pub use bounds::{Bounds, Interpreters, Warm};
pub use chain::{Ask, Judgement, Subject};
pub use compile::{Compiler, run_compiler_child};
pub use error::{SandboxError, SettingsComplaint, UploadError};
pub use hook::choose_victims::{Demand, Victims};
pub use hook::placement::{PlacementFacts, Ranking, ShareFacts, Workload};
pub use manifest::Manifest;
pub use meter::{Budgets, Metered};
pub use sandbox::{Inspected, Sandbox, SandboxConfig, digest};
pub use trials::{Disagreement, TrialTally};
