//! Security groups: which traffic may reach a farm's guests, and leave them.
//!
//! Rules only allow. A guest may be reached by what any of its groups lets in, and answers to what it
//! was asked are always let out, and the other way round.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use imbl::ordmap::{DiffItem, OrdMap};
use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::id::{FarmId, RuleId, SecurityGroupId, TenantId};
use crate::state::State;
use crate::units::Timestamp;

/// Name of the group that every farm has, and that instances get when none is named.
pub const DEFAULT: &str = "default";
/// Groups of a farm.
pub const MOST_GROUPS: usize = 500;
/// Rules of a group, in each direction.
pub const MOST_RULES: usize = 60;
/// Groups of an instance.
pub const MOST_OF_INSTANCE: usize = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// To the guest.
    Ingress,
    /// From the guest.
    Egress,
}

/// Ports, first to last, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Ports {
    pub from: u16,
    pub to: u16,
}

impl Ports {
    pub const ALL: Ports = Ports { from: 0, to: u16::MAX };

    pub fn contains(self, port: u16) -> bool {
        (self.from..=self.to).contains(&port)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "protocol")]
pub enum Traffic {
    All,
    Tcp(Ports),
    Udp(Ports),
    /// None: any.
    Icmp {
        kind: Option<u8>,
        code: Option<u8>,
    },
    /// Networks do not carry it, see [`Peer::Net`]. None: any.
    Icmp6 {
        kind: Option<u8>,
        code: Option<u8>,
    },
    /// Another protocol by its IANA number.
    Other {
        number: u8,
    },
}

/// The other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "peer", content = "of")]
pub enum Peer {
    /// Networks carry IPv4 only: a rule about IPv6 is kept and lets nothing through.
    Net(IpNet),
    /// The guests of a group of the same farm, by their private addresses.
    Group(SecurityGroupId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    pub id: RuleId,
    pub direction: Direction,
    pub traffic: Traffic,
    pub peer: Peer,
    pub description: Option<String>,
}

impl Rule {
    /// Whether both let the same through: a group has no such two.
    pub fn same_as(&self, other: &NewRule) -> bool {
        (self.direction, self.traffic, self.peer) == (other.direction, other.traffic, other.peer)
    }
}

/// A rule as people ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule {
    pub direction: Direction,
    pub traffic: Traffic,
    pub peer: Peer,
    pub description: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecurityGroup {
    pub id: SecurityGroupId,
    pub farm: FarmId,
    pub tenant: TenantId,
    /// Of the farm's groups, no other has it.
    pub name: String,
    pub description: String,
    pub rules: Vec<Rule>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl SecurityGroup {
    /// Came with the farm and goes with it.
    pub fn is_default(&self) -> bool {
        self.name == DEFAULT
    }

    pub fn count(&self, direction: Direction) -> usize {
        self.rules.iter().filter(|rule| rule.direction == direction).count()
    }
}

/// A packet that begins a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packet {
    Tcp(u16),
    Udp(u16),
    Icmp { kind: u8, code: u8 },
    Other(u8),
}

impl Traffic {
    pub fn matches(self, packet: Packet) -> bool {
        match (self, packet) {
            (Traffic::All, _) => true,
            (Traffic::Tcp(ports), Packet::Tcp(port)) | (Traffic::Udp(ports), Packet::Udp(port)) => ports.contains(port),
            (Traffic::Icmp { kind, code }, Packet::Icmp { kind: k, code: c }) => {
                kind.is_none_or(|kind| kind == k) && code.is_none_or(|code| code == c)
            }
            (Traffic::Other { number }, Packet::Other(n)) => number == n,
            _ => false,
        }
    }
}

/// All of a farm's rules and who they are for, as a host enforces them: complete, so that applying it
/// twice changes nothing. Revisions follow each other all the time and are much alike: a copy shares
/// what is the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Firewall {
    pub rules: OrdMap<SecurityGroupId, Vec<Rule>>,
    /// Groups of each guest, by its private address.
    pub members: OrdMap<Ipv4Addr, BTreeSet<SecurityGroupId>>,
}

/// What makes one revision of a firewall out of another. None: it is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FirewallChange {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<(SecurityGroupId, Option<Vec<Rule>>)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub members: Vec<(Ipv4Addr, Option<BTreeSet<SecurityGroupId>>)>,
}

impl Firewall {
    /// What differs from another revision. Takes as long as that is, if one came from the other.
    pub fn since(&self, before: &Firewall) -> FirewallChange {
        FirewallChange {
            rules: differences(&before.rules, &self.rules),
            members: differences(&before.members, &self.members),
        }
    }

    #[must_use]
    pub fn changed(&self, change: &FirewallChange) -> Firewall {
        let mut changed = self.clone();
        for (group, rules) in &change.rules {
            changed.group(*group, rules.clone());
        }
        for (guest, groups) in &change.members {
            changed.member(*guest, groups.clone());
        }
        changed
    }

    /// None: there is no such group.
    pub fn group(&mut self, group: SecurityGroupId, rules: Option<Vec<Rule>>) {
        set(&mut self.rules, group, rules);
    }

