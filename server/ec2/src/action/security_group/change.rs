//! Rules of a group: added, taken away, and described anew.

use cascina_core::command::Command;
use cascina_core::id::{RuleId, SecurityGroupId};
use cascina_core::security_group::{Direction, NewRule, Rule, SecurityGroup};
use cascina_core::state::State;
use serde::{Deserialize, Serialize};

use super::permission::{self, GroupPair, IpPermission, IpRange, Wanted, description, wanted};
use super::view::RuleItem;
use super::{find, rule};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::tags::{TagSpecification, specified};
use crate::wire::xml::{Done, Set};

/// The rules of a request, in the form with permissions or in that of old, which says one only and has
/// it flat.
#[derive(Debug, Default)]
struct Rules<'a> {
    permissions: &'a [IpPermission],
    protocol: Option<&'a str>,
    from_port: Option<i64>,
    to_port: Option<i64>,
    cidr: Option<&'a str>,
    source_name: Option<&'a str>,
    source_owner: Option<&'a str>,
}

impl Rules<'_> {
    fn is_flat(&self) -> bool {
        self.protocol.is_some() || self.cidr.is_some() || self.source_name.is_some()
    }

    fn is_empty(&self) -> bool {
        !self.is_flat() && self.permissions.is_empty()
    }

    fn wanted(&self) -> Result<Vec<Wanted>, Fault> {
        match (self.is_flat(), self.permissions) {
            (false, []) => Err(permission::no_side()),
            (false, permissions) => wanted(permissions),
            (true, []) => wanted(&self.flat()),
            (true, _) => Err(Code::InvalidParameterCombination
                .fault("The parameter IpPermissions cannot be used together with IpProtocol, CidrIp and the like")),
        }
    }

    fn flat(&self) -> Vec<IpPermission> {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let cidr = self.cidr.map(|_| IpRange { cidr_ip: owned(self.cidr), description: None });
        let group = self.source_name.map(|name| GroupPair::named(name, self.source_owner));
        let permission = |protocol: &str, from_port, to_port| IpPermission {
            ip_protocol: Some(protocol.to_owned()),
            from_port,
            to_port,
            ip_ranges: cidr.iter().cloned().collect(),
            groups: group.iter().cloned().collect(),
            ..IpPermission::default()
        };
        match self.protocol {
            Some(protocol) => vec![permission(protocol, self.from_port, self.to_port)],
            // A group alone stands for all that there was of old.
            None if group.is_some() => vec![
                permission("tcp", Some(0), Some(65535)),
                permission("udp", Some(0), Some(65535)),
                permission("icmp", Some(-1), Some(-1)),
            ],
            None => vec![permission("", self.from_port, self.to_port)],
        }
    }
}

/// Both directions have the same parameters.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Authorize {
    group_id: Option<String>,
    group_name: Option<String>,
    #[serde(default)]
    ip_permissions: Vec<IpPermission>,
    ip_protocol: Option<String>,
    from_port: Option<i64>,
    to_port: Option<i64>,
    cidr_ip: Option<String>,
    source_security_group_name: Option<String>,
    source_security_group_owner_id: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Authorized {
    #[serde(rename = "return")]
    done: bool,
    security_group_rule_set: Set<RuleItem>,
}

pub async fn authorize_security_group_ingress(call: Call, request: Authorize) -> Result<Authorized, Fault> {
    authorize(call, request, Direction::Ingress).await
}

pub async fn authorize_security_group_egress(call: Call, request: Authorize) -> Result<Authorized, Fault> {
    authorize(call, request, Direction::Egress).await
}

