//! Filters of a real libvirt, against guests that attack and talk:
//!
//! ```sh
//! eval "$(tests/qemu/hosts.sh up /tmp/hosts)"
//! cargo test -p cascina-drivers --test filters -- --ignored --nocapture
//! tests/qemu/hosts.sh down /tmp/hosts
//! ```

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod frames;
mod lab;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use cascina_core::id::{RuleId, SecurityGroupId};
use cascina_core::network::Mac;
use cascina_core::security_group::{Direction, Firewall, Peer, Ports, Rule, Traffic};
use cascina_drivers::libvirt::filters::FilterName;

use frames::{BROADCAST, IPV4, arp, frame, ipv6, mark, udp};
use lab::Lab;

const ROUTER: u8 = 1;
const ALICE: u8 = 20;
const BOB: u8 = 21;

fn rule(id: u64, direction: Direction, traffic: Traffic, peer: Peer) -> Rule {
    Rule { id: RuleId(id), direction, traffic, peer, description: None }
}

fn all() -> Peer {
    Peer::Net("0.0.0.0/0".parse().unwrap())
}

/// What the guest with this address should never be able to send, by what it is.
fn attacks(lab: &Lab, own: u8) -> Vec<(&'static str, Vec<u8>)> {
    let (mac, ip) = (lab.mac(own), lab.ip(own));
    let (other, other_ip) = (lab.mac(99), lab.ip(99));
    let [.., last] = other.0;
    let elsewhere = Mac([2, 0, 9, 9, 1, last]);
    let gateway = lab.ip(ROUTER);
    let world = Ipv4Addr::new(198, 51, 100, 9);
    let sent = |from: Ipv4Addr, number| frame(BROADCAST, mac, IPV4, &udp((from, 999), (gateway, 999), number));
    let under = |tags: &[u8], kind: u16, number| {
        let body = [tags, &udp((ip, 999), (gateway, 999), number)].concat();
        frame(BROADCAST, mac, kind, &body)
    };
    vec![
        ("another guest's MAC", arp(other, 1, (other, other_ip), gateway, 1)),
        ("a MAC of another network", arp(elsewhere, 1, (elsewhere, ip), gateway, 2)),
        ("its own packet from another MAC", frame(BROADCAST, other, IPV4, &udp((ip, 9), (gateway, 9), 3))),
        ("another guest's address", sent(other_ip, 4)),
        ("the router's address", sent(gateway, 5)),
        ("an address of the world", sent(world, 6)),
        ("no address, but not for DHCP", sent(Ipv4Addr::UNSPECIFIED, 7)),
        ("ARP: it is another guest", arp(mac, 2, (mac, other_ip), gateway, 8)),
        ("ARP: it is the router", arp(mac, 2, (mac, gateway), gateway, 9)),
        ("ARP: its address is elsewhere", arp(mac, 2, (other, ip), gateway, 10)),
        ("ARP: no address, in an answer", arp(mac, 2, (mac, Ipv4Addr::UNSPECIFIED), gateway, 11)),
        ("an answer of a DHCP server", { frame(BROADCAST, mac, IPV4, &udp((ip, 67), (Ipv4Addr::BROADCAST, 68), 12)) }),
        ("a VLAN's frame", under(&[0, 5, 8, 0], 0x8100, 13)),
        ("a frame of the VLAN that is none", under(&[0, 0, 8, 0], 0x8100, 14)),
        ("a VLAN in a VLAN", under(&[0, 5, 0x81, 0, 0, 6, 8, 0], 0x88a8, 15)),
        ("IPv6", frame(BROADCAST, mac, 0x86dd, &ipv6(16))),
        ("a neighbour's announcement", frame(BROADCAST, mac, 0x88cc, &mark(17))),
        ("spanning tree", frame(Mac([1, 0x80, 0xc2, 0, 0, 1]), mac, 0x0027, &mark(18))),
    ]
}

