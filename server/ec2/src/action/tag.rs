//! Tags by themselves: set, taken away, and looked for.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use cascina_core::command::Command;
use cascina_core::state::State;
use cascina_core::tag::{MOST, Resource, TagsId};
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, one, text};
use crate::ids;
use crate::noun::Noun;
use crate::page;
use crate::tags::{self, GivenTag, Tags};
use crate::wire::xml::{Done, Set};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreateTags {
    #[serde(default)]
    resource_id: Vec<String>,
    #[serde(default)]
    tag: Vec<GivenTag>,
}

pub async fn create_tags(call: Call, request: CreateTags) -> Result<Done, Fault> {
    let resources = resources(&request.resource_id)?;
    if request.tag.is_empty() {
        return Err(Fault::missing("Tag"));
    }
    let tags = tags::given(&request.tag)?;
    let check = |state: &State| {
        all_there(state, &call, &resources)?;
        let full = |resource: &&Resource| count_with(state.tags_of(call.farm, **resource), &tags) > MOST;
        if resources.iter().any(|resource| full(&resource)) {
            return Err(tags::limit());
        }
        Ok((Command::SetTags { farm: call.farm, resources: resources.clone(), tags: tags.clone() }, ()))
    };
    call.submit_checked(check).await?;
    Ok(Done::TRUE)
}

/// How many tags a thing has once it has these as well.
fn count_with(known: Option<&Tags>, tags: &Tags) -> usize {
    let Some(known) = known else { return tags.len() };
    known.len() + tags.keys().filter(|key| !known.contains_key(*key)).count()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeleteTags {
    #[serde(default)]
    resource_id: Vec<String>,
    /// None: all of them go.
    #[serde(default)]
    tag: Vec<GivenTag>,
}

pub async fn delete_tags(call: Call, request: DeleteTags) -> Result<Done, Fault> {
    let resources = resources(&request.resource_id)?;
    let tags = request.tag.iter().map(|tag| Ok((tags::key(tag)?.to_owned(), tag.value.clone())));
    let tags = tags.collect::<Result<Vec<_>, Fault>>()?;
    let check = |state: &State| {
        all_there(state, &call, &resources)?;
        Ok((Command::RemoveTags { farm: call.farm, resources: resources.clone(), tags: tags.clone() }, ()))
    };
    call.submit_checked(check).await?;
    Ok(Done::TRUE)
}

/// Each once, in the order in which they were named.
fn resources(texts: &[String]) -> Result<Vec<Resource>, Fault> {
    let mut all = Vec::new();
    for text in texts {
        let resource = resource(text)?;
        if !all.contains(&resource) {
            all.push(resource);
        }
    }
    if all.is_empty() { Err(Fault::missing("ResourceId")) } else { Ok(all) }
}

/// What does not even look like an id is an invalid one, of whichever kind.
fn resource(text: &str) -> Result<Resource, Fault> {
    text.parse().map_err(|_| {
        let prefix = text.find('-').map_or(text, |dash| &text[..=dash]);
        // With digits that are none of ours it tells which kind of thing is not there.
        match format!("{prefix}{:017x}", 0).parse::<Resource>() {
            Ok(kind) if ids::looks(prefix, text) => Noun::of(kind.kind()).not_found(text),
            _ => Noun::Other.not_found(text),
        }
    })
}

fn all_there(state: &State, call: &Call, resources: &[Resource]) -> Result<(), Fault> {
    let farm = state.rows.farms.get(&call.farm).ok_or_else(Fault::credentials)?;
    match resources.iter().find(|resource| !state.can_tag(farm, **resource)) {
        Some(missing) => Err(Noun::of(missing.kind()).not_found(&missing.to_string())),
        None => Ok(()),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeTags {
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    tag_set: Set<Row>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    resource_id: Resource,
    resource_type: &'static str,
    key: String,
    value: String,
}

const COLUMNS: Columns<'_, Row> = Columns {
    columns: &[
        ("key", |row| one(&row.key)),
        ("resource-id", |row| text(row.resource_id)),
        ("resource-type", |row| one(row.resource_type)),
        ("value", |row| one(&row.value)),
    ],
    tags: Some(|row| vec![(row.key.as_str(), row.value.as_str())]),
};

/// Where a page of tags may end.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    resource: Resource,
    key: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource, self.key)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Place, ()> {
        let (resource, key) = text.split_once('/').ok_or(())?;
        Ok(Place { resource: resource.parse().map_err(|_| ())?, key: key.into() })
    }
}

