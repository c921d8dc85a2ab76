//! Security groups of a farm, all of which belong to its one network.

pub mod change;
mod find;
mod permission;
pub mod rule;
mod traffic;
mod view;

use cascina_core::command::Command;
use cascina_core::id::{NetworkId, SecurityGroupId};
use cascina_core::security_group::{DEFAULT, Direction, MOST_GROUPS, Peer, SecurityGroup};
use cascina_core::state::State;
use cascina_core::tag::Resource;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, Values, maybe, one, text};
use crate::ids;
use crate::noun::Noun;
use crate::page;
use crate::tags::{TagSet, TagSpecification, specified};
use crate::wire::short;
use crate::wire::xml::Set;
pub use find::{by_id, by_name};
use view::Permission;

/// Characters of a name and of a description.
const LENGTH: usize = 255;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreateSecurityGroup {
    group_name: Option<String>,
    group_description: Option<String>,
    vpc_id: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Created {
    #[serde(rename = "return")]
    done: bool,
    group_id: String,
    tag_set: TagSet,
    security_group_arn: String,
}

pub async fn create_security_group(call: Call, request: CreateSecurityGroup) -> Result<Created, Fault> {
    let name = good_name(request.group_name.as_deref())?;
    let description = good_description(request.group_description.as_deref())?;
    let [tags] = specified(&request.tag_specification, ["security-group"])?;
    let check = |state: &State| {
        let network = super::vpc::vpc_of(state, call.farm);
        if let Some(vpc) = request.vpc_id.as_deref().filter(|vpc| !vpc.is_empty()) {
            let id = ids::read::<NetworkId>(Noun::Network, NetworkId::PREFIX, vpc)?;
            network.filter(|network| *network == id).ok_or_else(|| Noun::Network.not_found(vpc))?;
        }
        if state.group_named(call.farm, name).is_some() {
            let place = network.map(|id| format!(" for VPC '{id}'")).unwrap_or_default();
            return Err(Code::InvalidGroupDuplicate
                .fault(format!("The security group '{}' already exists{place}", short(name))));
        }
        if state.indexes.groups_by_farm.of(&call.farm).count() >= MOST_GROUPS {
            return Err(
                Code::SecurityGroupLimitExceeded.fault("The maximum number of security groups has been reached.")
            );
        }
        let (farm, tags) = (call.farm, tags.clone());
        let (name, description) = (name.to_owned(), description.to_owned());
        Ok((Command::CreateSecurityGroup { farm, name, description, rules: Vec::new(), tags }, ()))
    };
    let (outcome, ()) = call.submit_checked(check).await?;
    let security_group_arn = call.arn("security-group", &outcome.subject);
    Ok(Created { done: true, group_id: outcome.subject, tag_set: TagSet::from(&tags), security_group_arn })
}

fn good_name(given: Option<&str>) -> Result<&str, Fault> {
    let name = given.filter(|name| !name.is_empty()).ok_or_else(|| Fault::missing("GroupName"))?;
    if name == DEFAULT {
        return Err(Code::InvalidParameterValue.fault(format!("Cannot use reserved security group name: {DEFAULT}")));
    }
    // It could be taken for an id.
    if name.starts_with(SecurityGroupId::PREFIX) {
        return Err(Fault::invalid("GroupName", name, "Group names may not begin with 'sg-'."));
    }
    if name.len() > LENGTH || !name.chars().all(permission::allowed) {
        let why =
            format!("Valid names are strings less than 256 characters from the following set: {}", permission::ALLOWED);
        return Err(Fault::invalid("GroupName", name, &why));
    }
    Ok(name)
}

fn good_description(given: Option<&str>) -> Result<&str, Fault> {
    let text = given.filter(|text| !text.is_empty()).ok_or_else(|| Fault::missing("GroupDescription"))?;
    if text.len() > LENGTH || !text.chars().all(permission::allowed) {
        let why = format!(
            "Valid descriptions are strings less than 256 characters from the following set: {}",
            permission::ALLOWED
        );
        return Err(Fault::invalid("GroupDescription", text, &why));
    }
    Ok(text)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeleteSecurityGroup {
    group_id: Option<String>,
    group_name: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Deleted {
    #[serde(rename = "return")]
    done: bool,
    group_id: SecurityGroupId,
}

pub async fn delete_security_group(call: Call, request: DeleteSecurityGroup) -> Result<Deleted, Fault> {
    let check = |state: &State| {
        let group = find::named(state, call.farm, request.group_id.as_deref(), request.group_name.as_deref())?;
        if group.is_default() {
            let id = group.id;
            return Err(Code::CannotDelete
                .fault(format!("the specified group: \"{id}\" name: \"{DEFAULT}\" cannot be deleted by a user")));
        }
        if is_needed(state, group) {
            return Err(Code::DependencyViolation.fault(format!("resource {} has a dependent object", group.id)));
        }
        Ok((Command::DeleteSecurityGroup { group: group.id }, group.id))
    };
    let (_, group_id) = call.submit_checked(check).await?;
    Ok(Deleted { done: true, group_id })
}

/// Whether an instance is in it, or a rule of another names it.
fn is_needed(state: &State, group: &SecurityGroup) -> bool {
    let mut instances = state.indexes.instances_by_farm.with(&group.farm);
    let mut others = state.indexes.groups_by_farm.of(&group.farm).filter(|id| *id != group.id);
    instances.any(|row| row.is_live() && row.groups.contains(&group.id))
        || others.any(|id| {
            let rules = state.rows.security_groups.get(&id).map(|other| other.rules.iter());
            rules.into_iter().flatten().any(|rule| rule.peer == Peer::Group(group.id))
        })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeSecurityGroups {
    #[serde(default)]
    group_id: Vec<String>,
    #[serde(default)]
    group_name: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Groups {
    security_group_info: Set<Group>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    owner_id: String,
    group_id: SecurityGroupId,
    group_name: String,
    group_description: String,
    vpc_id: Option<NetworkId>,
    security_group_arn: String,
    ip_permissions: Set<Permission>,
    ip_permissions_egress: Set<Permission>,
    tag_set: TagSet,
    /// Names of the groups that rules name, in and out, for filters.
    #[serde(skip)]
    peers: [Vec<String>; 2],
}

impl Group {
    fn new(state: &State, call: &Call, group: &SecurityGroup) -> Group {
        let names = |direction| {
            let rules = group.rules.iter().filter(|rule| rule.direction == direction);
            let peers = rules.filter_map(|rule| match rule.peer {
                Peer::Group(id) => state.rows.security_groups.get(&id),
                Peer::Net(_) => None,
            });
            peers.map(|peer| peer.name.clone()).collect()
        };
        Group {
            owner_id: call.account.clone(),
            group_id: group.id,
            group_name: group.name.clone(),
            group_description: group.description.clone(),
            vpc_id: super::vpc::vpc_of(state, call.farm),
            security_group_arn: call.arn("security-group", group.id),
            ip_permissions: view::permissions(&call.account, &group.rules, Direction::Ingress),
            ip_permissions_egress: view::permissions(&call.account, &group.rules, Direction::Egress),
            tag_set: TagSet::of(state, call.farm, Resource::SecurityGroup(group.id)),
            peers: [names(Direction::Ingress), names(Direction::Egress)],
        }
    }
}

const COLUMNS: Columns<'_, Group> = Columns {
    columns: &[
        ("description", |row| one(&row.group_description)),
        ("egress.ip-permission.cidr", |row| cidrs(&row.ip_permissions_egress)),
        ("egress.ip-permission.from-port", |row| from_ports(&row.ip_permissions_egress)),
        ("egress.ip-permission.group-id", |row| group_ids(&row.ip_permissions_egress)),
        ("egress.ip-permission.group-name", |row| row.peers[1].iter().map(Into::into).collect()),
        ("egress.ip-permission.ipv6-cidr", |row| cidrs6(&row.ip_permissions_egress)),
        ("egress.ip-permission.prefix-list-id", |_| Values::new()),
        ("egress.ip-permission.protocol", |row| protocols(&row.ip_permissions_egress)),
        ("egress.ip-permission.to-port", |row| to_ports(&row.ip_permissions_egress)),
        ("egress.ip-permission.user-id", |row| user_ids(&row.ip_permissions_egress)),
        ("group-id", |row| text(row.group_id)),
        ("group-name", |row| one(&row.group_name)),
        ("ip-permission.cidr", |row| cidrs(&row.ip_permissions)),
        ("ip-permission.from-port", |row| from_ports(&row.ip_permissions)),
        ("ip-permission.group-id", |row| group_ids(&row.ip_permissions)),
        ("ip-permission.group-name", |row| row.peers[0].iter().map(Into::into).collect()),
        ("ip-permission.ipv6-cidr", |row| cidrs6(&row.ip_permissions)),
        ("ip-permission.prefix-list-id", |_| Values::new()),
        ("ip-permission.protocol", |row| protocols(&row.ip_permissions)),
        ("ip-permission.to-port", |row| to_ports(&row.ip_permissions)),
        ("ip-permission.user-id", |row| user_ids(&row.ip_permissions)),
        ("owner-id", |row| one(&row.owner_id)),
        ("vpc-id", |row| maybe(row.vpc_id.map(|id| id.to_string()))),
    ],
    tags: Some(|row| row.tag_set.pairs()),
};

fn each<'a, V: Iterator<Item = String>>(all: &'a Set<Permission>, of: impl Fn(&'a Permission) -> V) -> Values<'a> {
    all.items().iter().flat_map(of).map(Into::into).collect()
}

fn cidrs(all: &Set<Permission>) -> Values<'_> {
    each(all, |one| one.ip_ranges.items().iter().map(|range| range.cidr_ip.to_string()))
}

fn cidrs6(all: &Set<Permission>) -> Values<'_> {
    each(all, |one| one.ipv6_ranges.items().iter().map(|range| range.cidr_ipv6.to_string()))
}

fn group_ids(all: &Set<Permission>) -> Values<'_> {
    each(all, |one| one.groups.items().iter().map(|pair| pair.group_id.to_string()))
}

fn user_ids(all: &Set<Permission>) -> Values<'_> {
    each(all, |one| one.groups.items().iter().map(|pair| pair.user_id.clone()))
}

fn protocols(all: &Set<Permission>) -> Values<'_> {
    each(all, |one| std::iter::once(one.ip_protocol.to_string()))
}