/// What of this arrives at a guest that listens: the numbers of their marks.
fn arrived(lab: &mut Lab, from: u8, to: u8, frames: &[Vec<u8>], last: Vec<u8>, number: u16) -> BTreeSet<u16> {
    let hex = |bytes: [u8; 4]| bytes.map(|byte| format!("{byte:02x}")).concat();
    lab.at(to).ask("sniff");
    for frame in frames {
        lab.at(from).send(frame);
    }
    lab.at(from).send(&last);
    let seen = lab.at(to).ask(&format!("until {}", hex(mark(number))));
    let numbers = seen.split_whitespace().map(|mark| u16::from_str_radix(&mark[4..], 16).unwrap());
    numbers.filter(|seen| *seen != number).collect()
}

#[test]
#[ignore = "needs hosts of tests/qemu/hosts.sh"]
fn nothing_forged_leaves_a_port() {
    let mut lab = Lab::new(201);
    for guest in [ROUTER, ALICE, BOB] {
        lab.guest(guest);
    }
    let network = lab.network.id;
    lab.apply(0, &Firewall::default(), &[ALICE, BOB]);
    let (names, frames): (Vec<_>, Vec<_>) = attacks(&lab, ALICE).into_iter().unzip();
    let honest = |lab: &Lab, number| arp(lab.mac(ALICE), 1, (lab.mac(ALICE), lab.ip(ALICE)), lab.ip(ROUTER), number);

    // All of it would get through, were it not for the filter. Bridges keep one kind to themselves.
    let last = honest(&lab, 500);
    let open = arrived(&mut lab, ALICE, ROUTER, &frames, last, 500);
    assert_eq!(open, (1..18).collect(), "the attacks are not what they should be");

    // From the filter that there is before a firewall is known, to one that lets out all that is honest.
    lab.bind(ALICE, FilterName::Port(network, lab.ip(ALICE)));
    let last = honest(&lab, 501);
    assert_eq!(arrived(&mut lab, ALICE, ROUTER, &frames, last, 501), BTreeSet::new());
    let group = SecurityGroupId(1);
    let mut firewall = Firewall::default();
    firewall
        .group(group, Some([Direction::Ingress, Direction::Egress].map(|d| rule(1, d, Traffic::All, all())).into()));
    firewall.member(lab.ip(ALICE), Some([group].into()));
    lab.apply(1, &firewall, &[]);
    for (name, attack) in names.iter().zip(&frames) {
        let last = honest(&lab, 502);
        let seen = arrived(&mut lab, ALICE, ROUTER, std::slice::from_ref(attack), last, 502);
        println!("{name}: {}", if seen.is_empty() { "dropped" } else { "PASSED" });
        assert!(seen.is_empty(), "{name} passed");
    }
    let own = frame(lab.mac(ROUTER), lab.mac(ALICE), IPV4, &udp((lab.ip(ALICE), 9), (lab.ip(ROUTER), 9), 503));
    assert_eq!(arrived(&mut lab, ALICE, ROUTER, &[], own, 503), BTreeSet::new(), "what is its own passes");
}

