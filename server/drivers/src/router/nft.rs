//! The router's firewall and address translation: one ruleset, replaced as a whole.
//!
//! What the kernel knows of conversations is not in it, so that they go on when it is replaced.

use std::fmt::Write;

use cascina_core::network::Mac;
use ipnet::Ipv4Net;

use super::METADATA;
use super::plan::{Draft, Lan, RouterPlan, protocol_name};

pub(super) fn ruleset(plan: &RouterPlan) -> String {
    let mut text = String::new();
    for family in ["inet", "arp"] {
        text += &format!("add table {family} router\ndelete table {family} router\n");
    }
    text += "table inet router {\n";
    sets(&mut text, plan);
    from_outside_in(&mut text, plan);
    translation(&mut text, plan);
    filters(&mut text, plan);
    text += "}\n";
    arp(&mut text, &plan.lan);
    text
}

/// A set or map; an empty one has no list of elements.
fn set(text: &mut String, what: &str, kind: &str, elements: impl Iterator<Item = String>) {
    let elements: Vec<String> = elements.collect();
    *text += &format!("\t{what} {{\n\t\ttype {kind}\n");
    if !elements.is_empty() {
        *text += &format!("\t\telements = {{ {} }}\n", elements.join(", "));
    }
    *text += "\t}\n";
}

fn chain(text: &mut String, name: &str, hook: Option<&str>, rules: &[String]) {
    *text += &format!("\tchain {name} {{\n");
    if let Some(hook) = hook {
        *text += &format!("\t\t{hook}\n");
    }
    for rule in rules {
        *text += &format!("\t\t{rule}\n");
    }
    *text += "\t}\n";
}

fn guests(text: &mut String, lan: &Lan) {
    if lan.knows_all() {
        let guests = lan.guests().map(|ip| format!("{} . {ip}", lan.mac_of(ip)));
        set(text, "set guests", "ether_addr . ipv4_addr", guests);
    }
}

fn sets(text: &mut String, plan: &RouterPlan) {
    guests(text, &plan.lan);
    let seen_as = plan.metadata.and_then(|metadata| metadata.seen_as);
    let own = plan.public().map(|public| public.to_string()).chain(seen_as.map(|net| net.to_string()));
    set(text, "set own", "ipv4_addr\n\t\tflags interval", own);
    set(text, "set mapped", "ipv4_addr", plan.mapped.iter().map(|(_, guest)| guest.to_string()));
    let to_guest = plan.mapped.iter().map(|(public, guest)| format!("{public} : {guest}"));
    set(text, "map to_guest", "ipv4_addr : ipv4_addr", to_guest);
    let to_public = plan.mapped.iter().map(|(public, guest)| format!("{guest} : {public}"));
    set(text, "map to_public", "ipv4_addr : ipv4_addr", to_public);
    let forwards = plan.forwards.iter().map(|rule| {
        let protocol = protocol_name(rule.protocol);
        format!("{protocol} . {} : {} . {}", rule.public_port, rule.to, rule.to_port)
    });
    set(text, "map forwards", "inet_proto . inet_service : ipv4_addr . inet_service", forwards);
}

/// What is let through only to be looked at: genuine senders on the inside, ourselves on the outside.
fn from_outside_in(text: &mut String, plan: &RouterPlan) {
    let lan = &plan.lan;
    let mut from_lan = vec!["ip saddr 0.0.0.0 ip daddr 255.255.255.255 udp sport 68 udp dport 67 accept".to_owned()];
    match lan.knows_all() {
        true => from_lan.push("ether saddr . ip saddr != @guests drop".into()),
        false => from_lan.extend([
            format!("ip saddr != {} drop", lan.cidr),
            format!("ip saddr {{ {}, {}, {} }} drop", lan.cidr.network(), lan.address, lan.cidr.broadcast()),
            format!("ether saddr & ff:ff:ff:ff:00:00 != {} drop", prefix(lan)),
        ]),
    }
    chain(text, "from_lan", None, &from_lan);
    let from_wan = [
        "ip daddr != @own drop".to_owned(),
        format!("ip saddr {} drop", lan.cidr),
        "ip saddr { 0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/3 } drop".to_owned(),
    ];
    chain(text, "from_wan", None, &from_wan);
    let arriving = [
        "iif lo accept".to_owned(),
        "meta nfproto ipv6 drop".to_owned(),
        "iifname lan jump from_lan".to_owned(),
        "iifname wan jump from_wan".to_owned(),
    ];
    chain(text, "arriving", Some("type filter hook prerouting priority raw; policy accept;"), &arriving);
}