async fn authorize(call: Call, request: Authorize, direction: Direction) -> Result<Authorized, Fault> {
    let [tags] = specified(&request.tag_specification, ["security-group-rule"])?;
    let asked = Rules {
        permissions: &request.ip_permissions,
        protocol: request.ip_protocol.as_deref(),
        from_port: request.from_port,
        to_port: request.to_port,
        cidr: request.cidr_ip.as_deref(),
        source_name: request.source_security_group_name.as_deref(),
        source_owner: request.source_security_group_owner_id.as_deref(),
    };
    let asked = asked.wanted()?;
    let check = |state: &State| {
        let group = find::named(state, call.farm, request.group_id.as_deref(), request.group_name.as_deref())?;
        let rules = permission::found(state, call.farm, direction, &asked)?;
        permission::addable(group, direction, &rules)?;
        Ok((Command::AuthorizeRules { group: group.id, rules: rules.clone(), tags: tags.clone() }, (group.id, rules)))
    };
    let (_, (group, rules)) = call.submit_checked(check).await?;
    let items = call.engine.read(|state| items(state, &call, group, &rules));
    Ok(Authorized { done: true, security_group_rule_set: items.into() })
}

/// Rules as they were numbered, in the order in which they were asked for.
fn items(state: &State, call: &Call, group: SecurityGroupId, rules: &[NewRule]) -> Vec<RuleItem> {
    let Some(group) = state.rows.security_groups.get(&group) else { return Vec::new() };
    let known = rules.iter().filter_map(|rule| group.rules.iter().find(|known| known.same_as(rule)));
    known.map(|rule| RuleItem::new(state, call, group, rule)).collect()
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Revoke {
    group_id: Option<String>,
    group_name: Option<String>,
    #[serde(default)]
    ip_permissions: Vec<IpPermission>,
    ip_protocol: Option<String>,
    from_port: Option<i64>,
    to_port: Option<i64>,
    cidr_ip: Option<String>,
    source_security_group_name: Option<String>,
    source_security_group_owner_id: Option<String>,
    #[serde(default)]
    security_group_rule_id: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revoked {
    #[serde(rename = "return")]
    done: bool,
    /// Always empty: a rule that there is not is refused.
    unknown_ip_permission_set: Set<()>,
}

pub async fn revoke_security_group_ingress(call: Call, request: Revoke) -> Result<Revoked, Fault> {
    revoke(call, request, Direction::Ingress).await
}

pub async fn revoke_security_group_egress(call: Call, request: Revoke) -> Result<Revoked, Fault> {
    revoke(call, request, Direction::Egress).await
}

async fn revoke(call: Call, request: Revoke, direction: Direction) -> Result<Revoked, Fault> {
    let asked = Rules {
        permissions: &request.ip_permissions,
        protocol: request.ip_protocol.as_deref(),
        from_port: request.from_port,
        to_port: request.to_port,
        cidr: request.cidr_ip.as_deref(),
        source_name: request.source_security_group_name.as_deref(),
        source_owner: request.source_security_group_owner_id.as_deref(),
    };
    let ids = &request.security_group_rule_id;
    // By their ids, or by what they are.
    let asked = match (ids.is_empty(), asked.is_empty()) {
        (true, _) => asked.wanted()?,
        (false, true) => Vec::new(),
        (false, false) => {
            return Err(Code::InvalidParameterCombination
                .fault("The parameter SecurityGroupRuleId cannot be used together with IpPermissions"));
        }
    };
    let check = |state: &State| {
        let group = find::named(state, call.farm, request.group_id.as_deref(), request.group_name.as_deref())?;
        let mut rules = Vec::new();
        for id in ids {
            let rule = rule::of_group(group, Some(direction), id)?.id;
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
        for rule in permission::found(state, call.farm, direction, &asked)? {
            rules.push(matching(group, &rule)?.id);
        }
        Ok((Command::RevokeRules { group: group.id, rules }, ()))
    };
    call.submit_checked(check).await?;
    Ok(Revoked { done: true, unknown_ip_permission_set: Set::default() })
}

/// The group's rule that lets the same through, whatever its description.
fn matching<'a>(group: &'a SecurityGroup, rule: &NewRule) -> Result<&'a Rule, Fault> {
    group.rules.iter().find(|known| known.same_as(rule)).ok_or_else(|| {
        Code::InvalidPermissionNotFound.fault("The specified rule does not exist in this security group.")
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UpdateDescriptions {
    group_id: Option<String>,
    group_name: Option<String>,
    #[serde(default)]
    ip_permissions: Vec<IpPermission>,
    #[serde(default)]
    security_group_rule_description: Vec<RuleDescription>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleDescription {
    security_group_rule_id: Option<String>,
    description: Option<String>,
}

pub async fn update_security_group_rule_descriptions_ingress(
    call: Call,
    request: UpdateDescriptions,
) -> Result<Done, Fault> {
    update(call, request, Direction::Ingress).await
}

pub async fn update_security_group_rule_descriptions_egress(
    call: Call,
    request: UpdateDescriptions,
) -> Result<Done, Fault> {
    update(call, request, Direction::Egress).await
}

async fn update(call: Call, request: UpdateDescriptions, direction: Direction) -> Result<Done, Fault> {
    let by_id = &request.security_group_rule_description;
    if by_id.is_empty() == request.ip_permissions.is_empty() {
        let text = "Either IpPermissions or SecurityGroupRuleDescription must be given, and not both";
        let code = if by_id.is_empty() { Code::MissingParameter } else { Code::InvalidParameterCombination };
        return Err(code.fault(text));
    }
    let asked = wanted(&request.ip_permissions)?;
    let check = |state: &State| {
        let group = find::named(state, call.farm, request.group_id.as_deref(), request.group_name.as_deref())?;
        let mut rules: Vec<(RuleId, NewRule)> = Vec::new();
        for one in by_id {
            let id = one.security_group_rule_id.as_deref().ok_or_else(|| Fault::missing("SecurityGroupRuleId"))?;
            let known = rule::of_group(group, Some(direction), id)?;
            rules.push((known.id, described(known, description(one.description.as_deref())?)));
        }
        for new in permission::found(state, call.farm, direction, &asked)? {
            let known = matching(group, &new)?;
            rules.push((known.id, described(known, new.description)));
        }
        Ok((Command::ModifyRules { group: group.id, rules }, ()))
    };
    call.submit_checked(check).await?;
    Ok(Done::TRUE)
}

/// The same rule with another description.
fn described(rule: &Rule, description: Option<String>) -> NewRule {
    NewRule { direction: rule.direction, traffic: rule.traffic, peer: rule.peer, description }
}

#[cfg(test)]
mod tests {
    use cascina_core::security_group::Traffic;

    use super::super::permission::Side;
    use super::*;

    #[test]
    fn the_form_of_old() {
        let flat = Rules {
            protocol: Some("tcp"),
            from_port: Some(80),
            to_port: Some(81),
            cidr: Some("192.0.2.0/24"),
            ..Rules::default()
        };
        let all = flat.wanted().unwrap();
        assert!(matches!(&all[..], [Wanted { traffic: Traffic::Tcp(_), side: Side::Net(_), .. }]), "{all:?}");
        let source = Rules { source_name: Some("web"), source_owner: Some("1"), ..Rules::default() };
        let all = source.wanted().unwrap();
        assert_eq!(all.len(), 3);
        assert!(
            all.iter().all(|one| matches!(&one.side, Side::Group(pair) if pair.group_name.as_deref() == Some("web")))
        );
        assert_eq!(Rules::default().wanted().unwrap_err().code, Code::MissingParameter);
        let cidr = Rules { cidr: Some("192.0.2.0/24"), ..Rules::default() };
        assert_eq!(cidr.wanted().unwrap_err().code, Code::MissingParameter);
        let protocol = Rules { protocol: Some("-1"), ..Rules::default() };
        assert_eq!(protocol.wanted().unwrap_err().code, Code::MissingParameter);
        let both = Rules { permissions: &[IpPermission::default()], ..cidr };
        assert_eq!(both.wanted().unwrap_err().code, Code::InvalidParameterCombination);
    }
}
