//! The same router for OpenWrt, which an operator may supply: three files of UCI, each section with a name,
//! so that it has a stable key.

use std::fmt::Write;
use std::net::Ipv4Addr;

use super::METADATA;
use super::dnsmasq;
use super::files::Files;
use super::link::LinkName;
use super::plan::{RouterPlan, protocol_name};

/// What OpenWrt calls the router's two ports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices {
    pub lan: LinkName,
    pub wan: LinkName,
}

const SEEN_AS: &str = "etc/cascina/metadata.nft";

/// A section of a file of UCI. Values come from types that have no quotes and no line ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    pub kind: &'static str,
    pub name: String,
    pub values: Vec<(&'static str, Value)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Option(String),
    List(Vec<String>),
}

/// What UCI calls packages, by their names: each is one file, and the order of its sections is of meaning.
pub fn packages(plan: &RouterPlan, devices: &Devices) -> [(&'static str, Vec<Section>); 3] {
    [("network", network(plan, devices)), ("dhcp", dhcp(plan)), ("firewall", firewall(plan))]
}

/// A file that the firewall includes, where UCI has no words for what is wanted.
pub(super) fn included(plan: &RouterPlan) -> Option<(String, String)> {
    let seen_as = plan.metadata.and_then(|metadata| metadata.seen_as)?;
    let cidr = plan.lan.cidr;
    let rule = format!("ct original ip daddr {METADATA} snat ip prefix to ip saddr map {{ {cidr} : {seen_as} }}\n");
    Some((SEEN_AS.into(), rule))
}

pub(super) fn files(plan: &RouterPlan, devices: &Devices) -> Files {
    let packages = packages(plan, devices).map(|(name, sections)| (format!("etc/config/{name}"), text(&sections)));
    packages.into_iter().chain(included(plan)).map(|(path, text)| (path, text.into_bytes())).collect()
}

fn text(sections: &[Section]) -> String {
    let mut text = String::new();
    for Section { kind, name, values } in sections {
        let gap = if text.is_empty() { "" } else { "\n" };
        let _ = writeln!(text, "{gap}config {kind} '{name}'");
        for (key, value) in values {
            let (word, values) = match value {
                Value::Option(value) => ("option", std::slice::from_ref(value)),
                Value::List(values) => ("list", &values[..]),
            };
            for value in values {
                let _ = writeln!(text, "\t{word} {key} '{value}'");
            }
        }
    }
    text
}

/// Sections under construction.
struct Uci(Vec<Section>);

impl Uci {
    fn section(&mut self, kind: &'static str, name: &str) -> &mut Uci {
        self.0.push(Section { kind, name: name.into(), values: Vec::new() });
        self
    }

    /// Of the newest section.
    fn value(&mut self, key: &'static str, value: Value) -> &mut Uci {
        if let Some(section) = self.0.last_mut() {
            section.values.push((key, value));
        }
        self
    }

    fn option(&mut self, key: &'static str, value: impl std::fmt::Display) -> &mut Uci {
        self.value(key, Value::Option(value.to_string()))
    }

    fn options(&mut self, pairs: &[(&'static str, &str)]) -> &mut Uci {
        for (key, value) in pairs {
            self.option(key, value);
        }
        self
    }

    /// One without values is none.
    fn list<T: std::fmt::Display>(&mut self, key: &'static str, values: impl IntoIterator<Item = T>) -> &mut Uci {
        let values: Vec<String> = values.into_iter().map(|value| value.to_string()).collect();
        if values.is_empty() { self } else { self.value(key, Value::List(values)) }
    }
}

/// Part of a section's name.
fn word(ip: Ipv4Addr) -> String {
    ip.to_string().replace('.', "_")
}

fn network(plan: &RouterPlan, devices: &Devices) -> Vec<Section> {
    let lan = &plan.lan;
    let mut uci = Uci(Vec::new());
    uci.section("interface", "loopback")
        .options(&[("device", "lo"), ("proto", "static")])
        .list("ipaddr", ["127.0.0.1/8"]);
    uci.section("device", "lan_port").option("name", &devices.lan).option("macaddr", lan.mac).option("mtu", lan.mtu);
    let metadata = plan.metadata.map(|_| format!("{METADATA}/32"));
    uci.section("interface", "lan")
        .option("device", &devices.lan)
        .option("proto", "static")
        .list("ipaddr", [format!("{}/{}", lan.address, lan.cidr.prefix_len())].into_iter().chain(metadata));
    if let Some(wan) = &plan.wan {
        uci.section("device", "wan_port").option("name", &devices.wan).option("macaddr", wan.mac);
        let own = wan.address.map(|own| format!("{own}/{}", wan.prefix));
        uci.section("interface", "wan")
            .option("device", &devices.wan)
            .option("proto", "static")
            .list("ipaddr", own.into_iter().chain(plan.mapped.iter().map(|(public, _)| format!("{public}/32"))));
        uci.section("route", "outside").options(&[("interface", "wan"), ("target", "0.0.0.0/0"), ("onlink", "1")]);
        uci.option("gateway", wan.gateway);
    }
    uci.0
}

fn dhcp(plan: &RouterPlan) -> Vec<Section> {
    let lan = &plan.lan;
    let mut uci = Uci(Vec::new());
    uci.section("dnsmasq", "names").options(&[
        ("domainneeded", "1"),
        ("boguspriv", "1"),
        ("localservice", "1"),
        ("authoritative", "1"),
        ("expandhosts", "1"),
        ("rebind_protection", "0"),
        ("noresolv", "1"),
        ("nohosts", "1"),
        ("localttl", "5"),
        ("leasefile", "/tmp/dhcp.leases"),
    ]);
    uci.option("dhcpleasemax", lan.cidr.hosts().count())
        .option("domain", &plan.domain)
        .option("local", format_args!("/{}/", plan.domain))
        .list("notinterface", ["wan"])
        .list("server", &plan.upstream);
    uci.section("dhcp", "lan").options(&[
        ("interface", "lan"),
        ("start", "2"),
        ("dynamicdhcp", "0"),
        ("leasetime", "12h"),
        ("dhcpv6", "disabled"),
        ("ra", "disabled"),
    ]);
    uci.option("limit", lan.cidr.hosts().count())
        .list("dhcp_option", [format!("3,{}", lan.address), format!("6,{}", lan.address), format!("26,{}", lan.mtu)]);
    let mut leases: Vec<Ipv4Addr> = match lan.knows_all() {
        true => lan.guests().collect(),
        false => plan.names.iter().map(|(ip, _)| *ip).collect(),
    };
    leases.dedup();
    for ip in leases {
        uci.section("host", &format!("ip_{}", word(ip)))
            .option("mac", lan.mac_of(ip))
            .option("ip", ip)
            .option("name", format_args!("ip-{}", ip.to_string().replace('.', "-")))
            .option("dns", "1");
    }
    for (number, (ip, name)) in plan.names.iter().enumerate() {
        uci.section("domain", &format!("name_{number}")).option("name", dnsmasq::within(plan, name)).option("ip", ip);
    }
    uci.0
}

fn firewall(plan: &RouterPlan) -> Vec<Section> {
    let cidr = plan.lan.cidr;
    let own = plan.wan.as_ref().and_then(|wan| wan.address);
    let mut uci = Uci(Vec::new());
    uci.section("defaults", "defaults").options(&[
        ("input", "DROP"),
        ("output", "ACCEPT"),
        ("forward", "DROP"),
        ("drop_invalid", "1"),
        ("disable_ipv6", "1"),
    ]);
    let closed = [("input", "DROP"), ("output", "ACCEPT"), ("forward", "DROP")];
    uci.section("zone", "lan").option("name", "lan").list("network", ["lan"]).options(&closed);
    uci.section("zone", "wan").option("name", "wan").list("network", ["wan"]).options(&closed).option("mtu_fix", "1");

    uci.section("rule", "foreign_source").options(&[("name", "foreign source"), ("src", "lan"), ("dest", "*")]);
    uci.options(&[("proto", "all"), ("family", "ipv4"), ("target", "DROP")]).option("src_ip", format_args!("!{cidr}"));
    uci.section("rule", "dhcp").options(&[("name", "DHCP"), ("src", "lan"), ("proto", "udp"), ("dest_port", "67")]);
    uci.option("target", "ACCEPT");
    uci.section("rule", "dns").options(&[("name", "DNS"), ("src", "lan"), ("proto", "tcp udp"), ("dest_port", "53")]);
    uci.option("dest_ip", plan.lan.address).option("target", "ACCEPT");
    for zone in ["lan", "wan"] {
        uci.section("rule", &format!("ping_{zone}"))
            .option("name", format_args!("ping from {zone}"))
            .option("src", zone);
        uci.options(&[("proto", "icmp"), ("icmp_type", "echo-request"), ("limit", "50/second"), ("target", "ACCEPT")]);
    }
    if let Some(metadata) = &plan.metadata {
        uci.section("redirect", "metadata").options(&[("name", "metadata"), ("src", "lan"), ("dest", "wan")]);
        uci.options(&[("proto", "tcp"), ("src_dport", "80"), ("target", "DNAT"), ("reflection", "0")])
            .option("src_dip", METADATA)
            .option("dest_ip", metadata.to.ip())
            .option("dest_port", metadata.to.port());
        if metadata.seen_as.is_some() {
            uci.section("include", "metadata_seen_as").options(&[("type", "nftables"), ("position", "chain-pre")]);
            uci.option("chain", "srcnat").option("path", format_args!("/{SEEN_AS}"));
        }
        // By its own address nothing tells the service who asks.
        uci.section("rule", "metadata_direct").options(&[("name", "metadata direct"), ("src", "lan"), ("dest", "wan")]);
        uci.options(&[("proto", "tcp"), ("target", "REJECT"), ("extra", "ct status & dnat == 0")])
            .option("dest_ip", metadata.to.ip())
            .option("dest_port", metadata.to.port());
    }
    if !plan.closed.is_empty() {
        uci.section("rule", "closed").options(&[("name", "closed networks"), ("src", "lan"), ("dest", "wan")]);
        uci.options(&[("proto", "all"), ("target", "REJECT"), ("extra", "ct status & dnat == 0")]);
        uci.list("dest_ip", &plan.closed);
    }
    match own {
        Some(_) => {
            uci.section("forwarding", "out").options(&[("src", "lan"), ("dest", "wan")]);
        }
        None => {
            for (_, guest) in &plan.mapped {
                uci.section("rule", &format!("out_{}", word(*guest))).option("name", format_args!("out {guest}"));
                uci.options(&[("src", "lan"), ("dest", "wan"), ("proto", "all"), ("target", "ACCEPT")]);
                uci.option("src_ip", guest);
            }
        }
    }
    for (public, guest) in &plan.mapped {
        uci.section("redirect", &format!("eip_in_{}", word(*public))).option("name", format_args!("{public} in"));
        uci.options(&[("src", "wan"), ("dest", "lan"), ("proto", "tcp udp icmp"), ("target", "DNAT")])
            .option("src_dip", public)
            .option("dest_ip", guest);
        uci.section("nat", &format!("eip_out_{}", word(*public))).option("name", format_args!("{public} out"));
        uci.options(&[("src", "wan"), ("proto", "all"), ("target", "SNAT")])
            .option("src_ip", guest)
            .option("snat_ip", public);
    }
    if let Some(own) = own {
        uci.section("nat", "nat_out").options(&[("name", "out"), ("src", "wan"), ("proto", "all"), ("target", "SNAT")]);
        uci.option("src_ip", cidr).option("snat_ip", own);
        for rule in &plan.forwards {
            let (protocol, port) = (protocol_name(rule.protocol), rule.public_port);
            uci.section("redirect", &format!("forward_{protocol}_{port}"))
                .option("name", format_args!("{protocol} {port}"))
                .options(&[("src", "wan"), ("dest", "lan"), ("target", "DNAT")])
                .option("proto", protocol)
                .option("src_dip", own)
                .option("src_dport", port)
                .option("dest_ip", rule.to)
                .option("dest_port", rule.to_port);
        }
    }
    uci.0
}
