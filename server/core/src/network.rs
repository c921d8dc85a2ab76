//! A farm's network: one isolated segment with a /24 and a MAC prefix, and the router at its edge.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::id::{FarmId, HostId, NetworkId, RouterId, TenantId};
use crate::name::Name;
use crate::units::{Size, Timestamp};

/// A hardware address, `02:…` (locally administered).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a MAC address: six pairs of lower-case hex digits joined by `:`")]
pub struct MacError(pub String);

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Mac {
    type Err = MacError;

    fn from_str(text: &str) -> Result<Self, MacError> {
        let error = || MacError(text.chars().take(32).collect());
        let mut bytes = [0u8; 6];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            let pair = pairs.next().filter(|pair| pair.len() == 2).ok_or_else(error)?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_| error())?;
        }
        let mac = Mac(bytes);
        if pairs.next().is_some() || mac.to_string() != text { Err(error()) } else { Ok(mac) }
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Mac {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VirtualNetwork {
    pub id: NetworkId,
    pub farm: FarmId,
    pub tenant: TenantId,
    /// Which of the pool's subnets; also what isolates it on the wire.
    pub segment: u32,
    pub cidr: Ipv4Net,
    /// Revision of the firewall that its hosts should enforce: grows with every change of security
    /// groups and of who is in them.
    #[serde(default)]
    pub firewall: u64,
    pub created: Timestamp,
}

impl VirtualNetwork {
    /// The first four bytes of every MAC address on this network: `02:00` and the segment.
    pub fn mac_prefix(&self) -> [u8; 4] {
        let [_, _, high, low] = self.segment.to_be_bytes();
        [0x02, 0x00, high, low]
    }

    /// A port's MAC follows from its address, so two ports never share one.
    pub fn mac(&self, ip: Ipv4Addr) -> Mac {
        let [a, b, c, d] = self.mac_prefix();
        let [_, _, e, f] = ip.octets();
        Mac([a, b, c, d, e, f])
    }

    /// The router's address: the first of the subnet.
    pub fn gateway(&self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.cidr.network()) + 1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// A port of the farm's public address that leads to one of its guests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NatRule {
    pub protocol: Protocol,
    pub public_port: u16,
    pub to: Ipv4Addr,
    pub to_port: u16,
}

/// What a router should do: complete, so that applying it twice changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterConfig {
    /// Address for NAT out and port forwards in.
    pub public: Option<Ipv4Addr>,
    /// Public addresses mapped one to one: (public, private).
    pub mapped: Vec<(Ipv4Addr, Ipv4Addr)>,
    pub forwards: Vec<NatRule>,
    /// What guests are called, beside the names that follow from their addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<(Ipv4Addr, Name)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouterState {
    Pending,
    Staging,
    Running,
    Down,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VRouter {
    pub id: RouterId,
    pub farm: FarmId,
    pub network: NetworkId,
    pub class: Name,
    pub size: Size,
    pub host: Option<HostId>,
    /// It is being made anew on this host, which keeps room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_for: Option<HostId>,
    pub state: RouterState,
    pub forwards: Vec<NatRule>,
    /// Grows with every wanted change …
    pub desired_revision: u64,
    /// … and this follows when the router has it.
    pub applied_revision: u64,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macs_follow_from_segment_and_address() {
        let network = VirtualNetwork {
            id: NetworkId(1),
            farm: FarmId(1),
            tenant: TenantId(1),
            segment: 0x1234,
            cidr: "10.64.7.0/24".parse().unwrap(),
            firewall: 0,
            created: Timestamp(0),
        };
        assert_eq!(network.gateway().to_string(), "10.64.7.1");
        let mac = network.mac(network.gateway());
        assert_eq!(mac.to_string(), "02:00:12:34:07:01");
        assert_eq!(mac.to_string().parse(), Ok(mac));
        assert!("02:00:12:34:07".parse::<Mac>().is_err());
        assert!("02:00:12:34:07:0G".parse::<Mac>().is_err());
    }
}
