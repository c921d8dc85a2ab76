//! The site on which a trace is replayed.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use cascina_core::command::NewBinding;
use cascina_core::crontab::Crontab;
use cascina_core::flavor::Flavor;
use cascina_core::host::{ClassKind, Host, HostClass, HostState};
use cascina_core::id::{HostId, ShareId};
use cascina_core::image::Image;
use cascina_core::name::Name;
use cascina_core::plan::{Missed, Occasion, TriggerRule};
use cascina_core::policy::Hook;
use cascina_core::site::SiteSpec;
use cascina_core::units::{Gib, Size, Timestamp};
use ipnet::Ipv4Net;

use super::{DISK_GIB, Trace};

/// Guests that a farm gets: fewer than its subnet holds, since those that leave take their time.
pub const FARM: usize = 230;
/// The image of every guest.
pub const IMAGE: &str = "trace";

const NOW: Timestamp = Timestamp(0);

fn literal(text: &str) -> Name {
    text.parse().unwrap_or_else(|_| unreachable!("a literal that is a name"))
}

pub fn flavor_name(size: Size) -> String {
    format!("trace-{}-{}", size.vcpus.0, size.memory.0)
}

/// A site of the trace's own hosts, all of them workers, and as many service hosts as its farms' routers
/// need.
pub fn hosts_of(trace: &Trace) -> SiteSpec {
    let class =
        |text: &str, kind| HostClass { name: literal(text), kind, cpu_overcommit_permille: 1000, volumes: Gib(1000) };
    let host = |name: String, class: &str, capacity| Host {
        id: HostId(0),
        name: literal(&name),
        class: literal(class),
        share: ShareId::SITE,
        uri: "sim:".into(),
        capacity,
        measured: false,
        facts: None,
        state: HostState::Up,
        note: None,
        created: NOW,
        updated: NOW,
    };
    let workers = trace.hosts.iter().enumerate().map(|(i, row)| {
        let vcpus = u32::try_from(row.cpu_milli / 1000).unwrap_or(u32::MAX);
        host(format!("w-{i:05}"), "workers", Size::new(vcpus, row.mem_mib, 100_000))
    });
    let services = (0..4).map(|i| host(format!("s-{i}"), "services", Size::new(256, 1 << 20, 100_000)));
    SiteSpec {
        classes: vec![class("services", ClassKind::Services), class("workers", ClassKind::Workers)],
        hosts: services.chain(workers).collect(),
        ..SiteSpec::default()
    }
}

/// … on which plans are asked for and carried out: every ten minutes, and when something found no room. An
/// admin who is not there approves whatever is proposed, and workers may move while they run.
pub fn reallocating(mut spec: SiteSpec, bindings: &[NewBinding]) -> SiteSpec {
    let rules = &mut spec.site.rules;
    rules.migrate_workers = true;
    (rules.auto_moves, rules.auto_gib, rules.auto_stops) = (u32::MAX, u64::MAX, u32::MAX);
    rules.keep_ms = rules.keep_ms.max(400 * 86_400_000);
    if rules.triggers.is_empty() {
        let planners = bindings.iter().filter(|binding| binding.hook == Hook::Reallocation);
        let lines = planners.map(|binding| TriggerRule {
            name: binding.name.clone(),
            binding: Some(binding.name.clone()),
            cron: Crontab::new("*/10 * * * *", "UTC").ok(),
            missed: Missed::Once,
            on: vec![Occasion::NoRoom],
            quiet_ms: 60_000,
        });
        rules.triggers = lines.collect();
    }
    spec
}

/// The same site with what a replay needs: a flavor for every size, an image, and addresses for its farms.
pub fn prepared(mut spec: SiteSpec, trace: &Trace, farms: usize) -> SiteSpec {
    let sizes: BTreeSet<(u32, u64)> =
        trace.requests.iter().map(|request| request.size()).map(|size| (size.vcpus.0, size.memory.0)).collect();
    spec.flavors = sizes
        .into_iter()
        .map(|(vcpus, memory)| Size::new(vcpus, memory, DISK_GIB))
        .map(|size| Flavor { name: literal(&flavor_name(size)), size, deprecated: false, created: NOW, updated: NOW })
        .collect();
    spec.images = vec![Image::of_site(literal(IMAGE), "trace", Gib(DISK_GIB))];
    spec.site.private_pool = Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8);
    spec.site.subnet_prefix = 24;
    let first = Ipv4Addr::new(100, 64, 0, 0);
    spec.site.public_pool = vec![(first, Ipv4Addr::from(u32::from(first) + farms as u32))];
    spec
}
