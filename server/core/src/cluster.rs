//! The cluster as planners see it: hosts and what runs on them, in columns, and whose numbers are whose.

use std::collections::{BTreeMap, BTreeSet};

use crate::decision::Amounts;
use crate::farm::Farm;
use crate::host::{ClassKind, Host, HostState};
use crate::id::{FarmId, HostId, ShareId};
use crate::instance::{Instance, InstanceState};
use crate::network::RouterState;
use crate::plan::{MoveState, Rules};
use crate::state::{Guest, State};
use crate::tag::Resource;
use crate::units::{Size, Timestamp};

/// Bits of `host_state`.
pub const OFF: u32 = 1;
pub const CORDONED: u32 = 2;
pub const DRAINING: u32 = 4;
/// Bits of `traits`.
pub const MIGRATABLE: u32 = 1;
pub const PINNED: u32 = 2;
pub const ROUTER: u32 = 4;
pub const LENT: u32 = 8;
/// Bit of `share_state`.
pub const RECALLED: u32 = 1;

/// The tag that keeps an instance where it is, and the farm's label that does so for all of its.
pub const PIN_TAG: &str = "cascina:pinned";
pub const PIN_LABEL: &str = "pinned";
/// The farm's label with the value `hosts`: no two of its instances on one host.
pub const APART_LABEL: &str = "apart";
/// The farm's label that lets the site's planners stop its instances.
pub const RECLAIM_LABEL: &str = "reclaimable";

const DAY_MS: u64 = 86_400_000;

/// How a plan's numbers are to be read: an instance's is its place in `guests` plus one, a farm's its
/// place in `farms` plus one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cluster {
    pub host: Vec<u32>,
    pub host_vcpus: Vec<u32>,
    pub host_vcpus_free: Vec<u32>,
    pub host_memory_mib: Vec<u32>,
    pub host_memory_free_mib: Vec<u32>,
    pub host_load_permille: Vec<u32>,
    pub host_class: Vec<u32>,
    pub host_share: Vec<u32>,
    pub host_state: Vec<u32>,

    pub instance: Vec<u32>,
    pub farm: Vec<u32>,
    pub home: Vec<u32>,
    pub vcpus: Vec<u32>,
    pub memory_mib: Vec<u32>,
    pub cpu_permille: Vec<u32>,
    pub idle_s: Vec<u32>,
    pub traits: Vec<u32>,

    pub share: Vec<u32>,
    pub share_vcpus: Vec<u32>,
    pub share_vcpus_own: Vec<u32>,
    pub share_vcpus_lent: Vec<u32>,
    pub share_state: Vec<u32>,

    pub lease_farm: Vec<u32>,
    pub lease_ends_ms: Vec<u64>,

    pub pending: Amounts,

    pub guests: Vec<Guest>,
    pub farms: Vec<FarmId>,
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

fn said(farm: &Farm, label: &str) -> bool {
    farm.request.labels.get(label).is_some_and(|value| value == "true")
}

/// When its lease is over; None: never.
pub fn lease_end(farm: &Farm) -> Option<Timestamp> {
    (farm.request.lease_s > 0).then(|| farm.created.plus_ms(farm.request.lease_s.saturating_mul(1000)))
}

/// What is known of guests that were moved lately: when last, and how often within a day.
#[derive(Debug, Clone, Default)]
pub struct Moved(BTreeMap<Guest, (Timestamp, u32)>);

impl Moved {
    pub fn of(state: &State, now: Timestamp) -> Moved {
        let day_ago = Timestamp(now.0.saturating_sub(DAY_MS));
        let mut moved = Moved::default();
        for plan in state.rows.plans.values() {
            // What was tried and failed counts, so that it is not tried over and over.
            let tried = |state| matches!(state, MoveState::Done | MoveState::Failed | MoveState::Running);
            for one in plan.moves.iter().filter(|one| tried(one.state)) {
                let Some(guest) = one.step.guest() else { continue };
                let (last, count) = moved.0.entry(guest).or_default();
                *last = (*last).max(one.updated);
                *count += u32::from(one.updated >= day_ago);
            }
        }
        moved
    }

    /// Until when it stays where it is, if it must.
    pub fn rests_until(&self, guest: Guest, rules: &Rules, now: Timestamp) -> Option<Timestamp> {
        let (last, count) = self.0.get(&guest)?;
        let cooled = last.plus_ms(rules.cooldown_ms);
        let until = if *count >= rules.moves_a_day { cooled.max(last.plus_ms(DAY_MS)) } else { cooled };
        (until > now).then_some(until)
    }
}

