//! Access keys, which programs sign with: each is a user's, for one farm.
//!
//! Secrets are made and sealed by whoever shows them, never here: what the kernel does can be replayed.

use cascina_core::audit::Calls;
use cascina_core::command::Outcome;
use cascina_core::id::{AccessKeyId, FarmId, UserId};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::Key;
use cascina_core::tenant::{AccessKey, LastUse, User};

use super::{outcome, told, user};
use crate::tx::{Told, Tx};

/// Letters of access keys, as EC2's: no 0, 1, 8, 9.
const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Keys of a user for one farm: enough to change one for another without a pause.
const MOST: usize = 4;
/// A key's last use is kept this precisely, in milliseconds.
const PRECISION_MS: u64 = 60_000;

/// A key, which is of no use before it has a secret.
pub fn make(tx: &mut Tx<'_>, user: UserId, farm: Option<FarmId>, sealed: &str) -> AccessKeyId {
    let mut letters = String::new();
    while letters.len() < 16 {
        let number = tx.secret();
        letters.extend((0..12).map(|i| LETTERS[(number >> (5 * i)) as usize & 31] as char));
    }
    letters.truncate(16);
    let id = AccessKeyId(tx.number());
    tx.put(AccessKey {
        id,
        user,
        public: format!("AKIA{letters}"),
        farm,
        sealed: sealed.into(),
        shown: !sealed.is_empty(),
        disabled: false,
        last_used: None,
        created: tx.now,
    });
    id
}

pub fn create(
    tx: &mut Tx<'_>,
    who: &Principal,
    user: UserId,
    farm: Option<FarmId>,
    sealed: &str,
) -> Result<Outcome, Refusal> {
    let row = user::find(tx, who, user)?;
    if let Some(farm) = farm {
        let known = tx.state().rows.farms.get(&farm).filter(|farm| who.sees(farm.tenant));
        let known = known.ok_or_else(|| Refusal::not_found("farm", farm))?;
        if known.state.is_over() || row.tenant != Some(known.tenant) {
            return Err(Refusal::invalid("farm", farm, "a farm of the user's tenant that is not over"));
        }
    }
    let keys = tx.state().indexes.keys_by_user.of(&user).filter_map(|id| tx.state().rows.access_keys.get(&id));
    if keys.into_iter().filter(|key| key.farm == farm).count() >= MOST {
        return Err(Refusal::Conflict(format!(
            "user {} has {MOST} access keys for this already, the most there can be; delete one",
            row.name
        )));
    }
    let id = make(tx, user, farm, sealed);
    tell(tx, &row, farm, "key.created", id, "made");
    Ok(outcome(id))
}

fn tell(tx: &mut Tx<'_>, user: &User, farm: Option<FarmId>, kind: &'static str, id: AccessKeyId, what: &str) {
    let text = format!("access key of user {} {what}", user.name);
    tx.tell(Told { tenant: user.tenant, farm, ..told(kind, id, text) });
}

fn find(tx: &Tx<'_>, who: &Principal, id: AccessKeyId) -> Result<(AccessKey, User), Refusal> {
    let key = tx.state().rows.access_keys.get(&id).cloned();
    let key = key.ok_or_else(|| Refusal::not_found("access key", id))?;
    let user = user::find(tx, who, key.user).map_err(|refusal| match refusal {
        Refusal::NotFound { .. } => Refusal::not_found("access key", id),
        other => other,
    })?;
    Ok((AccessKey::clone(&key), user))
}

pub fn reseal(tx: &mut Tx<'_>, who: &Principal, id: AccessKeyId, sealed: &str) -> Result<Outcome, Refusal> {
    let (mut key, user) = find(tx, who, id)?;
    if key.shown {
        return Err(Refusal::Conflict(format!(
            "the secret of {id} has been shown, and is shown once; make another key"
        )));
    }
    key.sealed = sealed.into();
    key.shown = true;
    let farm = key.farm;
    tx.put(key);
    tell(tx, &user, farm, "key.shown", id, "shown");
    Ok(outcome(id))
}

pub fn set(tx: &mut Tx<'_>, who: &Principal, id: AccessKeyId, disabled: bool) -> Result<Outcome, Refusal> {
    let (mut key, user) = find(tx, who, id)?;
    key.disabled = disabled;
    let farm = key.farm;
    tx.put(key);
    tell(tx, &user, farm, "key.changed", id, if disabled { "disabled" } else { "enabled" });
    Ok(outcome(id))
}

pub fn delete(tx: &mut Tx<'_>, who: &Principal, id: AccessKeyId) -> Result<Outcome, Refusal> {
    let (key, user) = find(tx, who, id)?;
    tx.remove(Key::AccessKey(id));
    tell(tx, &user, key.farm, "key.deleted", id, "deleted");
    Ok(outcome(id))
}

/// Keys for a farm go with it.
pub fn remove_of_farm(tx: &mut Tx<'_>, farm: FarmId) {
    let Some(tenant) = tx.state().rows.farms.get(&farm).map(|row| row.tenant) else { return };
    let users: Vec<_> = tx.state().indexes.users_by_tenant.of(&Some(tenant)).collect();
    for user in users {
        let keys: Vec<_> = tx.state().indexes.keys_by_user.of(&user).collect();
        for key in keys {
            if tx.state().rows.access_keys.get(&key).is_some_and(|row| row.farm == Some(farm)) {
                tx.remove(Key::AccessKey(key));
            }
        }
    }
}

/// Writes calls into the books, an event for each line, and when their keys were last used.
pub fn record(tx: &mut Tx<'_>, who: &Principal, calls: &[Calls]) -> Result<Outcome, Refusal> {
    super::admin(who, "record calls")?;
    for call in calls {
        let key = call.key.and_then(|id| tx.state().rows.access_keys.get(&id)).cloned();
        let user = key.as_ref().and_then(|key| tx.state().rows.users.get(&key.user)).cloned();
        let mut farm = None;
        if let Some(key) = key {
            farm = key.farm;
            let due = key.last_used.as_ref().is_none_or(|last| last.at.plus_ms(PRECISION_MS) <= call.last);
            if due {
                let last_used = Some(LastUse { at: call.last, action: call.action.clone() });
                tx.put(AccessKey { last_used, ..AccessKey::clone(&key) });
            }
        }
        let times = if call.count == 1 { String::new() } else { format!(", {} times", call.count) };
        let text = format!("{} {} by {}: {}{times}", call.edge, call.action, call.actor, call.result);
        tx.tell(Told { tenant: user.and_then(|user| user.tenant), farm, ..told("api.called", &call.request, text) });
    }
    Ok(outcome("calls"))
}
