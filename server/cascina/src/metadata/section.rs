//! The configuration's `[metadata]`, and what must go with it.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::bail;
use cascina_core::ipam;
use cascina_core::site::Site;
use cascina_drivers::router::{RouterSettings, seen_as};
use serde::Deserialize;

use super::{Bounds, Peers};
use crate::hosts::Scheme;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Section {
    /// Where routers lead what guests ask; theirs is `metadata.to` of `[gateway.router]` and
    /// `[libvirt.router]`.
    pub listen: SocketAddrV4,
    /// Routers that a response passes on its way to a guest: the farm's, and those of the site.
    pub routers_between: u8,
    /// Connections of all guests at a time.
    pub connections: usize,
    /// Of one guest, in the long run; 0: no limit.
    pub requests_per_s: u32,
    /// Of one guest, at once.
    pub burst: u32,
}

impl Default for Section {
    fn default() -> Section {
        Section {
            listen: SocketAddrV4::new(Ipv4Addr::LOCALHOST, 8775),
            routers_between: 1,
            connections: 1024,
            requests_per_s: 20,
            burst: 200,
        }
    }
}

impl Section {
    pub fn bounds(&self) -> Bounds {
        Bounds { connections: self.connections, rate: self.requests_per_s, burst: self.burst }
    }

    /// Whom the service can tell apart, by what routers of each kind are told.
    ///
    /// # Errors
    ///
    /// No router leads there, or one would so that farms look alike.
    pub fn peers(&self, site: &Site, routers: &[(Scheme, &RouterSettings)]) -> anyhow::Result<Peers> {
        if !(1..=65_536).contains(&self.connections) {
            bail!("metadata.connections = {}; allowed: 1 to 65536", self.connections);
        }
        if self.requests_per_s > 0 && self.burst == 0 {
            bail!("metadata.burst = 0; allowed: at least 1, unless requests_per_s is 0");
        }
        let mut pools = Vec::new();
        for (scheme, router) in routers {
            let section = scheme.section();
            let Some(metadata) = &router.metadata else { continue };
            let Some(pool) = metadata.seen_as else {
                bail!(
                    "{section}.router.metadata has no `seen_as`: without networks of their own, such as \
                     100.64.0.0/10, farms cannot be told apart by the metadata service"
                );
            };
            let last = ipam::segments(site);
            if seen_as(pool, last, site.subnet_prefix).is_none() {
                bail!(
                    "{section}.router.metadata.seen_as = {pool} has no room for the {last} networks of /{} that the \
                     site can have; give a larger one, such as 100.64.0.0/10, or a smaller site.private_pool",
                    site.subnet_prefix
                );
            }
            pools.push((*scheme, pool));
        }
        if pools.is_empty() {
            bail!(
                "[metadata] listens and no router leads there; give [gateway.router] or [libvirt.router] \
                 `metadata = {{ to = \"{}\", seen_as = \"100.64.0.0/10\" }}`",
                self.listen
            );
        }
        Ok(Peers::new(pools))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Config;

    fn parsed(metadata: &str, router: &str) -> Result<(), String> {
        let text = format!(
            "[metadata]\n{metadata}\n[gateway.router]\npublic = []\ndomain_suffix = \"internal\"\nmtu = 1450\n{router}\n"
        );
        Config::parse(&text, std::iter::empty()).map(drop).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_does_not_go_together_is_said() {
        let router = |seen_as: &str| format!("metadata = {{ to = \"203.0.113.254:8775\"{seen_as} }}");
        let good = router(", seen_as = \"100.64.0.0/10\"");
        assert_eq!(parsed("", &good), Ok(()));
        assert_eq!(parsed("listen = \"203.0.113.254:8775\"\nrouters_between = 2\nrequests_per_s = 0", &good), Ok(()));
        let says = |metadata: &str, router: &str, words: &[&str]| {
            let error = parsed(metadata, router).unwrap_err();
            assert!(words.iter().all(|word| error.contains(word)), "{error}");
        };
        says("", "", &["no router leads there", "[gateway.router]", "seen_as"]);
        says("", &router(""), &["gateway.router.metadata", "no `seen_as`"]);
        // The private pool of a /12 has 4095 networks of /24.
        says("", &router(", seen_as = \"100.64.0.0/16\""), &["100.64.0.0/16", "4095", "/24"]);
        says("connections = 0", &good, &["metadata.connections = 0", "1 to 65536"]);
        says("burst = 0", &good, &["metadata.burst = 0"]);
        says("port = 1", &good, &["port", "listen"]);
        says("listen = \"[::1]:80\"", &good, &["listen"]);
    }
}
