//! What guests may send and be sent, as libvirt's filters at their ports.
//!
//! Frames are looked at as they come out of a guest: its own MAC and address and nobody else's, ARP
//! about itself only, no answers of a DHCP server, and nothing but ARP and IPv4. Packets then need a
//! rule of one of its security groups, or to belong to a conversation that a rule lets begin. A
//! conversation lasts as long as its rule: packets of one whose rule has gone are dropped at once,
//! and those of others do not notice that rules change.
//!
//! A port's filter can be there before anything is known of its groups, and then lets DHCP pass.

mod group;
mod names;
mod rule;

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use cascina_core::id::{RouterId, SecurityGroupId};
use cascina_core::network::Mac;
use cascina_core::security_group::Firewall;
use ipnet::Ipv4Net;

pub use group::unenforceable;
pub use names::{FilterName, FilterNameError, Marker, networks, stale};

use self::rule::{Priority, Way, accept, accept_each, drop, drop_all};
use super::xml::{Element, XmlError};
use crate::NetworkSpec;
use crate::router::METADATA;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub name: FilterName,
    pub xml: String,
}

/// Forged MAC addresses, before anything else.
const FORGED: Priority = Priority(-500);
/// What DHCP is let do.
const DHCP: Priority = Priority(100);
/// DHCP from the wrong side.
const ROGUE: Priority = Priority(150);
/// ARP and IPv4 with the right addresses.
const RIGHT: Priority = Priority(200);
/// Whatever is left.
const REST: Priority = Priority(1000);

const UNKNOWN: Ipv4Addr = Ipv4Addr::UNSPECIFIED;

/// All filters of the network on a host, in an order in which they can be defined. The last one marks
/// the revision, so that it says the truth whenever the others were cut off.
///
/// Guests of the firewall have their ports' filters wherever they are: it comes before they do.
/// Beside them, ports `here` that the firewall does not know are closed.
///
/// # Errors
///
/// None that values of these types could cause.
pub fn filters(
    network: &NetworkSpec,
    revision: u64,
    firewall: &Firewall,
    here: &[Ipv4Addr],
) -> Result<Vec<Filter>, XmlError> {
    let mut filters = vec![net(network)?, guests(network)?, router(network)?];
    let members = group::members(firewall);
    for (group, rules) in firewall.rules.iter().filter(|(group, _)| members.contains_key(group)) {
        filters.push(Filter::new(FilterName::Group(network.id, *group), [], group::rules(rules, &members))?);
    }
    let known = |groups: &BTreeSet<SecurityGroupId>| {
        groups.iter().copied().filter(|group| firewall.rules.contains_key(group)).collect::<Vec<_>>()
    };
    for (ip, groups) in firewall.members.iter().filter(|(ip, _)| is_guest(network, **ip)) {
        filters.push(port(network, *ip, Some(&known(groups)))?);
    }
    let closed: BTreeSet<Ipv4Addr> = here.iter().copied().filter(|ip| !firewall.members.contains_key(ip)).collect();
    for ip in closed {
        filters.push(closed_port(network, ip)?);
    }
    filters.push(marker(network, revision)?);
    Ok(filters)
}

/// For a port of which no firewall is known yet: only DHCP passes, and ARP about itself. What it
/// refers to are filters that every network has.
///
/// # Errors
///
/// None that values of these types could cause.
pub fn closed_port(network: &NetworkSpec, ip: Ipv4Addr) -> Result<Filter, XmlError> {
    port(network, ip, None)
}

/// Says by its name that the network is there, and which revision all of its other filters have.
fn marker(network: &NetworkSpec, revision: u64) -> Result<Filter, XmlError> {
    Filter::new(FilterName::Marker(Marker { network: network.id, farm: network.farm, revision }), [], [])
}

fn gateway(network: &NetworkSpec) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network.cidr.network()).saturating_add(1))
}

/// A port's MAC follows from its address.
fn mac(network: &NetworkSpec, ip: Ipv4Addr) -> Mac {
    let [a, b, c, d] = network.mac_prefix;
    let [_, _, e, f] = ip.octets();
    Mac([a, b, c, d, e, f])
}

fn is_guest(network: &NetworkSpec, ip: Ipv4Addr) -> bool {
    let edges = [network.cidr.network(), network.cidr.broadcast(), gateway(network)];
    network.cidr.contains(&ip) && !edges.contains(&ip)
}

/// For all ports of the network, the router's too.
fn net(network: &NetworkSpec) -> Result<Filter, XmlError> {
    let [a, b, c, d] = network.mac_prefix;
    let foreign = Element::new("mac")
        .with("match", "no")
        .with("srcmacaddr", Mac([a, b, c, d, 0, 0]))
        .with("srcmacmask", "ff:ff:ff:ff:00:00");
    let rules = [
        drop(Way::In, FORGED, foreign),
        accept(Way::In, RIGHT, Element::new("arp")),
        accept(Way::In, RIGHT, Element::new("ip")),
        drop_all(Way::Both, REST),
    ];
    Filter::new(FilterName::Net(network.id), [], rules)
}

