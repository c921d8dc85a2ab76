//! What the site file says of the site as a whole.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::flavor::Flavor;
use crate::host::{Host, HostClass, Share};
use crate::image::Image;
use crate::name::Name;
use crate::plan::Rules;
use crate::spread::ImageCare;
use crate::units::Size;

/// Facts of the site that commands need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    pub name: Name,
    /// Farms' subnets are cut out of this.
    pub private_pool: Ipv4Net,
    /// Length of a farm's subnet, 24 unless the site says otherwise.
    pub subnet_prefix: u8,
    /// Elastic IPs, first to last, both included.
    pub public_pool: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// How long a released elastic IP rests.
    pub address_rest_ms: u64,
    /// Class on which routers run.
    pub router_class: Name,
    pub router_size: Size,
    /// Tier of tenants who name none.
    pub default_tier: Name,
    /// How long a reservation outlives its last renewal.
    pub hold_ms: u64,
    /// How long terminated instances and finished operations can still be seen.
    pub retention_ms: u64,
    /// How long a client may repeat a request under the same idempotency key.
    pub receipt_ms: u64,
    /// None: nobody looks at images before guests need them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<ImageCare>,
    /// What plans may do.
    #[serde(default)]
    pub rules: Rules,
    /// Drawn at the first start: what pseudonyms are made with, so that nobody can guess them.
    #[serde(default)]
    pub veil: u64,
}

impl Default for Site {
    fn default() -> Site {
        let name = |text: &str| text.parse().unwrap_or_else(|_| unreachable!("a literal that is a name"));
        Site {
            name: name("cascina"),
            private_pool: Ipv4Net::new_assert(Ipv4Addr::new(10, 64, 0, 0), 12),
            subnet_prefix: 24,
            public_pool: Vec::new(),
            address_rest_ms: 60_000,
            router_class: name("services"),
            router_size: Size::new(1, 150, 1),
            default_tier: name("restricted"),
            hold_ms: 600_000,
            retention_ms: 3_600_000,
            receipt_ms: 24 * 3_600_000,
            images: None,
            rules: Rules::default(),
            veil: 0,
        }
    }
}

/// The whole site file, looked up and checked; applied at every start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SiteSpec {
    pub site: Site,
    pub classes: Vec<HostClass>,
    pub shares: Vec<Share>,
    pub hosts: Vec<Host>,
    pub flavors: Vec<Flavor>,
    pub images: Vec<Image>,
}
