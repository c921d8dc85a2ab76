//! Volumes: disks that outlive instances. They lie in the volume store of a host class, which all hosts
//! of the class reach, so that a volume can go from an instance on one host to one on another.

use serde::{Deserialize, Serialize};

use crate::id::{FarmId, InstanceId, OperationId, SnapshotId, TenantId, VolumeId};
use crate::name::Name;
use crate::units::{Gib, Timestamp};

/// The largest volume.
pub const MOST_GIB: u64 = 16_384;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeState {
    Creating,
    /// There; in use if it is attached.
    Ready,
    Resizing,
    Deleting,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttachmentState {
    Attaching,
    Attached,
    Detaching,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub instance: InstanceId,
    /// As the tenant names it, for example `/dev/vdb`.
    pub device: String,
    pub state: AttachmentState,
    /// Ends with its instance.
    pub delete_on_termination: bool,
    pub since: Timestamp,
}

/// What EC2 clients call a volume's type. It is kept for them; the store is one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VolumeKind {
    Standard,
    #[default]
    Gp2,
    Gp3,
    Io1,
    Io2,
    St1,
    Sc1,
}

/// How fast EC2 clients want it. It is kept for them, as its type is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pace {
    /// Operations a second.
    #[serde(default)]
    pub iops: Option<u32>,
    /// MiB a second.
    #[serde(default)]
    pub throughput: Option<u32>,
}

/// How a volume was before it was last changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modified {
    pub size: Gib,
    pub kind: VolumeKind,
    pub pace: Pace,
    pub begun: Timestamp,
    /// None: it is under way.
    pub ended: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    pub id: VolumeId,
    pub farm: FarmId,
    pub tenant: TenantId,
    pub class: Name,
    pub size: Gib,
    pub kind: VolumeKind,
    #[serde(default)]
    pub pace: Pace,
    /// What it was made from.
    pub snapshot: Option<SnapshotId>,
    pub state: VolumeState,
    pub attachment: Option<Attachment>,
    /// None: it is as it was made.
    #[serde(default)]
    pub modified: Option<Modified>,
    /// Why it is in this state, for people.
    pub note: Option<String>,
    /// The operation that last changed it.
    pub operation: Option<OperationId>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Volume {
    /// Nothing is under way with it.
    pub fn is_settled(&self) -> bool {
        let attached = self.attachment.as_ref().is_none_or(|held| held.state == AttachmentState::Attached);
        attached && matches!(self.state, VolumeState::Ready | VolumeState::Error)
    }
}
