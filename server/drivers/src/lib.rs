//! The world of hosts behind one trait.
//!
//! A call names what should be true and may be repeated: after a crash nobody knows whether the
//! first one arrived. Every external object carries the id of its owner, so that an inventory
//! shows what has no owner any more.

pub mod conformance;
pub mod libvirt;
pub mod netns;
pub mod router;
pub mod sim;

use std::sync::Arc;

use async_trait::async_trait;
pub use cascina_core::host::{HostFacts, NumaNode};
use cascina_core::id::{FarmId, HostId, NetworkId, OperationId, SnapshotId, VolumeId};
use cascina_core::image::Content;
use cascina_core::launch::Bytes;
use cascina_core::name::Name;
use cascina_core::network::{Mac, RouterConfig};
use cascina_core::policy::Digest;
use cascina_core::security_group::Firewall;
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;
use cascina_core::units::{Gib, Mib, Size};
use serde::{Deserialize, Serialize};

/// The host that a call is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRef {
    pub id: HostId,
    pub name: Name,
    pub uri: String,
    pub class: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    pub id: NetworkId,
    pub farm: FarmId,
    pub segment: u32,
    pub cidr: ipnet::Ipv4Net,
    pub mac_prefix: [u8; 4],
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestSpec {
    pub guest: Guest,
    pub farm: FarmId,
    pub network: NetworkId,
    pub name: Name,
    pub size: Size,
    pub ip: std::net::Ipv4Addr,
    pub mac: Mac,
    /// Beside the disk that it boots from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeAt>,
    /// Lines of `authorized_keys` for the guest's first user.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_keys: Vec<String>,
    /// What the tenant gave it to read when it boots.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_data: Option<Bytes>,
}

/// A volume and the device as which a guest has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeAt {
    pub volume: VolumeId,
    /// As the tenant names it, for example `/dev/vdb`.
    pub device: String,
}

/// Where a volume or snapshot lies: in the store of a class, which all hosts of the class reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub farm: FarmId,
    pub class: Name,
}

/// What should be made true on a host. All of them are idempotent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "call")]
pub enum HostCall {
    /// The farm's network is isolated on this host.
    DefineNetwork { network: NetworkSpec },
    /// Nothing of the network is left. Refused while a guest uses it.
    RemoveNetwork { network: NetworkId },
    /// The farm's guests on this host can reach and be reached as this says. The network must be there;
    /// what is of an older revision than the host has changes nothing.
    ApplyFirewall { network: NetworkId, revision: u64, firewall: Arc<Firewall> },
    /// The guest's disk exists, made from the image: the site's name for one, or `snapshot:` and an id.
    /// An image that has another digest than is said is refused.
    StageDisk {
        spec: GuestSpec,
        image: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<Digest>,
    },
    /// The guest is defined and runs. Its disk and network must be there.
    Boot { spec: GuestSpec },
    /// The guest is defined and does not run.
    Stop { guest: Guest },
    /// The guest has been restarted once for this operation, and runs.
    Reboot { guest: Guest, operation: OperationId },
    /// Neither guest nor disk is left.
    Destroy { guest: Guest },
    /// The guest is on the other host as it was on this one, running if it ran, and nothing of it is left
    /// here. The other host must have the network of one that runs. Of two, one here and one there, the
    /// one that runs stays, or else that there.
    Migrate { spec: GuestSpec, to: HostRef },
    /// Nothing of the guest is left on this host. A disk that other hosts reach stays.
    Evict { guest: Guest },
    /// The router does exactly this.
    ApplyRouter { guest: Guest, revision: u64, config: RouterConfig },
    /// The router answers and has its configuration, whose revision it tells.
    ProbeRouter { guest: Guest },
    /// The volume exists: empty, or with what is on the snapshot.
    MakeVolume { volume: VolumeId, at: Place, size: Gib, from: Option<SnapshotId> },
    /// The volume is at least so large.
    ResizeVolume { volume: VolumeId, at: Place, size: Gib },
    /// Nothing of the volume is left. Refused while a guest has it.
    RemoveVolume { volume: VolumeId, at: Place },
    /// The guest, which is on this host, has the volume. Refused while another guest has it.
    AttachVolume { guest: Guest, volume: VolumeAt, at: Place },
    /// The guest does not have the volume.
    DetachVolume { guest: Guest, volume: VolumeId, at: Place },
    /// The snapshot exists, as the disk was at some moment since this was first asked. The root disk
    /// of an instance must be on this host.
    MakeSnapshot { snapshot: SnapshotId, at: Place, of: Disk },
    /// Nothing of the snapshot is left.
    RemoveSnapshot { snapshot: SnapshotId, at: Place },
    /// What the image is, where all hosts get it from. Refused: it is of no use, or has another digest than
    /// is said.
    CheckImage { image: String, sha256: Option<Digest> },
    /// More of the image is on this host, out of another's store or (`None`) where all hosts get it from.
    /// Each call goes on where the one before it ended, and works for some seconds at most; it is all there,
    /// and has its digest, when the answer says so.
    CopyImage { image: String, content: Content, from: Option<HostRef> },
    /// Nothing of the image is on this host. Refused while a disk is laid over it.
    DropImage { image: String, content: Content },
    /// The last 64 KiB that the guest wrote to its console.
    Console { guest: Guest },
    /// Everything of ours in the class's volume store.
    Stored { class: Name },
    /// Everything of ours on the host.
    Inventory,
    /// What the host is and has.
    Describe,
    /// What each running guest has used since it came up.
    Sample,
}

