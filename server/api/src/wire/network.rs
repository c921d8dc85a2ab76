//! Networks, routers and elastic IPs.

use std::net::Ipv4Addr;

use cascina_core::name::Name;
use cascina_core::{address, network};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Size, mirror, time};

mirror! {
    Protocol = network::Protocol { Tcp Udp }
    RouterState = network::RouterState { Pending Staging Running Down }
}

/// A farm's isolated network.
#[derive(Debug, Serialize, ToSchema)]
pub struct Network {
    pub id: String,
    pub farm: String,
    pub tenant: String,
    pub segment: u32,
    pub cidr: String,
    pub gateway: String,
    /// The beginning of every MAC address on it.
    pub mac_prefix: String,
    pub created: String,
}

impl From<&network::VirtualNetwork> for Network {
    fn from(row: &network::VirtualNetwork) -> Network {
        let prefix: Vec<String> = row.mac_prefix().iter().map(|byte| format!("{byte:02x}")).collect();
        Network {
            id: row.id.to_string(),
            farm: row.farm.to_string(),
            tenant: row.tenant.to_string(),
            segment: row.segment,
            cidr: row.cidr.to_string(),
            gateway: row.gateway().to_string(),
            mac_prefix: prefix.join(":"),
            created: time(row.created),
        }
    }
}

/// A port of the farm's public address that leads to one of its instances.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    pub protocol: Protocol,
    pub public_port: u16,
    #[schema(value_type = String)]
    pub to: Ipv4Addr,
    pub to_port: u16,
}

impl From<&network::NatRule> for Forward {
    fn from(rule: &network::NatRule) -> Forward {
        let network::NatRule { protocol, public_port, to, to_port } = *rule;
        Forward { protocol: protocol.into(), public_port, to, to_port }
    }
}

impl From<Forward> for network::NatRule {
    fn from(forward: Forward) -> network::NatRule {
        let Forward { protocol, public_port, to, to_port } = forward;
        network::NatRule { protocol: protocol.into(), public_port, to, to_port }
    }
}

/// All forwards of a router; those before are replaced.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Forwards {
    pub forwards: Vec<Forward>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Router {
    pub id: String,
    pub farm: String,
    pub network: String,
    pub class: String,
    pub size: Size,
    /// Name of its host, for those who see hosts.
    pub host: Option<String>,
    pub state: RouterState,
    pub forwards: Vec<Forward>,
    /// Grows with every wanted change …
    pub desired_revision: u64,
    /// … and this follows when the router has it.
    pub applied_revision: u64,
    pub created: String,
    pub updated: String,
}

impl Router {
    pub fn of(row: &network::VRouter, host: Option<String>) -> Router {
        Router {
            id: row.id.to_string(),
            farm: row.farm.to_string(),
            network: row.network.to_string(),
            class: row.class.to_string(),
            size: row.size.into(),
            host,
            state: row.state.into(),
            forwards: row.forwards.iter().map(Forward::from).collect(),
            desired_revision: row.desired_revision,
            applied_revision: row.applied_revision,
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AddressState {
    Allocated,
    Associated,
    /// Released, and resting before anybody else gets it.
    Quarantined,
}

/// An elastic IP.
#[derive(Debug, Serialize, ToSchema)]
pub struct Address {
    pub id: String,
    pub ip: String,
    pub farm: String,
    pub tenant: String,
    pub state: AddressState,
    /// Answers at the farm's router.
    pub router: bool,
    /// The instance that answers, if one does.
    pub instance: Option<String>,
    /// Came with the farm and goes with it.
    pub primary: bool,
    /// When its rest ends.
    pub until: Option<String>,
    pub created: String,
    pub updated: String,
}

impl From<&address::ElasticIp> for Address {
    fn from(row: &address::ElasticIp) -> Address {
        let (state, until) = match row.state {
            address::AddressState::Allocated => (AddressState::Allocated, None),
            address::AddressState::Associated { .. } => (AddressState::Associated, None),
            address::AddressState::Quarantined { until } => (AddressState::Quarantined, Some(time(until))),
        };
        let instance = match row.target() {
            Some(address::Target::Instance(id)) => Some(id.to_string()),
            Some(address::Target::Router) | None => None,
        };
        Address {
            id: row.id.to_string(),
            ip: row.ip.to_string(),
            farm: row.farm.to_string(),
            tenant: row.tenant.to_string(),
            state,
            router: row.target() == Some(address::Target::Router),
            instance,
            primary: row.primary,
            until,
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAddress {
    /// Id or name.
    pub farm: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Association {
    /// Id or name; the farm's router if left out.
    pub instance: Option<String>,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RebuildRouter {
    /// Name of a host; placement chooses if it is left out.
    #[schema(value_type = Option<String>)]
    pub to: Option<Name>,
}
