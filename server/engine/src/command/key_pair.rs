//! Key pairs. Whoever makes one keeps the private half: only the public one comes here.

use std::collections::BTreeMap;

use cascina_core::command::Outcome;
use cascina_core::id::{FarmId, KeyPairId};
use cascina_core::key_pair::{KeyKind, KeyPair, MOST};
use cascina_core::launch::LaunchKey;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::{Key, State};
use cascina_core::tag::Resource;

use super::{outcome, told, usable_farm};
use crate::tx::{Told, Tx};

/// What the caller found out about a public key.
pub struct Found<'a> {
    pub kind: KeyKind,
    pub fingerprint: &'a str,
    pub public: &'a str,
}

pub fn add(
    tx: &mut Tx<'_>,
    who: &Principal,
    farm: FarmId,
    name: &str,
    found: &Found<'_>,
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, Refusal> {
    let farm = usable_farm(tx.state(), who, farm)?;
    if !(1..=255).contains(&name.len()) || !name.bytes().all(|b| (b' '..=b'~').contains(&b)) || name.trim() != name {
        return Err(Refusal::invalid("name", name, "1 to 255 printable ASCII characters without spaces at the ends"));
    }
    if found.public.len() > 16_384 || found.public.chars().any(char::is_control) {
        return Err(Refusal::invalid("public", found.public, "one line of at most 16384 characters"));
    }
    if tx.state().indexes.key_pair_names.contains_key(&(farm.id, name.to_string())) {
        return Err(Refusal::Conflict(format!("farm {} has a key pair `{name}` already", farm.name)));
    }
    if tx.state().indexes.key_pairs_by_farm.of(&farm.id).count() >= MOST {
        return Err(Refusal::Conflict(format!("farm {} has {MOST} key pairs, the most there can be", farm.name)));
    }
    let id = KeyPairId(tx.number());
    tx.put(KeyPair {
        id,
        farm: farm.id,
        tenant: farm.tenant,
        name: name.into(),
        kind: found.kind,
        fingerprint: found.fingerprint.into(),
        public: found.public.into(),
        created: tx.now,
    });
    super::tag::put(tx, &farm, Resource::KeyPair(id), tags)?;
    let text = format!("key pair {name} of farm {}", farm.name);
    tx.tell(Told { tenant: Some(farm.tenant), farm: Some(farm.id), ..told("key-pair.added", id, text) });
    Ok(outcome(id))
}

pub fn delete(tx: &mut Tx<'_>, who: &Principal, id: KeyPairId) -> Result<Outcome, Refusal> {
    let pair = tx.state().rows.key_pairs.get(&id).filter(|row| who.sees(row.tenant)).cloned();
    let pair = pair.ok_or_else(|| Refusal::not_found("key pair", id))?;
    let farm = usable_farm(tx.state(), who, pair.farm)?;
    super::tag::forget(tx, farm.id, Resource::KeyPair(id));
    tx.remove(Key::KeyPair(id));
    let text = format!("key pair {} of farm {}", pair.name, farm.name);
    tx.tell(Told { tenant: Some(farm.tenant), farm: Some(farm.id), ..told("key-pair.deleted", id, text) });
    Ok(outcome(id))
}

/// The pair that an instance is launched with, as it is now.
pub fn chosen(state: &State, farm: FarmId, named: Option<KeyPairId>) -> Result<Option<LaunchKey>, Refusal> {
    let Some(id) = named else { return Ok(None) };
    let row = state.rows.key_pairs.get(&id).filter(|row| row.farm == farm);
    let row = row.ok_or_else(|| Refusal::not_found("key pair", id))?;
    Ok(Some(LaunchKey { id, name: row.name.clone(), public: row.public.clone() }))
}
