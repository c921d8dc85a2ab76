//! What is rendered, to look at.

use super::*;

fn linux(draft: Draft) -> Files {
    render(&RouterPlan::new(draft).unwrap(), &Target::Linux)
}

fn openwrt(draft: Draft) -> Files {
    let devices = Devices { lan: "eth0".parse().unwrap(), wan: "eth1".parse().unwrap() };
    render(&RouterPlan::new(draft).unwrap(), &Target::OpenWrt(devices))
}

/// Every file after the line that names it.
fn all(files: &Files) -> String {
    files.keys().map(|path| format!("==> {path}\n{}", text(files, path))).collect()
}

#[test]
fn a_router_with_everything() {
    insta::assert_snapshot!(all(&linux(full())));
}

#[test]
fn a_router_without_an_outside() {
    insta::assert_snapshot!(all(&linux(inner())));
}

#[test]
fn a_router_with_mapped_addresses_only() {
    let mut draft = full();
    draft.wan.as_mut().unwrap().address = None;
    let draft = Draft { forwards: Vec::new(), metadata: None, names: Vec::new(), ..draft };
    let files = linux(draft);
    let shown = ["addresses", "nat", "routes", "ruleset.nft"];
    let shown: Files = shown.map(|path| (path.to_owned(), files[path].clone())).into();
    insta::assert_snapshot!(all(&shown));
}

#[test]
fn a_network_too_large_to_write_down() {
    let mut draft = full();
    draft.lan.cidr = net("10.65.0.0/21");
    draft.lan.address = ip("10.65.0.1");
    draft.lan.mac = draft.lan.mac_of(draft.lan.address);
    draft.metadata = None;
    let files = linux(draft);
    let shown = ["dnsmasq.conf", "leases", "ruleset.nft"];
    let shown: Files = shown.map(|path| (path.to_owned(), files[path].clone())).into();
    insta::assert_snapshot!(all(&shown));
}

#[test]
fn openwrt_with_everything() {
    let mut draft = full();
    draft.lan.cidr = net("10.65.2.8/29");
    draft.lan.address = ip("10.65.2.9");
    draft.lan.mac = draft.lan.mac_of(draft.lan.address);
    draft.metadata.as_mut().unwrap().seen_as = Some(net("100.64.16.32/29"));
    insta::assert_snapshot!(all(&openwrt(draft)));
}

#[test]
fn openwrt_with_mapped_addresses_only() {
    let mut draft = full();
    draft.wan.as_mut().unwrap().address = None;
    let draft = Draft { forwards: Vec::new(), metadata: None, names: Vec::new(), ..draft };
    let files = openwrt(draft);
    let shown: Files = ["etc/config/firewall"].map(|path| (path.to_owned(), files[path].clone())).into();
    insta::assert_snapshot!(all(&shown));
}
