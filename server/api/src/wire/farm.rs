//! Farms and their instances.

use std::collections::BTreeMap;

use cascina_core::command;
use cascina_core::launch::Launch;
use cascina_core::name::Name;
use cascina_core::{farm, instance, metadata};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::network::{Address, Network, Router};
use super::{Approver, Size, decision_link, mirror, text, time};

mirror! {
    FarmState = farm::FarmState {
        PendingApproval Provisioning Active Degraded Deleting Deleted Compensating Failed Stuck Rejected
    }
    MetadataTokens = metadata::MetadataTokens { Optional Required }
    InstanceState = instance::InstanceState { Scheduled Staging Running Stopping Stopped ShuttingDown Terminated Error }
}

/// A farm as it stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct Farm {
    pub id: String,
    pub name: String,
    pub tenant: String,
    pub tenant_name: String,
    pub state: FarmState,
    /// Why it is in this state, for people.
    pub note: Option<String>,
    /// Who must approve, while it waits for that.
    pub approver: Option<Approver>,
    /// Link to the decision that admitted it.
    pub decision: String,
    /// Id of the operation that made, makes or unmakes it.
    pub operation: Option<String>,
    pub user: Option<String>,
    pub requested_by: String,
    /// Seconds; 0 for no end.
    pub lease_s: u64,
    pub labels: BTreeMap<String, String>,
    pub requested: Vec<Item>,
    pub created: String,
    pub updated: String,
}

/// A line of what was asked for.
#[derive(Debug, Serialize, ToSchema)]
pub struct Item {
    pub name: String,
    pub flavor: String,
    pub image: String,
    pub class: String,
    pub min_count: u32,
    pub max_count: u32,
}

