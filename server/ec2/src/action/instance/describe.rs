//! Lists instances, by the requests that they came with.

use cascina_core::id::ReservationId;
use serde::{Deserialize, Serialize};

use super::view::{Farm, InstanceView, Reservation};
use super::{find, ids};
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, Values, maybe, one, text};
use crate::page;
use crate::wire::xml::Set;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeInstances {
    #[serde(default)]
    instance_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservations {
    reservation_set: Set<Reservation>,
    next_token: Option<String>,
}

/// An instance with what its reservation says.
pub struct Row {
    view: InstanceView,
    reservation: ReservationId,
    owner: String,
}

fn groups(row: &Row, of: impl Fn(&crate::action::interface::Group) -> String) -> Values<'_> {
    row.view.group_set.items().iter().map(|group| of(group).into()).collect()
}

fn disks(row: &Row, of: impl Fn(&super::view::Disk) -> String) -> Values<'_> {
    row.view.block_device_mapping.items().iter().map(|disk| of(disk).into()).collect()
}

fn on_network<'a>(row: &'a Row, value: impl ToString) -> Values<'a> {
    if row.view.vpc_id.is_some() { text(value) } else { Vec::new() }
}

/// As Amazon has it. What cannot be here, such as a spot request, matches nothing.
const COLUMNS: Columns<'_, Row> = Columns {
    columns: &[
        ("affinity", |_| Vec::new()),
        ("architecture", |row| one(row.view.architecture)),
        ("availability-zone", |row| one(row.view.placement.availability_zone.as_str())),
        ("block-device-mapping.attach-time", |row| disks(row, |disk| disk.ebs.attach_time.to_string())),
        ("block-device-mapping.delete-on-termination", |row| {
            disks(row, |disk| disk.ebs.delete_on_termination.to_string())
        }),
        ("block-device-mapping.device-name", |row| disks(row, |disk| disk.device_name.clone())),
        ("block-device-mapping.status", |row| disks(row, |disk| disk.ebs.status.into())),
        ("block-device-mapping.volume-id", |row| disks(row, |disk| disk.ebs.volume_id.to_string())),
        ("capacity-reservation-id", |_| Vec::new()),
        ("client-token", |row| one(&row.view.client_token)),
        ("dns-name", |row| one(&row.view.dns_name)),
        ("group-id", |row| groups(row, |group| group.group_id.to_string())),
        ("group-name", |row| groups(row, |group| group.group_name.clone())),
        ("hibernation-options.configured", |_| one("false")),
        ("host-id", |_| Vec::new()),
        ("hypervisor", |row| one(row.view.hypervisor)),
        ("iam-instance-profile.arn", |_| Vec::new()),
        ("image-id", |row| text(row.view.image_id)),
        ("instance-id", |row| text(row.view.instance_id)),
        ("instance-lifecycle", |_| Vec::new()),
        ("instance-state-code", |row| text(row.view.instance_state.code)),
        ("instance-state-name", |row| one(row.view.instance_state.name)),
        ("instance-type", |row| one(row.view.instance_type.as_str())),
        ("instance.group-id", |row| groups(row, |group| group.group_id.to_string())),
        ("instance.group-name", |row| groups(row, |group| group.group_name.clone())),
        ("ip-address", |row| maybe(row.view.ip_address.map(|ip| ip.to_string()))),
        ("kernel-id", |_| Vec::new()),
        ("key-name", |row| maybe(row.view.key_name.as_deref())),
        ("launch-index", |row| text(row.view.ami_launch_index)),
        ("launch-time", |row| text(row.view.launch_time)),
        ("metadata-options.http-endpoint", |_| one("disabled")),
        ("metadata-options.http-put-response-hop-limit", |_| one("1")),
        ("metadata-options.http-tokens", |_| one("optional")),
        ("monitoring-state", |_| one("disabled")),
        ("network-interface.addresses.association.public-ip", |row| {
            maybe(row.view.ip_address.map(|ip| ip.to_string()))
        }),
        ("network-interface.addresses.primary", |row| on_network(row, true)),
        ("network-interface.addresses.private-ip-address", |row| {
            maybe(row.view.private_ip_address.map(|ip| ip.to_string()))
        }),
        ("network-interface.association.public-ip", |row| maybe(row.view.ip_address.map(|ip| ip.to_string()))),
        ("network-interface.attachment.delete-on-termination", |row| on_network(row, true)),
        ("network-interface.attachment.device-index", |row| on_network(row, 0)),
        ("network-interface.attachment.instance-id", |row| on_network(row, row.view.instance_id)),
        ("network-interface.attachment.status", |row| on_network(row, "attached")),
        ("network-interface.availability-zone", |row| on_network(row, &row.view.placement.availability_zone)),
        ("network-interface.group-id", |row| groups(row, |group| group.group_id.to_string())),
        ("network-interface.group-name", |row| groups(row, |group| group.group_name.clone())),
        ("network-interface.mac-address", |row| {
            row.view.network_interface_set.items().iter().map(|nic| nic.mac_address.to_string().into()).collect()
        }),
        ("network-interface.network-interface-id", |row| {
            row.view
                .network_interface_set
                .items()
                .iter()
                .map(|nic| nic.network_interface_id.to_string().into())
                .collect()
        }),
        ("network-interface.owner-id", |row| on_network(row, &row.owner)),
        ("network-interface.private-dns-name", |row| on_network(row, &row.view.private_dns_name)),
        ("network-interface.source-dest-check", |row| on_network(row, true)),
        ("network-interface.status", |row| on_network(row, "in-use")),
        ("network-interface.subnet-id", |row| maybe(row.view.subnet_id.as_deref())),
        ("network-interface.vpc-id", |row| maybe(row.view.vpc_id.map(|id| id.to_string()))),
        ("outpost-arn", |_| Vec::new()),
        ("owner-id", |row| one(&row.owner)),
        ("placement-group-name", |_| Vec::new()),
        ("placement-partition-number", |_| Vec::new()),
        ("platform", |_| Vec::new()),
        ("private-dns-name", |row| one(&row.view.private_dns_name)),
        ("private-ip-address", |row| maybe(row.view.private_ip_address.map(|ip| ip.to_string()))),
        ("product-code", |_| Vec::new()),
        ("product-code.type", |_| Vec::new()),
        ("ramdisk-id", |_| Vec::new()),
        ("reason", |row| one(&row.view.reason)),
        ("requester-id", |_| Vec::new()),
        ("reservation-id", |row| text(row.reservation)),
        ("root-device-name", |row| one(row.view.root_device_name)),
        ("root-device-type", |row| one(row.view.root_device_type)),
        ("source-dest-check", |_| one("true")),
        ("spot-instance-request-id", |_| Vec::new()),
        ("state-reason-code", |row| maybe(row.view.state_reason.as_ref().map(|reason| reason.code))),
        ("state-reason-message", |row| maybe(row.view.state_reason.as_ref().map(|reason| reason.message.as_str()))),
        ("subnet-id", |row| maybe(row.view.subnet_id.as_deref())),
        ("tenancy", |row| one(row.view.placement.tenancy)),
        ("virtualization-type", |row| one(row.view.virtualization_type)),
        ("vpc-id", |row| maybe(row.view.vpc_id.map(|id| id.to_string()))),
    ],
    tags: Some(|row| row.view.tag_set.pairs()),
};

