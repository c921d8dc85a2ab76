//! A farm's network, which is its one VPC, and its zones, which are the subnets of that.

use std::sync::Arc;

use cascina_core::id::{FarmId, NetworkId};
use cascina_core::name::Name;
use cascina_core::network::VirtualNetwork;
use cascina_core::state::State;
use cascina_core::tag::{NetworkNumber, Resource, subnet};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use super::listing::{Kind, listing};
use crate::account;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::filter::{Columns, Values, one, text};
use crate::noun::Noun;
use crate::tags::TagSet;
use crate::wire::xml::{Set, Value};

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

/// A resource that bears the network's number.
pub fn part(network: &VirtualNetwork, kind: fn(NetworkNumber) -> Resource) -> Resource {
    kind(NetworkNumber(network.id.0))
}

listing!(DescribeVpcs by vpc_id);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Vpcs {
    vpc_set: Set<Vpc>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Vpc {
    vpc_id: NetworkId,
    owner_id: String,
    state: &'static str,
    cidr_block: Ipv4Net,
    cidr_block_association_set: Set<Block>,
    ipv6_cidr_block_association_set: Set<()>,
    dhcp_options_id: Resource,
    instance_tenancy: &'static str,
    is_default: bool,
    tag_set: TagSet,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Block {
    association_id: String,
    cidr_block: Ipv4Net,
    cidr_block_state: AssociationState,
}

/// Of a block of addresses, or of a route table's association.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AssociationState {
    state: &'static str,
}

impl AssociationState {
    pub const ASSOCIATED: AssociationState = AssociationState { state: "associated" };
}

const VPC: Kind<Vpc> = Kind {
    noun: Noun::Network,
    prefix: NetworkId::PREFIX,
    id: |row| row.vpc_id.to_string(),
    columns: Columns {
        columns: &[
            ("cidr", |row| text(row.cidr_block)),
            ("cidr-block", |row| text(row.cidr_block)),
            ("cidr-block-association.association-id", |row| blocks(row, |block| block.association_id.clone())),
            ("cidr-block-association.cidr-block", |row| text(row.cidr_block)),
            ("cidr-block-association.state", |row| blocks(row, |block| block.cidr_block_state.state.into())),
            ("cidrBlock", |row| text(row.cidr_block)),
            ("dhcp-options-id", |row| text(row.dhcp_options_id)),
            ("dhcpOptionsId", |row| text(row.dhcp_options_id)),
            ("instance-tenancy", |row| one(row.instance_tenancy)),
            ("ipv6-cidr-block-association.association-id", |_| Vec::new()),
            ("ipv6-cidr-block-association.ipv6-cidr-block", |_| Vec::new()),
            ("ipv6-cidr-block-association.ipv6-pool", |_| Vec::new()),
            ("ipv6-cidr-block-association.state", |_| Vec::new()),
            ("is-default", |row| text(row.is_default)),
            ("isDefault", |row| text(row.is_default)),
            ("owner-id", |row| one(&row.owner_id)),
            ("state", |row| one(row.state)),
            ("vpc-id", |row| text(row.vpc_id)),
        ],
        tags: Some(|row| row.tag_set.pairs()),
    },
};

fn blocks(vpc: &Vpc, value: fn(&Block) -> String) -> Values<'_> {
    vpc.cidr_block_association_set.items().iter().map(|block| value(block).into()).collect()
}

impl Vpc {
    fn of(state: &State, network: &VirtualNetwork) -> Vpc {
        let block = Block {
            association_id: format!("vpc-cidr-assoc-{:017x}", network.id.0),
            cidr_block: network.cidr,
            cidr_block_state: AssociationState::ASSOCIATED,
        };
        Vpc {
            vpc_id: network.id,
            owner_id: account::of(network.farm),
            state: "available",
            cidr_block: network.cidr,
            cidr_block_association_set: [block].into_iter().collect(),
            ipv6_cidr_block_association_set: Set::default(),
            dhcp_options_id: part(network, Resource::DhcpOptions),
            instance_tenancy: "default",
            is_default: true,
            tag_set: TagSet::of(state, network.farm, Resource::Network(network.id)),
        }
    }
}

pub async fn describe_vpcs(call: Call, request: DescribeVpcs) -> Result<Vpcs, Fault> {
    let rows = |state: &State| network_of(state, call.farm).map(|row| Vpc::of(state, row)).into_iter().collect();
    let (vpc_set, next_token) = request.listing().select(&call, &VPC, rows)?;
    Ok(Vpcs { vpc_set, next_token })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeVpcAttribute {
    vpc_id: String,
    attribute: Option<Attribute>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
enum Attribute {
    #[serde(rename = "enableDnsHostnames")]
    DnsHostnames,
    #[serde(rename = "enableDnsSupport")]
    DnsSupport,
    #[serde(rename = "enableNetworkAddressUsageMetrics")]
    NetworkAddressUsageMetrics,
}

/// None of them is done for a farm's network.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VpcAttribute {
    vpc_id: NetworkId,
    enable_dns_hostnames: Option<Value<bool>>,
    enable_dns_support: Option<Value<bool>>,
    enable_network_address_usage_metrics: Option<Value<bool>>,
}

pub async fn describe_vpc_attribute(call: Call, request: DescribeVpcAttribute) -> Result<VpcAttribute, Fault> {
    let Some(asked) = request.attribute else {
        return Err(Code::InvalidParameterCombination.fault("No attributes specified."));
    };
    let vpc_id = call.engine.read(|state| vpc_of(state, call.farm));
    let Some(vpc_id) = vpc_id.filter(|id| id.to_string() == request.vpc_id) else {
        return Err(VPC.absent(&request.vpc_id));
    };
    let off = |attribute| (asked == attribute).then_some(Value { value: false });
    Ok(VpcAttribute {
        vpc_id,
        enable_dns_hostnames: off(Attribute::DnsHostnames),
        enable_dns_support: off(Attribute::DnsSupport),
        enable_network_address_usage_metrics: off(Attribute::NetworkAddressUsageMetrics),
    })
}
