//! Key pairs. The private half of one made here is in the response, and nowhere else.

mod make;
mod public;

use std::collections::BTreeSet;

use cascina_core::command::Command;
use cascina_core::id::KeyPairId;
use cascina_core::key_pair::{KeyKind, KeyPair, MOST};
use cascina_core::state::State;
use cascina_core::tag::Resource;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, one, text};
use crate::ids;
use crate::noun::Noun;
use crate::tags::{TagSet, TagSpecification, Tags, specified};
use crate::wire::Blob;
use crate::wire::xml::{Set, Time};
use public::{Public, Unreadable};

/// Characters of a name.
const LENGTH: usize = 255;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreateKeyPair {
    key_name: Option<String>,
    key_type: Option<KeyKind>,
    key_format: Option<KeyFormat>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum KeyFormat {
    Pem,
    /// PuTTY's own.
    Ppk,
}

/// It holds a secret, and is not for logs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    key_name: String,
    key_fingerprint: String,
    key_material: String,
    key_pair_id: String,
    tag_set: TagSet,
}

pub async fn create_key_pair(call: Call, request: CreateKeyPair) -> Result<Created, Fault> {
    let name = good_name(request.key_name.as_deref())?.to_owned();
    let [tags] = specified(&request.tag_specification, ["key-pair"])?;
    if request.key_format == Some(KeyFormat::Ppk) {
        return Err(Code::UnsupportedOperation.fault("Keys are given in the format pem only."));
    }
    call.engine.read(|state| addable(state, &call, &name))?;
    let kind = request.key_type.unwrap_or(KeyKind::Rsa);
    // Nobody gets the key of a dry run, so that one which takes no time will do.
    let kind = if call.dry_run { KeyKind::Ed25519 } else { kind };
    let made = make::key(kind).await?;
    let id = add(&call, &name, &made.public, &made.fingerprint, &tags).await?;
    Ok(Created {
        key_name: name,
        key_fingerprint: made.fingerprint,
        key_material: made.private,
        key_pair_id: id,
        tag_set: TagSet::from(&tags),
    })
}

fn good_name(given: Option<&str>) -> Result<&str, Fault> {
    let name = given.filter(|name| !name.is_empty()).ok_or_else(|| Fault::missing("KeyName"))?;
    let is_plain = name.bytes().all(|byte| matches!(byte, b' '..=b'~')) && name.trim() == name;
    if name.len() > LENGTH || !is_plain {
        let why = "It should be 1 to 255 printable ASCII characters without spaces at the ends";
        return Err(Fault::invalid("KeyName", name, why));
    }
    Ok(name)
}

/// That the farm can have a pair of this name.
fn addable(state: &State, call: &Call, name: &str) -> Result<(), Fault> {
    if find(state, call, name).is_some() {
        return Err(Code::InvalidKeyPairDuplicate.fault("The keypair already exists"));
    }
    if state.indexes.key_pairs_by_farm.of(&call.farm).count() >= MOST {
        return Err(Code::KeyPairLimitExceeded.fault("The maximum number of key pairs has been reached."));
    }
    Ok(())
}

async fn add(call: &Call, name: &str, public: &Public, fingerprint: &str, tags: &Tags) -> Result<String, Fault> {
    let check = |state: &State| {
        addable(state, call, name)?;
        let command = Command::AddKeyPair {
            farm: call.farm,
            name: name.to_owned(),
            kind: public.kind(),
            fingerprint: fingerprint.to_owned(),
            public: public.line(name),
            tags: tags.clone(),
        };
        Ok((command, ()))
    };
    let (outcome, ()) = call.submit_checked(check).await?;
    Ok(outcome.subject)
}

