//! The edge over an engine with simulated hosts, asked as clients ask.

#![allow(clippy::unwrap_used)]

mod addresses;
mod client;
mod credentials;
mod every_action;
mod images;
mod key_pairs;
mod limits;
mod network;
mod requests;
mod security_groups;
mod site;
mod snapshots;
mod storage;
mod tags;
mod volumes;
mod zones_and_types;
