//! Instances: the guests that tenants asked for.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use crate::id::{
    DecisionId, FarmId, HostId, ImageId, InstanceId, OperationId, ReservationId, SecurityGroupId, TenantId,
};
use crate::launch::{LaunchKey, OnShutdown};
use crate::metadata::MetadataOptions;
use crate::name::Name;
use crate::network::Mac;
use crate::units::{Gib, Mib, Size, Timestamp, Vcpus};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InstanceState {
    /// Has a host and a claim on it; nothing is there yet.
    Scheduled,
    /// Its disk is being made.
    Staging,
    Running,
    Stopping,
    Stopped,
    ShuttingDown,
    Terminated,
    /// The driver says that something is wrong; a person or the reconciler must look.
    Error,
}

impl InstanceState {
    pub fn as_str(self) -> &'static str {
        match self {
            InstanceState::Scheduled => "scheduled",
            InstanceState::Staging => "staging",
            InstanceState::Running => "running",
            InstanceState::Stopping => "stopping",
            InstanceState::Stopped => "stopped",
            InstanceState::ShuttingDown => "shutting-down",
            InstanceState::Terminated => "terminated",
            InstanceState::Error => "error",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    pub id: InstanceId,
    pub farm: FarmId,
    pub tenant: TenantId,
    pub name: Name,
    pub flavor: Name,
    pub image: ImageId,
    pub class: Name,
    pub size: Size,
    pub state: InstanceState,
    /// It runs, or may run: it keeps vCPUs and memory from others, not only its disk. One that was
    /// stopped stays without while it is being terminated, or when something is wrong with it.
    pub powered: bool,
    /// Why it is in this state, for people.
    pub note: Option<String>,
    pub host: Option<HostId>,
    /// It is being moved to this host, which keeps room for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bound_for: Option<HostId>,
    pub ip: Ipv4Addr,
    pub mac: Mac,
    /// The placement decision that chose the host.
    pub decision: Option<DecisionId>,
    /// The operation that last changed it.
    pub operation: Option<OperationId>,
    /// The request that it came with, and its place among the instances of that.
    #[serde(default)]
    pub reservation: ReservationId,
    #[serde(default)]
    pub launch_index: u32,
    #[serde(default)]
    pub groups: Vec<SecurityGroupId>,
    #[serde(default)]
    pub key: Option<LaunchKey>,
    /// Refuses to be terminated, or stopped, until this is taken off.
    #[serde(default)]
    pub terminate_protected: bool,
    #[serde(default)]
    pub stop_protected: bool,
    #[serde(default)]
    pub on_shutdown: OnShutdown,
    #[serde(default, skip_serializing_if = "MetadataOptions::is_default")]
    pub metadata: MetadataOptions,
    /// What the client named its request.
    #[serde(default)]
    pub client_token: Option<String>,
    /// When it was last started.
    #[serde(default)]
    pub launched: Timestamp,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Instance {
    pub fn is_live(&self) -> bool {
        self.state != InstanceState::Terminated
    }

    /// What it keeps from others on its host.
    pub fn claim(&self) -> Option<(HostId, Size)> {
        let host = self.host.filter(|_| self.is_live())?;
        let disk = Size { vcpus: Vcpus::ZERO, memory: Mib::ZERO, disk: self.size.disk };
        Some((host, if self.powered { self.size } else { disk }))
    }

    /// What it keeps from others, on its host and on the one that it is bound for.
    pub fn claims(&self) -> impl Iterator<Item = (HostId, Size)> + use<> {
        let claim = self.claim();
        let there = claim.and_then(|(_, size)| self.bound_for.map(|host| (host, size)));
        claim.into_iter().chain(there)
    }

    /// Is in this state from now on, and keeps from others what goes with it.
    pub fn set(&mut self, state: InstanceState) {
        self.state = state;
        if state == InstanceState::Terminated {
            self.bound_for = None;
        }
        match state {
            InstanceState::Scheduled | InstanceState::Staging | InstanceState::Running | InstanceState::Stopping => {
                self.powered = true;
            }
            InstanceState::Stopped | InstanceState::Terminated => self.powered = false,
            InstanceState::ShuttingDown | InstanceState::Error => {}
        }
    }

    /// Size of what is missing on the host before a stopped instance can run again.
    pub fn size_to_start(&self) -> Size {
        Size { disk: Gib::ZERO, ..self.size }
    }
}
