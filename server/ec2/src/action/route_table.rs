//! The route table of a farm's network: what its router does.

use cascina_core::id::NetworkId;
use cascina_core::network::{RouterState, VirtualNetwork};
use cascina_core::state::State;
use cascina_core::tag::Resource;
use serde::Serialize;

use super::listing::{Kind, listing};
use super::vpc::{AssociationState, network_of, part};
use crate::account;
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Values, one, text};
use crate::noun::Noun;
use crate::tags::TagSet;
use crate::wire::xml::Set;

listing!(DescribeRouteTables by route_table_id);

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RouteTables {
    route_table_set: Set<RouteTable>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RouteTable {
    route_table_id: Resource,
    vpc_id: NetworkId,
    owner_id: String,
    route_set: Set<Route>,
    association_set: Set<Association>,
    propagating_vgw_set: Set<()>,
    tag_set: TagSet,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Route {
    destination_cidr_block: String,
    gateway_id: String,
    state: &'static str,
    origin: &'static str,
}

/// The only one: subnets have no route tables of their own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Association {
    route_table_association_id: String,
    route_table_id: Resource,
    main: bool,
    association_state: AssociationState,
}

const ROUTE_TABLE: Kind<RouteTable> = Kind {
    noun: Noun::RouteTable,
    prefix: "rtb-",
    id: |row| row.route_table_id.to_string(),
    columns: Columns {
        columns: &[
            ("association.gateway-id", |_| Vec::new()),
            ("association.main", |row| associations(row, |one| one.main.to_string())),
            ("association.route-table-association-id", |row| {
                associations(row, |one| one.route_table_association_id.clone())
            }),
            ("association.route-table-id", |row| associations(row, |one| one.route_table_id.to_string())),
            ("association.subnet-id", |_| Vec::new()),
            ("owner-id", |row| one(&row.owner_id)),
            ("route-table-id", |row| text(row.route_table_id)),
            ("route.destination-cidr-block", |row| routes(row, |route| &route.destination_cidr_block)),
            ("route.destination-ipv6-cidr-block", |_| Vec::new()),
            ("route.destination-prefix-list-id", |_| Vec::new()),
            ("route.egress-only-internet-gateway-id", |_| Vec::new()),
            ("route.gateway-id", |row| routes(row, |route| &route.gateway_id)),
            ("route.instance-id", |_| Vec::new()),
            ("route.nat-gateway-id", |_| Vec::new()),
            ("route.origin", |row| routes(row, |route| route.origin)),
            ("route.state", |row| routes(row, |route| route.state)),
            ("route.transit-gateway-id", |_| Vec::new()),
            ("route.vpc-peering-connection-id", |_| Vec::new()),
            ("vpc-id", |row| text(row.vpc_id)),
        ],
        tags: Some(|row| row.tag_set.pairs()),
    },
};

fn routes(table: &RouteTable, value: fn(&Route) -> &str) -> Values<'_> {
    table.route_set.items().iter().map(|route| value(route).into()).collect()
}

fn associations(table: &RouteTable, value: fn(&Association) -> String) -> Values<'_> {
    table.association_set.items().iter().map(|association| value(association).into()).collect()
}

impl RouteTable {
    fn of(state: &State, network: &VirtualNetwork) -> RouteTable {
        let route_table_id = part(network, Resource::RouteTable);
        let mut routers = state.indexes.routers_by_farm.of(&network.farm).filter_map(|id| state.rows.routers.get(&id));
        let leads = routers.any(|row| row.state == RouterState::Running);
        let local = Route {
            destination_cidr_block: network.cidr.to_string(),
            gateway_id: "local".into(),
            state: "active",
            origin: "CreateRouteTable",
        };
        let out = Route {
            destination_cidr_block: "0.0.0.0/0".into(),
            gateway_id: part(network, Resource::Gateway).to_string(),
            state: if leads { "active" } else { "blackhole" },
            origin: "CreateRoute",
        };
        let main = Association {
            route_table_association_id: format!("rtbassoc-{:017x}", network.id.0),
            route_table_id,
            main: true,
            association_state: AssociationState::ASSOCIATED,
        };
        RouteTable {
            route_table_id,
            vpc_id: network.id,
            owner_id: account::of(network.farm),
            route_set: [local, out].into_iter().collect(),
            association_set: [main].into_iter().collect(),
            propagating_vgw_set: Set::default(),
            tag_set: TagSet::of(state, network.farm, route_table_id),
        }
    }
}

pub async fn describe_route_tables(call: Call, request: DescribeRouteTables) -> Result<RouteTables, Fault> {
    let rows = |state: &State| network_of(state, call.farm).map(|row| RouteTable::of(state, row)).into_iter().collect();
    let (route_table_set, next_token) = request.listing().select(&call, &ROUTE_TABLE, rows)?;
    Ok(RouteTables { route_table_set, next_token })
}
