//! The engine in virtual time.
//!
//! A [`Simulation`] drives the real kernel, the real sandbox and simulated hosts from one seed, in
//! virtual milliseconds, in one thread. Commits take their time and are lost in a crash if they have
//! not ended; calls that were under way end on their hosts, and nobody hears of it.
//!
//! [`schedule`] lets clients, hosts and power failures loose on it and checks what must hold whatever
//! happens. [`trace`] replays requests, real or made up, to see how policies would have placed them.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod agenda;
mod agents;
mod books;
mod chance;
pub mod check;
mod client;
mod crash;
mod images;
mod planner;
mod policies;
mod process;
pub mod schedule;
mod simulation;
mod tasks;
pub mod trace;
mod writer;

pub use books::{Books, Keep};
pub use chance::Chance;
pub use client::{Answered, Heard, Request, RequestId};
pub use crash::{Crashes, Point, When};
pub use policies::{Policies, PolicyError, bound};
pub use simulation::{BEGIN, Broken, Pace, Setup, Simulation, Stopwatch};
