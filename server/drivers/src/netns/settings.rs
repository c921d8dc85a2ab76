//! What a site says about its gateway hosts.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::router::{LinkName, RouterSettings};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewaySettings {
    pub router: RouterSettings,
    /// On which the outside of routers is. The site makes it.
    #[serde(default = "public_bridge")]
    pub public_bridge: LinkName,
    #[serde(default)]
    pub uplink: Uplink,
}

fn public_bridge() -> LinkName {
    "cbpub".parse().unwrap_or_else(|_| unreachable!("a literal that is the name of a link"))
}

/// How a farm's network reaches other hosts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uplink {
    /// It does not, or the site sees to it.
    #[default]
    None,
    Vxlan(Vxlan),
}

/// It is not encrypted: hosts need a wire of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vxlan {
    /// A network's number on the wire is this and its segment.
    pub base: u32,
    /// This host's address on that wire.
    pub local: Ipv4Addr,
    /// The addresses of the other hosts.
    pub peers: Vec<Ipv4Addr>,
    #[serde(default = "vxlan_port")]
    pub port: u16,
}

fn vxlan_port() -> u16 {
    4789
}

impl Vxlan {
    /// The number of a segment, if there are so many.
    pub fn vni(&self, segment: u32) -> Option<u32> {
        self.base.checked_add(segment).filter(|vni| *vni < 1 << 24)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_on_the_wire_have_24_bits() {
        let vxlan = Vxlan { base: 1000, local: Ipv4Addr::LOCALHOST, peers: Vec::new(), port: 4789 };
        assert_eq!(vxlan.vni(7), Some(1007));
        assert_eq!(vxlan.vni((1 << 24) - 1001), Some((1 << 24) - 1));
        assert_eq!(vxlan.vni((1 << 24) - 1000), None);
        assert_eq!(vxlan.vni(u32::MAX), None);
    }
}
