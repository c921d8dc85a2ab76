//! Tests of plans and of what they render to, and the plans that they share.

mod check;
mod order;
mod shown;
mod tools;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use cascina_core::id::{FarmId, NetworkId, RouterId};
use cascina_core::name::Name;
use cascina_core::network::{Mac, NatRule, Protocol, RouterConfig};
use cascina_core::state::Guest;
use cascina_core::units::Size;
use ipnet::Ipv4Net;
use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::*;
use crate::{GuestSpec, NetworkSpec};

fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

fn net(text: &str) -> Ipv4Net {
    text.parse().unwrap()
}

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub(super) fn settings() -> RouterSettings {
    RouterSettings {
        public: vec![
            PublicNetwork { cidr: net("203.0.113.0/24"), gateway: ip("203.0.113.1") },
            PublicNetwork { cidr: net("198.51.100.0/25"), gateway: ip("198.51.100.126") },
        ],
        upstream: vec![ip("9.9.9.9"), ip("1.1.1.1")],
        domain_suffix: "cascina.internal".parse().unwrap(),
        mtu: 1450,
        closed: vec![net("10.64.0.0/12"), net("192.168.0.0/16")],
        metadata: None,
    }
}

pub(super) fn network() -> NetworkSpec {
    NetworkSpec {
        id: NetworkId(1),
        farm: FarmId(7),
        segment: 0x0102,
        cidr: net("10.65.2.0/28"),
        mac_prefix: [2, 0, 1, 2],
    }
}

pub(super) fn router() -> GuestSpec {
    GuestSpec {
        guest: Guest::Router(RouterId(9)),
        farm: FarmId(7),
        network: NetworkId(1),
        name: name("router"),
        size: Size::new(1, 150, 1),
        ip: ip("10.65.2.1"),
        mac: Mac([2, 0, 1, 2, 2, 1]),
        volumes: Vec::new(),
        ssh_keys: Vec::new(),
        user_data: None,
    }
}

fn forward(protocol: Protocol, public_port: u16, to: &str, to_port: u16) -> NatRule {
    NatRule { protocol, public_port, to: ip(to), to_port }
}

pub(super) fn config() -> RouterConfig {
    RouterConfig {
        public: Some(ip("203.0.113.7")),
        mapped: vec![(ip("203.0.113.51"), ip("10.65.2.10")), (ip("198.51.100.9"), ip("10.65.2.11"))],
        forwards: vec![forward(Protocol::Udp, 53, "10.65.2.12", 5353), forward(Protocol::Tcp, 2222, "10.65.2.10", 22)],
        names: Vec::new(),
    }
}

/// All that there can be, on a small network.
pub(super) fn full() -> Draft {
    let made = plan(&settings(), &network(), &router(), 12, &config()).unwrap();
    Draft {
        names: vec![(ip("10.65.2.11"), name("db")), (ip("10.65.2.10"), name("web")), (ip("10.65.2.10"), name("alias"))],
        metadata: Some(Metadata { to: "192.0.2.80:8775".parse().unwrap(), seen_as: Some(net("100.64.16.32/28")) }),
        ..Draft::clone(&made)
    }
}

/// A router that nobody outside can reach yet.
fn inner() -> Draft {
    let none = RouterConfig::default();
    Draft::clone(&plan(&RouterSettings { closed: Vec::new(), ..settings() }, &network(), &router(), 1, &none).unwrap())
}

fn text(files: &Files, path: &str) -> String {
    String::from_utf8(files[path].clone()).unwrap()
}

/// Whatever drafts can be made into plans, of networks of all sizes.
pub(super) fn drafts() -> impl Strategy<Value = Draft> {
    let lan = (16u8..=29, any::<u32>(), any::<u16>(), 576u16..=9000).prop_map(|(prefix, bits, segment, mtu)| {
        let cidr = Ipv4Net::new(Ipv4Addr::from(0x0a00_0000 | bits & 0x00ff_ffff), prefix).unwrap().trunc();
        let [high, low] = segment.to_be_bytes();
        let address = cidr.hosts().next().unwrap();
        let mut lan = Lan { cidr, address, mac: Mac([0; 6]), mac_prefix: [2, 0, high, low], mtu };
        lan.mac = lan.mac_of(address);
        lan
    });
    let rest = (
        (0..=i64::MAX as u64, "[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z0-9]{1,5}){0,3}"),
        (any::<bool>(), any::<bool>(), 8u8..=24),
        vec((0x0a00_0000u32..0x0b00_0000, 8u8..=32), 0..4),
        btree_map(2u8..200, any::<u16>(), 0..9),
        btree_map((any::<bool>(), 1u16..), (any::<u16>(), 1u16..), 0..9),
        btree_map(any::<u16>(), btree_set("[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", 1..3), 0..9),
        btree_set(0xc000_0200u32..0xc000_02ff, 0..4),
        (any::<bool>(), any::<bool>(), 1u16.., any::<u32>()),
    );
    (lan, rest).prop_map(|(lan, (which, outside, closed, mapped, forwards, names, upstream, metadata))| {
        let guest = |number: u16| {
            let room = lan.cidr.hosts().count() as u32 - 1;
            Ipv4Addr::from(u32::from(lan.address) + 1 + u32::from(number) % room)
        };
        let (wan, own, public_prefix) = outside;
        let mut guests = BTreeSet::new();
        let mapped = mapped.into_iter().map(|(last, number)| (Ipv4Addr::new(203, 0, 113, last), guest(number)));
        let mapped: Vec<_> = mapped.filter(|(_, guest)| wan && guests.insert(*guest)).collect();
        let forwards = forwards.into_iter().filter(|_| wan && own).map(|((tcp, public_port), (number, to_port))| {
            let protocol = if tcp { Protocol::Tcp } else { Protocol::Udp };
            NatRule { protocol, public_port, to: guest(number), to_port }
        });
        let mut all = BTreeMap::<_, BTreeSet<_>>::new();
        for (number, names) in names {
            all.entry(guest(number)).or_default().extend(names);
        }
        let names = all.into_iter().flat_map(|(ip, names)| names.into_iter().map(move |text| (ip, name(&text))));
        let (service, seen, port, bits) = metadata;
        let other = Ipv4Net::new(Ipv4Addr::from(0x6440_0000 | bits & 0x003f_ffff), lan.cidr.prefix_len()).unwrap();
        Draft {
            revision: which.0,
            domain: which.1.parse().unwrap(),
            wan: wan.then(|| Wan {
                address: own.then(|| ip("203.0.113.200")),
                prefix: public_prefix,
                gateway: ip("203.0.113.254"),
                mac: wan_mac(lan.mac),
            }),
            closed: closed.into_iter().map(|(bits, prefix)| Ipv4Net::new(bits.into(), prefix).unwrap()).collect(),
            mapped,
            forwards: forwards.collect(),
            names: names.collect(),
            upstream: upstream.into_iter().map(Ipv4Addr::from).collect(),
            metadata: service.then(|| Metadata {
                to: std::net::SocketAddrV4::new(ip("192.0.2.80"), port),
                seen_as: seen.then(|| other.trunc()),
            }),
            lan,
        }
    })
}
