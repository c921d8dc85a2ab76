//! Things by id or by name, as far as the caller may see them. Others do not exist.

use std::fmt::Display;
use std::sync::Arc;

use cascina_core::address::ElasticIp;
use cascina_core::decision::{Approver, Decision};
use cascina_core::farm::Farm;
use cascina_core::flavor::Flavor;
use cascina_core::host::{Host, HostClass, Share};
use cascina_core::id::{HostId, ShareId, TenantId};
use cascina_core::image::Image;
use cascina_core::instance::Instance;
use cascina_core::name::Name;
use cascina_core::network::{VRouter, VirtualNetwork};
use cascina_core::operation::Operation;
use cascina_core::plan::Plan;
use cascina_core::policy::{Binding, Digest, PolicyVersion, Scope};
use cascina_core::principal::{Principal, Role};
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_core::tenant::{AccessKey, Tenant, User};

/// The one that is meant, of those with the same name.
fn only<T>(noun: &'static str, text: &str, mut found: impl Iterator<Item = T>) -> Result<T, Refusal> {
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(Refusal::not_found(noun, short(text))),
        (Some(_), Some(_)) => Err(Refusal::invalid(noun, text, "an id: several have this name")),
    }
}

/// What a stranger wrote is repeated only in part.
fn short(text: &str) -> String {
    text.chars().take(80).collect()
}

fn missing(noun: &'static str, text: impl Display) -> Refusal {
    Refusal::not_found(noun, short(&text.to_string()))
}

fn waits_for(who: &Principal, approver: Option<Approver>, groups: &[Name]) -> bool {
    approver == Some(Approver::Owner) && groups.iter().any(|group| who.owns(group))
}

pub fn sees_tenant(who: &Principal, row: &Tenant) -> bool {
    who.sees(row.id) || waits_for(who, row.approver, &row.groups)
}

pub fn sees_farm(who: &Principal, row: &Farm) -> bool {
    who.sees(row.tenant) || waits_for(who, row.approver, &row.request.tenant.groups)
}

pub fn sees_user(who: &Principal, row: &User) -> bool {
    who.is_admin() || who.user == Some(row.id) || row.tenant.is_some_and(|tenant| who.sees(tenant))
}

pub fn sees_image(who: &Principal, row: &Image) -> bool {
    row.tenant.is_none_or(|tenant| who.sees(tenant))
}

pub fn sees_share(state: &State, who: &Principal, id: ShareId) -> bool {
    who.is_admin() || state.rows.shares.get(&id).is_some_and(|share| who.owns(&share.group))
}

/// Where instances run is not the business of tenants.
pub fn sees_hosts(who: &Principal) -> bool {
    matches!(who.role, Role::SiteAdmin | Role::Owner)
}

pub fn sees_host(state: &State, who: &Principal, row: &Host) -> bool {
    who.is_admin() || sees_share(state, who, row.share)
}

pub fn sees_binding(state: &State, who: &Principal, row: &Binding) -> bool {
    match row.scope {
        _ if who.is_admin() => true,
        Scope::Site => who.role == Role::PolicyAuthor,
        Scope::Share(id) => sees_share(state, who, id),
        Scope::Tenant(id) => who.sees(id),
    }
}

pub fn sees_operation(state: &State, who: &Principal, row: &Operation) -> bool {
    let tenant = row.tenant.or_else(|| state.rows.farms.get(&row.farm).map(|farm| farm.tenant));
    who.is_admin() || tenant.is_some_and(|tenant| who.sees(tenant))
}

/// The decision that admitted a farm may be older than the tenant that came with it.
pub fn sees_decision(state: &State, who: &Principal, row: &Decision) -> bool {
    if who.is_admin() || row.tenant.is_some_and(|tenant| who.sees(tenant)) {
        return true;
    }
    let farm = row.farm.and_then(|id| state.rows.farms.get(&id));
    farm.is_some_and(|farm| sees_farm(who, farm))
        || who.tenant.is_some_and(|tenant| admitted(state, who, tenant, row))
        || row.groups.iter().any(|group| who.owns(group))
}

