//! The EC2 Query edge: parameters in, XML out, for the clients that people already have.
//!
//! `wire` is pure and knows nothing of the server; `fault` says what each no is called.

mod code;
pub mod fault;
mod noun;
pub mod wire;

pub use code::Code;
pub use fault::Fault;
pub use noun::Noun;
