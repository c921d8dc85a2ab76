//! The site on which schedules are played: small, so that everything runs out.

use cascina_core::command::NewBinding;
use cascina_core::flavor::Flavor;
use cascina_core::host::{ClassKind, Host, HostClass, HostState, Share};
use cascina_core::id::{HostId, ShareId};
use cascina_core::image::Image;
use cascina_core::name::Name;
use cascina_core::plan::Rules;
use cascina_core::policy::Hook;
use cascina_core::site::{Site, SiteSpec};
use cascina_core::units::{Gib, Size, Timestamp};
use ipnet::Ipv4Net;

use crate::policies::bound;

pub fn name(text: &str) -> Name {
    text.parse().unwrap_or_else(|_| unreachable!("a literal that is a name"))
}

const NOW: Timestamp = Timestamp(0);

/// Two service hosts, five workers of which two have an owner, twelve elastic IPs, fifteen subnets.
pub fn small_site() -> SiteSpec {
    let class = |text: &str, kind, cpu_overcommit_permille| HostClass {
        name: name(text),
        kind,
        cpu_overcommit_permille,
        volumes: Gib(80),
    };
    let mut hosts: Vec<Host> = (1..=2).map(|i| host(&format!("s{i}"), "services", 0, Size::new(8, 4096, 60))).collect();
    hosts.extend((1..=5).map(|i| host(&format!("w{i}"), "workers", u32::from(i > 3), Size::new(16, 32_768, 200))));
    let flavor = |text: &str, size| Flavor { name: name(text), size, deprecated: false, created: NOW, updated: NOW };
    SiteSpec {
        site: Site {
            private_pool: Ipv4Net::new_assert([10, 64, 0, 0].into(), 20),
            public_pool: vec![([192, 0, 2, 1].into(), [192, 0, 2, 12].into())],
            // Short, so that answers are kept longer only as long as what came of them lives.
            receipt_ms: 200_000,
            // Longer than any schedule lasts, so that what was acknowledged can be looked up at its end.
            retention_ms: 12 * 3_600_000,
            rules: Rules {
                total: 3,
                per_host: 2,
                cooldown_ms: 20_000,
                moves_a_day: 20,
                least_gain_permille: 0,
                gib_per_permille: u32::MAX,
                auto_moves: 6,
                auto_gib: 10_000,
                auto_stops: 2,
                notice_ms: 20_000,
                lasts_ms: 600_000,
                migrate_workers: true,
                restart_workers: true,
                ..Rules::default()
            },
            ..Site::default()
        },
        classes: vec![class("services", ClassKind::Services, 1000), class("workers", ClassKind::Workers, 1000)],
        shares: vec![Share {
            id: ShareId(0),
            name: name("astro"),
            group: name("astro"),
            lends: true,
            recalled: false,
            created: NOW,
            updated: NOW,
        }],
        hosts,
        flavors: vec![
            flavor("m1.small", Size::new(1, 512, 1)),
            flavor("m1.medium", Size::new(2, 2048, 20)),
            flavor("m1.large", Size::new(6, 8192, 60)),
        ],
        images: vec![image("debian", "debian.qcow2"), image("alma", "alma.qcow2")],
    }
}

fn host(text: &str, class: &str, share: u32, capacity: Size) -> Host {
    Host {
        id: HostId(0),
        name: name(text),
        class: name(class),
        share: ShareId(share),
        uri: "sim:".into(),
        capacity,
        measured: false,
        facts: None,
        state: HostState::Up,
        note: None,
        created: NOW,
        updated: NOW,
    }
}

fn image(text: &str, source: &str) -> Image {
    Image::of_site(name(text), source, Gib(1))
}

pub fn bindings() -> Vec<NewBinding> {
    vec![
        bound(&name("admission-default"), Hook::Admission),
        bound(&name("quota-tiers"), Hook::Quota),
        bound(&name("placement-pack"), Hook::Placement),
    ]
}