impl From<&farm::Farm> for Farm {
    fn from(row: &farm::Farm) -> Farm {
        let item = |item: &farm::Item| Item {
            name: item.name.to_string(),
            flavor: item.flavor.to_string(),
            image: item.image.to_string(),
            class: item.class.to_string(),
            min_count: item.min_count,
            max_count: item.max_count,
        };
        Farm {
            id: row.id.to_string(),
            name: row.name.to_string(),
            tenant: row.tenant.to_string(),
            tenant_name: row.request.tenant.name.to_string(),
            state: row.state.into(),
            note: row.note.clone(),
            approver: row.approver.map(Approver::from),
            decision: decision_link(row.decision),
            operation: text(&row.operation),
            user: text(&row.user),
            requested_by: row.requested_by.clone(),
            lease_s: row.request.lease_s,
            labels: row.request.labels.clone(),
            requested: row.request.items.iter().map(item).collect(),
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

/// A farm with everything that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
pub struct FarmDetail {
    #[serde(flatten)]
    pub farm: Farm,
    pub user_name: Option<String>,
    pub network: Option<Network>,
    pub router: Option<Router>,
    pub addresses: Vec<Address>,
    pub instances: Vec<Instance>,
    /// Link to the tenant's quota.
    pub quota: String,
}

/// A request for a farm that was accepted.
#[derive(Debug, Serialize, ToSchema)]
pub struct FarmAccepted {
    pub id: String,
    /// The same, under its noun.
    pub farm: String,
    /// None if it is gone already, when a request is repeated late.
    pub state: Option<FarmState>,
    /// Id of the work that goes on; none while it waits for approval.
    pub operation: Option<String>,
    /// A person must approve first.
    pub pending: bool,
    pub approver: Option<Approver>,
    /// Links to the decisions that were made for it.
    pub decisions: Vec<String>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFarm {
    #[schema(value_type = String)]
    pub name: Name,
    /// Name of the tenant; made with the farm if it does not exist.
    #[schema(value_type = String)]
    pub tenant: Name,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub groups: Vec<Name>,
    /// The site's default if left out.
    #[schema(value_type = Option<String>)]
    pub tier: Option<Name>,
    /// Made with the farm if it does not exist; named as the tenant if left out.
    #[schema(value_type = Option<String>)]
    pub user: Option<Name>,
    pub ssh_key: Option<String>,
    #[serde(default)]
    pub instances: Vec<NewInstances>,
    /// Seconds; 0 for no end.
    #[serde(default)]
    pub lease_s: u64,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

impl From<NewFarm> for command::NewFarm {
    fn from(ask: NewFarm) -> command::NewFarm {
        let NewFarm { name, tenant, groups, tier, user, ssh_key, instances, lease_s, labels } = ask;
        let instances = instances.into_iter().map(command::NewInstances::from).collect();
        command::NewFarm { name, tenant, groups, tier, user, ssh_key, instances, lease_s, labels }
    }
}

fn one() -> u32 {
    1
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewInstances {
    /// The flavor's, with a number, if left out.
    #[schema(value_type = Option<String>)]
    pub name: Option<Name>,
    #[schema(value_type = String)]
    pub flavor: Name,
    /// Id or name.
    pub image: String,
    /// The site's workers if left out.
    #[schema(value_type = Option<String>)]
    pub class: Option<Name>,
    /// Fewest that are of use; as many as `max_count` if left out.
    pub min_count: Option<u32>,
    #[serde(default = "one")]
    pub max_count: u32,
    /// Only this host; for admins.
    #[schema(value_type = Option<String>)]
    pub host: Option<Name>,
}

impl From<NewInstances> for command::NewInstances {
    fn from(ask: NewInstances) -> command::NewInstances {
        let NewInstances { name, flavor, image, class, min_count, max_count, host } = ask;
        let min_count = min_count.unwrap_or(max_count);
        let launch = Launch::default();
        command::NewInstances { name, flavor, image, class, min_count, max_count, host, launch }
    }
}

/// Of the metadata service at 169.254.169.254.
#[derive(Debug, Serialize, ToSchema)]
pub struct Metadata {
    /// It answers the instance, where the site has one.
    pub enabled: bool,
    pub tokens: MetadataTokens,
    /// Hops that a token may travel from the instance's port on.
    pub hop_limit: u8,
}

impl From<metadata::MetadataOptions> for Metadata {
    fn from(options: metadata::MetadataOptions) -> Metadata {
        let metadata::MetadataOptions { enabled, tokens, hop_limit } = options;
        Metadata { enabled, tokens: tokens.into(), hop_limit: hop_limit.get() }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Instance {
    pub id: String,
    pub name: String,
    pub farm: String,
    pub tenant: String,
    pub flavor: String,
    pub image: String,
    pub class: String,
    pub size: Size,
    pub state: InstanceState,
    /// Why it is in this state, for people.
    pub note: Option<String>,
    /// Name of its host, for those who see hosts.
    pub host: Option<String>,
    /// It is being moved to another host.
    pub moving: bool,
    pub ip: String,
    pub mac: String,
    /// Whether and how the metadata service answers it.
    pub metadata: Metadata,
    /// Link to the decision that chose the host.
    pub decision: Option<String>,
    /// Id of the operation that last changed it.
    pub operation: Option<String>,
    pub created: String,
    pub updated: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MigrateInstance {
    /// Name of a host; placement chooses if it is left out.
    #[schema(value_type = Option<String>)]
    pub to: Option<Name>,
}

impl Instance {
    pub fn of(row: &instance::Instance, host: Option<String>) -> Instance {
        Instance {
            id: row.id.to_string(),
            name: row.name.to_string(),
            farm: row.farm.to_string(),
            tenant: row.tenant.to_string(),
            flavor: row.flavor.to_string(),
            image: row.image.to_string(),
            class: row.class.to_string(),
            size: row.size.into(),
            state: row.state.into(),
            note: row.note.clone(),
            host,
            moving: row.bound_for.is_some(),
            ip: row.ip.to_string(),
            mac: row.mac.to_string(),
            metadata: row.metadata.into(),
            decision: row.decision.map(decision_link),
            operation: text(&row.operation),
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}
