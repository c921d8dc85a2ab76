//! Users.

use cascina_core::command::Outcome;
use cascina_core::id::{TenantId, UserId};
use cascina_core::name::Name;
use cascina_core::principal::{Principal, Role};
use cascina_core::refusal::Refusal;
use cascina_core::state::Key;
use cascina_core::tenant::User;

use super::{outcome, told};
use crate::tx::{Told, Tx};

pub fn create(
    tx: &mut Tx<'_>,
    who: &Principal,
    tenant: Option<TenantId>,
    name: &Name,
    role: Role,
    groups: &[Name],
    ssh_key: Option<&str>,
) -> Result<Outcome, Refusal> {
    match tenant {
        Some(tenant) => {
            if !who.sees(tenant) || !tx.state().rows.tenants.contains_key(&tenant) {
                return Err(Refusal::not_found("tenant", tenant));
            }
            if !who.administers(tenant) {
                return Err(Refusal::Forbidden("only a tenant-admin or site-admin may create users".into()));
            }
            if !role.of_tenant() {
                return Err(Refusal::invalid(
                    "role",
                    role.as_str(),
                    "tenant-admin, member or viewer for a tenant's user",
                ));
            }
        }
        None => {
            super::admin(who, "create users of the site")?;
            if role.of_tenant() {
                return Err(Refusal::invalid(
                    "role",
                    role.as_str(),
                    "site-admin, owner or policy-author without a tenant",
                ));
            }
        }
    }
    if tx.state().indexes.user_names.contains_key(&(tenant, name.clone())) {
        return Err(Refusal::Conflict(format!("user {name} exists already")));
    }
    let id = UserId(tx.number());
    tx.put(User {
        id,
        tenant,
        name: name.clone(),
        role,
        groups: groups.to_vec(),
        ssh_key: ssh_key.map(String::from),
        with_farm: false,
        active: true,
        created: tx.now,
        updated: tx.now,
    });
    tx.tell(Told { tenant, ..told("user.created", id, format!("user {name} created as {}", role.as_str())) });
    Ok(outcome(id))
}

/// A user that the caller may change.
pub fn find(tx: &Tx<'_>, who: &Principal, id: UserId) -> Result<User, Refusal> {
    let row = tx.state().rows.users.get(&id).ok_or_else(|| Refusal::not_found("user", id))?;
    let own = who.user == Some(id);
    let seen = match row.tenant {
        Some(tenant) => who.sees(tenant),
        None => who.is_admin(),
    };
    let may = own || row.tenant.map_or(who.is_admin(), |tenant| who.administers(tenant));
    match (seen || own, may) {
        (false, _) => Err(Refusal::not_found("user", id)),
        (true, false) => Err(Refusal::Forbidden("only a tenant-admin may change other users".into())),
        (true, true) => Ok(User::clone(row)),
    }
}

pub fn remove(tx: &mut Tx<'_>, id: UserId) {
    let keys: Vec<_> = tx.state().indexes.keys_by_user.of(&id).collect();
    for key in keys {
        tx.remove(Key::AccessKey(key));
    }
    tx.remove(Key::User(id));
}

pub fn delete(tx: &mut Tx<'_>, who: &Principal, id: UserId) -> Result<Outcome, Refusal> {
    let user = find(tx, who, id)?;
    remove(tx, id);
    tx.tell(Told { tenant: user.tenant, ..told("user.deleted", id, format!("user {} deleted", user.name)) });
    Ok(outcome(id))
}
