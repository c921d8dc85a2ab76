//! Hosts, their classes, and the shares that say who owns them.

use serde::{Deserialize, Serialize};

use crate::id::{HostId, ShareId};
use crate::name::Name;
use crate::units::{Gib, Mib, Size, Timestamp, Vcpus};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HostState {
    Enrolling,
    Up,
    /// Takes nothing new.
    Cordoned,
    Draining,
    Maintenance,
    /// Does not answer.
    Down,
}

impl HostState {
    /// May something new be placed here?
    pub fn takes_guests(self) -> bool {
        matches!(self, HostState::Up)
    }
}

/// What kind of place a class is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassKind {
    /// Shared storage, live migration, public and private addresses.
    Services,
    /// Local disks, cached images, private addresses.
    Workers,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostClass {
    pub name: Name,
    pub kind: ClassKind,
    /// vCPUs offered per 1000 real ones.
    pub cpu_overcommit_permille: u32,
    /// GiB of the store of volumes and snapshots that all hosts of the class reach; 0: none.
    #[serde(default)]
    pub volumes: Gib,
}

impl HostClass {
    /// What a host of this class offers, given what it has.
    pub fn offered(&self, real: Size) -> Size {
        let vcpus = u64::from(real.vcpus.0) * u64::from(self.cpu_overcommit_permille) / 1000;
        Size { vcpus: Vcpus(u32::try_from(vcpus).unwrap_or(u32::MAX)), ..real }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub id: HostId,
    pub name: Name,
    pub class: Name,
    pub share: ShareId,
    /// Where its hypervisor answers, for example `sim:` or `qemu+ssh://…`.
    pub uri: String,
    /// What guests may have in all: real capacity times overcommit.
    pub capacity: Size,
    /// The capacity is what the host says itself, and nobody else's word.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub measured: bool,
    /// What it said when it was last asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts: Option<HostFacts>,
    pub state: HostState,
    /// Why it is in this state, for people.
    pub note: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Host {
    /// Instances run here, from images. Gateways only have routers.
    pub fn has_images(&self) -> bool {
        !self.uri.starts_with("netns:")
    }

    /// Its class keeps images on each host by itself.
    pub fn caches_images(&self, class: &HostClass) -> bool {
        let shared = self.facts.as_ref().is_some_and(|facts| facts.shared_storage);
        class.kind == ClassKind::Workers && !shared && self.has_images()
    }

    /// It is a simulated one.
    pub fn is_simulated(&self) -> bool {
        self.uri.starts_with("sim:")
    }
}

/// What a host is, as it says itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// For people: what runs guests there, and its version.
    pub hypervisor: String,
    /// vCPUs, memory, and room for disks of guests, whether or not they are used.
    pub capacity: Size,
    /// Its processors and memory by NUMA node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NumaNode>,
    /// Guests run on the processor itself, and not on an emulated one.
    pub accelerated: bool,
    /// How they run, and why so, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acceleration: Option<String>,
    /// Disks lie where all hosts of the class reach them.
    pub shared_storage: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct NumaNode {
    pub vcpus: u32,
    pub memory: Mib,
}

/// A stakeholder's part of the hosts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    pub id: ShareId,
    pub name: Name,
    /// Tenants of this group are the owner's own.
    pub group: Name,
    /// Whether others may use idle hosts at all; how much is the owner's policy's matter.
    pub lends: bool,
    /// The owner wants its hosts back.
    pub recalled: bool,
    pub created: Timestamp,
    pub updated: Timestamp,
}
