//! Rules by their ids: looked for and changed.

use cascina_core::command::Command;
use cascina_core::id::RuleId;
use cascina_core::security_group::{Direction, NewRule, Peer, Rule, SecurityGroup};
use cascina_core::state::State;
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::permission::{self, description, ipv4, ipv6};
use super::view::RuleItem;
use super::{find, traffic};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, text};
use crate::ids;
use crate::noun::Noun;
use crate::page;
use crate::wire::short;
use crate::wire::xml::{Done, Set};

/// A group's rule with this id, in one direction if only that is asked about.
///
/// # Errors
///
/// `InvalidSecurityGroupRuleId.NotFound`, and `….Malformed` for what is no id.
pub fn of_group<'a>(group: &'a SecurityGroup, direction: Option<Direction>, text: &str) -> Result<&'a Rule, Fault> {
    let id: RuleId = ids::read(Noun::SecurityGroupRule, RuleId::PREFIX, text)?;
    let fits = |rule: &&Rule| rule.id == id && direction.is_none_or(|direction| rule.direction == direction);
    group.rules.iter().find(fits).ok_or_else(|| Noun::SecurityGroupRule.not_found(text))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeSecurityGroupRules {
    #[serde(default)]
    security_group_rule_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    security_group_rule_set: Set<RuleItem>,
    next_token: Option<String>,
}

const COLUMNS: Columns<'_, RuleItem> = Columns {
    columns: &[
        ("group-id", |row| text(row.group_id)),
        ("security-group-rule-id", |row| text(row.security_group_rule_id)),
    ],
    tags: Some(|row| row.tag_set.pairs()),
};

pub async fn describe_security_group_rules(call: Call, request: DescribeSecurityGroupRules) -> Result<Rules, Fault> {
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let named = &request.security_group_rule_id;
    let (most, token) = (request.max_results, request.next_token.as_deref());
    let page = call.page::<RuleId>(most, token, !named.is_empty(), page::USUAL)?;
    let read = |text: &String| ids::read::<RuleId>(Noun::SecurityGroupRule, RuleId::PREFIX, text);
    let wanted = named.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let rows = call.engine.read(|state| {
        if let Some(missing) = wanted.iter().find(|id| state.group_with_rule(call.farm, **id).is_none()) {
            return Err(Noun::SecurityGroupRule.not_found(&missing.to_string()));
        }
        let groups = state.indexes.groups_by_farm.of(&call.farm).filter_map(|id| state.rows.security_groups.get(&id));
        let rules = groups.flat_map(|group| group.rules.iter().map(move |rule| (group, rule)));
        let rules = rules.filter(|(_, rule)| wanted.is_empty() || wanted.contains(&rule.id));
        let rows = rules.map(|(group, rule)| RuleItem::new(state, &call, group, rule));
        let mut rows: Vec<_> = rows.filter(|row| filters.accept(row)).collect();
        rows.sort_by_key(|row| row.security_group_rule_id);
        Ok(rows)
    })?;
    let (rows, next_token) = page.cut(rows.into_iter().map(|row| (row.security_group_rule_id, row)));
    Ok(Rules { security_group_rule_set: rows.into(), next_token })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ModifySecurityGroupRules {
    group_id: Option<String>,
    #[serde(default)]
    security_group_rule: Vec<RuleUpdate>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleUpdate {
    security_group_rule_id: Option<String>,
    security_group_rule: Option<RuleRequest>,
}

/// What a rule becomes, in all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RuleRequest {
    ip_protocol: Option<String>,
    from_port: Option<i64>,
    to_port: Option<i64>,
    cidr_ipv4: Option<String>,
    cidr_ipv6: Option<String>,
    prefix_list_id: Option<String>,
    referenced_group_id: Option<String>,
    description: Option<String>,
}

pub async fn modify_security_group_rules(call: Call, request: ModifySecurityGroupRules) -> Result<Done, Fault> {
    if request.security_group_rule.is_empty() {
        return Err(Fault::missing("SecurityGroupRule"));
    }
    let check = |state: &State| {
        let group = find::named(state, call.farm, request.group_id.as_deref(), None)?;
        let mut rules: Vec<(RuleId, NewRule)> = Vec::new();
        for update in &request.security_group_rule {
            let id = update.security_group_rule_id.as_deref();
            let known = of_group(group, None, id.ok_or_else(|| Fault::missing("SecurityGroupRuleId"))?)?;
            if rules.iter().any(|(id, _)| *id == known.id) {
                let text = format!("The security group rule '{}' must not appear multiple times", known.id);
                return Err(Code::InvalidParameterValue.fault(text));
            }
            let new = update.security_group_rule.as_ref().ok_or_else(|| Fault::missing("SecurityGroupRule"))?;
            rules.push((known.id, changed(state, &call, known.direction, new)?));
        }
        stay_apart(group, &rules)?;
        Ok((Command::ModifyRules { group: group.id, rules }, ()))
    };
    call.submit_checked(check).await?;
    Ok(Done::TRUE)
}

fn changed(state: &State, call: &Call, direction: Direction, new: &RuleRequest) -> Result<NewRule, Fault> {
    let protocol = new.ip_protocol.as_deref().ok_or_else(|| Fault::missing("SecurityGroupRule.IpProtocol"))?;
    let traffic = traffic::read(protocol, new.from_port, new.to_port)?;
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if let Some(id) = given(&new.prefix_list_id) {
        let text = format!("The prefix list ID '{}' does not exist", short(&id));
        return Err(Code::InvalidPrefixListIdNotFound.fault(text));
    }
    let peer = match (given(&new.cidr_ipv4), given(&new.cidr_ipv6), given(&new.referenced_group_id)) {
        (Some(cidr), None, None) => Peer::Net(IpNet::V4(ipv4(&cidr)?)),
        (None, Some(cidr), None) => Peer::Net(IpNet::V6(ipv6(&cidr)?)),
        (None, None, Some(id)) => Peer::Group(find::by_id(state, call.farm, &id)?.id),
        (None, None, None) => return Err(permission::no_side()),
        _ => {
            return Err(Code::InvalidParameterCombination
                .fault("Only one of CidrIpv4, CidrIpv6, PrefixListId and ReferencedGroupId can be given"));
        }
    };
    Ok(NewRule { direction, traffic, peer, description: description(new.description.as_deref())? })
}

/// No rule becomes what another is, or becomes too.
fn stay_apart(group: &SecurityGroup, rules: &[(RuleId, NewRule)]) -> Result<(), Fault> {
    for (place, (id, rule)) in rules.iter().enumerate() {
        let known = group.rules.iter().any(|known| known.id != *id && known.same_as(rule));
        let same = |(_, other): &(RuleId, NewRule)| {
            (other.direction, other.traffic, other.peer) == (rule.direction, rule.traffic, rule.peer)
        };
        if known || rules[..place].iter().any(same) {
            return Err(permission::duplicate(rule));
        }
    }
    Ok(())
}
