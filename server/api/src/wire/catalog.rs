//! What the site offers: flavors, images, hosts, classes and shares.

use cascina_core::id::HostId;
use cascina_core::name::Name;
use cascina_core::units;
use cascina_core::usage::ShareUsage;
use cascina_core::{flavor, host, image, replica};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Size, mirror, text, time};

mirror! {
    ImageState = image::ImageState { Pending Available Failed Deprecated }
    HostState = host::HostState { Enrolling Up Cordoned Draining Maintenance Down }
    ClassKind = host::ClassKind { Services Workers }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Flavor {
    pub name: String,
    #[serde(flatten)]
    pub size: Size,
    pub deprecated: bool,
    pub created: String,
    pub updated: String,
}

impl From<&flavor::Flavor> for Flavor {
    fn from(row: &flavor::Flavor) -> Flavor {
        Flavor {
            name: row.name.to_string(),
            size: row.size.into(),
            deprecated: row.deprecated,
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFlavor {
    pub vcpus: u32,
    pub memory_mib: u64,
    pub disk_gib: u64,
    /// Existing instances keep it; new ones are refused.
    #[serde(default)]
    pub deprecated: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Image {
    pub id: String,
    pub name: String,
    /// None: everybody's.
    pub tenant: Option<String>,
    /// Where the hosts find it.
    pub source: String,
    pub min_disk_gib: u64,
    pub state: ImageState,
    /// Why it is not usable.
    pub note: Option<String>,
    /// Of its file: what was found, or else what it must have.
    pub sha256: Option<String>,
    /// Of its file; none before it was checked.
    pub bytes: Option<u64>,
    pub created: String,
    pub updated: String,
}

/// An image, and where it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImageOnHosts {
    #[serde(flatten)]
    pub image: Image,
    /// Copies on hosts that the caller may see.
    pub replicas: Vec<Replica>,
}

/// A copy of an image on a host.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replica {
    pub host: String,
    pub state: ReplicaState,
    pub percent: u8,
    /// Of which `percent` are there.
    pub bytes: u64,
    /// The host that it is copied from; none: the server, or it is not being copied.
    pub from: Option<String>,
    /// Why it is in this state.
    pub note: Option<String>,
    pub updated: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplicaState {
    Waiting,
    Copying,
    Ready,
    /// It is tried again after a while.
    Failed,
    Evicting,
    Evicted,
}

impl Replica {
    /// `name`: of a host.
    pub fn of(row: &replica::ImageReplica, name: impl Fn(HostId) -> String) -> Replica {
        use replica::ReplicaState as Is;
        let (state, from, why) = match &row.state {
            Is::Waiting => (ReplicaState::Waiting, None, None),
            Is::Copying { from, .. } => (ReplicaState::Copying, *from, None),
            Is::Ready => (ReplicaState::Ready, None, None),
            Is::Failed { why } => (ReplicaState::Failed, None, Some(why.clone())),
            Is::Evicting => (ReplicaState::Evicting, None, None),
            Is::Evicted => (ReplicaState::Evicted, None, None),
        };
        Replica {
            host: name(row.host),
            state,
            percent: row.percent(),
            bytes: row.bytes,
            from: from.map(name),
            note: why.or_else(|| row.note.clone()),
            updated: time(row.updated),
        }
    }
}

/// Where an image is to be.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SpreadTo {
    /// Names or numbers; none: all hosts that keep images by themselves.
    pub hosts: Vec<String>,
}

/// Where it is not to be.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EvictFrom {
    pub host: String,
}

impl From<&image::Image> for Image {
    fn from(row: &image::Image) -> Image {
        Image {
            id: row.id.to_string(),
            name: row.name.to_string(),
            tenant: text(&row.tenant),
            source: row.source.clone(),
            min_disk_gib: row.min_disk.0,
            state: row.state.into(),
            note: row.note.clone(),
            sha256: text(&row.content.as_ref().map(|content| content.digest).or(row.sha256)),
            bytes: row.content.as_ref().map(|content| content.bytes),
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewImage {
    #[schema(value_type = String)]
    pub name: Name,
    /// Id or name of the tenant that may use it; everybody if left out by an admin.
    pub tenant: Option<String>,
    pub source: String,
    /// The smallest disk that holds it.
    pub min_disk_gib: u64,
    /// What its file must have; it is not launched before it was found to.
    #[serde(default)]
    pub sha256: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Host {
    pub id: u32,
    pub name: String,
    pub class: String,
    /// None: the site's own.
    pub share: Option<String>,
    pub uri: String,
    /// What guests may have in all.
    pub capacity: Size,
    pub used: Size,
    pub free: Size,
    pub guests: usize,
    pub state: HostState,
    pub note: Option<String>,
    /// What it says itself; none of what is simulated or was never reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub facts: Option<Facts>,
    pub created: String,
    pub updated: String,
}

/// What a host says that it is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Facts {
    pub hypervisor: String,
    /// Real ones, whether or not they are used.
    pub capacity: Size,
    pub nodes: Vec<NumaNode>,
    /// Guests run on its processors themselves, and not on emulated ones.
    pub accelerated: bool,
    /// How they run, and why so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acceleration: Option<String>,
    /// Disks lie where all hosts of the class reach them.
    pub shared_storage: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct NumaNode {
    pub vcpus: u32,
    pub memory_mib: u64,
}

impl Facts {
    fn of(facts: &host::HostFacts) -> Facts {
        let node = |node: &host::NumaNode| NumaNode { vcpus: node.vcpus, memory_mib: node.memory.0 };
        Facts {
            hypervisor: facts.hypervisor.clone(),
            capacity: facts.capacity.into(),
            nodes: facts.nodes.iter().map(node).collect(),
            accelerated: facts.accelerated,
            acceleration: facts.acceleration.clone(),
            shared_storage: facts.shared_storage,
        }
    }
}

/// What of a host stands in other tables.
pub struct HostBeside {
    pub share: Option<Name>,
    pub used: units::Size,
    pub guests: usize,
}

impl Host {
    pub fn of(row: &host::Host, beside: HostBeside) -> Host {
        Host {
            id: row.id.0,
            name: row.name.to_string(),
            class: row.class.to_string(),
            share: text(&beside.share),
            uri: row.uri.clone(),
            capacity: row.capacity.into(),
            used: beside.used.into(),
            free: row.capacity.saturating_sub(beside.used).into(),
            guests: beside.guests,
            state: row.state.into(),
            note: row.note.clone(),
            facts: row.facts.as_ref().map(Facts::of),
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

fn simulated() -> String {
    "sim:".into()
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewHost {
    #[schema(value_type = String)]
    pub name: Name,
    #[schema(value_type = String)]
    pub class: Name,
    /// Left out: the site's own.
    #[schema(value_type = Option<String>)]
    pub share: Option<Name>,
    /// Where its hypervisor answers.
    #[serde(default = "simulated")]
    pub uri: String,
    /// Real ones; the class says how many more are offered. A real host of which nothing is said tells
    /// its own capacity.
    #[serde(default)]
    pub vcpus: u32,
    #[serde(default)]
    pub memory_mib: u64,
    #[serde(default)]
    pub disk_gib: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Class {
    pub name: String,
    pub kind: ClassKind,
    /// vCPUs offered per 1000 real ones.
    pub cpu_overcommit_permille: u32,
    /// GiB of its store of volumes and snapshots.
    pub volumes_gib: u64,
}

impl From<&host::HostClass> for Class {
    fn from(row: &host::HostClass) -> Class {
        Class {
            name: row.name.to_string(),
            kind: row.kind.into(),
            cpu_overcommit_permille: row.cpu_overcommit_permille,
            volumes_gib: row.volumes.0,
        }
    }
}

fn no_overcommit() -> u32 {
    1000
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewClass {
    pub kind: ClassKind,
    /// vCPUs offered per 1000 real ones.
    #[serde(default = "no_overcommit")]
    pub cpu_overcommit_permille: u32,
    /// GiB of the store of volumes and snapshots that all hosts of the class reach; 0: none.
    #[serde(default)]
    pub volumes_gib: u64,
}

/// A stakeholder's part of the hosts.
#[derive(Debug, Serialize, ToSchema)]
pub struct Share {
    pub id: u32,
    pub name: String,
    /// Tenants of this group are the owner's own.
    pub group: String,
    pub lends: bool,
    /// The owner wants its hosts back.
    pub recalled: bool,
    pub vcpus: u32,
    /// Used by the owner's own tenants.
    pub vcpus_own: u32,
    /// Used by others.
    pub vcpus_lent: u32,
    pub created: String,
    pub updated: String,
}

impl Share {
    pub fn of(row: &host::Share, usage: ShareUsage) -> Share {
        Share {
            id: row.id.0,
            name: row.name.to_string(),
            group: row.group.to_string(),
            lends: row.lends,
            recalled: row.recalled,
            vcpus: usage.vcpus,
            vcpus_own: usage.vcpus_own,
            vcpus_lent: usage.vcpus_lent,
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewShare {
    #[schema(value_type = String)]
    pub name: Name,
    #[schema(value_type = String)]
    pub group: Name,
    /// Whether others may use idle hosts at all.
    #[serde(default)]
    pub lends: bool,
}
