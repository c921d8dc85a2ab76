//! The hook that proposes what should move, shrink, grow or end.

use crate::{Context, Failure, Policy, Reason};

pub use crate::bindings::reallocation::exports::cascina::policy::reallocation::{
    Cluster, Hosts, Instances, Leases, Lending, Migration, Move, Plan, Resizing, Shares, Step,
};

/// Proposes plans. Every step is checked again when it runs.
pub trait Reallocation: Policy {
    /// At most `max_moves` moves that make the cluster better.
    ///
    /// # Errors
    /// Only when no plan can be formed; a plan without moves means that all is well.
    fn propose(&self, ctx: &Context, cluster: &Cluster, max_moves: u32) -> Result<Plan, Failure>;
}

/// `Hosts::state`: powered off.
pub const HOST_OFF: u32 = 1;
/// `Hosts::state`: takes no new work.
pub const HOST_CORDONED: u32 = 2;
/// `Hosts::state`: is being emptied.
pub const HOST_DRAINING: u32 = 4;
/// `Instances::traits`: may migrate live.
pub const INSTANCE_MIGRATABLE: u32 = 1;
/// `Instances::traits`: must stay where it is.
pub const INSTANCE_PINNED: u32 = 2;
/// `Instances::traits`: a farm's router.
pub const INSTANCE_ROUTER: u32 = 4;
/// `Instances::traits`: runs on capacity that its owner lent.
pub const INSTANCE_LENT: u32 = 8;
/// `Shares::state`: wanted back by its owner.
pub const SHARE_RECALLED: u32 = 1;

/// One host of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Host {
    /// Its number, stable over its life.
    pub id: u32,
    /// All of its vCPUs.
    pub vcpus: u32,
    /// Those that nobody has.
    pub vcpus_free: u32,
    /// All of its memory.
    pub memory_mib: u32,
    /// What nobody has.
    pub memory_free_mib: u32,
    /// CPU load, 1000 = all of it.
    pub load_permille: u32,
    /// Number of its class: guests stay within theirs.
    pub class: u32,
    /// Number of the share that owns it, 0 for the site.
    pub share: u32,
    /// Bits: see [`HOST_OFF`], [`HOST_CORDONED`], [`HOST_DRAINING`].
    pub state: u32,
}

impl Host {
    /// Takes new guests.
    pub fn is_open(&self) -> bool {
        self.state == 0
    }

    /// Used in thousandths, of vCPUs or of memory, whichever is more.
    pub fn used_permille(&self) -> u32 {
        let used = |all: u32, free: u32| {
            (u64::from(all.saturating_sub(free)) * 1000 / u64::from(all.max(1))) as u32
        };
        used(self.vcpus, self.vcpus_free).max(used(self.memory_mib, self.memory_free_mib))
    }

    /// Has room for this.
    pub fn fits(&self, instance: &Instance) -> bool {
        instance.vcpus <= self.vcpus_free && instance.memory_mib <= self.memory_free_mib
    }

    /// Gives room to an instance.
    pub fn take(&mut self, instance: &Instance) {
        self.vcpus_free = self.vcpus_free.saturating_sub(instance.vcpus);
        self.memory_free_mib = self.memory_free_mib.saturating_sub(instance.memory_mib);
    }

    /// Has the room of an instance back.
    pub fn release(&mut self, instance: &Instance) {
        self.vcpus_free = (self.vcpus_free + instance.vcpus).min(self.vcpus);
        self.memory_free_mib = (self.memory_free_mib + instance.memory_mib).min(self.memory_mib);
    }

    /// What is free of one resource and cannot be used, since too little of the other is: vCPUs, and MiB.
    pub fn stranded(&self) -> (u64, u64) {
        let (vcpus, memory) = (u64::from(self.vcpus.max(1)), u64::from(self.memory_mib.max(1)));
        let (free_vcpus, free_memory) = (u64::from(self.vcpus_free), u64::from(self.memory_free_mib));
        // The part of the host that is free of both.
        let usable_vcpus = (free_memory * vcpus / memory).min(free_vcpus);
        let usable_memory = (free_vcpus * memory / vcpus).min(free_memory);
        (free_vcpus - usable_vcpus, free_memory - usable_memory)
    }
}

/// One instance, or router, of a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instance {
    /// Its number, for this question only.
    pub id: u32,
    /// Number of its farm, for this question only.
    pub farm: u32,
    /// Number of the host that it is on.
    pub home: u32,
    /// What it has.
    pub vcpus: u32,
    /// What it has.
    pub memory_mib: u32,
    /// What it uses of its vCPUs, 1000 = all of them; 0 where nobody measures.
    pub cpu_permille: u32,
    /// How long it has done nothing.
    pub idle_s: u32,
    /// Bits: see [`INSTANCE_MIGRATABLE`] and its like.
    pub traits: u32,
}

impl Instance {
    /// May be moved while it runs, and nobody wants it to stay.
    pub fn is_movable(&self) -> bool {
        self.traits & INSTANCE_MIGRATABLE != 0 && self.traits & INSTANCE_PINNED == 0
    }

    /// Runs on capacity that its owner lent.
    pub fn is_lent(&self) -> bool {
        self.traits & INSTANCE_LENT != 0
    }
}

impl Cluster {
    /// The hosts, a value each.
    pub fn hosts(&self) -> Vec<Host> {
        let columns = &self.hosts;
        (0..columns.id.len())
            .map(|i| Host {
                id: columns.id[i],
                vcpus: columns.vcpus[i],
                vcpus_free: columns.vcpus_free[i],
                memory_mib: columns.memory_mib[i],
                memory_free_mib: columns.memory_free_mib[i],
                load_permille: columns.load_permille[i],
                class: columns.class[i],
                share: columns.share[i],
                state: columns.state[i],
            })
            .collect()
    }

    /// How many instances there are, routers among them.
    pub fn instance_count(&self) -> usize {
        self.instances.id.len()
    }

    /// One instance, by its place in the columns.
    pub fn instance(&self, i: usize) -> Instance {
        let columns = &self.instances;
        Instance {
            id: columns.id[i],
            farm: columns.farm[i],
            home: columns.home[i],
            vcpus: columns.vcpus[i],
            memory_mib: columns.memory_mib[i],
            cpu_permille: columns.cpu_permille[i],
            idle_s: columns.idle_s[i],
            traits: columns.traits[i],
        }
    }

    /// Places of instances in the columns, by the place of the host that they are on. Instances on hosts
    /// that are not there are left out.
    pub fn guests_by_host(&self, hosts: &[Host]) -> Vec<Vec<u32>> {
        let mut guests = vec![Vec::new(); hosts.len()];
        for (i, home) in self.instances.home.iter().enumerate() {
            // Hosts are in the order of their numbers.
            if let Ok(place) = hosts.binary_search_by_key(home, |host| host.id) {
                guests[place].push(i as u32);
            }
        }
        guests
    }
}

impl Plan {
    /// Nothing should change: the score stays as it is.
    pub fn unchanged(score: u32) -> Self {
        Self { moves: Vec::new(), score_before: score, score_after: score, reasons: Vec::new() }
    }

    /// Appends a move and returns its index, for the `after` of later ones.
    pub fn push(&mut self, step: Step, after: &[u32], why: Reason) -> u32 {
        let index = self.moves.len() as u32;
        self.moves.push(Move { step, after: after.to_vec(), why });
        index
    }
}
