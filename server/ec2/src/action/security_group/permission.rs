//! `IpPermissions` of requests: traffic with any number of other sides, each of which is a rule of ours.

use cascina_core::id::{FarmId, SecurityGroupId};
use cascina_core::security_group::{Direction, NewRule, Peer, SecurityGroup, Traffic};
use cascina_core::state::State;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

use super::{find, traffic};
use crate::account;
use crate::code::Code;
use crate::fault::Fault;
use crate::noun::Noun;
use crate::wire::short;

/// Characters of a description.
const DESCRIPTION: usize = 255;

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct IpPermission {
    pub ip_protocol: Option<String>,
    pub from_port: Option<i64>,
    pub to_port: Option<i64>,
    #[serde(default)]
    pub ip_ranges: Vec<IpRange>,
    #[serde(default)]
    pub ipv6_ranges: Vec<Ipv6Range>,
    #[serde(default)]
    pub prefix_list_ids: Vec<PrefixList>,
    #[serde(default)]
    pub groups: Vec<GroupPair>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct IpRange {
    pub cidr_ip: Option<String>,
    pub description: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Ipv6Range {
    pub cidr_ipv6: Option<String>,
    pub description: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct PrefixList {
    pub prefix_list_id: Option<String>,
    #[serde(rename = "Description")]
    _description: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct GroupPair {
    pub group_id: Option<String>,
    pub group_name: Option<String>,
    pub user_id: Option<String>,
    pub description: Option<String>,
    /// Clients send back what they were told; there is one network only.
    #[serde(rename = "VpcId")]
    _vpc_id: Option<String>,
    #[serde(rename = "VpcPeeringConnectionId")]
    _vpc_peering_connection_id: Option<String>,
    #[serde(rename = "PeeringStatus")]
    _peering_status: Option<String>,
}

impl GroupPair {
    pub fn named(name: &str, owner: Option<&str>) -> GroupPair {
        GroupPair { group_name: Some(name.into()), user_id: owner.map(Into::into), ..GroupPair::default() }
    }
}

/// A rule whose group, if it names one, has not been looked up.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub traffic: Traffic,
    pub side: Side,
    pub description: Option<String>,
}

#[derive(Debug, Clone)]
pub enum Side {
    Net(IpNet),
    Group(GroupPair),
}

/// The rules that permissions stand for.
///
/// # Errors
///
/// For what is no traffic, no network or no description, and for permissions without another side.
pub fn wanted(permissions: &[IpPermission]) -> Result<Vec<Wanted>, Fault> {
    let mut all = Vec::new();
    for permission in permissions {
        let protocol = permission.ip_protocol.as_deref().filter(|protocol| !protocol.is_empty());
        let protocol = protocol.ok_or_else(|| Fault::missing("IpPermissions.IpProtocol"))?;
        let traffic = traffic::read(protocol, permission.from_port, permission.to_port)?;
        if let Some(list) = permission.prefix_list_ids.first() {
            let id = short(list.prefix_list_id.as_deref().unwrap_or_default());
            return Err(Code::InvalidPrefixListIdNotFound.fault(format!("The prefix list ID '{id}' does not exist")));
        }
        let begun = all.len();
        for range in &permission.ip_ranges {
            let net = IpNet::V4(ipv4(range.cidr_ip.as_deref().ok_or_else(|| Fault::missing("IpRanges.CidrIp"))?)?);
            let description = description(range.description.as_deref())?;
            all.push(Wanted { traffic, side: Side::Net(net), description });
        }
        for range in &permission.ipv6_ranges {
            let cidr = range.cidr_ipv6.as_deref().ok_or_else(|| Fault::missing("Ipv6Ranges.CidrIpv6"))?;
            let description = description(range.description.as_deref())?;
            all.push(Wanted { traffic, side: Side::Net(IpNet::V6(ipv6(cidr)?)), description });
        }
        for pair in &permission.groups {
            let description = description(pair.description.as_deref())?;
            all.push(Wanted { traffic, side: Side::Group(pair.clone()), description });
        }
        if all.len() == begun {
            return Err(no_side());
        }
    }
    Ok(all)
}

/// Neither a network nor a group.
pub fn no_side() -> Fault {
    Code::MissingParameter.fault("Missing source specification: include source security group or CIDR information")
}

/// A network, whose host bits do not matter.
///
/// # Errors
///
/// For what is none.
pub fn ipv4(text: &str) -> Result<Ipv4Net, Fault> {
    text.parse().map(|net: Ipv4Net| net.trunc()).map_err(|_| no_net(text))
}

/// The same of IPv6.
///
/// # Errors
///
/// For what is none.
pub fn ipv6(text: &str) -> Result<Ipv6Net, Fault> {
    text.parse().map(|net: Ipv6Net| net.trunc()).map_err(|_| no_net(text))
}

fn no_net(text: &str) -> Fault {
    Code::InvalidParameterValue.fault(format!("CIDR block {} is malformed", short(text)))
}

/// An empty description is none.
///
/// # Errors
///
/// For what is longer than it may be, or holds other characters.
pub fn description(text: Option<&str>) -> Result<Option<String>, Fault> {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.len() > DESCRIPTION || !text.chars().all(allowed) {
        let text = format!(
            "Invalid rule description. Valid descriptions are strings less than {} characters from the following \
             set: {ALLOWED}",
            DESCRIPTION + 1
        );
        return Err(Code::InvalidParameterValue.fault(text));
    }
    Ok(Some(text.to_owned()))
}

pub const ALLOWED: &str = "a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*";

/// What names and descriptions of groups and rules are made of.
pub fn allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c)
}

/// Looks up the groups that rules name, all of which are the farm's.
///
/// # Errors
///
/// `InvalidGroup.NotFound`, and `InvalidParameterValue` for rules that let the same through.
pub fn found(state: &State, farm: FarmId, direction: Direction, all: &[Wanted]) -> Result<Vec<NewRule>, Fault> {
    let mut rules: Vec<NewRule> = Vec::with_capacity(all.len());
    for one in all {
        let peer = match &one.side {
            Side::Net(net) => Peer::Net(*net),
            Side::Group(pair) => Peer::Group(group(state, farm, pair)?),
        };
        if rules.iter().any(|rule| (rule.traffic, rule.peer) == (one.traffic, peer)) {
            return Err(Code::InvalidParameterValue.fault("The same permission must not appear multiple times"));
        }
        rules.push(NewRule { direction, traffic: one.traffic, peer, description: one.description.clone() });
    }
    Ok(rules)
}

fn group(state: &State, farm: FarmId, pair: &GroupPair) -> Result<SecurityGroupId, Fault> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (id, name) = (given(&pair.group_id), given(&pair.group_name));
    if let Some(owner) = given(&pair.user_id)
        && owner != account::of(farm)
    {
        // Whatever others have is not there for this one.
        return Err(Noun::SecurityGroup.not_found(id.as_deref().or(name.as_deref()).unwrap_or_default()));
    }
    match (id, name) {
        // Clients send the name along that they were told.
        (Some(id), _) => find::by_id(state, farm, &id).map(|group| group.id),
        (None, Some(name)) => find::by_name(state, farm, &name).map(|group| group.id),
        (None, None) => Err(Fault::missing("Groups.GroupId")),
    }
}

/// That a group can take these rules.
///
/// # Errors
///
/// `InvalidPermission.Duplicate` for one that it has, `RulesPerSecurityGroupLimitExceeded` for too many.
pub fn addable(group: &SecurityGroup, direction: Direction, rules: &[NewRule]) -> Result<(), Fault> {
    if let Some(rule) = rules.iter().find(|rule| group.rules.iter().any(|known| known.same_as(rule))) {
        return Err(duplicate(rule));
    }
    if group.count(direction) + rules.len() > cascina_core::security_group::MOST_RULES {
        return Err(Code::RulesPerSecurityGroupLimitExceeded
            .fault("The maximum number of rules per security group has been reached."));
    }
    Ok(())
}

/// A group has such a rule.
pub fn duplicate(rule: &NewRule) -> Fault {
    let peer = match rule.peer {
        Peer::Net(net) => net.to_string(),
        Peer::Group(id) => id.to_string(),
    };
    let text = format!("the specified rule \"peer: {peer}, {}, ALLOW\" already exists", traffic::words(rule.traffic));
    Code::InvalidPermissionDuplicate.fault(text)
}

#[cfg(test)]
mod tests;