pub async fn describe_tags(call: Call, request: DescribeTags) -> Result<Described, Fault> {
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let page = call.page::<Place>(request.max_results, request.next_token.as_deref(), false, page::USUAL)?;
    let rows: Vec<(Place, Row)> = call.engine.read(|state| {
        let rows = of_farm(state, &call).flat_map(|(resource, tags)| {
            tags.iter().map(move |(key, value)| Row {
                resource_id: resource,
                resource_type: resource.kind(),
                key: key.clone(),
                value: value.clone(),
            })
        });
        let rows = rows.filter(|row| filters.accept(row));
        rows.map(|row| (Place { resource: row.resource_id, key: row.key.clone() }, row)).collect()
    });
    let (rows, next_token) = page.cut(rows);
    Ok(Described { tag_set: rows.into(), next_token })
}

/// What the farm has tagged, in the order of [`Place`]s.
fn of_farm<'a>(state: &'a State, call: &Call) -> impl Iterator<Item = (Resource, &'a BTreeMap<String, String>)> {
    let farm = call.farm;
    let first = TagsId(farm, Resource::Instance(cascina_core::id::InstanceId(0)));
    let rows = state.rows.tags.range(first..).take_while(move |(id, _)| id.0 == farm);
    rows.map(|(id, row)| (id.1, &row.tags))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::code::Code;

    #[test]
    fn what_an_id_is_of() {
        assert!(resource("vol-0deadbeef00000001").is_ok());
        for (text, code) in [
            ("i-12345678", Code::InvalidInstanceIdNotFound),
            ("vol-1234567890abcdef0", Code::InvalidVolumeNotFound),
            ("snap-1234567890abcdef0", Code::InvalidSnapshotNotFound),
            ("ami-1234567890abcdef0", Code::InvalidAmiIdNotFound),
            ("sg-1234567890abcdef0", Code::InvalidGroupNotFound),
            ("sgr-1234567890abcdef0", Code::InvalidSecurityGroupRuleIdNotFound),
            ("key-1234567890abcdef0", Code::InvalidKeyPairNotFound),
            ("eipalloc-12345678", Code::InvalidAllocationIdNotFound),
            ("vpc-12345678", Code::InvalidVpcIdNotFound),
            ("subnet-12345678", Code::InvalidSubnetIdNotFound),
            ("rtb-12345678", Code::InvalidRouteTableIdNotFound),
            ("igw-12345678", Code::InvalidInternetGatewayIdNotFound),
            ("acl-12345678", Code::InvalidNetworkAclIdNotFound),
            ("dopt-12345678", Code::InvalidDhcpOptionsIdNotFound),
            ("eni-12345678", Code::InvalidNetworkInterfaceIdNotFound),
            ("i-1", Code::InvalidId),
            ("i-", Code::InvalidId),
            ("", Code::InvalidId),
            ("what-12345678", Code::InvalidId),
            ("è-12345678", Code::InvalidId),
        ] {
            assert_eq!(resource(text).unwrap_err().code, code, "{text}");
        }
        assert_eq!(resource("x").unwrap_err().message, "The ID 'x' is not valid");
    }

    #[test]
    fn places_are_read_as_they_are_written() {
        let place = Place { resource: "vol-0deadbeef00000001".parse().unwrap(), key: "a/b c".into() };
        assert_eq!(place.to_string().parse(), Ok(place));
        assert!("vol-0deadbeef00000001".parse::<Place>().is_err());
    }

    #[test]
    fn setting_a_tag_again_adds_none() {
        let tags = |keys: &[&str]| keys.iter().map(|&key| (key.to_owned(), String::new())).collect::<Tags>();
        assert_eq!(count_with(Some(&tags(&["a", "b"])), &tags(&["b", "c"])), 3);
        assert_eq!(count_with(None, &tags(&["b"])), 1);
    }
}