#[test]
#[ignore = "needs hosts of tests/qemu/hosts.sh"]
fn nothing_forged_reaches_a_port() {
    let mut lab = Lab::new(202);
    for guest in [ROUTER, ALICE, BOB] {
        lab.guest(guest);
    }
    let network = lab.network.id;
    lab.apply(0, &Firewall::default(), &[ALICE, BOB]);
    lab.bind(ALICE, FilterName::Port(network, lab.ip(ALICE)));
    // Bob has no filter: he stands for what comes from other hosts.
    let (bob, gateway, everyone) = (lab.mac(BOB), lab.ip(ROUTER), Ipv4Addr::BROADCAST);
    let foreign = Mac([2, 0, 9, 9, 1, 2]);
    let wrong = [
        arp(foreign, 1, (foreign, lab.ip(BOB)), lab.ip(ALICE), 1),
        frame(BROADCAST, bob, IPV4, &udp((lab.ip(BOB), 67), (everyone, 68), 2)),
        frame(BROADCAST, bob, IPV4, &udp((gateway, 67), (everyone, 68), 3)),
        frame(BROADCAST, bob, IPV4, &udp((lab.ip(BOB), 99), (lab.ip(ALICE), 99), 4)),
        frame(BROADCAST, bob, 0x86dd, &ipv6(5)),
        frame(BROADCAST, bob, 0x8100, &[&[0, 5, 8, 0], &mark(6)[..]].concat()),
    ];
    let last = arp(bob, 1, (bob, lab.ip(BOB)), lab.ip(ALICE), 600);
    assert_eq!(arrived(&mut lab, BOB, ALICE, &wrong, last.clone(), 600), BTreeSet::new());
    assert_eq!(arrived(&mut lab, BOB, ROUTER, &wrong, last, 600), (1..7).collect(), "all of it was sent");

    // DHCP with the router is what passes of packets when nothing is known of the port's groups.
    let ask = frame(BROADCAST, lab.mac(ALICE), IPV4, &udp((Ipv4Addr::UNSPECIFIED, 68), (everyone, 67), 700));
    let other = frame(BROADCAST, lab.mac(ALICE), IPV4, &udp((lab.ip(ALICE), 68), (everyone, 69), 7));
    assert_eq!(arrived(&mut lab, ALICE, ROUTER, &[other], ask, 700), BTreeSet::new());
    let router = lab.mac(ROUTER);
    let answer = frame(BROADCAST, router, IPV4, &udp((gateway, 67), (everyone, 68), 701));
    let other = frame(BROADCAST, router, IPV4, &udp((gateway, 53), (lab.ip(ALICE), 68), 8));
    assert_eq!(arrived(&mut lab, ROUTER, ALICE, &[other], answer, 701), BTreeSet::new());
}

#[test]
#[ignore = "needs hosts of tests/qemu/hosts.sh"]
fn a_router_speaks_for_the_world_but_not_for_guests() {
    let mut lab = Lab::new(203);
    for guest in [ROUTER, ALICE] {
        lab.guest(guest);
    }
    lab.apply(0, &Firewall::default(), &[]);
    lab.bind(ROUTER, FilterName::Router(lab.network.id));
    let (mac, gateway, alice) = (lab.mac(ROUTER), lab.ip(ROUTER), lab.ip(ALICE));
    let sent = |from: Ipv4Addr, number| frame(BROADCAST, mac, IPV4, &udp((from, 9), (alice, 9), number));
    let other = lab.mac(99);
    let wrong = [
        sent(lab.ip(99), 1),
        arp(mac, 2, (mac, lab.ip(99)), alice, 2),
        arp(other, 1, (other, gateway), alice, 3),
        frame(BROADCAST, mac, 0x86dd, &ipv6(4)),
    ];
    let world = sent(Ipv4Addr::new(198, 51, 100, 9), 800);
    assert_eq!(arrived(&mut lab, ROUTER, ALICE, &wrong, world, 800), BTreeSet::new());
    let dhcp = frame(BROADCAST, mac, IPV4, &udp((gateway, 67), (Ipv4Addr::BROADCAST, 68), 801));
    assert_eq!(arrived(&mut lab, ROUTER, ALICE, &wrong, dhcp, 801), BTreeSet::new());
}

