//! What things on a gateway host are called: each name follows from an id, so that who looks for a thing
//! after a crash knows where.

use std::path::PathBuf;

use cascina_core::id::RouterId;

use super::stand::Stand;

const NAMESPACES: &str = "/run/netns";
/// Gone when the machine restarts, as are the namespaces themselves.
const LIVE: &str = "/run/cascina-gateway";

/// The farm's bridge.
pub(super) fn bridge(segment: u32) -> String {
    format!("cb{segment}")
}

/// The way to other hosts.
pub(super) fn vxlan(segment: u32) -> String {
    format!("cv{segment}")
}

/// The host's end of the router's inside. The kernel has 15 letters for it, which is why it has no
/// hexadecimal digits.
pub(super) fn inside_port(router: RouterId) -> String {
    format!("cl{}", base36(router.0))
}

/// The host's end of the router's outside.
pub(super) fn outside_port(router: RouterId) -> String {
    format!("cw{}", base36(router.0))
}

/// Namespaces are the whole machine's, also for a host that stands inside one of them.
pub(super) fn namespace(stand: &Stand, router: RouterId) -> String {
    match &stand.inside {
        None => format!("cr-{router}"),
        Some(inside) => format!("cr-{router}.{}", inside.as_str()),
    }
}

pub(super) fn namespace_path(namespace: &str) -> PathBuf {
    [NAMESPACES, namespace].iter().collect()
}

/// Where a router's state is for as long as it lives. All may look into it: so must dnsmasq, who is nobody.
pub(super) fn live(namespace: &str) -> PathBuf {
    [LIVE, namespace].iter().collect()
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]);
        number /= 36;
        if number == 0 {
            break;
        }
    }
    digits.iter().rev().map(|digit| char::from(*digit)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::router::LinkName;

    #[test]
    fn names_are_such_as_the_kernel_takes() {
        assert_eq!(inside_port(RouterId(35)), "clz");
        assert_eq!(inside_port(RouterId(36)), "cl10");
        let names = [bridge(u32::MAX), vxlan(u32::MAX), inside_port(RouterId(u64::MAX)), outside_port(RouterId(0))];
        for name in names {
            assert!(name.parse::<LinkName>().is_ok(), "{name}");
        }
        let plain = "netns:".parse().unwrap();
        assert_eq!(namespace(&plain, RouterId(32)), "cr-router-00000000000000020");
        let inside = "netns:?inside=h1".parse().unwrap();
        assert_eq!(namespace(&inside, RouterId(32)), "cr-router-00000000000000020.h1");
    }
}
