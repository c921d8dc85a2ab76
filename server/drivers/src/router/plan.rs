//! What a router should do: complete, checked, and in one order however it was written down.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::ops::Deref;

use cascina_core::name::Name;
use cascina_core::network::{Mac, NatRule, Protocol};
use ipnet::Ipv4Net;

use super::domain::{Domain, DomainError, are_labels};

/// The farm's side of its router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lan {
    pub cidr: Ipv4Net,
    /// The router's own, its guests' gateway.
    pub address: Ipv4Addr,
    pub mac: Mac,
    /// The first four bytes of every MAC address on this network.
    pub mac_prefix: [u8; 4],
    pub mtu: u16,
}

impl Lan {
    /// The longest network whose guests can all be known beforehand: 1022 of them.
    const KNOWN: u8 = 22;

    /// A port's MAC follows from its address.
    pub fn mac_of(&self, ip: Ipv4Addr) -> Mac {
        let [a, b, c, d] = self.mac_prefix;
        let [_, _, e, f] = ip.octets();
        Mac([a, b, c, d, e, f])
    }

    /// Whether every guest that there can be is written down, so that a new one changes nothing.
    pub fn knows_all(&self) -> bool {
        self.cidr.prefix_len() >= Lan::KNOWN
    }

    /// Whether a guest may have the address.
    pub fn is_guest(&self, ip: Ipv4Addr) -> bool {
        self.cidr.contains(&ip) && ip != self.address && ip != self.cidr.network() && ip != self.cidr.broadcast()
    }

    /// Every address that a guest may have.
    pub fn guests(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        self.cidr.hosts().filter(|ip| self.is_guest(*ip))
    }
}

/// The outside of a router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wan {
    /// For NAT out and port forwards in. Without it only guests that are mapped have an outside.
    pub address: Option<Ipv4Addr>,
    /// Length of the public network.
    pub prefix: u8,
    pub gateway: Ipv4Addr,
    pub mac: Mac,
}

/// Where the metadata service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata {
    /// What guests ask of [`METADATA`](super::METADATA), port 80, goes there.
    pub to: SocketAddrV4,
    /// As which network the service sees the farm's, host for host. None: it sees the router's public
    /// address.
    pub seen_as: Option<Ipv4Net>,
}

/// A plan before it is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub revision: u64,
    /// The farm's own; its guests' names are in it.
    pub domain: Domain,
    pub lan: Lan,
    pub wan: Option<Wan>,
    /// Networks that guests may not reach through the router: that of all farms, and others of the site.
    pub closed: Vec<Ipv4Net>,
    /// Public addresses and the guests that have them, one to one.
    pub mapped: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Ports of the router's public address, and where they lead.
    pub forwards: Vec<NatRule>,
    /// Names of guests beside those that follow from addresses. The first of an address, in
    /// alphabetical order, is what it is called in reverse.
    pub names: Vec<(Ipv4Addr, Name)>,
    /// Servers of the DNS that are asked about all else. None: nothing else is known.
    pub upstream: Vec<Ipv4Addr>,
    pub metadata: Option<Metadata>,
}

/// A router as it should be. Equal plans render to equal files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouterPlan(Draft);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("revision {0} is too large: scripts count to 2^63 - 1")]
    Revision(u64),
    #[error(transparent)]
    Domain(#[from] DomainError),
    #[error("{0} is no network for guests: its prefix must be 16 to 29, and written without host bits")]
    Network(Ipv4Net),
    #[error("{address} cannot be the router's address on {lan}")]
    Gateway { address: Ipv4Addr, lan: Ipv4Net },
    #[error("{given} is not the MAC address that follows from {address}: {expected}")]
    Mac { address: Ipv4Addr, given: Mac, expected: Mac },
    #[error("{0} cannot be a port's MAC address: it must be of one port, and locally administered")]
    NoMac(Mac),
    #[error("both sides of the router have the MAC address {0}")]
    SameMac(Mac),
    #[error("an MTU of {0} is not between 576 and 9000")]
    Mtu(u16),
    #[error("{0} cannot be a public address")]
    NotPublic(Ipv4Addr),
    #[error("public address {0} is used twice")]
    PublicTwice(Ipv4Addr),
    #[error("{0} is in none of the public networks: add its network to them")]
    UnknownPublic(Ipv4Addr),
    #[error("{gateway} cannot be the gateway of the public network {network}")]
    PublicGateway { gateway: Ipv4Addr, network: Ipv4Net },
    #[error("a public network of /{0}: its prefix must be 8 to 30")]
    PublicPrefix(u8),
    #[error("{0} is no guest of {1}")]
    NoGuest(Ipv4Addr, Ipv4Net),
    #[error("guest {0} has two public addresses")]
    GuestTwice(Ipv4Addr),
    #[error("{0} public addresses are mapped and there is no public network")]
    NoOutside(usize),
    #[error("ports are forwarded and the router has no public address of its own")]
    NoPublic,
    #[error("port 0 cannot be forwarded")]
    PortZero,
    #[error("{0:?} port {1} is forwarded twice")]
    PortTwice(Protocol, u16),
    #[error("`{name}` cannot be a name of {address} in the DNS")]
    NotHostName { address: Ipv4Addr, name: Name },
    #[error("{address} has the name `{name}` twice")]
    NameTwice { address: Ipv4Addr, name: Name },
    #[error("{0} cannot be a server of the DNS for this router")]
    Upstream(Ipv4Addr),
    #[error("the metadata service cannot be at {0}")]
    Metadata(SocketAddrV4),
    #[error("the metadata service cannot see {lan} as {seen_as}: it must be another network of the same size")]
    SeenAs { lan: Ipv4Net, seen_as: Ipv4Net },
    #[error("there is no network left as which the metadata service could see segment {0}")]
    NoneSeenAs(u32),
    #[error("{0} is not a router")]
    NotARouter(cascina_core::state::Guest),
    #[error("the router is on {router} and the network is {network}")]
    OtherNetwork { router: cascina_core::id::NetworkId, network: cascina_core::id::NetworkId },
}

