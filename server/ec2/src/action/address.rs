//! Elastic IPs. The one that came with the farm leads to the farm's router, and stays there.

mod allocate;
mod associate;
mod describe;

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use cascina_core::address::ElasticIp;
use cascina_core::id::{AddressId, FarmId, IdError};
use cascina_core::state::State;
use serde::{Serialize, Serializer};

use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::ids;
use crate::noun::Noun;

pub use allocate::{allocate_address, release_address};
pub use associate::{associate_address, disassociate_address};
pub use describe::{describe_addresses, describe_addresses_attribute};

/// All addresses are for guests of a farm's network.
const DOMAIN: &str = "vpc";
/// Where addresses come from.
const POOL: &str = "amazon";

/// An address and who answers at it. An address leads to one place at most, so that its number will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssociationId(pub AddressId);

impl AssociationId {
    pub const PREFIX: &'static str = "eipassoc-";
}

impl fmt::Display for AssociationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:017x}", AssociationId::PREFIX, self.0.0)
    }
}

impl FromStr for AssociationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<AssociationId, IdError> {
        // The number is read as that of an address is.
        let digits = text.strip_prefix(AssociationId::PREFIX).unwrap_or_default();
        let address = format!("{}{digits}", AddressId::PREFIX).parse();
        let given = || text.chars().take(64).collect();
        address.map(AssociationId).map_err(|_| IdError { given: given(), prefix: AssociationId::PREFIX })
    }
}

impl Serialize for AssociationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The farm's addresses.
fn held<'s>(state: &'s State, farm: &FarmId) -> impl Iterator<Item = &'s ElasticIp> {
    let ids = state.indexes.addresses_by_farm.of(farm);
    ids.filter_map(|id| state.rows.addresses.get(&id)).map(AsRef::as_ref)
}

fn numbered(state: &State, farm: FarmId, id: AddressId) -> Option<&ElasticIp> {
    let row = state.rows.addresses.get(&id)?;
    (row.farm == farm && row.is_held()).then_some(row)
}

fn with_ip(state: &State, farm: FarmId, ip: Ipv4Addr) -> Option<&ElasticIp> {
    numbered(state, farm, *state.indexes.public_ips.get(&ip)?)
}

fn ip(text: &str) -> Result<Ipv4Addr, Fault> {
    text.parse().map_err(|_| Fault::invalid("PublicIp", text, "It should be an IPv4 address"))
}

/// One of the farm's addresses, which a request names in one of two ways.
fn find(call: &Call, allocation_id: Option<&str>, public_ip: Option<&str>) -> Result<ElasticIp, Fault> {
    let row = match (allocation_id, public_ip) {
        (Some(_), Some(_)) => {
            return Err(Code::InvalidParameterCombination
                .fault("You may specify public IP or allocation id, but not both in the same call"));
        }
        (None, None) => {
            return Err(Code::MissingParameter.fault("Either public IP or allocation id must be specified"));
        }
        (Some(id), None) => {
            let id = ids::read(Noun::Address, AddressId::PREFIX, id)?;
            call.engine.read(|state| numbered(state, call.farm, id).cloned()).ok_or_else(|| id.to_string())
        }
        (None, Some(text)) => {
            let ip = ip(text)?;
            call.engine.read(|state| with_ip(state, call.farm, ip).cloned()).ok_or_else(|| ip.to_string())
        }
    };
    row.map_err(|name| Noun::Address.not_found(&name))
}

/// The router's address is not the farm's to move.
fn movable(address: &ElasticIp) -> Result<(), Fault> {
    if address.primary {
        let text = format!("The address '{}' belongs to the router and can be neither moved nor released.", address.ip);
        return Err(Code::OperationNotPermitted.fault(text));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_association_is_read_as_it_is_written() {
        let id = AssociationId(AddressId(0xdead_beef_0000_0001));
        assert_eq!(id.to_string(), "eipassoc-0deadbeef00000001");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["eipalloc-0deadbeef00000001", "eipassoc-1", "eipassoc-1deadbeef00000001", ""] {
            assert!(text.parse::<AssociationId>().is_err(), "{text}");
        }
    }
}