impl HostCall {
    pub fn as_str(&self) -> &'static str {
        match self {
            HostCall::DefineNetwork { .. } => "define-network",
            HostCall::RemoveNetwork { .. } => "remove-network",
            HostCall::StageDisk { .. } => "stage-disk",
            HostCall::Boot { .. } => "boot",
            HostCall::Stop { .. } => "stop",
            HostCall::Reboot { .. } => "reboot",
            HostCall::Destroy { .. } => "destroy",
            HostCall::Migrate { .. } => "migrate",
            HostCall::Evict { .. } => "evict",
            HostCall::ApplyRouter { .. } => "apply-router",
            HostCall::ProbeRouter { .. } => "probe-router",
            HostCall::ApplyFirewall { .. } => "apply-firewall",
            HostCall::MakeVolume { .. } => "make-volume",
            HostCall::ResizeVolume { .. } => "resize-volume",
            HostCall::RemoveVolume { .. } => "remove-volume",
            HostCall::AttachVolume { .. } => "attach-volume",
            HostCall::DetachVolume { .. } => "detach-volume",
            HostCall::MakeSnapshot { .. } => "make-snapshot",
            HostCall::RemoveSnapshot { .. } => "remove-snapshot",
            HostCall::CheckImage { .. } => "check-image",
            HostCall::CopyImage { .. } => "copy-image",
            HostCall::DropImage { .. } => "drop-image",
            HostCall::Console { .. } => "console",
            HostCall::Stored { .. } => "stored",
            HostCall::Inventory => "inventory",
            HostCall::Describe => "describe",
            HostCall::Sample => "sample",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GuestState {
    /// Its disk exists, nothing more.
    Staged,
    Running,
    Stopped,
    /// It ended by itself.
    Crashed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundGuest {
    pub guest: Guest,
    pub farm: FarmId,
    pub state: GuestState,
    /// That it has.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<VolumeId>,
}

/// All objects on a host that carry our mark.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    pub guests: Vec<FoundGuest>,
    pub networks: Vec<FoundNetwork>,
    /// Digests of images that are there whole. None: they could not be looked at now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub images: Option<Vec<Digest>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundNetwork {
    pub network: NetworkId,
    pub farm: FarmId,
    /// Revision of the firewall that it enforces; 0: none yet, nothing passes.
    pub firewall: u64,
}

/// All objects in a volume store that carry our mark.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stored {
    pub volumes: Vec<(VolumeId, FarmId)>,
    pub snapshots: Vec<(SnapshotId, FarmId)>,
}

/// What a guest has used since it came up: counters that only grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestSample {
    pub guest: Guest,
    pub cpu_ns: u64,
    /// That it occupies on the host now.
    pub resident: Mib,
    pub disk_read_bytes: u64,
    pub disk_written_bytes: u64,
    pub net_received_bytes: u64,
    pub net_sent_bytes: u64,
}

/// How far a copy of an image is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copied {
    /// Bytes that are there.
    pub done: u64,
    /// It is all there and has its digest.
    pub whole: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Done,
    /// Of the configuration that a router has.
    Revision(u64),
    Inventory(Inventory),
    Stored(Stored),
    Console(Vec<u8>),
    Image(Box<Content>),
    Copied(Copied),
    Facts(Box<HostFacts>),
    Samples(Vec<GuestSample>),
}

/// What a host says without being asked. It may be missed: inventories tell all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostEvent {
    pub host: HostId,
    pub what: HostChange,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostChange {
    /// A guest came up, ended or went: time to look at the host.
    Guest(Guest),
    /// The connection broke.
    Lost,
    /// It is back.
    Found,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// The host said no; asking again will not help.
    #[error("host {host} refused {call}: {why}")]
    Refused { host: Name, call: &'static str, why: String },
    /// It may or may not have happened; ask again.
    #[error("host {host} did not answer {call}: {why}")]
    Unreachable { host: Name, call: &'static str, why: String },
    /// It answers and is not as it was told; telling it again helps.
    #[error("host {host} answers {call} with a difference: {why}")]
    Differs { host: Name, call: &'static str, why: String },
}

impl DriverError {
    pub fn is_passing(&self) -> bool {
        matches!(self, DriverError::Unreachable { .. } | DriverError::Differs { .. })
    }
}

/// A way to reach hosts. The engine sets deadlines: a call that hangs is dropped and repeated.
#[async_trait]
pub trait Hypervisor: Send + Sync {
    async fn call(&self, host: &HostRef, call: HostCall) -> Result<Reply, DriverError>;

    /// What hosts say by themselves from now on. None: these hosts never do.
    fn events(&self) -> Option<tokio::sync::broadcast::Receiver<HostEvent>> {
        None
    }
}
