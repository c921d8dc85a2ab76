//! Operations: work outside the database, done by a saga, step by step, each recorded.

use serde::{Deserialize, Serialize};

use crate::id::{AddressId, FarmId, ImageId, InstanceId, OperationId, SnapshotId, TenantId, VolumeId};
use crate::units::Timestamp;

/// Which saga. The text is kept in the database and never renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SagaKind {
    FarmCreate,
    FarmDelete,
    InstanceRun,
    InstanceStart,
    InstanceStop,
    InstanceReboot,
    InstanceMigrate,
    InstanceTerminate,
    RouterApply,
    RouterRestart,
    NamesApply,
    FirewallApply,
    VolumeCreate,
    VolumeAttach,
    VolumeDetach,
    VolumeResize,
    VolumeDelete,
    SnapshotCreate,
    SnapshotDelete,
    RouterMove,
    InstanceRestart,
}

impl SagaKind {
    pub const ALL: [SagaKind; 21] = [
        SagaKind::FarmCreate,
        SagaKind::FarmDelete,
        SagaKind::InstanceRun,
        SagaKind::InstanceStart,
        SagaKind::InstanceStop,
        SagaKind::InstanceReboot,
        SagaKind::InstanceMigrate,
        SagaKind::InstanceTerminate,
        SagaKind::RouterApply,
        SagaKind::RouterRestart,
        SagaKind::NamesApply,
        SagaKind::FirewallApply,
        SagaKind::VolumeCreate,
        SagaKind::VolumeAttach,
        SagaKind::VolumeDetach,
        SagaKind::VolumeResize,
        SagaKind::VolumeDelete,
        SagaKind::SnapshotCreate,
        SagaKind::SnapshotDelete,
        SagaKind::RouterMove,
        SagaKind::InstanceRestart,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            SagaKind::FarmCreate => "farm-create",
            SagaKind::FarmDelete => "farm-delete",
            SagaKind::InstanceRun => "instance-run",
            SagaKind::InstanceStart => "instance-start",
            SagaKind::InstanceStop => "instance-stop",
            SagaKind::InstanceReboot => "instance-reboot",
            SagaKind::InstanceMigrate => "instance-migrate",
            SagaKind::InstanceTerminate => "instance-terminate",
            SagaKind::RouterApply => "router-apply",
            SagaKind::RouterRestart => "router-restart",
            SagaKind::NamesApply => "names-apply",
            SagaKind::FirewallApply => "firewall-apply",
            SagaKind::VolumeCreate => "volume-create",
            SagaKind::VolumeAttach => "volume-attach",
            SagaKind::VolumeDetach => "volume-detach",
            SagaKind::VolumeResize => "volume-resize",
            SagaKind::VolumeDelete => "volume-delete",
            SagaKind::SnapshotCreate => "snapshot-create",
            SagaKind::SnapshotDelete => "snapshot-delete",
            SagaKind::RouterMove => "router-move",
            SagaKind::InstanceRestart => "instance-restart",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OperationState {
    Running,
    /// A step failed, or somebody cancelled: done steps are being undone, newest first.
    Compensating,
    Done,
    /// All that was done has been undone.
    Failed,
    /// Needs a person: retry, skip or adopt.
    Stuck,
}

impl OperationState {
    pub fn is_over(self) -> bool {
        matches!(self, OperationState::Done | OperationState::Failed)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StepState {
    Pending,
    /// Recorded before it runs: after a crash it may or may not have happened.
    Acting,
    Done,
    Failed,
    Undoing,
    Undone,
    /// A person said to go on without it.
    Skipped,
    /// A person said that it has been done by hand.
    Adopted,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Text of the saga's step; kept in the database and never renamed.
    pub step: String,
    pub state: StepState,
    /// Attempts in the present direction.
    pub attempts: u32,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub error: Option<String>,
    /// What it found or made, for people.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    pub updated: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    pub id: OperationId,
    pub saga: SagaKind,
    /// Code that began it; an unfinished one is ended by the same.
    pub version: u32,
    pub tenant: Option<TenantId>,
    pub farm: FarmId,
    /// Instances that it is about.
    pub instances: Vec<InstanceId>,
    /// Fewest of them that make it a success.
    pub min_count: u32,
    pub address: Option<AddressId>,
    /// The volume, snapshot or image that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<VolumeId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageId>,
    pub state: OperationState,
    pub steps: Vec<StepRecord>,
    /// Index of the step that is acting, undoing or next.
    pub cursor: u32,
    /// Why it began to compensate, or is stuck.
    pub error: Option<String>,
    /// Somebody wants it undone; honoured between steps before the pivot.
    pub cancel: bool,
    /// Not before this time.
    pub retry_at: Option<Timestamp>,
    pub actor: String,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Operation {
    pub fn current(&self) -> Option<&StepRecord> {
        self.steps.get(self.cursor as usize)
    }
}
