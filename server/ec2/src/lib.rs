//! The EC2 Query edge: parameters in, XML out, for the clients that people already have.
//!
//! `wire` and `sig` are pure and know nothing of the server; `fault` says what each no is called.

mod code;
pub mod fault;
pub mod filter;
pub mod ids;
pub mod limit;
mod noun;
pub mod page;
pub mod sig;
pub mod tags;
pub mod wire;

pub use code::Code;
pub use fault::Fault;
pub use noun::Noun;
