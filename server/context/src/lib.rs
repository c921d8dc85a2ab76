//! What an instance is told, and how it comes to know it.
//!
//! Two ways lead to a guest. [`seed`] and [`disk`] make a small disk that is there when it boots, as
//! images of most kinds expect one: cloud-init's NoCloud and ConfigDrive, OpenNebula's context. And
//! [`metadata`] answers as Amazon's instance metadata service does at 169.254.169.254, for images that
//! ask there.
//!
//! Everything here is pure: bytes out of facts. Who writes the disk where, and who listens, is told by
//! whoever has hands. Names, keys and user-data are a tenant's and may be hostile: nothing is pasted
//! into YAML, JSON or shell, and nothing of it gets into logs, as `Debug` leaves it out.

pub mod archive;
pub mod check;
pub mod diff;
pub mod disk;
pub mod handlers;
pub mod hostname;
pub mod metadata;
pub mod multi;
pub mod report;
pub mod seed;
pub mod yaml;

pub use hostname::Hostname;
