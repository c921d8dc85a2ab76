//! The edge over an engine with simulated hosts, asked as clients ask.

#![allow(clippy::unwrap_used)]

mod client;
mod credentials;
mod images;
mod limits;
mod requests;
mod site;
mod snapshots;
mod storage;
mod volumes;
mod zones_and_types;
