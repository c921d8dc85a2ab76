//! Looking at network interfaces.

use cascina_core::state::State;
use serde::{Deserialize, Serialize};

use super::{Attachment, Group, Interface, Interfaces};
use crate::action::listing::{Kind, listing};
use crate::action::region::zone_id;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::filter::{Columns, Values, maybe, one, text};
use crate::noun::Noun;
use crate::wire::xml::{Set, Value};

listing!(DescribeNetworkInterfaces by network_interface_id, and _managed of "IncludeManagedResources");

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkInterfaces {
    network_interface_set: Set<Interface>,
    next_token: Option<String>,
}

pub(super) const INTERFACE: Kind<Interface> = Kind {
    noun: Noun::NetworkInterface,
    prefix: "eni-",
    id: |row| row.network_interface_id.to_string(),
    columns: Columns {
        columns: &[
            ("addresses.association.owner-id", |row| maybe(row.association.as_ref().map(|held| &held.ip_owner_id))),
            ("addresses.association.public-ip", public_ip),
            ("addresses.primary", |_| one("true")),
            ("addresses.private-ip-address", |row| text(row.private_ip_address)),
            ("association.allocation-id", |row| {
                maybe(row.association.as_ref().map(|held| held.allocation_id.to_string()))
            }),
            ("association.association-id", |row| {
                maybe(row.association.as_ref().map(|held| held.association_id.to_string()))
            }),
            ("association.ip-owner-id", |row| maybe(row.association.as_ref().map(|held| &held.ip_owner_id))),
            ("association.public-dns-name", |row| maybe(row.association.as_ref().map(|held| &held.public_dns_name))),
            ("association.public-ip", public_ip),
            ("attachment.attach-time", |row| text(row.attachment.attach_time)),
            ("attachment.attachment-id", |row| one(&row.attachment.attachment_id)),
            ("attachment.delete-on-termination", |row| text(row.attachment.delete_on_termination)),
            ("attachment.device-index", |row| text(row.attachment.device_index)),
            ("attachment.instance-id", |row| maybe(row.attachment.instance_id.map(|id| id.to_string()))),
            ("attachment.instance-owner-id", |row| one(&row.attachment.instance_owner_id)),
            ("attachment.status", |row| one(row.attachment.status)),
            ("availability-zone", |row| one(row.availability_zone.as_str())),
            ("availability-zone-id", |row| maybe(row.availability_zone_id.as_deref())),
            ("description", |row| one(row.description)),
            ("group-id", |row| row.group_set.items().iter().map(|group| group.group_id.to_string().into()).collect()),
            ("group-name", |row| row.group_set.items().iter().map(|group| group.group_name.as_str().into()).collect()),
            ("interface-type", |row| one(row.interface_type)),
            ("ipv6-addresses.ipv6-address", |_| Vec::new()),
            ("mac-address", |row| text(row.mac_address)),
            ("network-interface-id", |row| text(row.network_interface_id)),
            ("operator.managed", |_| one("false")),
            ("operator.principal", |_| Vec::new()),
            ("owner-id", |row| one(&row.owner_id)),
            ("private-dns-name", |row| one(&row.private_dns_name)),
            ("private-ip-address", |row| text(row.private_ip_address)),
            ("requester-id", |row| maybe(row.requester_id)),
            ("requester-managed", |row| text(row.requester_managed)),
            ("source-dest-check", |row| text(row.source_dest_check)),
            ("status", |row| one(row.status)),
            ("subnet-id", |row| maybe(row.subnet_id.map(|id| id.to_string()))),
            ("vpc-id", |row| maybe(row.vpc_id.map(|id| id.to_string()))),
        ],
        tags: Some(|row| row.tag_set.pairs()),
    },
};

fn public_ip(row: &Interface) -> Values<'_> {
    maybe(row.association.as_ref().map(|held| held.public_ip.to_string()))
}

pub async fn describe_network_interfaces(
    call: Call,
    request: DescribeNetworkInterfaces,
) -> Result<NetworkInterfaces, Fault> {
    let zoned = |row: Interface| {
        let zone = zone_id(&call.settings.region, &row.availability_zone);
        Interface { availability_zone_id: Some(zone), ..row }
    };
    let rows = |state: &State| Interfaces::new(state, call.farm).all().into_iter().map(zoned).collect();
    let (network_interface_set, next_token) = request.listing().select(&call, &INTERFACE, rows)?;
    Ok(NetworkInterfaces { network_interface_set, next_token })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeNetworkInterfaceAttribute {
    network_interface_id: String,
    attribute: Option<Attribute>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Attribute {
    AssociatePublicIpAddress,
    Attachment,
    Description,
    GroupSet,
    SourceDestCheck,
}

#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InterfaceAttribute {
    network_interface_id: String,
    associate_public_ip_address: Option<bool>,
    attachment: Option<Attachment>,
    description: Option<Value<&'static str>>,
    group_set: Option<Set<Group>>,
    source_dest_check: Option<Value<bool>>,
}

pub async fn describe_network_interface_attribute(
    call: Call,
    request: DescribeNetworkInterfaceAttribute,
) -> Result<InterfaceAttribute, Fault> {
    let Some(asked) = request.attribute else {
        return Err(Code::InvalidParameterCombination.fault("No attributes specified."));
    };
    let interface = super::find(&call, &request.network_interface_id)?;
    let only = InterfaceAttribute { network_interface_id: request.network_interface_id, ..Default::default() };
    Ok(match asked {
        // Whether it gets a public address of itself.
        Attribute::AssociatePublicIpAddress => InterfaceAttribute { associate_public_ip_address: Some(false), ..only },
        Attribute::Attachment => InterfaceAttribute { attachment: Some(interface.attachment), ..only },
        Attribute::Description => {
            InterfaceAttribute { description: Some(Value { value: interface.description }), ..only }
        }
        Attribute::GroupSet => InterfaceAttribute { group_set: Some(interface.group_set), ..only },
        Attribute::SourceDestCheck => {
            InterfaceAttribute { source_dest_check: Some(Value { value: interface.source_dest_check }), ..only }
        }
    })
}