fn from_ports(all: &Set<Permission>) -> Values<'_> {
    each(all, |one| one.from_port.iter().map(ToString::to_string))
}

fn to_ports(all: &Set<Permission>) -> Values<'_> {
    each(all, |one| one.to_port.iter().map(ToString::to_string))
}

pub async fn describe_security_groups(call: Call, request: DescribeSecurityGroups) -> Result<Groups, Fault> {
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let is_named = !request.group_id.is_empty() || !request.group_name.is_empty();
    let (most, token) = (request.max_results, request.next_token.as_deref());
    let page = call.page::<SecurityGroupId>(most, token, is_named, page::USUAL)?;
    let rows = call.engine.read(|state| {
        let mut named = Vec::new();
        for id in &request.group_id {
            named.push(find::by_id(state, call.farm, id)?.id);
        }
        for name in &request.group_name {
            named.push(find::by_name(state, call.farm, name)?.id);
        }
        let groups = state.indexes.groups_by_farm.of(&call.farm).filter_map(|id| state.rows.security_groups.get(&id));
        let groups = groups.filter(|group| !is_named || named.contains(&group.id));
        let groups = groups.map(|group| Group::new(state, &call, group)).filter(|row| filters.accept(row));
        Ok::<_, Fault>(groups.map(|row| (row.group_id, row)).collect::<Vec<_>>())
    })?;
    let (rows, next_token) = page.cut(rows);
    Ok(Groups { security_group_info: rows.into(), next_token })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_descriptions() {
        assert_eq!(good_name(Some("web ._-:/()#,@[]+=&;{}!$*")), Ok("web ._-:/()#,@[]+=&;{}!$*"));
        assert_eq!(good_name(Some(&"x".repeat(255))).map(str::len), Ok(255));
        let code = |name: &str| good_name(Some(name)).unwrap_err().code;
        for name in [DEFAULT, "sg-web", "name%\"", "è", "a\n", &"x".repeat(256)] {
            assert_eq!(code(name), Code::InvalidParameterValue, "{name}");
        }
        assert_eq!((code(""), good_name(None).unwrap_err().code), (Code::MissingParameter, Code::MissingParameter));
        assert_eq!(good_description(Some("")).unwrap_err().code, Code::MissingParameter);
        assert_eq!(good_description(Some("d%")).unwrap_err().code, Code::InvalidParameterValue);
        assert_eq!(good_description(Some("Managed by Terraform")), Ok("Managed by Terraform"));
    }
}
