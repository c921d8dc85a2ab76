//! Decide, commit, act, observe.
//!
//! `kernel` is deterministic and does no input or output: it takes proposals one at a time, checks
//! them against the state and gives back events. `engine` puts it to work in a real server: a writer
//! thread that commits in batches, and tasks that call policies and hosts. A simulator drives the
//! same kernel in virtual time.

mod agent;
mod case;
pub mod clock;
pub mod command;
mod deciders;
mod engine;
pub mod error;
pub mod kernel;
pub mod look;
pub mod nearest;
pub mod need;
mod number;
mod offers;
pub mod plans;
pub mod policies;
pub mod power;
pub mod reconcile;
pub mod replay;
mod replays;
mod runner;
pub mod saga;
pub mod seal;
pub mod signers;
pub mod spread;
pub mod tx;
mod veil;
pub mod verdict;
mod writer;

pub use cascina_policy::case::Case;
pub use cascina_policy::{Metered, TrialTally};
pub use cascina_store::{DecisionFilter, EventFilter};
pub use clock::{Clock, SystemClock};
pub use engine::{Engine, EngineConfig, Idempotency, RACES, Replay, Request, ticket};
pub use error::{EngineError, Fault};
pub use offers::Offer;
pub use replays::{ReplayAsk, Standing};
pub use veil::tenant_for;
pub use writer::{BATCH, absorb};
