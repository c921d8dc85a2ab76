//! A farm's router as data, and what that data is for the programs that make a router.
//!
//! [`plan`] says what a router should do, [`render`] the files that make it do so. Both are functions
//! of their arguments alone. [`APPLY`] is the script that takes such files where the router is, be it
//! an appliance or a network namespace. Security groups are not here: they are enforced at guests'
//! ports.

mod dnsmasq;
mod domain;
mod files;
mod link;
mod nft;
pub mod openwrt;
mod plan;
mod settings;
mod tar;
mod uci;

#[cfg(test)]
mod tests;

pub use domain::{Domain, DomainError};
pub use files::{Files, Target, render};
pub use link::{LinkName, LinkNameError};
pub use plan::{Draft, Lan, Metadata, PlanError, RouterPlan, Wan, is_host_name};
pub use settings::{MetadataSettings, PublicNetwork, RouterSettings, plan, seen_as, wan_mac};
pub use tar::{disk, tar};
pub use uci::{Devices, Section, Value, packages};

/// `apply.sh SET [STATE]`: see its first lines.
pub const APPLY: &str = include_str!("apply.sh");

/// Where a guest finds the metadata service, whatever its network.
pub const METADATA: std::net::Ipv4Addr = std::net::Ipv4Addr::new(169, 254, 169, 254);
