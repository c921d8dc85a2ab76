//! Snapshots: what was on a disk at one moment. They lie in the volume store of a host class.

use serde::{Deserialize, Serialize};

use crate::id::{FarmId, InstanceId, OperationId, SnapshotId, TenantId, VolumeId};
use crate::name::Name;
use crate::units::{Gib, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SnapshotState {
    Pending,
    Completed,
    Deleting,
    Error,
}

/// Which disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "disk", content = "of")]
pub enum Disk {
    Volume(VolumeId),
    /// The one that an instance boots from.
    Root(InstanceId),
    /// The copy of one that a snapshot holds.
    Copy(SnapshotId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub id: SnapshotId,
    pub farm: FarmId,
    pub tenant: TenantId,
    pub class: Name,
    pub source: Disk,
    pub size: Gib,
    pub description: String,
    pub state: SnapshotState,
    /// Why it is in this state, for people.
    pub note: Option<String>,
    /// The operation that last changed it.
    pub operation: Option<OperationId>,
    pub created: Timestamp,
    pub updated: Timestamp,
}
