//! The nouns and rules of Cascina.
//!
//! Everything here is pure: no input or output, no async, no clock, no randomness, no SQL, no
//! wasm, no logging. Time and random numbers come in as arguments. What this crate says can
//! therefore be tested without a server, replayed years later, and simulated.

pub mod address;
pub mod audit;
pub mod cluster;
pub mod command;
pub mod contextualization;
pub mod crontab;
pub mod decision;
pub mod event;
pub mod farm;
pub mod feasible;
pub mod flavor;
pub mod host;
pub mod id;
pub mod image;
pub mod index;
pub mod instance;
pub mod invariant;
pub mod ipam;
pub mod key_pair;
pub mod launch;
pub mod metadata;
pub mod name;
pub mod network;
pub mod operation;
pub mod plan;
pub mod planning;
pub mod policy;
pub mod principal;
pub mod quota;
pub mod refusal;
pub mod replica;
pub mod security_group;
pub mod site;
pub mod snapshot;
pub mod spread;
pub mod state;
pub mod tag;
pub mod tenant;
pub mod units;
pub mod upkeep;
pub mod usage;
pub mod view;
pub mod volume;