fn prefix(lan: &Lan) -> Mac {
    let [a, b, c, d] = lan.mac_prefix;
    Mac([a, b, c, d, 0, 0])
}

fn own(plan: &Draft) -> Option<std::net::Ipv4Addr> {
    plan.wan.as_ref().and_then(|wan| wan.address)
}

fn translation(text: &mut String, plan: &RouterPlan) {
    let cidr: Ipv4Net = plan.lan.cidr;
    let (mut there, mut back) = (Vec::new(), Vec::new());
    if let Some(metadata) = &plan.metadata {
        there.push(format!("iifname lan ip daddr {METADATA} tcp dport 80 dnat ip to {}", metadata.to));
        if let Some(net) = metadata.seen_as {
            back.push(format!("ct original ip daddr {METADATA} snat ip prefix to ip saddr map {{ {cidr} : {net} }}"));
        }
    }
    there.push("dnat ip to ip daddr map @to_guest".into());
    // On its way from guest to guest, by a public address, it looks as if it came from outside.
    let ways = ["oifname wan", "iifname lan oifname lan ct status dnat"];
    back.extend(ways.map(|way| format!("{way} snat ip to ip saddr map @to_public")));
    if let Some(own) = own(plan) {
        there.push(format!("ip daddr {own} dnat ip to meta l4proto . th dport map @forwards"));
        back.extend(ways.map(|way| format!("{way} ip saddr {cidr} snat ip to {own}")));
    } else {
        back.push("iifname lan oifname lan ct status dnat masquerade".into());
    }
    chain(text, "there", Some("type nat hook prerouting priority dstnat; policy accept;"), &there);
    chain(text, "back", Some("type nat hook postrouting priority srcnat; policy accept;"), &back);
}

fn filters(text: &mut String, plan: &RouterPlan) {
    let mut through = vec![
        "tcp flags syn / syn,rst tcp option maxseg size set rt mtu".to_owned(),
        "ct state established,related accept".to_owned(),
        "ct state invalid drop".to_owned(),
        // Mapped addresses, forwards, metadata: guests' ports have their own filters.
        "ct status dnat accept".to_owned(),
        "iifname lan ip daddr 169.254.0.0/16 reject with icmpx type admin-prohibited".to_owned(),
    ];
    if !plan.closed.is_empty() {
        let closed: Vec<String> = plan.closed.iter().map(Ipv4Net::to_string).collect();
        let closed = closed.join(", ");
        through.push(format!("iifname lan ip daddr {{ {closed} }} reject with icmpx type admin-prohibited"));
    }
    if let Some(metadata) = &plan.metadata {
        // By its own address nothing tells the service who asks.
        let (ip, port) = (metadata.to.ip(), metadata.to.port());
        through.push(format!("iifname lan ip daddr {ip} tcp dport {port} reject with tcp reset"));
    }
    through.push(match own(plan) {
        Some(_) => "iifname lan oifname wan accept".into(),
        None => "iifname lan oifname wan ip saddr @mapped accept".into(),
    });
    chain(text, "through", Some("type filter hook forward priority filter; policy drop;"), &through);

    let gateway = plan.lan.address;
    let to_us = [
        "iif lo accept".to_owned(),
        "ct state established,related accept".to_owned(),
        "iifname lan udp dport 67 accept".to_owned(),
        format!("iifname lan ip daddr {gateway} udp dport 53 accept"),
        format!("iifname lan ip daddr {gateway} tcp dport 53 accept"),
        "iifname { lan, wan } icmp type echo-request limit rate 50/second accept".to_owned(),
    ];
    chain(text, "to_us", Some("type filter hook input priority filter; policy drop;"), &to_us);
}

/// No guest answers for another's address.
fn arp(text: &mut String, lan: &Lan) {
    let _ = writeln!(text, "table arp router {{");
    guests(text, lan);
    let mut rules = vec![
        // The outside asks for what the router is seen as there, and has no business with the rest.
        format!("iifname wan arp daddr ip {} drop", lan.cidr),
        "iifname != lan accept".to_owned(),
        "arp saddr ip 0.0.0.0 arp operation request accept".to_owned(),
    ];
    match lan.knows_all() {
        true => rules.push("arp saddr ether . arp saddr ip != @guests drop".into()),
        false => rules.extend([
            format!("arp saddr ip {} drop", lan.address),
            format!("arp saddr ip != {} drop", lan.cidr),
            format!("arp saddr ether & ff:ff:ff:ff:00:00 != {} drop", prefix(lan)),
        ]),
    }
    chain(text, "arriving", Some("type filter hook input priority filter; policy accept;"), &rules);
    *text += "}\n";
}
