//! Who asks, by where the packets come from.

use std::net::Ipv4Addr;
use std::sync::Arc;

use cascina_core::instance::Instance;
use cascina_core::network::VirtualNetwork;
use cascina_core::state::State;
use cascina_drivers::router::seen_as;
use ipnet::Ipv4Net;

use crate::hosts::{Scheme, scheme};

/// What routers make of farms' networks on the way here: for each way in which hosts are reached, the
/// networks out of which each farm's is cut.
#[derive(Debug, Clone)]
pub struct Peers(Vec<(Scheme, Ipv4Net)>);

/// A guest that asks.
#[derive(Debug)]
pub struct Guest<'a> {
    pub instance: &'a Instance,
    pub network: &'a VirtualNetwork,
}

impl Peers {
    pub fn new(pools: Vec<(Scheme, Ipv4Net)>) -> Peers {
        Peers(pools)
    }

    /// Whether some router could map a guest to this.
    pub fn has(&self, peer: Ipv4Addr) -> bool {
        self.0.iter().any(|(_, pool)| pool.contains(&peer))
    }

    /// The live instance whose farm's router makes this of its address. Should several be possible, which
    /// takes networks of several sizes, it is none of them.
    pub fn guest<'a>(&self, state: &'a State, peer: Ipv4Addr) -> Option<Guest<'a>> {
        let mut found = self.candidates(state, peer);
        match (found.pop(), found.pop()) {
            (Some(guest), None) => Some(guest),
            (Some(_), Some(_)) => {
                tracing::warn!(%peer, "several farms' networks could be seen as this: nobody is answered");
                None
            }
            (None, _) => None,
        }
    }

    fn candidates<'a>(&self, state: &'a State, peer: Ipv4Addr) -> Vec<Guest<'a>> {
        let mut found = Vec::new();
        for (reached, pool) in self.0.iter().filter(|(_, pool)| pool.contains(&peer)) {
            for prefix in pool.prefix_len()..=30 {
                let segment = (u32::from(peer) - u32::from(pool.network())) >> (32 - prefix);
                let Some(id) = state.indexes.segments.get(&segment) else { continue };
                let Some(network) = state.rows.networks.get(id) else { continue };
                // The function by which the router was told.
                let seen = seen_as(*pool, network.segment, network.cidr.prefix_len());
                let Some(seen) = seen.filter(|seen| seen.prefix_len() == prefix && seen.contains(&peer)) else {
                    continue;
                };
                if router_is(state, network) != Some(*reached) {
                    continue;
                }
                let host = u32::from(peer) - u32::from(seen.network());
                let ip = Ipv4Addr::from(u32::from(network.cidr.network()) + host);
                let mut instances = state.indexes.instances_by_farm.with(&network.farm);
                let instance: Option<&Arc<Instance>> = instances.find(|row| row.is_live() && row.ip == ip);
                found.extend(instance.map(|instance| Guest { instance, network }));
            }
        }
        found
    }
}

/// How the host of a network's router is reached, which says by whose settings that maps.
fn router_is(state: &State, network: &VirtualNetwork) -> Option<Scheme> {
    let routers = state.indexes.routers_by_farm.of(&network.farm);
    let router = routers.filter_map(|id| state.rows.routers.get(&id)).find(|row| row.network == network.id)?;
    let host = state.rows.hosts.get(&router.host?)?;
    scheme(&host.uri).ok()
}
