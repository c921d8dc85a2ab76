//! Which addresses exist, and which is next. What is taken is read off the rows, so that an address
//! cannot be both free and used.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use crate::site::Site;

/// How many farms' subnets the private pool holds.
pub fn segments(site: &Site) -> u32 {
    let bits = site.subnet_prefix.saturating_sub(site.private_pool.prefix_len());
    // The MAC prefix has 16 bits for the segment, and segment 0 is left out.
    1u32.checked_shl(bits.into()).unwrap_or(u32::MAX).min(1 << 16) - 1
}

/// The subnet of a segment; segments count from 1.
pub fn subnet(site: &Site, segment: u32) -> Option<Ipv4Net> {
    if segment == 0 || segment > segments(site) {
        return None;
    }
    let size = 32 - u32::from(site.subnet_prefix);
    let base = u32::from(site.private_pool.network());
    Ipv4Net::new(Ipv4Addr::from(base + (segment << size)), site.subnet_prefix).ok()
}

/// Every elastic IP of the site, in order.
pub fn public_addresses(site: &Site) -> impl Iterator<Item = Ipv4Addr> + '_ {
    site.public_pool.iter().flat_map(|(first, last)| (u32::from(*first)..=u32::from(*last)).map(Ipv4Addr::from))
}

/// The lowest address for a guest that is not among `taken`, which ascend: `.1` is the router, the last
/// is broadcast.
pub fn free_guest_address(cidr: Ipv4Net, taken: impl Iterator<Item = Ipv4Addr>) -> Option<Ipv4Addr> {
    let first = u32::from(cidr.network()) + 10;
    let mut free = first;
    for ip in taken.map(u32::from).skip_while(|ip| *ip < first) {
        if ip != free {
            break;
        }
        free += 1;
    }
    (free < u32::from(cidr.broadcast())).then(|| Ipv4Addr::from(free))
}

/// Guests that fit a subnet.
pub fn guest_addresses(cidr: Ipv4Net) -> u32 {
    (u32::from(cidr.broadcast()) - u32::from(cidr.network())).saturating_sub(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site() -> Site {
        Site {
            private_pool: "10.64.0.0/16".parse().unwrap(),
            public_pool: vec![("192.0.2.10".parse().unwrap(), "192.0.2.12".parse().unwrap())],
            ..Site::default()
        }
    }

    #[test]
    fn subnets_do_not_overlap_and_end_with_the_pool() {
        let site = site();
        assert_eq!(segments(&site), 255);
        assert_eq!(subnet(&site, 1), "10.64.1.0/24".parse().ok());
        assert_eq!(subnet(&site, 255), "10.64.255.0/24".parse().ok());
        assert_eq!(subnet(&site, 0), None);
        assert_eq!(subnet(&site, 256), None);
        assert_eq!(public_addresses(&site).count(), 3);
    }

    #[test]
    fn guests_get_the_lowest_free_address_until_the_subnet_is_full() {
        let cidr: Ipv4Net = "10.64.1.0/24".parse().unwrap();
        let mut taken = std::collections::BTreeSet::new();
        while let Some(ip) = free_guest_address(cidr, taken.iter().copied()) {
            assert!(taken.insert(ip));
        }
        assert_eq!(taken.len() as u32, guest_addresses(cidr));
        assert_eq!(taken.first().unwrap().to_string(), "10.64.1.10");
        assert_eq!(taken.last().unwrap().to_string(), "10.64.1.254");
        let gap = "10.64.1.77".parse().unwrap();
        taken.remove(&gap);
        assert_eq!(free_guest_address(cidr, taken.into_iter()), Some(gap));
    }
}
