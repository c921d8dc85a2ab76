//! The network ACL of a farm's network, which lets everything through: security groups say what may pass.

use cascina_core::id::NetworkId;
use cascina_core::network::VirtualNetwork;
use cascina_core::state::State;
use cascina_core::tag::{Resource, SubnetNumber, subnet};
use serde::Serialize;

use super::listing::{Kind, listing};
use super::vpc::{network_of, part};
use crate::account;
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Values, one, text};
use crate::noun::Noun;
use crate::tags::TagSet;
use crate::wire::xml::Set;

/// What matches whatever no other entry does.
const LAST: u32 = 32767;

listing!(DescribeNetworkAcls by network_acl_id);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkAcls {
    network_acl_set: Set<NetworkAcl>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkAcl {
    network_acl_id: Resource,
    vpc_id: NetworkId,
    owner_id: String,
    default: bool,
    entry_set: Set<Entry>,
    association_set: Set<Association>,
    tag_set: TagSet,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry {
    rule_number: u32,
    protocol: &'static str,
    rule_action: &'static str,
    egress: bool,
    cidr_block: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Association {
    network_acl_association_id: String,
    network_acl_id: Resource,
    subnet_id: Resource,
}

const NETWORK_ACL: Kind<NetworkAcl> = Kind {
    noun: Noun::NetworkAcl,
    prefix: "acl-",
    id: |row| row.network_acl_id.to_string(),
    columns: Columns {
        columns: &[
            ("association.association-id", |row| associations(row, |one| one.network_acl_association_id.clone())),
            ("association.network-acl-id", |row| associations(row, |one| one.network_acl_id.to_string())),
            ("association.subnet-id", |row| associations(row, |one| one.subnet_id.to_string())),
            ("default", |row| text(row.default)),
            ("entry.cidr", |row| entries(row, |entry| entry.cidr_block.into())),
            ("entry.egress", |row| entries(row, |entry| entry.egress.to_string())),
            ("entry.icmp.code", |_| Vec::new()),
            ("entry.icmp.type", |_| Vec::new()),
            ("entry.ipv6-cidr", |_| Vec::new()),
            ("entry.port-range.from", |_| Vec::new()),
            ("entry.port-range.to", |_| Vec::new()),
            ("entry.protocol", |row| entries(row, |entry| entry.protocol.into())),
            ("entry.rule-action", |row| entries(row, |entry| entry.rule_action.into())),
            ("entry.rule-number", |row| entries(row, |entry| entry.rule_number.to_string())),
            ("network-acl-id", |row| text(row.network_acl_id)),
            ("owner-id", |row| one(&row.owner_id)),
            ("vpc-id", |row| text(row.vpc_id)),
        ],
        tags: Some(|row| row.tag_set.pairs()),
    },
};

fn entries(acl: &NetworkAcl, value: fn(&Entry) -> String) -> Values<'_> {
    acl.entry_set.items().iter().map(|entry| value(entry).into()).collect()
}

fn associations(acl: &NetworkAcl, value: fn(&Association) -> String) -> Values<'_> {
    acl.association_set.items().iter().map(|association| value(association).into()).collect()
}

impl NetworkAcl {
    fn of(state: &State, network: &VirtualNetwork) -> NetworkAcl {
        let network_acl_id = part(network, Resource::Acl);
        let entry = |egress, rule_number, rule_action| Entry {
            rule_number,
            protocol: "-1",
            rule_action,
            egress,
            cidr_block: "0.0.0.0/0",
        };
        let entries = [true, false].into_iter().flat_map(|out| [entry(out, 100, "allow"), entry(out, LAST, "deny")]);
        let association = |class| {
            let SubnetNumber(number) = subnet(network.id, class);
            Association {
                network_acl_association_id: format!("aclassoc-{number:017x}"),
                network_acl_id,
                subnet_id: Resource::Subnet(SubnetNumber(number)),
            }
        };
        NetworkAcl {
            network_acl_id,
            vpc_id: network.id,
            owner_id: account::of(network.farm),
            default: true,
            entry_set: entries.collect(),
            association_set: state.rows.classes.keys().map(association).collect(),
            tag_set: TagSet::of(state, network.farm, network_acl_id),
        }
    }
}

pub async fn describe_network_acls(call: Call, request: DescribeNetworkAcls) -> Result<NetworkAcls, Fault> {
    let rows = |state: &State| network_of(state, call.farm).map(|row| NetworkAcl::of(state, row)).into_iter().collect();
    let (network_acl_set, next_token) = request.listing().select(&call, &NETWORK_ACL, rows)?;
    Ok(NetworkAcls { network_acl_set, next_token })
}
