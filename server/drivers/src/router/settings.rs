//! What all routers of a site have in common, and the plan that follows for one of them.

use std::net::{Ipv4Addr, SocketAddrV4};

use cascina_context::Hostname;
use cascina_core::name::Name;
use cascina_core::network::{Mac, RouterConfig};
use cascina_core::state::Guest;
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::domain::Domain;
use super::plan::{Draft, Lan, Metadata, PlanError, RouterPlan, Wan, is_host_name};
use crate::{GuestSpec, NetworkSpec};

/// A network of elastic IPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicNetwork {
    pub cidr: Ipv4Net,
    /// Through which the rest of the world is reached.
    pub gateway: Ipv4Addr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MetadataSettings {
    /// What guests ask of 169.254.169.254, port 80, goes there.
    pub to: SocketAddrV4,
    /// Networks as which the service sees those of farms are cut out of this, one a segment, so that it
    /// can tell guests apart. None: it sees routers' public addresses.
    #[serde(default)]
    pub seen_as: Option<Ipv4Net>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterSettings {
    /// Addresses that routers have on the outside are in one of them. All are on one wire.
    pub public: Vec<PublicNetwork>,
    /// Servers of the DNS that routers ask.
    #[serde(default)]
    pub upstream: Vec<Ipv4Addr>,
    /// A farm's domain is its id in this.
    pub domain_suffix: Domain,
    /// Of farms' networks.
    pub mtu: u16,
    /// Networks that no guest may reach through its router: that of all farms, and others of the site.
    #[serde(default)]
    pub closed: Vec<Ipv4Net>,
    #[serde(default)]
    pub metadata: Option<MetadataSettings>,
}

impl RouterSettings {
    fn public_network(&self, address: Ipv4Addr) -> Result<&PublicNetwork, PlanError> {
        let mut networks = self.public.iter();
        let found = networks.find(|network| network.cidr.contains(&address));
        let network = found.ok_or(PlanError::UnknownPublic(address))?;
        let taken = [network.gateway, network.cidr.network(), network.cidr.broadcast()];
        if taken.contains(&address) { Err(PlanError::NotPublic(address)) } else { Ok(network) }
    }
}

/// The outside MAC address of the router whose inside has this one. It stays when public addresses change
/// and when the router is made anew elsewhere.
pub fn wan_mac(lan: Mac) -> Mac {
    let [a, _, rest @ ..] = lan.0;
    let [c, d, e, f] = rest;
    Mac([a, 0xff, c, d, e, f])
}

/// What the router of a network should do.
///
/// # Errors
///
/// An address is in no public network, or what is asked for could not work.
pub fn plan(
    settings: &RouterSettings,
    network: &NetworkSpec,
    router: &GuestSpec,
    revision: u64,
    config: &RouterConfig,
) -> Result<RouterPlan, PlanError> {
    if !matches!(router.guest, Guest::Router(_)) {
        return Err(PlanError::NotARouter(router.guest));
    }
    if router.network != network.id {
        return Err(PlanError::OtherNetwork { router: router.network, network: network.id });
    }
    for (public, _) in &config.mapped {
        settings.public_network(*public)?;
    }
    // The way out is that of the router's own address, else of the lowest that is mapped.
    let first = config.public.or_else(|| config.mapped.iter().map(|(public, _)| *public).min());
    let outside = first.map(|address| settings.public_network(address)).transpose()?;
    RouterPlan::new(Draft {
        revision,
        domain: format!("{}.{}", network.farm, settings.domain_suffix).parse()?,
        lan: Lan {
            cidr: network.cidr,
            address: router.ip,
            mac: router.mac,
            mac_prefix: network.mac_prefix,
            mtu: settings.mtu,
        },
        wan: outside.map(|outside| Wan {
            address: config.public,
            prefix: outside.cidr.prefix_len(),
            gateway: outside.gateway,
            mac: wan_mac(router.mac),
        }),
        closed: settings.closed.clone(),
        mapped: config.mapped.clone(),
        forwards: config.forwards.clone(),
        names: names(config),
        upstream: settings.upstream.clone(),
        metadata: match &settings.metadata {
            None => None,
            Some(metadata) => Some(Metadata { to: metadata.to, seen_as: seen_in(metadata, network)? }),
        },
    })
}

/// What guests call themselves, which is what they were told when they booted. Not what would be the name that
/// follows from another's address.
fn names(config: &RouterConfig) -> Vec<(Ipv4Addr, Name)> {
    let hostname = |name: &Name| Hostname::of(name).as_str().parse().ok();
    let names = config.names.iter().filter_map(|(ip, name)| Some((*ip, hostname(name)?)));
    names.filter(|(ip, name)| is_host_name(*ip, name)).collect()
}

fn seen_in(metadata: &MetadataSettings, network: &NetworkSpec) -> Result<Option<Ipv4Net>, PlanError> {
    let Some(pool) = metadata.seen_as else { return Ok(None) };
    let seen = seen_as(pool, network.segment, network.cidr.prefix_len());
    seen.map(Some).ok_or(PlanError::NoneSeenAs(network.segment))
}

/// As which network the metadata service sees a farm's: that of the same size and of its segment's number
/// within the ones set aside for it. None: there are not so many.
pub fn seen_as(pool: Ipv4Net, segment: u32, prefix: u8) -> Option<Ipv4Net> {
    let networks = 1u64 << prefix.min(32).checked_sub(pool.prefix_len())?;
    let size = 1u64 << (32 - prefix.min(32));
    let first = u64::from(u32::from(pool.network())) + u64::from(segment) * size;
    let first = u32::try_from(first).ok().filter(|_| u64::from(segment) < networks)?;
    Ipv4Net::new(Ipv4Addr::from(first), prefix).ok()
}