fn admitted(state: &State, who: &Principal, tenant: TenantId, row: &Decision) -> bool {
    let farms = state.indexes.farms_by_tenant.of(&tenant);
    let mut farms = farms.filter_map(|id| state.rows.farms.get(&id));
    farms.any(|farm| farm.decision == row.id && sees_farm(who, farm))
}

pub fn tenant(state: &State, who: &Principal, text: &str) -> Result<Arc<Tenant>, Refusal> {
    let id = text.parse().ok().or_else(|| state.indexes.tenant_names.get(text).copied());
    let row = id.and_then(|id| state.rows.tenants.get(&id)).filter(|row| sees_tenant(who, row));
    row.cloned().ok_or_else(|| missing("tenant", text))
}

pub fn user(state: &State, who: &Principal, text: &str) -> Result<Arc<User>, Refusal> {
    if let Ok(id) = text.parse() {
        let row = state.rows.users.get(&id).filter(|row| sees_user(who, row));
        return row.cloned().ok_or_else(|| missing("user", text));
    }
    let named = state.rows.users.values().filter(|row| row.name.as_str() == text && sees_user(who, row));
    only("user", text, named).cloned()
}

pub fn access_key(state: &State, who: &Principal, text: &str) -> Result<Arc<AccessKey>, Refusal> {
    let id = text.parse().ok().or_else(|| state.indexes.access_keys.get(text).copied());
    let row = id.and_then(|id| state.rows.access_keys.get(&id));
    let user = row.and_then(|row| state.rows.users.get(&row.user)).filter(|user| sees_user(who, user));
    row.filter(|_| user.is_some()).cloned().ok_or_else(|| missing("access key", text))
}

/// By name the farm that is not over; if there is none, the last that had the name.
pub fn farm(state: &State, who: &Principal, text: &str) -> Result<Arc<Farm>, Refusal> {
    if let Ok(id) = text.parse() {
        let row = state.rows.farms.get(&id).filter(|row| sees_farm(who, row));
        return row.cloned().ok_or_else(|| missing("farm", text));
    }
    let named = state.indexes.farm_names.iter().filter(|((_, name), _)| name.as_str() == text);
    let rows = named.filter_map(|(_, id)| state.rows.farms.get(id)).filter(|row| sees_farm(who, row));
    match only("farm", text, rows) {
        Err(Refusal::NotFound { .. }) => {
            let over = state.rows.farms.values().filter(|row| row.name.as_str() == text && sees_farm(who, row));
            over.max_by_key(|row| row.created).cloned().ok_or_else(|| missing("farm", text))
        }
        found => found.cloned(),
    }
}

pub fn instance(state: &State, who: &Principal, text: &str) -> Result<Arc<Instance>, Refusal> {
    if let Ok(id) = text.parse() {
        let row = state.rows.instances.get(&id).filter(|row| who.sees(row.tenant));
        return row.cloned().ok_or_else(|| missing("instance", text));
    }
    let named = state.rows.instances.values().filter(|row| row.name.as_str() == text);
    only("instance", text, named.filter(|row| row.is_live() && who.sees(row.tenant))).cloned()
}

pub fn network(state: &State, who: &Principal, text: &str) -> Result<Arc<VirtualNetwork>, Refusal> {
    let row = text.parse().ok().and_then(|id| state.rows.networks.get(&id));
    row.filter(|row| who.sees(row.tenant)).cloned().ok_or_else(|| missing("network", text))
}

pub fn sees_router(state: &State, who: &Principal, row: &VRouter) -> bool {
    who.is_admin() || state.rows.farms.get(&row.farm).is_some_and(|farm| who.sees(farm.tenant))
}

pub fn router(state: &State, who: &Principal, text: &str) -> Result<Arc<VRouter>, Refusal> {
    let row = text.parse().ok().and_then(|id| state.rows.routers.get(&id));
    row.filter(|row| sees_router(state, who, row)).cloned().ok_or_else(|| missing("router", text))
}