/// For all ports but the router's: DHCP as a client of the router, and no packets that no rule lets.
fn guests(network: &NetworkSpec) -> Result<Filter, XmlError> {
    let gateway = gateway(network);
    let frame = |from: u16, to: u16| {
        Element::new("ip").with("protocol", "udp").with("srcportstart", from).with("dstportstart", to)
    };
    let packet = |from: u16, to: u16| Element::new("udp").with("srcportstart", from).with("dstportstart", to);
    let answer = Element::new("ip")
        .with("srcmacaddr", mac(network, gateway))
        .with("protocol", "udp")
        .with("srcportstart", 67)
        .with("dstportstart", 68);
    let server = Element::new("ip").with("protocol", "udp").with("srcportstart", 67);
    let mut rules = vec![
        accept(Way::In, DHCP, answer),
        drop(Way::In, ROGUE, frame(67, 68)),
        accept(Way::Out, DHCP, frame(68, 67).with("srcipaddr", UNKNOWN).with("dstipaddr", Ipv4Addr::BROADCAST)),
        drop(Way::Out, ROGUE, server),
        accept_each(Way::Out, DHCP, packet(68, 67).with("dstipaddr", Ipv4Addr::BROADCAST)),
        accept_each(Way::Out, DHCP, packet(68, 67).with("dstipaddr", gateway)),
        accept_each(Way::In, DHCP, packet(67, 68).with("srcipaddr", gateway)),
        drop(Way::Both, REST, Element::new("all")),
    ];
    rules.extend(group::icmp());
    Filter::new(FilterName::Guests(network.id), [], rules)
}

/// ARP of a port that has these addresses.
fn arp(mac: Mac, addresses: &[Ipv4Addr]) -> Vec<Element> {
    let about = |ip: &Ipv4Addr| Element::new("arp").with("arpsrcmacaddr", mac).with("arpsrcipaddr", ip);
    addresses.iter().map(|ip| accept(Way::Out, RIGHT, about(ip))).collect()
}

fn own_mac(mac: Mac) -> Element {
    drop(Way::Out, FORGED, Element::new("mac").with("match", "no").with("srcmacaddr", mac))
}

/// None: nothing is known of its groups.
fn port(network: &NetworkSpec, ip: Ipv4Addr, groups: Option<&[SecurityGroupId]>) -> Result<Filter, XmlError> {
    let own = mac(network, ip);
    let probe = Element::new("arp").with("opcode", "Request").with("arpsrcmacaddr", own).with("arpsrcipaddr", UNKNOWN);
    let mut rules = vec![own_mac(own)];
    rules.extend(arp(own, &[ip]));
    rules.push(accept(Way::Out, RIGHT, probe));
    rules.push(accept(Way::Out, RIGHT, Element::new("ip").with("srcipaddr", ip)));
    if groups.is_some() {
        rules.extend(group::services(gateway(network)));
    }
    let groups = groups.unwrap_or_default().iter().map(|group| FilterName::Group(network.id, *group));
    let refers = [FilterName::Net(network.id), FilterName::Guests(network.id)].into_iter().chain(groups);
    Filter::new(FilterName::Port(network.id, ip), refers, rules)
}

/// A router speaks for the world, but not for its network's guests.
fn router(network: &NetworkSpec) -> Result<Filter, XmlError> {
    let gateway = gateway(network);
    let own = mac(network, gateway);
    let from = |net: Ipv4Net| Element::new("ip").with("srcipaddr", net.network()).with("srcipmask", net.prefix_len());
    let mut rules = vec![own_mac(own)];
    // Some guests take the address of the metadata service for a neighbour's.
    rules.extend(arp(own, &[gateway, METADATA]));
    rules.push(accept(Way::Out, DHCP, Element::new("ip").with("srcipaddr", gateway)));
    rules.push(drop(Way::Out, ROGUE, from(network.cidr.trunc())));
    rules.push(accept(Way::Out, RIGHT, Element::new("ip")));
    Filter::new(FilterName::Router(network.id), [FilterName::Net(network.id)], rules)
}

/// The public side of a router: it has these addresses and no others, and may send packets from some
/// nets beside and answer for those. To be defined before the router has a new address.
///
/// # Errors
///
/// None that values of these types could cause.
pub fn outside(router: RouterId, mac: Mac, addresses: &[Ipv4Addr], beside: &[Ipv4Net]) -> Result<Filter, XmlError> {
    let mut rules = vec![own_mac(mac)];
    rules.extend(arp(mac, addresses));
    let about = |net: &Ipv4Net| {
        let arp = Element::new("arp").with("arpsrcmacaddr", mac);
        accept(Way::Out, RIGHT, arp.with("arpsrcipaddr", net.network()).with("arpsrcipmask", net.netmask()))
    };
    rules.extend(beside.iter().map(about));
    let nets = addresses.iter().copied().map(Ipv4Net::from).chain(beside.iter().copied());
    let from = |net: Ipv4Net| Element::new("ip").with("srcipaddr", net.network()).with("srcipmask", net.prefix_len());
    rules.extend(nets.map(|net| accept(Way::Out, RIGHT, from(net))));
    rules.push(accept(Way::In, RIGHT, Element::new("arp")));
    rules.push(accept(Way::In, RIGHT, Element::new("ip")));
    rules.push(drop_all(Way::Both, REST));
    Filter::new(FilterName::Outside(router), [], rules)
}

#[cfg(test)]
mod tests;
