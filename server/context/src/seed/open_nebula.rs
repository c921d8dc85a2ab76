//! OpenNebula's context: assignments of a shell, which guests run.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Addressing, File, Network, Seed};

pub(super) fn files(seed: &Seed) -> Vec<File> {
    let mut script = Script(String::from("# Context of the instance\n"));
    // Not HOSTNAME: every bash has that of its own.
    script.set("SET_HOSTNAME", seed.hostname.as_str());
    if !seed.ssh_keys.is_empty() {
        script.set("SSH_PUBLIC_KEY", &seed.ssh_keys.join("\n"));
    }
    if let Some(network) = &seed.network {
        interface(&mut script, network);
    }
    script.set("USER_DATA_ENCODING", "base64");
    script.set("USER_DATA", &STANDARD.encode(seed.user_data()));
    vec![File::new("context.sh", script.0)]
}

fn interface(script: &mut Script, network: &Network) {
    script.set("ETH0_MAC", &network.mac.to_string());
    if let Some(mtu) = network.mtu {
        script.set("ETH0_MTU", &mtu.to_string());
    }
    match &network.addressing {
        // No ETH0_IP, by which cloud-init would know a fixed address.
        Addressing::Dhcp => script.set("ETH0_METHOD", "dhcp"),
        Addressing::Fixed(fixed) => {
            script.set("ETH0_METHOD", "static");
            script.set("ETH0_IP", &fixed.address.addr().to_string());
            script.set("ETH0_MASK", &fixed.address.netmask().to_string());
            script.set("ETH0_NETWORK", &fixed.address.network().to_string());
            if let Some(gateway) = fixed.gateway {
                script.set("ETH0_GATEWAY", &gateway.to_string());
            }
            let words = |items: &[String]| items.join(" ");
            let dns: Vec<String> = fixed.dns.iter().map(ToString::to_string).collect();
            let search: Vec<String> = fixed.search.iter().map(ToString::to_string).collect();
            if !dns.is_empty() {
                script.set("ETH0_DNS", &words(&dns));
            }
            if !search.is_empty() {
                script.set("ETH0_SEARCH_DOMAIN", &words(&search));
            }
        }
    }
}

/// Lines that set variables and do nothing else, in any shell that POSIX knows.
struct Script(String);

impl Script {
    fn set(&mut self, name: &'static str, value: &str) {
        // Within single quotes nothing means anything but the quote itself.
        let quoted = value.replace('\'', r"'\''");
        let _ = writeln!(self.0, "{name}='{quoted}'");
    }
}
