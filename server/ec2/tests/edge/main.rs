//! The edge over an engine with simulated hosts, asked as clients ask.

#![allow(clippy::unwrap_used)]

mod addresses;
mod client;
mod credentials;
mod every_action;
mod limits;
mod network;
mod requests;
mod site;
mod zones_and_types;
