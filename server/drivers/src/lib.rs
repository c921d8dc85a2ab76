//! The world of hosts behind one trait.
//!
//! A call names what should be true and may be repeated: after a crash nobody knows whether the
//! first one arrived. Every external object carries the id of its owner, so that an inventory
//! shows what has no owner any more.

pub mod conformance;
pub mod sim;

use async_trait::async_trait;
use cascina_core::id::{FarmId, HostId, NetworkId, OperationId};
use cascina_core::name::Name;
use cascina_core::network::{Mac, RouterConfig};
use cascina_core::state::Guest;
use cascina_core::units::Size;
use serde::{Deserialize, Serialize};

/// The host that a call is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRef {
    pub id: HostId,
    pub name: Name,
    pub uri: String,
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
}

/// What should be made true on a host. All of them are idempotent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "call")]
pub enum HostCall {
    /// The farm's network is isolated on this host.
    DefineNetwork { network: NetworkSpec },
    /// Nothing of the network is left. Refused while a guest uses it.
    RemoveNetwork { network: NetworkId },
    /// The guest's disk exists, made from the image.
    StageDisk { spec: GuestSpec, image: String },
    /// The guest is defined and runs. Its disk and network must be there.
    Boot { spec: GuestSpec },
    /// The guest is defined and does not run.
    Stop { guest: Guest },
    /// The guest has been restarted once for this operation, and runs.
    Reboot { guest: Guest, operation: OperationId },
    /// Neither guest nor disk is left.
    Destroy { guest: Guest },
    /// The router does exactly this.
    ApplyRouter { guest: Guest, revision: u64, config: RouterConfig },
    /// The router answers and has its configuration.
    ProbeRouter { guest: Guest },
    /// Everything of ours on the host.
    Inventory,
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
            HostCall::ApplyRouter { .. } => "apply-router",
            HostCall::ProbeRouter { .. } => "probe-router",
            HostCall::Inventory => "inventory",
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
}

/// All objects on a host that carry our mark.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    pub guests: Vec<FoundGuest>,
    pub networks: Vec<(NetworkId, FarmId)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    Done,
    Inventory(Inventory),
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DriverError {
    /// The host said no; asking again will not help.
    #[error("host {host} refused {call}: {why}")]
    Refused { host: Name, call: &'static str, why: String },
    /// It may or may not have happened; ask again.
    #[error("host {host} did not answer {call}: {why}")]
    Unreachable { host: Name, call: &'static str, why: String },
}

impl DriverError {
    pub fn is_passing(&self) -> bool {
        matches!(self, DriverError::Unreachable { .. })
    }
}

/// A way to reach hosts. The engine sets deadlines: a call that hangs is dropped and repeated.
#[async_trait]
pub trait Hypervisor: Send + Sync {
    async fn call(&self, host: &HostRef, call: HostCall) -> Result<Reply, DriverError>;
}
