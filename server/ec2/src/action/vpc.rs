//! A farm's network, which is its one VPC, and its zones, which are the subnets of that.

use std::sync::Arc;

use cascina_core::id::{FarmId, NetworkId};
use cascina_core::name::Name;
use cascina_core::network::VirtualNetwork;
use cascina_core::state::State;
use cascina_core::tag::{Resource, subnet};

/// The farm's network, from when it is made until the farm is over.
pub fn network_of(state: &State, farm: FarmId) -> Option<&Arc<VirtualNetwork>> {
    state.rows.networks.get(&vpc_of(state, farm)?)
}

pub fn vpc_of(state: &State, farm: FarmId) -> Option<NetworkId> {
    state.indexes.networks_by_farm.of(&farm).next()
}

/// The farm's network as a class of hosts sees it. Every class has one, all with the network's addresses.
pub fn subnet_of(state: &State, farm: FarmId, class: &Name) -> Option<Resource> {
    vpc_of(state, farm).map(|network| Resource::Subnet(subnet(network, class)))
}

/// The zone of one of the farm's subnets.
pub fn zone_of(state: &State, farm: FarmId, subnet: Resource) -> Option<Name> {
    state.rows.classes.keys().find(|class| subnet_of(state, farm, class) == Some(subnet)).cloned()
}
