//! What passes between guests and the rest.

use std::net::IpAddr;

use cascina_core::id::{RuleId, SecurityGroupId};
use cascina_core::security_group::{Direction, Packet, Peer, Ports, Rule, Traffic};

use super::*;

/// The farm's first four instances can be reached by all on ports up to the last one, and leave by none.
pub(super) fn open(farm: u8, last: u16) -> Firewall {
    let group = SecurityGroupId(farm.into());
    let rule = Rule {
        id: RuleId(1),
        direction: Direction::Ingress,
        traffic: Traffic::Tcp(Ports { from: 1, to: last }),
        peer: Peer::Net("0.0.0.0/0".parse().unwrap()),
        description: None,
    };
    let mut firewall = Firewall::default();
    firewall.group(group, Some(vec![rule]));
    for k in 0..4 {
        firewall.member(instance(farm, k).ip, Some([group].into()));
    }
    firewall
}

fn reaches(world: &World, host: &HostRef, port: u16) -> bool {
    let outside = IpAddr::from([198, 51, 100, 7]);
    world.reaches(&host.name, instance(1, 0).ip, Direction::Ingress, outside, Packet::Tcp(port))
}

#[test]
fn nothing_passes_until_a_firewall_says_so() {
    let (mut world, w1, guest) = (world(1), host("w1"), instance(1, 0));
    assert!(why(ask(&mut world, &w1, &protect(1, 1, open(1, 80)))).contains("not defined here"));
    all(&mut world, &w1, &[define(1), stage(&guest), boot(&guest)]);
    assert!(!reaches(&world, &w1, 80), "there is none");
    all(&mut world, &w1, &[protect(1, 2, open(1, 80))]);
    assert!(reaches(&world, &w1, 80));
    assert!(!reaches(&world, &w1, 81));
    assert!(!reaches(&world, &host("w2"), 80), "it is not there");
    let outside = IpAddr::from([198, 51, 100, 7]);
    assert!(!world.reaches(&w1.name, guest.ip, Direction::Egress, outside, Packet::Tcp(80)), "no rule lets it out");
    all(&mut world, &w1, &[protect(1, 1, open(1, 90))]);
    assert!(!reaches(&world, &w1, 81), "an older one comes late");
    all(&mut world, &w1, &[protect(1, 3, open(1, 90))]);
    assert!(reaches(&world, &w1, 81));
    all(&mut world, &w1, &[HostCall::Stop { guest: guest.guest }]);
    assert!(!reaches(&world, &w1, 80), "it does not run");
}

#[test]
fn a_network_takes_its_firewall_with_it() {
    let (mut world, w1) = (world(1), host("w1"));
    all(&mut world, &w1, &[define(1), protect(1, 5, open(1, 80))]);
    all(&mut world, &w1, &[HostCall::RemoveNetwork { network: network(1).id }, define(1)]);
    assert_eq!(world.hosts()[&w1.name].firewall(network(1).id), 0);
    all(&mut world, &w1, &[protect(1, 1, open(1, 80))]);
    assert_eq!(world.hosts()[&w1.name].firewall(network(1).id), 1);
}

#[test]
fn a_revision_is_one_firewall_on_all_hosts() {
    let (mut world, w1, w2) = (world(1), host("w1"), host("w2"));
    all(&mut world, &w1, &[define(1), protect(1, 1, open(1, 80))]);
    all(&mut world, &w2, &[define(1)]);
    assert!(why(ask(&mut world, &w2, &protect(1, 1, open(1, 81)))).contains("another firewall of revision 1"));
    assert!(why(ask(&mut world, &w1, &protect(1, 1, open(1, 81)))).contains("another firewall of revision 1"));
    all(&mut world, &w2, &[protect(1, 1, open(1, 80))]);
    assert!(why(ask(&mut world, &w1, &protect(1, 0, open(1, 80)))).contains("revision 0"));
}
