//! The DHCP options of a farm's network, which say nothing: the network has no names.

use cascina_core::network::VirtualNetwork;
use cascina_core::state::State;
use cascina_core::tag::Resource;
use serde::Serialize;

use super::listing::{Kind, listing};
use super::vpc::{network_of, part};
use crate::account;
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, one, text};
use crate::noun::Noun;
use crate::tags::TagSet;
use crate::wire::xml::Set;

listing!(DescribeDhcpOptions by dhcp_options_id);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AllDhcpOptions {
    dhcp_options_set: Set<DhcpOptions>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct DhcpOptions {
    dhcp_options_id: Resource,
    owner_id: String,
    dhcp_configuration_set: Set<()>,
    tag_set: TagSet,
}

const DHCP_OPTIONS: Kind<DhcpOptions> = Kind {
    noun: Noun::DhcpOptions,
    prefix: "dopt-",
    id: |row| row.dhcp_options_id.to_string(),
    columns: Columns {
        columns: &[
            ("dhcp-options-id", |row| text(row.dhcp_options_id)),
            ("key", |_| Vec::new()),
            ("owner-id", |row| one(&row.owner_id)),
            ("value", |_| Vec::new()),
        ],
        tags: Some(|row| row.tag_set.pairs()),
    },
};

impl DhcpOptions {
    fn of(state: &State, network: &VirtualNetwork) -> DhcpOptions {
        let dhcp_options_id = part(network, Resource::DhcpOptions);
        DhcpOptions {
            dhcp_options_id,
            owner_id: account::of(network.farm),
            dhcp_configuration_set: Set::default(),
            tag_set: TagSet::of(state, network.farm, dhcp_options_id),
        }
    }
}

pub async fn describe_dhcp_options(call: Call, request: DescribeDhcpOptions) -> Result<AllDhcpOptions, Fault> {
    let rows =
        |state: &State| network_of(state, call.farm).map(|row| DhcpOptions::of(state, row)).into_iter().collect();
    let (dhcp_options_set, next_token) = request.listing().select(&call, &DHCP_OPTIONS, rows)?;
    Ok(AllDhcpOptions { dhcp_options_set, next_token })
}