pub fn sees_address(who: &Principal, row: &ElasticIp) -> bool {
    // A released one is the site's until its rest is over.
    who.is_admin() || (row.is_held() && who.sees(row.tenant))
}

/// By id, or by the address itself.
pub fn address(state: &State, who: &Principal, text: &str) -> Result<Arc<ElasticIp>, Refusal> {
    let by_ip = || text.parse().ok().and_then(|ip: std::net::Ipv4Addr| state.indexes.public_ips.get(&ip).copied());
    let id = text.parse().ok().or_else(by_ip);
    let row = id.and_then(|id| state.rows.addresses.get(&id)).filter(|row| sees_address(who, row));
    row.cloned().ok_or_else(|| missing("address", text))
}

pub fn flavor(state: &State, text: &str) -> Result<Arc<Flavor>, Refusal> {
    state.rows.flavors.get(text).cloned().ok_or_else(|| missing("flavor", text))
}

pub fn class(state: &State, text: &str) -> Result<Arc<HostClass>, Refusal> {
    state.rows.classes.get(text).cloned().ok_or_else(|| missing("class", text))
}

pub fn image(state: &State, who: &Principal, text: &str) -> Result<Arc<Image>, Refusal> {
    if let Ok(id) = text.parse() {
        let row = state.rows.images.get(&id).filter(|row| sees_image(who, row));
        return row.cloned().ok_or_else(|| missing("image", text));
    }
    let named = state.rows.images.values().filter(|row| row.name.as_str() == text && sees_image(who, row));
    only("image", text, named).cloned()
}

/// A name comes before a number: hosts may be called `7`.
pub fn host(state: &State, who: &Principal, text: &str) -> Result<Arc<Host>, Refusal> {
    let id = state.indexes.host_names.get(text).copied().or_else(|| text.parse().ok().map(HostId));
    let row = id.and_then(|id| state.rows.hosts.get(&id)).filter(|row| sees_host(state, who, row));
    row.cloned().ok_or_else(|| missing("host", text))
}

pub fn share(state: &State, who: &Principal, text: &str) -> Result<Arc<Share>, Refusal> {
    let id = state.indexes.share_names.get(text).copied().or_else(|| text.parse().ok().map(ShareId));
    let row = id.and_then(|id| state.rows.shares.get(&id)).filter(|row| who.owns(&row.group));
    row.cloned().ok_or_else(|| missing("share", text))
}

pub fn policy(state: &State, text: &str) -> Result<Arc<PolicyVersion>, Refusal> {
    let digest = text.parse::<Digest>().ok().or_else(|| state.indexes.policy_labels.get(text).copied());
    let newest = || state.rows.policies.values().filter(|row| row.name.as_str() == text).max_by_key(|row| row.created);
    let row = digest.and_then(|digest| state.rows.policies.get(&digest)).or_else(newest);
    row.cloned().ok_or_else(|| missing("policy", text))
}

pub fn binding(state: &State, who: &Principal, text: &str) -> Result<Arc<Binding>, Refusal> {
    let id = text.parse().ok().or_else(|| state.indexes.binding_names.get(text).copied());
    let row = id.and_then(|id| state.rows.bindings.get(&id)).filter(|row| sees_binding(state, who, row));
    row.cloned().ok_or_else(|| missing("binding", text))
}

/// Plans are the site's.
pub fn plan(state: &State, who: &Principal, text: &str) -> Result<Arc<Plan>, Refusal> {
    let row = text.parse().ok().and_then(|id| state.rows.plans.get(&id));
    row.filter(|_| who.is_admin()).cloned().ok_or_else(|| missing("plan", text))
}

pub fn operation(state: &State, who: &Principal, text: &str) -> Result<Arc<Operation>, Refusal> {
    let row = text.parse().ok().and_then(|id| state.rows.operations.get(&id));
    row.filter(|row| sees_operation(state, who, row)).cloned().ok_or_else(|| missing("operation", text))
}
