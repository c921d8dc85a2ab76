use std::collections::BTreeSet;

use cascina_core::id::{FarmId, NetworkId, RuleId};
use cascina_core::security_group::{Direction, Peer, Ports, Rule, Traffic};
use proptest::prelude::*;

use super::*;

fn network() -> NetworkSpec {
    NetworkSpec {
        id: NetworkId(4),
        farm: FarmId(3),
        segment: 12,
        cidr: "10.64.7.0/24".parse().unwrap(),
        mac_prefix: [2, 0, 0, 12],
    }
}

fn rule(id: u64, direction: Direction, traffic: Traffic, peer: Peer) -> Rule {
    Rule { id: RuleId(id), direction, traffic, peer, description: None }
}

fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 64, 7, last)
}

fn all() -> Peer {
    Peer::Net("0.0.0.0/0".parse().unwrap())
}

fn firewall() -> Firewall {
    let (web, own) = (SecurityGroupId(1), SecurityGroupId(2));
    let ports = |from, to| Ports { from, to };
    let mut firewall = Firewall::default();
    firewall.group(
        web,
        Some(vec![
            rule(1, Direction::Ingress, Traffic::Tcp(ports(80, 81)), all()),
            rule(2, Direction::Ingress, Traffic::Icmp { kind: Some(8), code: None }, all()),
            rule(3, Direction::Ingress, Traffic::Udp(Ports::ALL), Peer::Net("198.51.100.0/24".parse().unwrap())),
            rule(4, Direction::Ingress, Traffic::All, Peer::Net("::/0".parse().unwrap())),
            rule(5, Direction::Ingress, Traffic::Icmp6 { kind: None, code: None }, all()),
            rule(6, Direction::Ingress, Traffic::Other { number: 47 }, all()),
            rule(7, Direction::Egress, Traffic::All, all()),
        ]),
    );
    firewall.group(own, Some(vec![rule(8, Direction::Ingress, Traffic::All, Peer::Group(own))]));
    firewall.group(SecurityGroupId(3), Some(vec![rule(9, Direction::Ingress, Traffic::All, all())]));
    firewall.member(ip(20), Some([web, own].into()));
    firewall.member(ip(21), Some([own].into()));
    firewall
}

#[test]
fn all_filters_of_a_network() {
    let filters = filters(&network(), 5, &firewall(), &[ip(20), ip(30)]).unwrap();
    let text: Vec<&str> = filters.iter().map(|filter| filter.xml.as_str()).collect();
    insta::assert_snapshot!(text.join("\n"));
}

#[test]
fn a_routers_public_side() {
    let mac = "02:ff:00:0c:07:01".parse().unwrap();
    let addresses = [Ipv4Addr::new(203, 0, 113, 7), Ipv4Addr::new(203, 0, 113, 51)];
    let beside = ["100.64.7.0/24".parse().unwrap()];
    insta::assert_snapshot!(outside(RouterId(1), mac, &addresses, &beside).unwrap().xml);
}

#[test]
fn without_a_firewall_ports_are_closed() {
    let filters = filters(&network(), 0, &Firewall::default(), &[ip(20)]).unwrap();
    let port = filters.iter().find(|filter| filter.name == FilterName::Port(network().id, ip(20))).unwrap();
    assert_eq!(*port, closed_port(&network(), ip(20)).unwrap());
    assert!(!port.xml.contains("tcp") && !port.xml.contains("udp"), "{}", port.xml);
}

#[test]
fn rules_that_cannot_be_enforced_are_named() {
    assert_eq!(unenforceable(&firewall()), [RuleId(6)]);
}

#[test]
fn addresses_that_are_no_guests_have_no_port() {
    let mut firewall = firewall();
    for wrong in [ip(0), ip(1), ip(255), Ipv4Addr::new(10, 64, 8, 20)] {
        firewall.member(wrong, Some([SecurityGroupId(1)].into()));
    }
    let filters = filters(&network(), 5, &firewall, &[]).unwrap();
    let ports = filters.iter().filter(|filter| matches!(filter.name, FilterName::Port(..)));
    assert_eq!(ports.count(), 2);
}

fn traffics() -> impl Strategy<Value = Traffic> {
    prop_oneof![
        Just(Traffic::All),
        (any::<u16>(), any::<u16>()).prop_map(|(a, b)| Traffic::Tcp(Ports { from: a.min(b), to: a.max(b) })),
        (any::<Option<u8>>(), any::<Option<u8>>()).prop_map(|(kind, code)| Traffic::Icmp { kind, code }),
        any::<u8>().prop_map(|number| Traffic::Other { number }),
    ]
}

fn peers() -> impl Strategy<Value = Peer> {
    prop_oneof![
        (any::<u32>(), 0..=32u8)
            .prop_map(|(ip, length)| { Peer::Net(ipnet::IpNet::V4(Ipv4Net::new(ip.into(), length).unwrap())) }),
        (1..5u64).prop_map(|group| Peer::Group(SecurityGroupId(group))),
    ]
}

fn firewalls() -> impl Strategy<Value = Firewall> {
    let rule = (prop_oneof![Just(Direction::Ingress), Just(Direction::Egress)], traffics(), peers());
    let rules = proptest::collection::vec((1..5u64, rule), 0..12);
    let members = proptest::collection::btree_map(any::<u8>(), proptest::collection::btree_set(1..6u64, 0..3), 0..8);
    (rules, members).prop_map(|(rules, members)| {
        let mut firewall = Firewall::default();
        for (group, (direction, traffic, peer)) in rules {
            let group = SecurityGroupId(group);
            let mut known = firewall.rules.get(&group).cloned().unwrap_or_default();
            known.push(self::rule(known.len() as u64, direction, traffic, peer));
            firewall.group(group, Some(known));
        }
        for (last, groups) in members {
            firewall.member(ip(last), Some(groups.into_iter().map(SecurityGroupId).collect()));
        }
        firewall
    })
}

proptest! {
    #[test]
    fn what_a_filter_refers_to_is_there_before_it(firewall in firewalls(), here: u8) {
        let filters = filters(&network(), 1, &firewall, &[ip(here)]).unwrap();
        let mut defined = BTreeSet::new();
        for filter in &filters {
            let document = roxmltree::Document::parse(&filter.xml).unwrap();
            let root = document.root_element();
            let name = filter.name.to_string();
            prop_assert_eq!(root.attribute("name"), Some(name.as_str()));
            for refers in root.children().filter(|node| node.has_tag_name("filterref")) {
                prop_assert!(defined.contains(refers.attribute("filter").unwrap()));
            }
            prop_assert!(defined.insert(filter.name.to_string()), "{} twice", filter.name);
        }
        prop_assert!(matches!(filters.last().unwrap().name, FilterName::Marker(_)));
        prop_assert!(stale(network().id, defined.iter().map(String::as_str), &filters).is_empty());
        // Undefined in the order of `stale`, nothing is referred to any more when it goes.
        let gone = stale(network().id, defined.iter().map(String::as_str), &[]);
        prop_assert_eq!(gone.len(), filters.len());
        let mut left: Vec<&Filter> = filters.iter().collect();
        for name in gone {
            left.retain(|filter| filter.name != name);
            let quoted = format!("filter=\"{name}\"");
            prop_assert!(left.iter().all(|filter| !filter.xml.contains(&quoted)), "{} is referred to", name);
        }
    }
}
