//! Elastic IPs: public addresses that a farm keeps and points at one of its guests.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::id::{AddressId, FarmId, InstanceId, TenantId};
use crate::units::Timestamp;

/// Who answers at an elastic IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "id")]
pub enum Target {
    /// The farm's router: NAT out, port forwards in.
    Router,
    Instance(InstanceId),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum AddressState {
    Allocated,
    Associated {
        target: Target,
    },
    /// Released; not given to anybody else before `until`, so that late packets do not reach a stranger.
    Quarantined {
        until: Timestamp,
    },
}

/// An address that is not free. Free ones are those of the pool that have no row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElasticIp {
    pub id: AddressId,
    pub ip: Ipv4Addr,
    pub tenant: TenantId,
    pub farm: FarmId,
    pub state: AddressState,
    /// Came with the farm and goes with it.
    pub primary: bool,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl ElasticIp {
    pub fn target(&self) -> Option<Target> {
        match self.state {
            AddressState::Associated { target } => Some(target),
            AddressState::Allocated | AddressState::Quarantined { .. } => None,
        }
    }

    pub fn is_held(&self) -> bool {
        !matches!(self.state, AddressState::Quarantined { .. })
    }
}
