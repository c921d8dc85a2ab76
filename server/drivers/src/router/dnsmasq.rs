//! DHCP and DNS by dnsmasq. Files rather than folders that it watches: the kernel has few watchers, and a
//! gateway many routers. Their paths are for the command line, since they differ from place to place.

use std::net::Ipv4Addr;

use cascina_core::name::Name;

use super::plan::RouterPlan;

/// Options, one a line.
pub(super) fn configuration(plan: &RouterPlan) -> String {
    let lan = &plan.lan;
    let (domain, cidr, gateway) = (&plan.domain, lan.cidr, lan.address);
    let mut lines: Vec<String> = [
        "interface=lan",
        "except-interface=lo",
        "bind-dynamic",
        "no-resolv",
        "no-hosts",
        "domain-needed",
        "bogus-priv",
        "expand-hosts",
        "cache-size=1000",
        "local-ttl=5",
        "user=nobody",
        // A guest's name is what the farm says, not what it calls itself.
        "dhcp-ignore-names",
        "dhcp-authoritative",
        "quiet-dhcp",
    ]
    .map(String::from)
    .into();
    lines.push(format!("domain={domain},{cidr}"));
    lines.push(format!("local=/{domain}/"));
    lines.push(format!("rev-server={cidr}"));
    // Every address of the network has a name, and the name an address.
    lines.push(format!("synth-domain={domain},{cidr},ip-"));
    lines.push(format!("dhcp-range={},static,{},12h", cidr.network(), cidr.netmask()));
    lines.push(format!("dhcp-lease-max={}", cidr.hosts().count()));
    lines.push(format!("dhcp-option=option:router,{gateway}"));
    lines.push(format!("dhcp-option=option:dns-server,{gateway}"));
    lines.push(format!("dhcp-option=option:mtu,{}", lan.mtu));
    for server in &plan.upstream {
        lines.push(format!("server={server}"));
    }
    lines.join("\n") + "\n"
}

/// Names of guests; that by its address is made up by dnsmasq. The first of a line is the reverse.
pub(super) fn hosts(plan: &RouterPlan) -> String {
    plan.names.iter().map(|(ip, name)| format!("{ip} {}\n", within(plan, name))).collect()
}

/// A name with dots in it would be one of the whole world's if it stood alone: the farm's domain is put behind
/// it, as dnsmasq does with those that have none.
pub(super) fn within(plan: &RouterPlan, name: &Name) -> String {
    if name.as_str().contains('.') { format!("{name}.{}", plan.domain) } else { name.to_string() }
}

/// Who gets which address. Of a network that is too large to write down, those who have names.
pub(super) fn leases(plan: &RouterPlan) -> String {
    let lan = &plan.lan;
    let line = |ip: Ipv4Addr| {
        let [a, b, c, d] = ip.octets();
        format!("{},{ip},ip-{a}-{b}-{c}-{d}\n", lan.mac_of(ip))
    };
    if lan.knows_all() {
        return lan.guests().map(line).collect();
    }
    let mut named: Vec<_> = plan.names.iter().map(|(ip, _)| *ip).collect();
    named.dedup();
    named.into_iter().map(line).collect()
}
