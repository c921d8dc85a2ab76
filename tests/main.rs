//! Drives the real program from outside: over HTTP, by its command line, and by killing it.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests wait in real time, and fail by panicking")]

mod approval;
mod bad_requests;
mod books;
mod command_line;
mod coverage;
mod crash;
mod ec2;
mod events;
mod farm;
mod floors;
mod gateway;
mod hostile;
mod http;
mod languages;
mod policies;
mod races;
mod roles;
mod server;