impl RouterPlan {
    /// # Errors
    ///
    /// What could not work, or not as it is meant.
    pub fn new(mut draft: Draft) -> Result<RouterPlan, PlanError> {
        if i64::try_from(draft.revision).is_err() {
            return Err(PlanError::Revision(draft.revision));
        }
        check_lan(&draft.lan)?;
        if let Some(wan) = &draft.wan {
            check_wan(wan, &draft)?;
        }
        check_mapped(&draft)?;
        check_forwards(&draft)?;
        check_names(&draft)?;
        for server in &draft.upstream {
            if !is_unicast(*server) || draft.lan.cidr.contains(server) {
                return Err(PlanError::Upstream(*server));
            }
        }
        if let Some(metadata) = &draft.metadata {
            check_metadata(metadata, &draft.lan)?;
        }

        draft.closed = Ipv4Net::aggregate(&draft.closed.iter().map(Ipv4Net::trunc).collect());
        draft.closed.sort_unstable();
        draft.mapped.sort_unstable();
        draft.forwards.sort_unstable_by_key(forward_key);
        draft.names.sort_unstable();
        let mut seen = BTreeSet::new();
        // Their order says which is asked first.
        draft.upstream.retain(|server| seen.insert(*server));
        Ok(RouterPlan(draft))
    }
}

impl Deref for RouterPlan {
    type Target = Draft;

    fn deref(&self) -> &Draft {
        &self.0
    }
}

impl Draft {
    /// Every public address at which the router answers, its own first.
    pub fn public(&self) -> impl Iterator<Item = Ipv4Addr> + '_ {
        let own = self.wan.as_ref().and_then(|wan| wan.address);
        own.into_iter().chain(self.mapped.iter().map(|(public, _)| *public))
    }
}

/// Whether guest `ip` may be called this in the DNS: labels of it, and not the name that follows from
/// another guest's address.
pub fn is_host_name(ip: Ipv4Addr, name: &Name) -> bool {
    let dashed = name.as_str().strip_prefix("ip-").and_then(|rest| rest.replace('-', ".").parse::<Ipv4Addr>().ok());
    are_labels(name.as_str()) && dashed.is_none_or(|dashed| dashed == ip)
}

pub(super) fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
    }
}

fn forward_key(rule: &NatRule) -> (&'static str, u16) {
    (protocol_name(rule.protocol), rule.public_port)
}

fn is_port_mac(mac: Mac) -> bool {
    mac.0[0] & 0b11 == 0b10
}

fn check_lan(lan: &Lan) -> Result<(), PlanError> {
    // Two bytes of the address are in the MAC address: more hosts than that would share some.
    if !(16..=29).contains(&lan.cidr.prefix_len()) || lan.cidr != lan.cidr.trunc() || !is_unicast(lan.cidr.network()) {
        return Err(PlanError::Network(lan.cidr));
    }
    if !lan.cidr.hosts().any(|ip| ip == lan.address) {
        return Err(PlanError::Gateway { address: lan.address, lan: lan.cidr });
    }
    let expected = lan.mac_of(lan.address);
    if !is_port_mac(expected) {
        return Err(PlanError::NoMac(expected));
    }
    if lan.mac != expected {
        return Err(PlanError::Mac { address: lan.address, given: lan.mac, expected });
    }
    if !(576..=9000).contains(&lan.mtu) {
        return Err(PlanError::Mtu(lan.mtu));
    }
    Ok(())
}