/// Somebody wants it to stay.
pub fn is_pinned(state: &State, row: &Instance) -> bool {
    let farm = state.rows.farms.get(&row.farm);
    if farm.is_some_and(|farm| said(farm, PIN_LABEL)) {
        return true;
    }
    state
        .tags_of(row.farm, Resource::Instance(row.id))
        .is_some_and(|tags| tags.get(PIN_TAG).is_some_and(|value| value == "true" || value.is_empty()))
}

/// The site's planners may stop it.
pub fn is_reclaimable(state: &State, row: &Instance) -> bool {
    state.rows.farms.get(&row.farm).is_some_and(|farm| said(farm, RECLAIM_LABEL))
}

/// No two of the farm's instances may be on one host.
pub fn keeps_apart(state: &State, farm: FarmId) -> bool {
    let label = state.rows.farms.get(&farm).and_then(|farm| farm.request.labels.get(APART_LABEL));
    label.is_some_and(|value| value == "hosts")
}

/// It is on hosts of a kind that can move it while it runs.
pub fn may_migrate(state: &State, row: &Instance, rules: &Rules) -> bool {
    let kind = state.rows.classes.get(&row.class).map(|class| class.kind);
    kind == Some(ClassKind::Services) || (kind == Some(ClassKind::Workers) && rules.migrate_workers)
}

/// It is on hosts of a share whose owner's group its tenant does not belong to.
pub fn is_lent(state: &State, row: &Instance, host: &Host) -> bool {
    host.share != ShareId::SITE
        && state.rows.shares.get(&host.share).is_some_and(|share| {
            !state.rows.tenants.get(&row.tenant).is_some_and(|tenant| tenant.groups.contains(&share.group))
        })
}

/// What an operation works on at present.
pub fn busy(state: &State) -> BTreeSet<Guest> {
    let mut busy = BTreeSet::new();
    for operation in state.indexes.unfinished.iter().filter_map(|id| state.rows.operations.get(id)) {
        busy.extend(operation.instances.iter().map(|id| Guest::Instance(*id)));
        busy.extend(state.indexes.routers_by_farm.of(&operation.farm).map(Guest::Router));
    }
    busy
}

impl Cluster {
    pub fn of(state: &State, now: Timestamp) -> Cluster {
        let mut cluster = Cluster::default();
        cluster.add_hosts(state);
        cluster.add_guests(state, now);
        for share in state.rows.shares.values() {
            let usage = state.share_usage(share.id);
            cluster.share.push(share.id.0);
            cluster.share_vcpus.push(usage.vcpus);
            cluster.share_vcpus_own.push(usage.vcpus_own);
            cluster.share_vcpus_lent.push(usage.vcpus_lent);
            cluster.share_state.push(if share.recalled { RECALLED } else { 0 });
        }
        for shortage in state.rows.shortages.values().filter(|row| row.expires > now) {
            cluster.pending = cluster.pending.plus(Amounts::of_instances(shortage.size, shortage.count));
        }
        cluster
    }

    fn add_hosts(&mut self, state: &State) {
        for host in state.rows.hosts.values() {
            let used = state.used_on(host.id);
            let free = host.capacity.saturating_sub(used);
            self.host.push(host.id.0);
            self.host_vcpus.push(host.capacity.vcpus.0);
            self.host_vcpus_free.push(free.vcpus.0);
            self.host_memory_mib.push(narrow(host.capacity.memory.0));
            self.host_memory_free_mib.push(narrow(free.memory.0));
            let used = u64::from(used.vcpus.0) * 1000 / u64::from(host.capacity.vcpus.0.max(1));
            self.host_load_permille.push(narrow(used));
            self.host_class
                .push(state.rows.classes.keys().position(|name| *name == host.class).map_or(0, |i| i as u32));
            self.host_share.push(host.share.0);
            let off = state.rows.upkeeps.get(&host.id).is_some_and(|row| row.off.is_some());
            self.host_state.push(match host.state {
                HostState::Up => 0,
                _ if off => OFF | CORDONED,
                HostState::Draining => DRAINING | CORDONED,
                HostState::Cordoned | HostState::Maintenance | HostState::Enrolling | HostState::Down => CORDONED,
            });
        }
    }

