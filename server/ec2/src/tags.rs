//! Tags in requests and responses: those that come with a new thing, and those that a thing has.

use std::collections::{BTreeMap, BTreeSet};

use cascina_core::id::FarmId;
use cascina_core::state::State;
use cascina_core::tag::{KEY, MOST, Resource, VALUE};
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::fault::Fault;
use crate::wire::short;
use crate::wire::xml::Set;

/// What Amazon keeps for itself.
const RESERVED: &str = "aws:";

/// `TagSpecification.1.ResourceType=…&TagSpecification.1.Tag.1.Key=…`, as a field
/// `tag_specification: Vec<TagSpecification>` of a request that makes something.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct TagSpecification {
    resource_type: Option<String>,
    #[serde(default)]
    tag: Vec<GivenTag>,
}

/// `Tag.1.Key=…&Tag.1.Value=…`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GivenTag {
    pub key: Option<String>,
    pub value: Option<String>,
}

/// Tags as the engine takes them.
pub type Tags = BTreeMap<String, String>;

/// The tags for each kind of thing that an action makes: `let [tags] = specified(&given, ["volume"])?`.
///
/// # Errors
///
/// For kinds that the action does not make, kinds that are named twice, and whatever [`given`] refuses.
pub fn specified<const N: usize>(
    specifications: &[TagSpecification],
    kinds: [&'static str; N],
) -> Result<[Tags; N], Fault> {
    let mut all = std::array::from_fn(|_| Tags::new());
    let mut seen = BTreeSet::new();
    for specification in specifications {
        let kind = specification.resource_type.as_deref().filter(|kind| !kind.is_empty());
        let kind = kind.ok_or_else(|| Fault::missing("TagSpecification.ResourceType"))?;
        let Some(place) = kinds.iter().position(|known| *known == kind) else {
            let text = format!("'{}' is not a valid taggable resource type for this operation.", short(kind));
            return Err(Code::InvalidParameterValue.fault(text));
        };
        if !seen.insert(place) {
            let text = format!("Only one tag specification is allowed for the resource type '{kind}'.");
            return Err(Code::InvalidParameterValue.fault(text));
        }
        if specification.tag.is_empty() {
            return Err(Code::InvalidParameterValue.fault("Tag specification must have at least one tag"));
        }
        all[place] = given(&specification.tag)?;
    }
    Ok(all)
}

/// Tags to be set: each key once, and a tag without a value has an empty one.
///
/// # Errors
///
/// `InvalidParameterValue` for what cannot be a key or a value, `TagLimitExceeded` for too many of them.
pub fn given(tags: &[GivenTag]) -> Result<Tags, Fault> {
    let mut all = Tags::new();
    for tag in tags {
        let key = key(tag)?;
        if key.to_ascii_lowercase().starts_with(RESERVED) {
            let text = format!("Tag keys starting with '{RESERVED}' are reserved for internal use");
            return Err(Code::InvalidParameterValue.fault(text));
        }
        let value = tag.value.clone().unwrap_or_default();
        if value.chars().count() > VALUE {
            return Err(too_long("value", VALUE));
        }
        if all.insert(key.to_owned(), value).is_some() {
            return Err(Code::InvalidParameterValue.fault(format!("Duplicate tag key '{}' specified.", short(key))));
        }
    }
    if all.len() > MOST { Err(limit()) } else { Ok(all) }
}

/// A tag's key, which may be one of Amazon's own.
///
/// # Errors
///
/// If there is none, or it is too long.
pub fn key(tag: &GivenTag) -> Result<&str, Fault> {
    let key = tag.key.as_deref().ok_or_else(|| Fault::missing("Tag.Key"))?;
    if key.is_empty() {
        return Err(Code::InvalidParameterValue.fault("Tag key cannot be empty"));
    }
    if key.chars().count() > KEY {
        return Err(too_long("key", KEY));
    }
    Ok(key)
}

fn too_long(part: &str, most: usize) -> Fault {
    Code::InvalidParameterValue.fault(format!("Tag {part} exceeds the maximum length of {most} characters"))
}

/// A thing would have more tags than it can.
pub fn limit() -> Fault {
    Code::TagLimitExceeded.fault("The maximum number of Tags for a resource has been reached.")
}

/// A tag of a thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    pub key: String,
    pub value: String,
}

/// `<tagSet>`, which is there even if it is empty. Filters look at [`TagSet::pairs`]: the columns of a
/// row with a field `tag_set` have `tags: Some(|row| row.tag_set.pairs())`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct TagSet(Set<Tag>);

