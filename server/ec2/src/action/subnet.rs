//! Subnets: the farm's network, once for each zone.

use cascina_core::id::NetworkId;
use cascina_core::ipam;
use cascina_core::name::Name;
use cascina_core::network::VirtualNetwork;
use cascina_core::state::State;
use cascina_core::tag::{Resource, subnet};
use ipnet::Ipv4Net;
use serde::Serialize;

use super::listing::{Kind, listing};
use super::region::zone_id;
use super::vpc::network_of;
use crate::account;
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, one, text};
use crate::noun::Noun;
use crate::tags::TagSet;
use crate::wire::xml::Set;

listing!(DescribeSubnets by subnet_id);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subnets {
    subnet_set: Set<Subnet>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Subnet {
    subnet_id: Resource,
    subnet_arn: String,
    state: &'static str,
    vpc_id: NetworkId,
    owner_id: String,
    cidr_block: Ipv4Net,
    available_ip_address_count: u32,
    availability_zone: Name,
    availability_zone_id: String,
    default_for_az: bool,
    /// Public addresses are asked for one by one.
    map_public_ip_on_launch: bool,
    map_customer_owned_ip_on_launch: bool,
    assign_ipv6_address_on_creation: bool,
    ipv6_cidr_block_association_set: Set<()>,
    ipv6_native: bool,
    enable_dns64: bool,
    private_dns_name_options_on_launch: NameOptions,
    tag_set: TagSet,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NameOptions {
    hostname_type: &'static str,
    #[serde(rename = "enableResourceNameDnsARecord")]
    enable_resource_name_dns_a_record: bool,
    #[serde(rename = "enableResourceNameDnsAAAARecord")]
    enable_resource_name_dns_aaaa_record: bool,
}

const SUBNET: Kind<Subnet> = Kind {
    noun: Noun::Subnet,
    prefix: "subnet-",
    id: |row| row.subnet_id.to_string(),
    columns: Columns {
        columns: &[
            ("availability-zone", |row| one(row.availability_zone.as_str())),
            ("availability-zone-id", |row| one(&row.availability_zone_id)),
            ("availabilityZone", |row| one(row.availability_zone.as_str())),
            ("availabilityZoneId", |row| one(&row.availability_zone_id)),
            ("available-ip-address-count", |row| text(row.available_ip_address_count)),
            ("cidr", |row| text(row.cidr_block)),
            ("cidr-block", |row| text(row.cidr_block)),
            ("cidrBlock", |row| text(row.cidr_block)),
            ("customer-owned-ipv4-pool", |_| Vec::new()),
            ("default-for-az", |row| text(row.default_for_az)),
            ("defaultForAz", |row| text(row.default_for_az)),
            ("enable-dns64", |row| text(row.enable_dns64)),
            ("enable-lni-at-device-index", |_| Vec::new()),
            ("ipv6-cidr-block-association.association-id", |_| Vec::new()),
            ("ipv6-cidr-block-association.ipv6-cidr-block", |_| Vec::new()),
            ("ipv6-cidr-block-association.state", |_| Vec::new()),
            ("ipv6-native", |row| text(row.ipv6_native)),
            ("map-customer-owned-ip-on-launch", |row| text(row.map_customer_owned_ip_on_launch)),
            ("map-public-ip-on-launch", |row| text(row.map_public_ip_on_launch)),
            ("outpost-arn", |_| Vec::new()),
            ("owner-id", |row| one(&row.owner_id)),
            ("private-dns-name-options-on-launch.enable-resource-name-dns-a-record", |row| {
                text(row.private_dns_name_options_on_launch.enable_resource_name_dns_a_record)
            }),
            ("private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record", |row| {
                text(row.private_dns_name_options_on_launch.enable_resource_name_dns_aaaa_record)
            }),
            ("private-dns-name-options-on-launch.hostname-type", |row| {
                one(row.private_dns_name_options_on_launch.hostname_type)
            }),
            ("state", |row| one(row.state)),
            ("subnet-arn", |row| one(&row.subnet_arn)),
            ("subnet-id", |row| text(row.subnet_id)),
            ("vpc-id", |row| text(row.vpc_id)),
        ],
        tags: Some(|row| row.tag_set.pairs()),
    },
};

/// How many more guests a network has addresses for.
fn free(state: &State, network: &VirtualNetwork) -> u32 {
    let (first, last) = (network.cidr.network(), network.cidr.broadcast());
    let taken = state.indexes.guest_ips.range((network.farm, first)..=(network.farm, last)).count();
    ipam::guest_addresses(network.cidr).saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX))
}

fn subnets(state: &State, network: &VirtualNetwork, region: &str) -> Vec<Subnet> {
    let (account, free) = (account::of(network.farm), free(state, network));
    let of_class = |class: &Name| {
        let resource = Resource::Subnet(subnet(network.id, class));
        Subnet {
            subnet_id: resource,
            subnet_arn: format!("arn:aws:ec2:{region}:{account}:subnet/{resource}"),
            state: "available",
            vpc_id: network.id,
            owner_id: account.clone(),
            cidr_block: network.cidr,
            available_ip_address_count: free,
            availability_zone: class.clone(),
            availability_zone_id: zone_id(region, class),
            default_for_az: true,
            map_public_ip_on_launch: false,
            map_customer_owned_ip_on_launch: false,
            assign_ipv6_address_on_creation: false,
            ipv6_cidr_block_association_set: Set::default(),
            ipv6_native: false,
            enable_dns64: false,
            private_dns_name_options_on_launch: NameOptions {
                hostname_type: "ip-name",
                enable_resource_name_dns_a_record: false,
                enable_resource_name_dns_aaaa_record: false,
            },
            tag_set: TagSet::of(state, network.farm, resource),
        }
    };
    state.rows.classes.keys().map(of_class).collect()
}

pub async fn describe_subnets(call: Call, request: DescribeSubnets) -> Result<Subnets, Fault> {
    let rows = |state: &State| {
        let network = network_of(state, call.farm);
        network.map(|network| subnets(state, network, &call.settings.region)).unwrap_or_default()
    };
    let (subnet_set, next_token) = request.listing().select(&call, &SUBNET, rows)?;
    Ok(Subnets { subnet_set, next_token })
}
