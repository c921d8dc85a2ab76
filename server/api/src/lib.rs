//! The REST edge: JSON under `/v1`, problem details, and a description of it all.
//!
//! It knows who asks and what they may see. What may be done is the engine's to say.

#![allow(clippy::result_large_err, reason = "a problem ends its request, so that moving it costs nothing that counts")]

pub mod auth;
mod events;
mod explain;
mod find;
mod hear_out;
mod idempotency;
pub mod metrics;
pub mod openapi;
mod page;
mod problem;
mod rest;
mod router;
mod wire;

pub use auth::Auth;
pub use router::{App, Ec2, Simulation, router, routes};