    fn add_guests(&mut self, state: &State, now: Timestamp) {
        let site = state.site();
        let (rules, moved, busy) = (&site.rules, Moved::of(state, now), busy(state));
        let mut numbers: BTreeMap<FarmId, u32> = BTreeMap::new();
        for farm in state.rows.farms.values().filter(|farm| farm.state.is_usable()) {
            self.farms.push(farm.id);
            numbers.insert(farm.id, self.farms.len() as u32);
            if let Some(ends) = lease_end(farm) {
                self.lease_farm.push(self.farms.len() as u32);
                self.lease_ends_ms.push(ends.0);
            }
        }
        for row in state.rows.instances.values().filter(|row| row.state == InstanceState::Running) {
            let (Some(farm), Some(host)) = (numbers.get(&row.farm), row.host) else { continue };
            let Some(host) = state.rows.hosts.get(&host) else { continue };
            let guest = Guest::Instance(row.id);
            let rests = moved.rests_until(guest, rules, now).is_some() || busy.contains(&guest);
            let mut traits = 0;
            traits |= if may_migrate(state, row, rules) { MIGRATABLE } else { 0 };
            traits |= if rests || is_pinned(state, row) { PINNED } else { 0 };
            traits |= if is_lent(state, row, host) { LENT } else { 0 };
            self.add_guest(guest, *farm, host.id, row.size, traits);
        }
        for row in state.rows.routers.values().filter(|row| row.state == RouterState::Running) {
            let (Some(farm), Some(host)) = (numbers.get(&row.farm), row.host) else { continue };
            // Moving one interrupts its farm, so nobody does it without need.
            self.add_guest(Guest::Router(row.id), *farm, host, row.size, ROUTER | PINNED);
        }
    }

    fn add_guest(&mut self, guest: Guest, farm: u32, home: HostId, size: Size, traits: u32) {
        self.guests.push(guest);
        self.instance.push(self.guests.len() as u32);
        self.farm.push(farm);
        self.home.push(home.0);
        self.vcpus.push(size.vcpus.0);
        self.memory_mib.push(narrow(size.memory.0));
        self.cpu_permille.push(0);
        self.idle_s.push(0);
        self.traits.push(traits);
    }

    /// What the owner of a share may see: its own hosts, what runs there, and nothing else. Numbers stay.
    #[must_use]
    pub fn within(&self, share: ShareId) -> Cluster {
        let hosts: Vec<usize> = (0..self.host.len()).filter(|i| self.host_share[*i] == share.0).collect();
        let own: BTreeSet<u32> = hosts.iter().map(|i| self.host[*i]).collect();
        let guests: Vec<usize> = (0..self.home.len()).filter(|i| own.contains(&self.home[*i])).collect();
        let farms: BTreeSet<u32> = guests.iter().map(|i| self.farm[*i]).collect();
        let leases: Vec<usize> = (0..self.lease_farm.len()).filter(|i| farms.contains(&self.lease_farm[*i])).collect();
        let shares: Vec<usize> = (0..self.share.len()).filter(|i| self.share[*i] == share.0).collect();
        let pick = |column: &[u32], rows: &[usize]| rows.iter().map(|i| column[*i]).collect::<Vec<u32>>();
        Cluster {
            host: pick(&self.host, &hosts),
            host_vcpus: pick(&self.host_vcpus, &hosts),
            host_vcpus_free: pick(&self.host_vcpus_free, &hosts),
            host_memory_mib: pick(&self.host_memory_mib, &hosts),
            host_memory_free_mib: pick(&self.host_memory_free_mib, &hosts),
            host_load_permille: pick(&self.host_load_permille, &hosts),
            host_class: pick(&self.host_class, &hosts),
            host_share: pick(&self.host_share, &hosts),
            host_state: pick(&self.host_state, &hosts),
            instance: pick(&self.instance, &guests),
            farm: pick(&self.farm, &guests),
            home: pick(&self.home, &guests),
            vcpus: pick(&self.vcpus, &guests),
            memory_mib: pick(&self.memory_mib, &guests),
            cpu_permille: pick(&self.cpu_permille, &guests),
            idle_s: pick(&self.idle_s, &guests),
            traits: pick(&self.traits, &guests),
            share: pick(&self.share, &shares),
            share_vcpus: pick(&self.share_vcpus, &shares),
            share_vcpus_own: pick(&self.share_vcpus_own, &shares),
            share_vcpus_lent: pick(&self.share_vcpus_lent, &shares),
            share_state: pick(&self.share_state, &shares),
            lease_farm: pick(&self.lease_farm, &leases),
            lease_ends_ms: leases.iter().map(|i| self.lease_ends_ms[*i]).collect(),
            pending: self.pending,
            guests: self.guests.clone(),
            farms: self.farms.clone(),
        }
    }

    /// Whose number it is.
    pub fn guest(&self, number: u32) -> Option<(Guest, HostId)> {
        let place = self.instance.binary_search(&number).ok()?;
        let guest = self.guests.get((number as usize).checked_sub(1)?)?;
        Some((*guest, HostId(self.home[place])))
    }

    pub fn farm_of(&self, number: u32) -> Option<FarmId> {
        self.farms.get((number as usize).checked_sub(1)?).copied()
    }

    pub fn has_host(&self, number: u32) -> bool {
        self.host.binary_search(&number).is_ok()
    }

    pub fn has_share(&self, number: u32) -> bool {
        self.share.contains(&number)
    }
}
