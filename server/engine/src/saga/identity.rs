//! Who a farm is for: tenant, limits, user and keys, which come and go with it.

use cascina_core::id::{FarmId, QuotaId, TenantId, UserId};
use cascina_core::operation::Operation;
use cascina_core::policy::Scope;
use cascina_core::principal::Role;
use cascina_core::quota::Quota;
use cascina_core::state::Key;
use cascina_core::tenant::{Tenant, TenantState, User};

use super::farm_create::farm;
use super::{Answer, StepError};
use crate::command::{access_key, user};
use crate::tx::Tx;
use crate::verdict;

pub fn create_identity(tx: &mut Tx<'_>, operation: &Operation, answer: &Answer) -> Result<Option<String>, StepError> {
    let mut farm = farm(tx.state(), operation)?;
    let request = &farm.request;
    if !tx.state().rows.tenants.contains_key(&farm.tenant) {
        if tx.state().indexes.tenant_names.contains_key(&request.tenant.name) {
            return Err(StepError::Final(format!("tenant {} came into being meanwhile", request.tenant.name)));
        }
        tx.put(Tenant {
            id: farm.tenant,
            name: request.tenant.name.clone(),
            groups: request.tenant.groups.clone(),
            tier: request.tenant.tier.clone(),
            state: TenantState::Active,
            approver: None,
            decision: Some(farm.decision),
            with_farm: true,
            created: tx.now,
            updated: tx.now,
        });
    }
    if let Answer::Decisions(decisions) = answer {
        for decision in decisions {
            put_limits(tx, farm.tenant, decision);
        }
    }
    let known = tx.state().indexes.user_names.get(&(Some(farm.tenant), request.user.clone())).copied();
    let owner = match known {
        Some(known) => known,
        None => {
            let id = UserId(tx.number());
            tx.put(User {
                id,
                tenant: Some(farm.tenant),
                name: farm.request.user.clone(),
                role: Role::TenantAdmin,
                groups: Vec::new(),
                ssh_key: farm.request.ssh_key.clone(),
                with_farm: true,
                active: true,
                created: tx.now,
                updated: tx.now,
            });
            // Of no use before somebody asks for its secret.
            access_key::make(tx, id, Some(farm.id), "");
            id
        }
    };
    farm.user = Some(owner);
    farm.updated = tx.now;
    let note = format!("tenant {}, user {}", farm.request.tenant.name, farm.request.user);
    tx.put(farm);
    Ok(Some(note))
}

/// Writes the limits that quota policies gave to a tenant.
pub fn put_limits(tx: &mut Tx<'_>, tenant: TenantId, decision: &cascina_core::decision::Decision) {
    for (class, limit) in verdict::limits(decision) {
        let Ok(class) = class.map(|text| text.parse()).transpose() else { continue };
        let id = QuotaId(tx.number());
        tx.put(Quota { id, tenant, class, limit, created: tx.now, updated: tx.now });
    }
}

/// User, keys, quota and tenant that came with the farm go with it, if it is the tenant's last.
pub fn remove_identity(tx: &mut Tx<'_>, farm: FarmId) {
    let Some(tenant) = tx.state().rows.farms.get(&farm).map(|row| row.tenant) else { return };
    access_key::remove_of_farm(tx, farm);
    let others = tx
        .state()
        .indexes
        .farms_by_tenant
        .of(&tenant)
        .any(|id| id != farm && tx.state().rows.farms.get(&id).is_some_and(|row| !row.state.is_over()));
    if others {
        remove_own_user(tx, farm, tenant);
        return;
    }
    if tx.state().rows.tenants.get(&tenant).is_some_and(|row| row.with_farm) {
        remove_tenant(tx, tenant);
        return;
    }
    let users: Vec<_> = tx.state().indexes.users_by_tenant.of(&Some(tenant)).collect();
    for id in users {
        if tx.state().rows.users.get(&id).is_some_and(|user| user.with_farm) {
            user::remove(tx, id);
        }
    }
}

/// A tenant without farms goes, and with it all that is its own.
pub fn remove_tenant(tx: &mut Tx<'_>, tenant: TenantId) {
    let users: Vec<_> = tx.state().indexes.users_by_tenant.of(&Some(tenant)).collect();
    for id in users {
        user::remove(tx, id);
    }
    let quotas = tx.state().indexes.quotas_by_tenant.of(&tenant).map(Key::Quota);
    let rows = &tx.state().rows;
    let scope = Scope::Tenant(tenant);
    let bindings = rows.bindings.values().filter(|row| row.scope == scope).map(|row| Key::Binding(row.id));
    let images = rows.images.values().filter(|row| row.tenant == Some(tenant)).map(|row| Key::Image(row.id));
    let copies =
        rows.replicas.keys().filter(|id| rows.images.get(&id.image).is_some_and(|image| image.tenant == Some(tenant)));
    let own: Vec<Key> = quotas.chain(bindings).chain(copies.map(|id| Key::ImageReplica(*id))).chain(images).collect();
    for key in own {
        tx.remove(key);
    }
    tx.remove(Key::Tenant(tenant));
}

/// The user that came with this farm goes with it, unless another farm of the tenant has the same.
fn remove_own_user(tx: &mut Tx<'_>, farm: FarmId, tenant: TenantId) {
    let rows = &tx.state().rows;
    let Some(id) = rows.farms.get(&farm).and_then(|row| row.user) else { return };
    let came = rows.users.get(&id).is_some_and(|row| row.with_farm);
    let shared = tx.state().indexes.farms_by_tenant.of(&tenant).any(|other| {
        let row = rows.farms.get(&other).filter(|_| other != farm);
        row.is_some_and(|row| !row.state.is_over() && row.user == Some(id))
    });
    if came && !shared {
        user::remove(tx, id);
    }
}
