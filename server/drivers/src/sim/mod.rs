//! Simulated hosts: for the demonstration, for tests, and for trying a policy out in virtual time.
//!
//! [`World`] is a pure model: it has no clock, waits for nothing and draws all chance from its
//! seed. A simulator in virtual time drives it with [`World::begin`] and [`World::finish`];
//! [`SimDriver`] drives it in real time behind the [`Hypervisor`](crate::Hypervisor) trait, and can
//! keep it in a journal, so that simulated hosts outlive the server as real ones do.

mod answer;
mod attach;
mod change;
mod check;
mod console;
mod driver;
mod fault;
mod firewalls;
mod given;
mod images;
mod incident;
mod journal;
mod latency;
mod machine;
mod migrate;
mod rng;
mod snapshot;
mod state;
mod stores;
#[cfg(test)]
mod tests;
mod volumes;
mod world;

pub use change::{Change, Effect};
pub use driver::{SimDriver, SimError};
pub use fault::{ArmedRule, CallKind, Fault, Probability, ProbabilityError, Rule};
pub use given::Given;
pub use incident::{Incident, NothingThere};
pub use journal::{JournalError, read_world};
pub use latency::Latencies;
pub use machine::{Machine, SimGuest};
pub use rng::Rng;
pub use snapshot::{GuestSnapshot, HostSnapshot, Snapshot, Totals};
pub use stores::{SimSnapshot, SimVolume, Store};
pub use world::{Fate, Planned, Settings, World};