    /// None: no guest has the address.
    pub fn member(&mut self, guest: Ipv4Addr, groups: Option<BTreeSet<SecurityGroupId>>) {
        set(&mut self.members, guest, groups);
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty() && self.members.is_empty()
    }

    /// Whether the guest's groups let a conversation with the other side begin.
    pub fn allows(&self, guest: Ipv4Addr, direction: Direction, other: IpAddr, packet: Packet) -> bool {
        let Some(groups) = self.members.get(&guest) else { return false };
        let rules = groups.iter().filter_map(|group| self.rules.get(group)).flatten();
        rules.filter(|rule| rule.direction == direction && rule.traffic.matches(packet)).any(|rule| match rule.peer {
            Peer::Net(net) => net.contains(&other),
            Peer::Group(group) => match other {
                IpAddr::V4(other) => self.members.get(&other).is_some_and(|groups| groups.contains(&group)),
                IpAddr::V6(_) => false,
            },
        })
    }
}

fn differences<K: Ord + Copy, V: Clone + PartialEq>(before: &OrdMap<K, V>, now: &OrdMap<K, V>) -> Vec<(K, Option<V>)> {
    let differences = before.diff(now).map(|item| match item {
        DiffItem::Add(key, value) | DiffItem::Update { new: (key, value), .. } => (*key, Some(value.clone())),
        DiffItem::Remove(key, _) => (*key, None),
    });
    differences.collect()
}

fn set<K: Ord + Copy, V: Clone>(map: &mut OrdMap<K, V>, key: K, value: Option<V>) {
    match value {
        Some(value) => map.insert(key, value),
        None => map.remove(&key),
    };
}

impl State {
    /// The farm's group of this name.
    pub fn group_named(&self, farm: FarmId, name: &str) -> Option<&Arc<SecurityGroup>> {
        let id = self.indexes.group_names.get(&(farm, name.to_string()))?;
        self.rows.security_groups.get(id)
    }

    /// The farm's group that has this rule.
    pub fn group_with_rule(&self, farm: FarmId, rule: RuleId) -> Option<&Arc<SecurityGroup>> {
        let mut groups = self.indexes.groups_by_farm.of(&farm).filter_map(|id| self.rows.security_groups.get(&id));
        groups.find(|group| group.rules.iter().any(|known| known.id == rule))
    }

    /// All rules of a farm, and which guests they are for.
    pub fn firewall(&self, farm: FarmId) -> Firewall {
        self.indexes.firewalls.get(&farm).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(direction: Direction, traffic: Traffic, peer: Peer) -> Rule {
        Rule { id: RuleId(1), direction, traffic, peer, description: None }
    }

    #[test]
    fn allows_what_a_rule_of_any_group_names_and_nothing_else() {
        let (web, own) = (SecurityGroupId(1), SecurityGroupId(2));
        let ports = |from, to| Ports { from, to };
        let world = Peer::Net("0.0.0.0/0".parse().unwrap());
        let (two, three) = ("10.64.0.2".parse().unwrap(), "10.64.0.3".parse().unwrap());
        let mut firewall = Firewall::default();
        firewall.group(web, Some(vec![rule(Direction::Ingress, Traffic::Tcp(ports(80, 81)), world)]));
        firewall.group(own, Some(vec![rule(Direction::Ingress, Traffic::All, Peer::Group(own))]));
        firewall.member(two, Some([web, own].into()));
        firewall.member(three, Some([own].into()));
        let outside: IpAddr = "198.51.100.7".parse().unwrap();
        assert!(firewall.allows(two, Direction::Ingress, outside, Packet::Tcp(81)));
        assert!(!firewall.allows(two, Direction::Ingress, outside, Packet::Tcp(82)));
        assert!(!firewall.allows(two, Direction::Ingress, outside, Packet::Udp(80)));
        assert!(!firewall.allows(three, Direction::Ingress, outside, Packet::Tcp(80)));
        assert!(firewall.allows(three, Direction::Ingress, IpAddr::V4(two), Packet::Tcp(22)));
        assert!(!firewall.allows(two, Direction::Egress, outside, Packet::Tcp(80)), "no rule lets it out");
    }
    #[test]
    fn a_revision_follows_from_another_and_what_differs() {
        let (web, own) = (SecurityGroupId(1), SecurityGroupId(2));
        let world = Peer::Net("0.0.0.0/0".parse().unwrap());
        let (two, three) = ("10.64.0.2".parse().unwrap(), "10.64.0.3".parse().unwrap());
        let mut before = Firewall::default();
        before.rules.insert(web, vec![rule(Direction::Ingress, Traffic::All, world)]);
        before.rules.insert(own, vec![]);
        before.members.insert(two, [web].into());
        let mut now = before.clone();
        now.rules.remove(&own);
        now.members.insert(two, [web, own].into());
        now.members.insert(three, [own].into());
        let change = now.since(&before);
        assert_eq!((change.rules.len(), change.members.len()), (1, 2));
        assert_eq!(before.changed(&change), now);
        assert_eq!(now.since(&before.changed(&change)), FirewallChange::default());
    }
}
