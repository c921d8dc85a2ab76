//! Security groups as rules of filters.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use cascina_core::id::{RuleId, SecurityGroupId};
use cascina_core::security_group::{Direction, Firewall, Peer, Ports, Rule, Traffic};
use ipnet::{IpNet, Ipv4Net};

use super::rule::{Priority, Way, accept};
use crate::libvirt::xml::Element;
use crate::router::METADATA;

const CONVERSATION: Priority = Priority(300);
const RULES: Priority = Priority(500);

/// Which addresses have a group, as few nets as there can be.
pub(super) type Members = BTreeMap<SecurityGroupId, Vec<Ipv4Net>>;

pub(super) fn members(firewall: &Firewall) -> Members {
    let mut members: Members = BTreeMap::new();
    for (ip, groups) in &firewall.members {
        for group in groups {
            members.entry(*group).or_default().push(Ipv4Net::from(*ip));
        }
    }
    members.values_mut().for_each(|nets| *nets = Ipv4Net::aggregate(nets));
    members
}

/// Nothing, for rules about what networks do not carry or filters cannot tell apart.
pub(super) fn rules(rules: &[Rule], members: &Members) -> Vec<Element> {
    let each = |rule: &Rule| {
        let Some(traffic) = traffic(rule.traffic) else { return Vec::new() };
        let (way, address, mask) = match rule.direction {
            Direction::Ingress => (Way::In, "srcipaddr", "srcipmask"),
            Direction::Egress => (Way::Out, "dstipaddr", "dstipmask"),
        };
        let to = |net: &Ipv4Net| {
            let traffic = traffic.clone();
            // The mask that matches all is one that rules cannot have.
            let traffic = match net.prefix_len() {
                0 => traffic,
                length => traffic.with(address, net.network()).with(mask, length),
            };
            accept(way, RULES, traffic)
        };
        match rule.peer {
            Peer::Net(IpNet::V4(net)) => vec![to(&net)],
            Peer::Net(IpNet::V6(_)) => Vec::new(),
            Peer::Group(group) => members.get(&group).into_iter().flatten().map(to).collect(),
        }
    };
    rules.iter().flat_map(each).collect()
}

/// None: no filter can tell it from other traffic, or networks do not carry it.
fn traffic(traffic: Traffic) -> Option<Element> {
    let ports = |name, ports: Ports| match ports {
        Ports::ALL => Element::new(name),
        Ports { from, to } => Element::new(name).with("dstportstart", from).with("dstportend", to),
    };
    let icmp = |kind: Option<u8>, code| Element::new("icmp").with_some("type", kind).with_some("code", code);
    match traffic {
        Traffic::All => Some(Element::new("all")),
        Traffic::Tcp(range) => Some(ports("tcp", range)),
        Traffic::Udp(range) => Some(ports("udp", range)),
        Traffic::Icmp { kind: None, code: Some(_) } => None,
        Traffic::Icmp { kind, code } => Some(icmp(kind, code)),
        Traffic::Icmp6 { .. } => None,
        Traffic::Other { number } => match number {
            1 => Some(icmp(None, None)),
            2 => Some(Element::new("igmp")),
            6 => Some(Element::new("tcp")),
            17 => Some(Element::new("udp")),
            50 => Some(Element::new("esp")),
            51 => Some(Element::new("ah")),
            132 => Some(Element::new("sctp")),
            136 => Some(Element::new("udplite")),
            _ => None,
        },
    }
}

/// Rules about IPv4 that let nothing through here, though they should: libvirt has filters for some
/// protocols only, and an ICMP code only with its type.
#[must_use]
pub fn unenforceable(firewall: &Firewall) -> Vec<RuleId> {
    let ipv4 =
        |rule: &&Rule| !matches!(rule.peer, Peer::Net(IpNet::V6(_))) && !matches!(rule.traffic, Traffic::Icmp6 { .. });
    let rules = firewall.rules.values().flatten().filter(ipv4);
    rules.filter(|rule| traffic(rule.traffic).is_none()).map(|rule| rule.id).collect()
}

/// ICMP that belongs to a conversation: errors, and answers to echo and timestamp, for which libvirt
/// makes no rule where the question's type was named.
pub(super) fn icmp() -> Vec<Element> {
    let icmp = |state: &'static str| Element::new("icmp").with("state", state);
    let answer = |(way, kind): (Way, u8)| accept(way, CONVERSATION, icmp("ESTABLISHED").with("type", kind));
    // For both ways at once, libvirt makes no rule of an ICMP type at all.
    let answers = [(Way::In, 0), (Way::Out, 0), (Way::In, 14), (Way::Out, 14)].map(answer);
    [accept(Way::Both, CONVERSATION, icmp("RELATED"))].into_iter().chain(answers).collect()
}

/// What every guest with a firewall may ask for, whatever its groups say, as on EC2: names, and
/// metadata about itself.
pub(super) fn services(gateway: Ipv4Addr) -> [Element; 3] {
    let to = |name, address: Ipv4Addr, port: u16| {
        let what = Element::new(name).with("dstipaddr", address).with("dstportstart", port);
        accept(Way::Out, RULES, what)
    };
    [to("udp", gateway, 53), to("tcp", gateway, 53), to("tcp", METADATA, 80)]
}