/// The farm's pair of this name.
fn find<'a>(state: &'a State, call: &Call, name: &str) -> Option<&'a KeyPair> {
    let id = state.indexes.key_pair_names.get(&(call.farm, name.to_owned()))?;
    state.rows.key_pairs.get(id).map(AsRef::as_ref)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ImportKeyPair {
    key_name: Option<String>,
    public_key_material: Option<Blob>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Imported {
    key_name: String,
    key_fingerprint: String,
    key_pair_id: String,
    tag_set: TagSet,
}

pub async fn import_key_pair(call: Call, request: ImportKeyPair) -> Result<Imported, Fault> {
    let name = good_name(request.key_name.as_deref())?;
    let [tags] = specified(&request.tag_specification, ["key-pair"])?;
    let material = request.public_key_material.unwrap_or_default().decode().ok_or_else(|| format_fault(None))?;
    if material.trim_ascii().is_empty() {
        return Err(Fault::missing("PublicKeyMaterial"));
    }
    let public = Public::read(&material).map_err(|why| format_fault(Some(why)))?;
    let fingerprint = public.fingerprint();
    let id = add(&call, name, &public, &fingerprint, &tags).await?;
    Ok(Imported {
        key_name: name.to_owned(),
        key_fingerprint: fingerprint,
        key_pair_id: id,
        tag_set: TagSet::from(&tags),
    })
}

fn format_fault(why: Option<Unreadable>) -> Fault {
    let text = match why {
        None => "Key is not valid base64".to_owned(),
        Some(Unreadable::NoKey) => "Key is not in valid OpenSSH public key format".to_owned(),
        Some(Unreadable::Kind(kind)) => format!("Keys of the type {kind} are not supported, only RSA and ED25519"),
        Some(Unreadable::Length(bits)) => {
            format!("RSA keys of {bits} bits are not supported, only those of {} to {}", public::FEWEST, public::MOST)
        }
    };
    Code::InvalidKeyFormat.fault(text)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeKeyPairs {
    #[serde(default)]
    key_name: Vec<String>,
    #[serde(default)]
    key_pair_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    include_public_key: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pairs {
    key_set: Set<Pair>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Pair {
    key_pair_id: KeyPairId,
    key_fingerprint: String,
    key_name: String,
    key_type: KeyKind,
    tag_set: TagSet,
    public_key: Option<String>,
    create_time: Time,
}

const COLUMNS: Columns<'_, Pair> = Columns {
    columns: &[
        ("fingerprint", |row| one(&row.key_fingerprint)),
        ("key-name", |row| one(&row.key_name)),
        ("key-pair-id", |row| text(row.key_pair_id)),
    ],
    tags: Some(|row| row.tag_set.pairs()),
};

pub async fn describe_key_pairs(call: Call, request: DescribeKeyPairs) -> Result<Pairs, Fault> {
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let with_public = request.include_public_key == Some(true);
    let is_named = !request.key_name.is_empty() || !request.key_pair_id.is_empty();
    call.engine.read(|state| {
        let mut named = BTreeSet::new();
        for name in &request.key_name {
            named.insert(find(state, &call, name).ok_or_else(|| Noun::KeyPair.not_found(name))?.id);
        }
        for id in &request.key_pair_id {
            named.insert(by_id(state, &call, id)?.id);
        }
        let pairs = state.indexes.key_pairs_by_farm.of(&call.farm).filter_map(|id| state.rows.key_pairs.get(&id));
        let pairs = pairs.filter(|pair| !is_named || named.contains(&pair.id)).map(|pair| Pair {
            key_pair_id: pair.id,
            key_fingerprint: pair.fingerprint.clone(),
            key_name: pair.name.clone(),
            key_type: pair.kind,
            tag_set: TagSet::of(state, call.farm, Resource::KeyPair(pair.id)),
            public_key: with_public.then(|| pair.public.clone()),
            create_time: Time(pair.created),
        });
        Ok(Pairs { key_set: pairs.filter(|row| filters.accept(row)).collect() })
    })
}

fn by_id<'a>(state: &'a State, call: &Call, text: &str) -> Result<&'a KeyPair, Fault> {
    let id: KeyPairId = ids::read(Noun::KeyPair, KeyPairId::PREFIX, text)?;
    let row = state.rows.key_pairs.get(&id).filter(|row| row.farm == call.farm);
    row.map(AsRef::as_ref).ok_or_else(|| Noun::KeyPair.not_found(text))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeleteKeyPair {
    key_name: Option<String>,
    key_pair_id: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    #[serde(rename = "return")]
    done: bool,
    key_pair_id: Option<KeyPairId>,
}

/// One that is not there has been deleted as well.
pub async fn delete_key_pair(call: Call, request: DeleteKeyPair) -> Result<Deleted, Fault> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let id = call.engine.read(|state| match (given(&request.key_name), given(&request.key_pair_id)) {
        (Some(name), None) => Ok(find(state, &call, &name).map(|pair| pair.id)),
        (None, Some(id)) => Ok(by_id(state, &call, &id).ok().map(|pair| pair.id)),
        (None, None) => Err(Fault::missing("KeyName or KeyPairId")),
        (Some(_), Some(_)) => {
            Err(Code::InvalidParameterCombination.fault("The parameter KeyName cannot be used together with KeyPairId"))
        }
    })?;
    let Some(pair) = id else { return Ok(Deleted { done: true, key_pair_id: None }) };
    match call.submit(Command::DeleteKeyPair { pair }, Code::IncorrectState).await {
        Ok(_) => Ok(Deleted { done: true, key_pair_id: Some(pair) }),
        Err(fault) if fault.code == Code::InvalidKeyPairNotFound => Ok(Deleted { done: true, key_pair_id: None }),
        Err(fault) => Err(fault),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        assert_eq!(good_name(Some("Test key")), Ok("Test key"));
        assert_eq!(good_name(Some(&"x".repeat(255))).map(str::len), Ok(255));
        for wrong in [&"x".repeat(256), " x", "x ", "è", "a\tb"] {
            assert_eq!(good_name(Some(wrong)).unwrap_err().code, Code::InvalidParameterValue, "{wrong}");
        }
        for none in [None, Some("")] {
            assert_eq!(good_name(none).unwrap_err().code, Code::MissingParameter);
        }
    }
}