impl TagSet {
    /// A farm's tags on a thing, which may be somebody else's.
    pub fn of(state: &State, farm: FarmId, resource: Resource) -> TagSet {
        state.tags_of(farm, resource).map(TagSet::from).unwrap_or_default()
    }

    pub fn pairs(&self) -> Vec<(&str, &str)> {
        self.0.items().iter().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect()
    }
}

impl From<&Tags> for TagSet {
    fn from(tags: &Tags) -> TagSet {
        TagSet(tags.iter().map(|(key, value)| Tag { key: key.clone(), value: value.clone() }).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Limits, Params, decode, xml};

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "PascalCase", deny_unknown_fields)]
    struct Request {
        #[serde(default)]
        tag_specification: Vec<TagSpecification>,
    }

    fn read(query: &str) -> Result<[Tags; 2], Fault> {
        let tree = Params::parse(query, b"", &Limits::default()).unwrap().tree().unwrap();
        let request: Request = decode(&tree)?;
        specified(&request.tag_specification, ["instance", "volume"])
    }

    #[test]
    fn tags_go_to_the_kinds_that_they_are_for() {
        let [instance, volume] = read(
            "TagSpecification.2.ResourceType=instance&TagSpecification.2.Tag.1.Key=a&TagSpecification.2.Tag.1.Value=1\
             &TagSpecification.2.Tag.5.Key=b",
        )
        .unwrap();
        assert_eq!(instance, [("a".into(), "1".into()), ("b".into(), String::new())].into());
        assert!(volume.is_empty());
        assert_eq!(read("").unwrap(), [Tags::new(), Tags::new()]);
    }

    #[test]
    fn what_cannot_be_specified() {
        let message = |query: &str| {
            let fault = read(query).unwrap_err();
            (fault.code, fault.message)
        };
        let of = |rest: &str| message(&format!("TagSpecification.1.ResourceType=volume&TagSpecification.1.{rest}"));
        assert_eq!(
            message("TagSpecification.1.ResourceType=teapot&TagSpecification.1.Tag.1.Key=a"),
            (
                Code::InvalidParameterValue,
                "'teapot' is not a valid taggable resource type for this operation.".to_owned()
            )
        );
        assert_eq!(message("TagSpecification.1.Tag.1.Key=a").0, Code::MissingParameter);
        assert_eq!(of("Tag.1.Value=a").0, Code::MissingParameter);
        assert_eq!(message("TagSpecification.1.ResourceType=volume").0, Code::InvalidParameterValue);
        assert_eq!(of("Tag.1.Key=").0, Code::InvalidParameterValue);
        assert_eq!(of("Tag.1.Key=a&TagSpecification.1.Tag.2.Key=a").1, "Duplicate tag key 'a' specified.");
        assert_eq!(of("Tag.1.Key=AWS:a").1, "Tag keys starting with 'aws:' are reserved for internal use");
        assert_eq!(of(&format!("Tag.1.Key={}", "è".repeat(129))).0, Code::InvalidParameterValue);
        assert_eq!(
            of(&format!("Tag.1.Key=a&TagSpecification.1.Tag.1.Value={}", "x".repeat(257))).0,
            Code::InvalidParameterValue
        );
        let twice = "Tag.1.Key=a&TagSpecification.2.ResourceType=volume&TagSpecification.2.Tag.1.Key=b";
        assert_eq!(of(twice).0, Code::InvalidParameterValue);
        let many: Vec<_> = (0..51).map(|number| GivenTag { key: Some(format!("k{number}")), value: None }).collect();
        assert_eq!(given(&many).unwrap_err().code, Code::TagLimitExceeded);
        assert_eq!(given(&many[..50]).unwrap().len(), 50);
    }

    #[test]
    fn tag_sets_are_there_if_empty() {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Row {
            tag_set: TagSet,
        }
        let xml = |tag_set| xml::response("A", "", "r", &Row { tag_set }).unwrap();
        assert!(xml(TagSet::default()).ends_with("<tagSet/></AResponse>"));
        let some = TagSet::from(&Tags::from([("a".to_owned(), "<1>".to_owned())]));
        assert_eq!(some.pairs(), [("a", "<1>")]);
        let expected = "<tagSet><item><key>a</key><value>&lt;1&gt;</value></item></tagSet></AResponse>";
        assert!(xml(some).ends_with(expected));
    }
}
