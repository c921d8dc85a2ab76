//! How requests and responses look on the wire.

pub mod blob;
pub mod decode;
mod error;
mod fingerprint;
pub mod params;
pub mod tree;
pub mod xml;

pub use blob::Blob;
pub use decode::decode;
pub use error::ParamError;
pub(crate) use error::short;
pub use fingerprint::fingerprint;
pub use params::{Limits, Params};
pub use tree::Tree;
