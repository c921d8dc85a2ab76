//! The EC2 Query edge: parameters in, XML out, for the clients that people already have.
//!
//! `wire` and `sig` are pure and know nothing of the server; `fault` says what each no is called.

pub mod account;
pub mod action;
mod audit;
mod body;
pub mod call;
mod code;
pub mod fault;
pub mod filter;
#[doc(hidden)]
pub mod fuzz;
pub mod ids;
mod keyring;
pub mod limit;
mod noun;
pub mod page;
mod serve;
mod settings;
pub mod sig;
pub mod tags;
pub mod wire;

pub use call::Call;
pub use code::Code;
pub use fault::Fault;
pub use noun::Noun;
pub use serve::Ec2;
pub use settings::Settings;
