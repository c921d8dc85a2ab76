//! The EC2 Query edge: parameters in, XML out, for the clients that people already have.
//!
//! `wire` is pure and knows nothing of the server.

pub mod wire;
