//! The engine with the real sandbox, the real store and simulated hosts.
#![allow(clippy::unwrap_used)]

mod farms;
mod groups;
mod images;
mod races;
mod routers;
mod site;
mod volumes;