pub async fn describe_instances(call: Call, request: DescribeInstances) -> Result<Reservations, Fault> {
    let named = ids(&request.instance_id)?;
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let page = call.page(request.max_results, request.next_token.as_deref(), !named.is_empty(), page::USUAL)?;
    let rows = call.engine.read(|state| {
        let farm = Farm::of(state, call.farm, call.settings.metadata);
        let row = |row: &cascina_core::instance::Instance| Row {
            view: farm.view(row),
            reservation: row.reservation,
            owner: call.account.clone(),
        };
        if named.is_empty() {
            return Ok(state.indexes.instances_by_farm.with(&call.farm).map(|found| row(found)).collect());
        }
        named.iter().map(|id| find(state, call.farm, *id).map(row)).collect::<Result<Vec<_>, Fault>>()
    })?;
    let mut rows: Vec<Row> = rows.into_iter().filter(|row| filters.accept(row)).collect();
    rows.sort_by_key(|row| row.view.instance_id);
    let (rows, next_token) = page.cut(rows.into_iter().map(|row| (row.view.instance_id, row)));
    Ok(Reservations { reservation_set: by_request(rows, &call.account).into(), next_token })
}

/// Instances of one request have neighbouring ids, so they come one after the other.
fn by_request(rows: Vec<Row>, account: &str) -> Vec<Reservation> {
    let mut all: Vec<(ReservationId, Vec<InstanceView>)> = Vec::new();
    for row in rows {
        match all.last_mut() {
            Some((id, instances)) if *id == row.reservation => instances.push(row.view),
            _ => all.push((row.reservation, vec![row.view])),
        }
    }
    all.into_iter().map(|(id, instances)| Reservation::new(id, account, instances)).collect()
}
