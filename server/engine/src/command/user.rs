//! Users and their access keys.

use cascina_core::command::Outcome;
use cascina_core::id::{AccessKeyId, TenantId, UserId};
use cascina_core::name::Name;
use cascina_core::principal::{Principal, Role};
use cascina_core::refusal::Refusal;
use cascina_core::state::Key;
use cascina_core::tenant::{AccessKey, User};

use super::{outcome, told};
use crate::tx::{Told, Tx};

/// Letters of access keys, as EC2's: no 0, 1, 8, 9.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A public text and a secret, from the injected source of randomness.
pub fn new_access_key(tx: &mut Tx<'_>, user: UserId) -> AccessKeyId {
    let mut letters = |count: usize| -> String {
        let mut text = String::new();
        while text.len() < count {
            let number = tx.secret();
            text.extend((0..12).map(|i| LETTERS[(number >> (5 * i)) as usize & 31] as char));
        }
        text.truncate(count);
        text
    };
    let public = format!("AKIA{}", letters(16));
    let secret = letters(40);
    let id = AccessKeyId(tx.number());
    tx.put(AccessKey { id, user, public, secret, created: tx.now });
    id
}

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

fn find(tx: &Tx<'_>, who: &Principal, id: UserId) -> Result<User, Refusal> {
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

pub fn create_key(tx: &mut Tx<'_>, who: &Principal, user: UserId) -> Result<Outcome, Refusal> {
    let row = find(tx, who, user)?;
    if tx.state().indexes.keys_by_user.of(&user).count() >= 4 {
        return Err(Refusal::Conflict(format!(
            "user {} has four access keys, the most there can be; delete one",
            row.name
        )));
    }
    let id = new_access_key(tx, user);
    tx.tell(Told { tenant: row.tenant, ..told("key.created", id, format!("access key for user {}", row.name)) });
    Ok(outcome(id))
}

pub fn delete_key(tx: &mut Tx<'_>, who: &Principal, id: AccessKeyId) -> Result<Outcome, Refusal> {
    let user = tx.state().rows.access_keys.get(&id).map(|key| key.user);
    let user = user.ok_or_else(|| Refusal::not_found("access key", id))?;
    let row = find(tx, who, user).map_err(|refusal| match refusal {
        Refusal::NotFound { .. } => Refusal::not_found("access key", id),
        other => other,
    })?;
    tx.remove(Key::AccessKey(id));
    tx.tell(Told { tenant: row.tenant, ..told("key.deleted", id, format!("access key of user {} deleted", row.name)) });
    Ok(outcome(id))
}
