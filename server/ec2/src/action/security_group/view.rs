//! Rules as responses have them: those of a group together, and each by itself.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cascina_core::id::{RuleId, SecurityGroupId};
use cascina_core::security_group::{Direction, Peer, Rule, SecurityGroup, Traffic};
use cascina_core::state::State;
use cascina_core::tag::Resource;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;

use super::traffic;
use crate::call::Call;
use crate::tags::TagSet;
use crate::wire::xml::Set;

/// Who may speak the same.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Permission {
    pub ip_protocol: Cow<'static, str>,
    pub from_port: Option<i32>,
    pub to_port: Option<i32>,
    pub groups: Set<Pair>,
    pub ip_ranges: Set<Range>,
    pub ipv6_ranges: Set<Range6>,
    /// Always empty: there are no such lists.
    prefix_list_ids: Set<()>,
}

/// A group by its id. Within a VPC Amazon tells no name, and clients that see one use it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Pair {
    pub user_id: String,
    pub group_id: SecurityGroupId,
    description: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    pub cidr_ip: Ipv4Net,
    description: Option<String>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Range6 {
    pub cidr_ipv6: Ipv6Net,
    description: Option<String>,
}

/// Who may speak the same, by kind.
#[derive(Default)]
struct Sides {
    groups: Vec<Pair>,
    ranges: Vec<Range>,
    ranges6: Vec<Range6>,
}

/// The rules of one direction, those about the same traffic as one; sorted, so that they look the same
/// each time.
pub fn permissions(account: &str, rules: &[Rule], direction: Direction) -> Set<Permission> {
    let mut all: BTreeMap<Traffic, Sides> = BTreeMap::new();
    for rule in rules.iter().filter(|rule| rule.direction == direction) {
        let sides = all.entry(rule.traffic).or_default();
        let description = rule.description.clone();
        match rule.peer {
            Peer::Net(IpNet::V4(cidr_ip)) => sides.ranges.push(Range { cidr_ip, description }),
            Peer::Net(IpNet::V6(cidr_ipv6)) => sides.ranges6.push(Range6 { cidr_ipv6, description }),
            Peer::Group(group_id) => sides.groups.push(Pair { user_id: account.to_owned(), group_id, description }),
        }
    }
    let permission = |(traffic, sides): (Traffic, Sides)| {
        let (from_port, to_port) = traffic::range(traffic).unzip();
        Permission {
            ip_protocol: traffic::protocol(traffic),
            from_port,
            to_port,
            groups: sides.groups.into(),
            ip_ranges: sides.ranges.into(),
            ipv6_ranges: sides.ranges6.into(),
            prefix_list_ids: Set::default(),
        }
    };
    all.into_iter().map(permission).collect()
}

/// A rule by itself.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleItem {
    pub security_group_rule_id: RuleId,
    pub group_id: SecurityGroupId,
    group_owner_id: String,
    is_egress: bool,
    ip_protocol: Cow<'static, str>,
    /// Here always there.
    from_port: i32,
    to_port: i32,
    cidr_ipv4: Option<Ipv4Net>,
    cidr_ipv6: Option<Ipv6Net>,
    referenced_group_info: Option<Referenced>,
    description: Option<String>,
    pub tag_set: TagSet,
    security_group_rule_arn: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Referenced {
    group_id: SecurityGroupId,
    user_id: String,
}

impl RuleItem {
    pub fn new(state: &State, call: &Call, group: &SecurityGroup, rule: &Rule) -> RuleItem {
        let (from_port, to_port) = traffic::range(rule.traffic).unwrap_or((-1, -1));
        let (cidr_ipv4, cidr_ipv6, referenced) = match rule.peer {
            Peer::Net(IpNet::V4(net)) => (Some(net), None, None),
            Peer::Net(IpNet::V6(net)) => (None, Some(net), None),
            Peer::Group(id) => (None, None, Some(id)),
        };
        RuleItem {
            security_group_rule_id: rule.id,
            group_id: group.id,
            group_owner_id: call.account.clone(),
            is_egress: rule.direction == Direction::Egress,
            ip_protocol: traffic::protocol(rule.traffic),
            from_port,
            to_port,
            cidr_ipv4,
            cidr_ipv6,
            referenced_group_info: referenced.map(|group_id| Referenced { group_id, user_id: call.account.clone() }),
            description: rule.description.clone(),
            tag_set: TagSet::of(state, call.farm, Resource::Rule(rule.id)),
            security_group_rule_arn: call.arn("security-group-rule", rule.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::xml;
    use cascina_core::security_group::Ports;

    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Group {
        ip_permissions: Set<Permission>,
    }

    fn rule(number: u64, traffic: Traffic, peer: Peer, description: Option<&str>) -> Rule {
        let description = description.map(Into::into);
        Rule { id: RuleId(number), direction: Direction::Ingress, traffic, peer, description }
    }

    fn net(text: &str) -> Peer {
        Peer::Net(text.parse().unwrap())
    }

    #[test]
    fn rules_about_the_same_are_one() {
        let web = Traffic::Tcp(Ports { from: 80, to: 80 });
        let rules = [
            rule(1, web, net("192.0.2.0/25"), Some("a & b")),
            rule(2, Traffic::All, Peer::Group(SecurityGroupId(7)), None),
            rule(3, web, net("2001:db8::/32"), None),
            rule(4, web, net("192.0.2.128/25"), None),
            Rule { direction: Direction::Egress, ..rule(5, Traffic::All, net("0.0.0.0/0"), None) },
        ];
        let ip_permissions = permissions("123456789012", &rules, Direction::Ingress);
        let text = xml::response("A", "", "r", &Group { ip_permissions }).unwrap();
        let expected = "<ipPermissions>\
            <item><ipProtocol>-1</ipProtocol>\
            <groups><item><userId>123456789012</userId><groupId>sg-00000000000000007</groupId></item></groups>\
            <ipRanges/><ipv6Ranges/><prefixListIds/></item>\
            <item><ipProtocol>tcp</ipProtocol><fromPort>80</fromPort><toPort>80</toPort><groups/>\
            <ipRanges><item><cidrIp>192.0.2.0/25</cidrIp><description>a &amp; b</description></item>\
            <item><cidrIp>192.0.2.128/25</cidrIp></item></ipRanges>\
            <ipv6Ranges><item><cidrIpv6>2001:db8::/32</cidrIpv6></item></ipv6Ranges><prefixListIds/></item>\
            </ipPermissions></AResponse>";
        assert!(text.ends_with(expected), "{text}");
    }
}
