//! The EC2 Query edge: parameters in, XML out, for the clients that people already have.
//!
//! `wire` and `sig` are pure and know nothing of the server; `fault` says what each no is called.

mod code;
pub mod fault;
mod noun;
pub mod sig;
pub mod wire;

pub use code::Code;
pub use fault::Fault;
pub use noun::Noun;
