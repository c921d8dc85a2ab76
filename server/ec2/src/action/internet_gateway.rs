//! The internet gateway of a farm's network: the outer side of its router.

use cascina_core::id::NetworkId;
use cascina_core::network::VirtualNetwork;
use cascina_core::state::State;
use cascina_core::tag::Resource;
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

listing!(DescribeInternetGateways by internet_gateway_id);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InternetGateways {
    internet_gateway_set: Set<InternetGateway>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InternetGateway {
    internet_gateway_id: Resource,
    owner_id: String,
    attachment_set: Set<Attachment>,
    tag_set: TagSet,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Attachment {
    vpc_id: NetworkId,
    state: &'static str,
}

const INTERNET_GATEWAY: Kind<InternetGateway> = Kind {
    noun: Noun::InternetGateway,
    prefix: "igw-",
    id: |row| row.internet_gateway_id.to_string(),
    columns: Columns {
        columns: &[
            ("attachment.state", |row| attachments(row, |one| one.state.into())),
            ("attachment.vpc-id", |row| attachments(row, |one| one.vpc_id.to_string())),
            ("internet-gateway-id", |row| text(row.internet_gateway_id)),
            ("owner-id", |row| one(&row.owner_id)),
        ],
        tags: Some(|row| row.tag_set.pairs()),
    },
};

fn attachments(gateway: &InternetGateway, value: fn(&Attachment) -> String) -> Values<'_> {
    gateway.attachment_set.items().iter().map(|attachment| value(attachment).into()).collect()
}

impl InternetGateway {
    fn of(state: &State, network: &VirtualNetwork) -> InternetGateway {
        let internet_gateway_id = part(network, Resource::Gateway);
        let attachment = Attachment { vpc_id: network.id, state: "available" };
        InternetGateway {
            internet_gateway_id,
            owner_id: account::of(network.farm),
            attachment_set: [attachment].into_iter().collect(),
            tag_set: TagSet::of(state, network.farm, internet_gateway_id),
        }
    }
}

pub async fn describe_internet_gateways(
    call: Call,
    request: DescribeInternetGateways,
) -> Result<InternetGateways, Fault> {
    let rows =
        |state: &State| network_of(state, call.farm).map(|row| InternetGateway::of(state, row)).into_iter().collect();
    let (internet_gateway_set, next_token) = request.listing().select(&call, &INTERNET_GATEWAY, rows)?;
    Ok(InternetGateways { internet_gateway_set, next_token })
}
