//! The files that make a router do what its plan says.

use std::collections::BTreeMap;

use super::plan::{RouterPlan, protocol_name};
use super::uci::{self, Devices};
use super::{METADATA, dnsmasq, nft};

/// Their paths, relative and without `..`, and what is in them.
pub type Files = BTreeMap<String, Vec<u8>>;

/// For whom the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// [`APPLY`](super::APPLY), in an appliance or in a namespace.
    Linux,
    /// OpenWrt: `etc/…` as its own configuration.
    OpenWrt(Devices),
}

/// Equal plans give equal files.
pub fn render(plan: &RouterPlan, target: &Target) -> Files {
    match target {
        Target::Linux => linux(plan),
        Target::OpenWrt(devices) => uci::files(plan, devices),
    }
}

fn linux(plan: &RouterPlan) -> Files {
    [
        ("revision", format!("{}\n", plan.revision)),
        ("ruleset.nft", nft::ruleset(plan)),
        ("dnsmasq.conf", dnsmasq::configuration(plan)),
        ("hosts", dnsmasq::hosts(plan)),
        ("leases", dnsmasq::leases(plan)),
        ("addresses", addresses(plan)),
        ("routes", routes(plan)),
        ("mtu", format!("lan {}\n", plan.lan.mtu)),
        ("nat", nat(plan)),
    ]
    .map(|(path, text)| (path.to_owned(), text.into_bytes()))
    .into()
}

fn addresses(plan: &RouterPlan) -> String {
    let mut text = format!("lan {}/{}\n", plan.lan.address, plan.lan.cidr.prefix_len());
    if plan.metadata.is_some() {
        // Some guests take link-local addresses for neighbours, and ask who has this one.
        text += &format!("lan {METADATA}/32\n");
    }
    if let Some(seen_as) = plan.metadata.and_then(|metadata| metadata.seen_as) {
        // Its route is why the router answers for this network on the outside, where replies are sent to it.
        let host = u32::from(plan.lan.address) - u32::from(plan.lan.cidr.network());
        let address = std::net::Ipv4Addr::from(u32::from(seen_as.network()) + host);
        text += &format!("lan {address}/{}\n", seen_as.prefix_len());
    }
    if let Some(wan) = &plan.wan {
        if let Some(own) = wan.address {
            text += &format!("wan {own}/{}\n", wan.prefix);
        }
        for (public, _) in &plan.mapped {
            text += &format!("wan {public}/32\n");
        }
    }
    text
}

fn routes(plan: &RouterPlan) -> String {
    // Without an address there is nothing to send from.
    let wan = plan.wan.as_ref().filter(|_| plan.public().next().is_some());
    wan.map(|wan| format!("wan default {}\n", wan.gateway)).unwrap_or_default()
}

/// What conversations hang on: those of a line that goes are ended.
fn nat(plan: &RouterPlan) -> String {
    let mut text = String::new();
    let own = plan.wan.as_ref().and_then(|wan| wan.address);
    for (public, guest) in &plan.mapped {
        text += &format!("address {public} {guest}\n");
    }
    if let Some(own) = own {
        text += &format!("source {own}\n");
        for rule in &plan.forwards {
            let protocol = protocol_name(rule.protocol);
            text += &format!("forward {protocol} {own} {} {} {}\n", rule.public_port, rule.to, rule.to_port);
        }
    }
    text
}
