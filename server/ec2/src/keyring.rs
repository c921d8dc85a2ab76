//! Access keys and who holds them.

use cascina_core::farm::Farm;
use cascina_core::id::{AccessKeyId, FarmId, TenantId, UserId};
use cascina_core::principal::Principal;
use cascina_core::state::State;
use cascina_core::tenant::{AccessKey, User};
use cascina_core::units::Timestamp;
use cascina_engine::Engine;
use secrecy::SecretString;

/// Who may act, and on what.
#[derive(Debug, Clone)]
pub struct Holder {
    pub key: AccessKeyId,
    pub who: Principal,
    pub farm: FarmId,
    pub tenant: TenantId,
}

/// Why a key that signed well is of no use here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Useless {
    /// It went, or was disabled, while the request was on its way.
    Gone,
    /// It is for fetching tokens only.
    NoFarm,
}

/// What a key signs with; None for keys that are not there, are disabled, or whose user may not act.
pub fn secret(engine: &Engine, public: &str) -> Option<SecretString> {
    let key = engine.read(|state| active(state, public).map(|(key, _)| key.clone()));
    let known = key.is_some();
    // Opening takes its time for keys that are not there, too.
    let secret = engine.secret(&key.unwrap_or_else(nobodys));
    secret.filter(|_| known).map(SecretString::from)
}

/// Whom a key speaks for.
///
/// # Errors
///
/// What is the matter with the key.
pub fn holder(state: &State, public: &str) -> Result<Holder, Useless> {
    let (key, user) = active(state, public).ok_or(Useless::Gone)?;
    let farm = key.farm.ok_or(Useless::NoFarm)?;
    let usable = |farm: &&Farm| !farm.state.is_over() && user.tenant == Some(farm.tenant);
    let farm = state.rows.farms.get(&farm).map(AsRef::as_ref).filter(usable).ok_or(Useless::Gone)?;
    let who = Principal {
        user: Some(user.id),
        name: user.name.to_string(),
        role: user.role,
        tenant: user.tenant,
        groups: user.groups.clone(),
    };
    Ok(Holder { key: key.id, who, farm: farm.id, tenant: farm.tenant })
}

fn active<'a>(state: &'a State, public: &str) -> Option<(&'a AccessKey, &'a User)> {
    let key = state.indexes.access_keys.get(public).and_then(|id| state.rows.access_keys.get(id))?;
    let user = state.rows.users.get(&key.user)?;
    (!key.disabled && user.active).then_some((key.as_ref(), user.as_ref()))
}

/// As long as others, and never opened.
fn nobodys() -> AccessKey {
    AccessKey {
        id: AccessKeyId(0),
        user: UserId(0),
        public: String::new(),
        farm: None,
        // Of nonce, text and tag.
        sealed: "A".repeat(107),
        shown: true,
        disabled: true,
        last_used: None,
        created: Timestamp(0),
    }
}
