//! Looking at addresses.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use cascina_core::address::{ElasticIp, Target};
use cascina_core::id::AddressId;
use cascina_core::state::State;
use cascina_core::tag::{InterfaceNumber, Resource};
use serde::{Deserialize, Serialize};

use super::{AssociationId, DOMAIN, POOL};
use crate::account;
use crate::action::vpc::network_of;
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, maybe, one, text};
use crate::tags::TagSet;
use crate::wire::xml::Set;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeAddresses {
    #[serde(default)]
    public_ip: Vec<String>,
    #[serde(default)]
    allocation_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Addresses {
    addresses_set: Set<Address>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Address {
    public_ip: Ipv4Addr,
    allocation_id: AddressId,
    domain: &'static str,
    /// Empty rather than left out: clients look at it to see what is free.
    instance_id: String,
    association_id: Option<AssociationId>,
    network_interface_id: Option<Resource>,
    network_interface_owner_id: Option<String>,
    private_ip_address: Option<Ipv4Addr>,
    public_ipv4_pool: &'static str,
    network_border_group: String,
    tag_set: TagSet,
}

const ADDRESS: Columns<'_, Address> = Columns {
    columns: &[
        ("allocation-id", |row| text(row.allocation_id)),
        ("association-id", |row| maybe(row.association_id.map(|id| id.to_string()))),
        ("domain", |row| one(row.domain)),
        ("instance-id", |row| maybe(Some(row.instance_id.as_str()).filter(|id| !id.is_empty()))),
        ("network-border-group", |row| one(&row.network_border_group)),
        ("network-interface-id", |row| maybe(row.network_interface_id.map(|id| id.to_string()))),
        ("network-interface-owner-id", |row| maybe(row.network_interface_owner_id.as_deref())),
        ("private-ip-address", |row| maybe(row.private_ip_address.map(|ip| ip.to_string()))),
        ("public-ip", |row| text(row.public_ip)),
        ("public-ipv4-pool", |row| one(row.public_ipv4_pool)),
    ],
    tags: Some(|row| row.tag_set.pairs()),
};

/// The number of the interface that an address leads to, and the private address there.
fn end(state: &State, address: &ElasticIp) -> Option<(InterfaceNumber, Ipv4Addr)> {
    match address.target()? {
        Target::Instance(id) => state.rows.instances.get(&id).map(|row| (InterfaceNumber(id.0), row.ip)),
        Target::Router => {
            let router = state.indexes.routers_by_farm.of(&address.farm).next()?;
            Some((InterfaceNumber(router.0), network_of(state, address.farm)?.gateway()))
        }
    }
}

impl Address {
    fn of(state: &State, address: &ElasticIp, region: &str) -> Address {
        let end = end(state, address);
        let instance_id = match address.target() {
            Some(Target::Instance(id)) => id.to_string(),
            Some(Target::Router) | None => String::new(),
        };
        Address {
            public_ip: address.ip,
            allocation_id: address.id,
            domain: DOMAIN,
            instance_id,
            association_id: end.map(|_| AssociationId(address.id)),
            network_interface_id: end.map(|(number, _)| Resource::Interface(number)),
            network_interface_owner_id: end.map(|_| account::of(address.farm)),
            private_ip_address: end.map(|(_, ip)| ip),
            public_ipv4_pool: POOL,
            network_border_group: region.to_owned(),
            tag_set: TagSet::of(state, address.farm, Resource::Address(address.id)),
        }
    }
}

/// The addresses that a request names, all of which must be there.
fn named(call: &Call, allocation_ids: &[String], public_ips: &[String]) -> Result<BTreeSet<AddressId>, Fault> {
    let mut all = BTreeSet::new();
    for id in allocation_ids {
        all.insert(super::find(call, Some(id), None)?.id);
    }
    for ip in public_ips {
        all.insert(super::find(call, None, Some(ip))?.id);
    }
    Ok(all)
}

pub async fn describe_addresses(call: Call, request: DescribeAddresses) -> Result<Addresses, Fault> {
    let filters = Filters::new(&request.filter, &ADDRESS)?;
    let named = named(&call, &request.allocation_id, &request.public_ip)?;
    let all: Vec<Address> = call.engine.read(|state| {
        let rows = super::held(state, &call.farm).filter(|row| named.is_empty() || named.contains(&row.id));
        rows.map(|row| Address::of(state, row, &call.settings.region)).collect()
    });
    Ok(Addresses { addresses_set: all.into_iter().filter(|row| filters.accept(row)).collect() })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeAddressesAttribute {
    #[serde(default)]
    allocation_id: Vec<String>,
    #[serde(rename = "Attribute")]
    _attribute: Option<Attribute>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Attribute {
    DomainName,
}

/// Only addresses with a name of their own would be listed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AddressesAttribute {
    address_set: Set<()>,
}

pub async fn describe_addresses_attribute(
    call: Call,
    request: DescribeAddressesAttribute,
) -> Result<AddressesAttribute, Fault> {
    call.page::<AddressId>(request.max_results, request.next_token.as_deref(), false, 1..=1000)?;
    named(&call, &request.allocation_id, &[])?;
    Ok(AddressesAttribute { address_set: Set::default() })
}