fn check_wan(wan: &Wan, draft: &Draft) -> Result<(), PlanError> {
    if !is_port_mac(wan.mac) {
        return Err(PlanError::NoMac(wan.mac));
    }
    if wan.mac == draft.lan.mac {
        return Err(PlanError::SameMac(wan.mac));
    }
    let network = match Ipv4Net::new(wan.gateway, wan.prefix) {
        Ok(network) if (8..=30).contains(&wan.prefix) => network,
        _ => return Err(PlanError::PublicPrefix(wan.prefix)),
    };
    let wrong = || PlanError::PublicGateway { gateway: wan.gateway, network: network.trunc() };
    if !is_unicast(wan.gateway) || !network.hosts().any(|ip| ip == wan.gateway) || network.contains(&draft.lan.cidr) {
        return Err(wrong());
    }
    if let Some(address) = wan.address {
        check_public(address, draft)?;
        if !network.contains(&address) {
            return Err(wrong());
        }
    }
    Ok(())
}

fn check_public(address: Ipv4Addr, draft: &Draft) -> Result<(), PlanError> {
    let gateway = draft.wan.as_ref().map(|wan| wan.gateway);
    match is_unicast(address) && !draft.lan.cidr.contains(&address) && Some(address) != gateway {
        true => Ok(()),
        false => Err(PlanError::NotPublic(address)),
    }
}

fn is_unicast(ip: Ipv4Addr) -> bool {
    let special = ip.octets()[0] == 0 || ip.octets()[0] >= 224;
    !special && !ip.is_loopback() && !ip.is_link_local()
}

fn check_mapped(draft: &Draft) -> Result<(), PlanError> {
    if draft.wan.is_none() && !draft.mapped.is_empty() {
        return Err(PlanError::NoOutside(draft.mapped.len()));
    }
    let mut publics = BTreeSet::new();
    if let Some(twice) = draft.public().find(|public| !publics.insert(*public)) {
        return Err(PlanError::PublicTwice(twice));
    }
    let mut guests = BTreeSet::new();
    for (public, guest) in &draft.mapped {
        check_public(*public, draft)?;
        if !draft.lan.is_guest(*guest) {
            return Err(PlanError::NoGuest(*guest, draft.lan.cidr));
        }
        if !guests.insert(*guest) {
            return Err(PlanError::GuestTwice(*guest));
        }
    }
    Ok(())
}

fn check_forwards(draft: &Draft) -> Result<(), PlanError> {
    let public = draft.wan.as_ref().and_then(|wan| wan.address);
    if public.is_none() && !draft.forwards.is_empty() {
        return Err(PlanError::NoPublic);
    }
    let mut ports = BTreeSet::new();
    for rule in &draft.forwards {
        if rule.public_port == 0 || rule.to_port == 0 {
            return Err(PlanError::PortZero);
        }
        if !draft.lan.is_guest(rule.to) {
            return Err(PlanError::NoGuest(rule.to, draft.lan.cidr));
        }
        if !ports.insert(forward_key(rule)) {
            return Err(PlanError::PortTwice(rule.protocol, rule.public_port));
        }
    }
    Ok(())
}

fn check_names(draft: &Draft) -> Result<(), PlanError> {
    let mut names = BTreeSet::new();
    for (address, name) in &draft.names {
        if !draft.lan.is_guest(*address) {
            return Err(PlanError::NoGuest(*address, draft.lan.cidr));
        }
        if !is_host_name(*address, name) {
            return Err(PlanError::NotHostName { address: *address, name: name.clone() });
        }
        if !names.insert((address, name)) {
            return Err(PlanError::NameTwice { address: *address, name: name.clone() });
        }
    }
    Ok(())
}

fn check_metadata(metadata: &Metadata, lan: &Lan) -> Result<(), PlanError> {
    let to = metadata.to;
    if to.port() == 0 || !is_unicast(*to.ip()) || lan.cidr.contains(to.ip()) {
        return Err(PlanError::Metadata(to));
    }
    if let Some(seen_as) = metadata.seen_as {
        let overlap = seen_as.contains(&lan.cidr) || lan.cidr.contains(&seen_as) || seen_as.contains(to.ip());
        if seen_as.prefix_len() != lan.cidr.prefix_len() || seen_as != seen_as.trunc() || overlap {
            return Err(PlanError::SeenAs { lan: lan.cidr, seen_as });
        }
    }
    Ok(())
}
