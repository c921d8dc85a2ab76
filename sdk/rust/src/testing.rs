//! Building questions for native tests: `cargo test`, no WebAssembly.
//!
//! ```
//! use cascina_policy_sdk::testing::{context, host, hosts, placement};
//!
//! let request = placement(hosts([
//!     host(1).vcpus(16, 4).memory(65_536, 8_192),
//!     host(2).vcpus(16, 16).memory(65_536, 65_536).cached(),
//! ]));
//! assert_eq!(request.hosts.len(), 2);
//! assert_eq!(context("{}").settings, "{}");
//! ```

use crate::admission::{FarmRequest, Item, TenantRequest};
use crate::log::Level;
use crate::placement::{Hosts, Kind, Outcome, Ranking, Request, Workload};
use crate::policy::{parse_settings, settings_schema};
use crate::quota::{AssignmentRequest, Consumption};
use crate::reallocation::{self, Cluster};
use crate::{Context, Policy, Resources, Subject};
use std::cell::RefCell;

thread_local! {
    static LOG: RefCell<Vec<(Level, String)>> = const { RefCell::new(Vec::new()) };
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn keep_log_line(level: Level, message: &str) {
    LOG.with_borrow_mut(|log| log.push((level, message.to_owned())));
}

/// What the policy logged in this test since the last call.
pub fn logged() -> Vec<(Level, String)> {
    LOG.take()
}

/// A policy with settings as an operator writes them.
///
/// # Panics
/// With serde's message, or the policy's own complaints, if the settings are not valid.
pub fn policy<P: Policy>(settings: &str) -> P {
    let parsed = match parse_settings::<P>(settings) {
        Ok(parsed) => parsed,
        Err(failure) => panic!("{}", failure.text),
    };
    let complaints = P::complaints(&parsed);
    assert!(complaints.is_empty(), "settings: {complaints:?}");
    P::new(parsed)
}

/// The complaints about settings, serde's and the policy's own, as texts.
pub fn complaints<P: Policy>(settings: &str) -> Vec<String> {
    match parse_settings::<P>(settings) {
        Ok(parsed) => P::complaints(&parsed).into_iter().map(|complaint| complaint.text).collect(),
        Err(failure) => vec![failure.text],
    }
}

/// Checks what the server checks at upload: a proper name and version, a sentence as summary, and
/// a schema that is a JSON object.
///
/// # Panics
/// If the policy would be refused.
pub fn assert_describes_itself<P: Policy>() {
    let word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    assert!(P::NAME.split('-').all(word), "name {:?} is not lower-case words joined by \"-\"", P::NAME);
    assert!(
        P::VERSION.split('.').count() == 3 && P::VERSION.starts_with(|c: char| c.is_ascii_digit()),
        "version {:?} is not like 1.2.3",
        P::VERSION
    );
    assert!(P::SUMMARY.ends_with('.'), "summary {:?} is not a sentence", P::SUMMARY);
    let schema = settings_schema::<P>();
    assert!(schema.starts_with('{') && schema.contains("2020-12"), "schema: {schema}");
}

/// A question at a fixed time, with a fixed seed.
pub fn context(settings: &str) -> Context {
    Context {
        decision: "dec-test".to_owned(),
        now_ms: 1_800_000_000_000,
        seed: 1,
        revision: 1,
        dry_run: false,
        settings: settings.to_owned(),
    }
}

/// A member of tenant "atlas", tier "standard", asking for farm "analysis".
pub fn subject() -> Subject {
    Subject {
        tenant: "atlas".to_owned(),
        groups: Vec::new(),
        tier: "standard".to_owned(),
        farm: "analysis".to_owned(),
        actor: "ada".to_owned(),
        roles: vec!["member".to_owned()],
    }
}

/// An amount of what counts most; disk, addresses and networks are 0.
pub fn resources(instances: u32, vcpus: u32, memory_mib: u64) -> Resources {
    Resources { instances, vcpus, memory_mib, ..Resources::ZERO }
}

/// A request of [`subject`] for a tenant, when `tenants` exist.
pub fn tenant_request(tenants: u32) -> TenantRequest {
    TenantRequest { subject: subject(), tenants, attributes: Vec::new() }
}

/// A line of `min` to `max` workers, each of `vcpus` and 2 GiB of memory a vCPU.
pub fn item(min: u32, max: u32, vcpus: u32) -> Item {
    Item {
        flavor: "m1.small".to_owned(),
        class: "workers".to_owned(),
        image: "debian".to_owned(),
        min_count: min,
        max_count: max,
        size: resources(1, vcpus, u64::from(vcpus) * 2048),
    }
}

/// A request for a farm of these items, a network and an address, without end.
pub fn farm_request(items: impl IntoIterator<Item = Item>) -> FarmRequest {
    let items: Vec<Item> = items.into_iter().collect();
    let base = Resources { addresses: 1, networks: 1, ..Resources::ZERO };
    let total = items.iter().fold(base, |sum, item| sum.plus(item.most()));
    FarmRequest { subject: subject(), items, total, lease_s: 0, farms: 0, usage: Vec::new(), attributes: Vec::new() }
}

/// A new tenant of this tier at a site with "services" and "workers".
pub fn assignment_request(tier: &str) -> AssignmentRequest {
    AssignmentRequest {
        subject: Subject { tier: tier.to_owned(), ..subject() },
        classes: vec!["services".to_owned(), "workers".to_owned()],
        attributes: Vec::new(),
    }
}

/// "create-instances" among the workers.
pub fn consumption(wanted: Resources) -> Consumption {
    Consumption {
        subject: subject(),
        verb: "create-instances".to_owned(),
        class: "workers".to_owned(),
        wanted,
        usage: Vec::new(),
    }
}

/// One instance of 2 vCPUs, 8 GiB of memory and 20 GiB of disk that looks for a host.
pub fn placement(hosts: Hosts) -> Request {
    Request {
        subject: subject(),
        workload: Workload {
            kind: Kind::Instance,
            flavor: "m1.small".to_owned(),
            image: "debian".to_owned(),
            class: "workers".to_owned(),
            size: Resources { disk_gib: 20, ..resources(1, 2, 8192) },
            count: 1,
            cause: "create".to_owned(),
            attributes: Vec::new(),
        },
        share: None,
        hosts,
    }
}

/// The ranking of an outcome.
///
/// # Panics
/// If the policy refused or abstained.
pub fn ranking(outcome: Outcome) -> Ranking {
    match outcome {
        Outcome::Rank(ranking) => ranking,
        other => panic!("expected a ranking, got {other:?}"),
    }
}

/// A candidate under construction: see [`host`].
#[derive(Debug, Clone, Copy)]
pub struct HostBuilder {
    id: u32,
    vcpus: (u32, u32),
    memory: (u32, u32),
    disk_free: u32,
    load: u32,
    same_farm: u32,
    share: u32,
    traits: u32,
}

/// An empty host of 16 vCPUs, 64 GiB of memory and 1000 GiB of disk that belongs to the site.
pub fn host(id: u32) -> HostBuilder {
    HostBuilder {
        id,
        vcpus: (16, 16),
        memory: (65_536, 65_536),
        disk_free: 1000,
        load: 0,
        same_farm: 0,
        share: 0,
        traits: 0,
    }
}

impl HostBuilder {
    /// All vCPUs, and those that are free.
    pub fn vcpus(mut self, all: u32, free: u32) -> Self {
        self.vcpus = (all, free);
        self
    }

    /// All memory, and what is free, in MiB.
    pub fn memory(mut self, all: u32, free: u32) -> Self {
        self.memory = (all, free);
        self
    }

    /// CPU load in permille.
    pub fn load(mut self, permille: u32) -> Self {
        self.load = permille;
        self
    }

    /// Instances of the same farm.
    pub fn same_farm(mut self, count: u32) -> Self {
        self.same_farm = count;
        self
    }

    /// Owned by this share.
    pub fn share(mut self, number: u32) -> Self {
        self.share = number;
        self
    }

    /// The image is here already.
    pub fn cached(mut self) -> Self {
        self.traits |= 1;
        self
    }
}

/// The candidates in columns, as the server sends them.
pub fn hosts(rows: impl IntoIterator<Item = HostBuilder>) -> Hosts {
    let rows: Vec<HostBuilder> = rows.into_iter().collect();
    let column = |field: fn(&HostBuilder) -> u32| rows.iter().map(field).collect();
    Hosts {
        id: column(|h| h.id),
        vcpus: column(|h| h.vcpus.0),
        vcpus_free: column(|h| h.vcpus.1),
        memory_mib: column(|h| h.memory.0),
        memory_free_mib: column(|h| h.memory.1),
        disk_free_gib: column(|h| h.disk_free),
        load_permille: column(|h| h.load),
        same_farm: column(|h| h.same_farm),
        share: column(|h| h.share),
        traits: column(|h| h.traits),
    }
}

/// A cluster for planners: so many open hosts of one class with 16 vCPUs and 64 GiB each, numbered from 1, that
/// belong to the site, and guests: host, vCPUs, MiB, traits. Each guest is of a farm of its own; nothing is
/// pending. Change the columns for what a test is about.
pub fn cluster(hosts: u32, guests: &[(u32, u32, u32, u32)]) -> Cluster {
    let count = hosts as usize;
    let used = |host: u32, of: fn(&(u32, u32, u32, u32)) -> u32| {
        guests.iter().filter(|guest| guest.0 == host).map(of).sum::<u32>()
    };
    let column = |of: fn(&(u32, u32, u32, u32)) -> u32| guests.iter().map(of).collect::<Vec<u32>>();
    let numbers: Vec<u32> = (1..=guests.len() as u32).collect();
    Cluster {
        hosts: reallocation::Hosts {
            id: (1..=hosts).collect(),
            vcpus: vec![16; count],
            vcpus_free: (1..=hosts).map(|host| 16 - used(host, |guest| guest.1).min(16)).collect(),
            memory_mib: vec![65_536; count],
            memory_free_mib: (1..=hosts).map(|host| 65_536 - used(host, |guest| guest.2).min(65_536)).collect(),
            load_permille: vec![0; count],
            class: vec![0; count],
            share: vec![0; count],
            state: vec![0; count],
        },
        instances: reallocation::Instances {
            id: numbers.clone(),
            farm: numbers,
            home: column(|guest| guest.0),
            vcpus: column(|guest| guest.1),
            memory_mib: column(|guest| guest.2),
            cpu_permille: vec![0; guests.len()],
            idle_s: vec![0; guests.len()],
            traits: column(|guest| guest.3),
        },
        shares: reallocation::Shares {
            number: Vec::new(),
            vcpus: Vec::new(),
            vcpus_own: Vec::new(),
            vcpus_lent: Vec::new(),
            state: Vec::new(),
        },
        leases: reallocation::Leases { farm: Vec::new(), ends_ms: Vec::new() },
        pending: Resources::ZERO,
    }
}