#[test]
#[ignore = "needs hosts of tests/qemu/hosts.sh"]
fn groups_let_conversations_begin_and_no_longer_last() {
    let mut lab = Lab::new(204);
    for guest in [ROUTER, ALICE, BOB] {
        lab.guest(guest);
    }
    lab.world("198.51.100.9/32");
    lab.world("169.254.169.254/32");
    let (web, own) = (SecurityGroupId(1), SecurityGroupId(2));
    let tcp = |port| Traffic::Tcp(Ports { from: port, to: port });
    let echo = Traffic::Icmp { kind: Some(8), code: None };
    let rules = vec![
        rule(1, Direction::Ingress, tcp(80), all()),
        rule(2, Direction::Ingress, tcp(81), Peer::Net("198.51.100.0/24".parse().unwrap())),
        rule(3, Direction::Ingress, echo, all()),
        rule(4, Direction::Egress, Traffic::All, all()),
    ];
    let mut firewall = Firewall::default();
    firewall.group(web, Some(rules.clone()));
    firewall.group(
        own,
        Some(vec![
            rule(5, Direction::Ingress, tcp(22), Peer::Group(own)),
            rule(6, Direction::Egress, tcp(22), Peer::Group(own)),
        ]),
    );
    firewall.member(lab.ip(ALICE), Some([web, own].into()));
    firewall.member(lab.ip(BOB), Some([own].into()));
    let first = lab.apply(1, &firewall, &[]);
    for guest in [ALICE, BOB] {
        lab.bind(guest, FilterName::Port(lab.network.id, lab.ip(guest)));
    }
    lab.bind(ROUTER, FilterName::Router(lab.network.id));
    assert_eq!(lab.marker().map(|marker| marker.revision), Some(1));
    let (alice, bob, gateway) = (lab.ip(ALICE), lab.ip(BOB), lab.ip(ROUTER));
    for port in [22, 80, 81, 82] {
        lab.at(ALICE).ask(&format!("listen {port}"));
    }
    lab.at(BOB).ask("listen 22");
    for port in [53, 80, 999] {
        lab.at(ROUTER).ask(&format!("listen {port}"));
    }
    let world = "198.51.100.9";
    let from_world = |lab: &mut Lab, port: u16| lab.at(ROUTER).says_yes(&format!("connect {alice} {port} {world}"));

    // Let in, and what is not.
    assert!(from_world(&mut lab, 81) && !from_world(&mut lab, 82) && !from_world(&mut lab, 22));
    assert!(!lab.at(ROUTER).says_yes(&format!("connect {alice} 81")), "the router is not of that net");
    assert!(lab.at(ROUTER).says_yes(&format!("ping {alice} {world}")), "answers to what was let in get out");
    assert!(!lab.at(ROUTER).says_yes(&format!("ping {bob} {world}")));
    // Let out, and what is not.
    assert!(lab.at(ALICE).says_yes(&format!("connect {world} 999")) && lab.at(ALICE).says_yes("echo"));
    assert!(lab.at(ALICE).says_yes(&format!("ping {world}")));
    assert!(!lab.at(BOB).says_yes(&format!("connect {world} 999")), "no group of his lets that out");
    assert!(lab.at(BOB).says_yes(&format!("connect {gateway} 53")), "all may ask for names");
    assert!(lab.at(BOB).says_yes("connect 169.254.169.254 80"), "and for what is known of them");
    // By group.
    assert!(lab.at(BOB).says_yes(&format!("connect {alice} 22")) && lab.at(BOB).says_yes("echo"));
    assert!(!lab.at(BOB).says_yes(&format!("connect {alice} 81")));

    // Conversations do not notice changes that are not about them …
    assert!(from_world(&mut lab, 80) && lab.at(ROUTER).says_yes("echo"));
    let mut changed = firewall.clone();
    changed.group(web, Some(vec![rules[0].clone(), rules[3].clone()]));
    let mut took = Duration::ZERO;
    for revision in 2..12 {
        let next = if revision % 2 == 0 { &changed } else { &firewall };
        took += lab.apply(revision, next, &[]);
        assert!(lab.at(ROUTER).says_yes("echo"), "revision {revision} cut what it allows");
    }
    println!("first {first:?} with no port, then {:?} a revision with 3 ports, by virsh", took / 10);
    assert_eq!(lab.marker().map(|marker| marker.revision), Some(11));
    // … and end with their rules, for those that are under way as for new ones.
    changed.group(web, Some(rules[1..].to_vec()));
    lab.apply(12, &changed, &[]);
    assert!(!lab.at(ROUTER).says_yes("echo"), "it goes on without a rule");
    assert!(!from_world(&mut lab, 80) && from_world(&mut lab, 81));
    // A guest that leaves a group is no source of it any more.
    changed.member(bob, Some(BTreeSet::new()));
    lab.apply(13, &changed, &[]);
    assert!(!lab.at(BOB).says_yes(&format!("connect {alice} 22")) && !lab.at(BOB).says_yes("echo"));
    // One that the firewall does not know is closed, though it is there.
    changed.member(lab.ip(ALICE), None);
    lab.apply(14, &changed, &[ALICE, BOB]);
    assert!(!from_world(&mut lab, 81) && !lab.at(ALICE).says_yes(&format!("connect {world} 999")));
}
