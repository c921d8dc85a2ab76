//! Tags.

use std::collections::BTreeMap;

use cascina_core::command::Outcome;
use cascina_core::farm::Farm;
use cascina_core::id::FarmId;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::{Key, State};
use cascina_core::tag::{KEY, MOST, Resource, Tags, TagsId, VALUE};

use super::{outcome, told, usable_farm};
use crate::tx::{Told, Tx};

/// Things in one request.
const RESOURCES: usize = 1000;

/// Adds tags to a thing, without an event of its own.
pub fn put(tx: &mut Tx<'_>, farm: &Farm, resource: Resource, tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    if tags.is_empty() {
        return Ok(());
    }
    let mut all = tx.state().tags_of(farm.id, resource).cloned().unwrap_or_default();
    for (key, value) in tags {
        if key.is_empty() || key.chars().count() > KEY || key.to_ascii_lowercase().starts_with("aws:") {
            let allowed = format!("1 to {KEY} characters that do not begin with `aws:`");
            return Err(Refusal::invalid("tag.key", key, allowed));
        }
        if value.chars().count() > VALUE {
            return Err(Refusal::invalid("tag.value", value, format!("at most {VALUE} characters")));
        }
        all.insert(key.clone(), value.clone());
    }
    if all.len() > MOST {
        return Err(Refusal::Quota {
            scope: resource.to_string(),
            resource: "tags",
            wanted: tags.len() as u64,
            used: tx.state().tags_of(farm.id, resource).map_or(0, |known| known.len() as u64),
            held: 0,
            limit: MOST as u64,
            decision: None,
        });
    }
    tx.put(Tags { farm: farm.id, resource, tenant: farm.tenant, tags: all, updated: tx.now });
    Ok(())
}

/// Its tags go with a thing.
pub fn forget(tx: &mut Tx<'_>, farm: FarmId, resource: Resource) {
    tx.remove(Key::Tags(TagsId(farm, resource)));
}

pub fn forget_all(tx: &mut Tx<'_>, farm: FarmId) {
    let first = TagsId(farm, Resource::Instance(cascina_core::id::InstanceId(0)));
    let all = tx.state().rows.tags.range(first..).map(|(id, _)| *id).take_while(|id| id.0 == farm);
    let all: Vec<_> = all.collect();
    for id in all {
        tx.remove(Key::Tags(id));
    }
}

fn all_exist(state: &State, farm: &Farm, resources: &[Resource]) -> Result<(), Refusal> {
    if resources.is_empty() || resources.len() > RESOURCES {
        return Err(Refusal::invalid("resources", resources.len(), format!("1 to {RESOURCES} ids")));
    }
    match resources.iter().find(|resource| !state.can_tag(farm, **resource)) {
        Some(missing) => Err(Refusal::not_found(missing.kind(), missing)),
        None => Ok(()),
    }
}

pub fn set(
    tx: &mut Tx<'_>,
    who: &Principal,
    farm: FarmId,
    resources: &[Resource],
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, Refusal> {
    let farm = usable_farm(tx.state(), who, farm)?;
    all_exist(tx.state(), &farm, resources)?;
    for resource in resources {
        put(tx, &farm, *resource, tags)?;
    }
    let text = format!("{} tags on {} things of farm {}", tags.len(), resources.len(), farm.name);
    tx.tell(Told { tenant: Some(farm.tenant), farm: Some(farm.id), ..told("tags.set", farm.id, text) });
    Ok(outcome(farm.id))
}

pub fn remove(
    tx: &mut Tx<'_>,
    who: &Principal,
    farm: FarmId,
    resources: &[Resource],
    tags: &[(String, Option<String>)],
) -> Result<Outcome, Refusal> {
    let farm = usable_farm(tx.state(), who, farm)?;
    all_exist(tx.state(), &farm, resources)?;
    for resource in resources {
        let Some(row) = tx.state().rows.tags.get(&TagsId(farm.id, *resource)) else { continue };
        let mut row = Tags::clone(row);
        if tags.is_empty() {
            row.tags.clear();
        }
        for (key, value) in tags {
            if value.as_ref().is_none_or(|value| row.tags.get(key) == Some(value)) {
                row.tags.remove(key);
            }
        }
        row.updated = tx.now;
        if row.tags.is_empty() {
            tx.remove(Key::Tags(row.id()));
        } else {
            tx.put(row);
        }
    }
    let text = format!("tags of {} things of farm {} removed", resources.len(), farm.name);
    tx.tell(Told { tenant: Some(farm.tenant), farm: Some(farm.id), ..told("tags.removed", farm.id, text) });
    Ok(outcome(farm.id))
}
