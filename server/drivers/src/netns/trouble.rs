//! Why a gateway host did not do what it was asked.

use cascina_core::id::NetworkId;
use cascina_core::state::Guest;

use super::program::ProgramError;
use super::record::RecordError;
use super::stand::StandError;
use crate::router::{LinkName, PlanError};
use crate::{DriverError, HostRef};

#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Uri(#[from] StandError),
    #[error("a gateway host makes routers and nothing else: give it a class for services only")]
    RoutersOnly,
    #[error("{0} is not a router, and a gateway host makes routers only: give it a class for services only")]
    NotARouter(Guest),
    #[error("{0} is not on this host: stage its disk first")]
    NoRouter(Guest),
    #[error("{0} does not run: boot it first")]
    NotRunning(Guest),
    #[error("a router is not made from `{0}`: its image is the site's")]
    Image(String),
    #[error("network {0} is not on this host: define it first")]
    NoNetwork(NetworkId),
    #[error("network {network} is used by {guest}: destroy that first")]
    InUse { network: NetworkId, guest: Guest },
    #[error("segment {segment} is that of network {other}: remove that first")]
    SegmentTaken { segment: u32, other: NetworkId },
    #[error("network {0} is on another segment here: remove it first")]
    OtherSegment(NetworkId),
    #[error("segment {0} is too large for a VXLAN: lower `base` in the uplink's settings")]
    Vni(u32),
    #[error("there is no bridge `{0}` on this host: make it, or set `public_bridge` to one that there is")]
    NoPublicBridge(LinkName),
    #[error("the namespace `{namespace}` is that of another gateway, whose state is in {state}")]
    Foreign { namespace: String, state: String },
    #[error(transparent)]
    Plan(#[from] PlanError),
    #[error("the router does not take its configuration: {0}")]
    BadSet(String),
    #[error(transparent)]
    Record(#[from] RecordError),

    #[error("the router could not be configured: {0}")]
    NotApplied(String),
    #[error("the router is not as it was configured: {0}; give it its configuration again")]
    Drift(String),
    #[error("{0} has no configuration yet")]
    NotConfigured(Guest),
    #[error(transparent)]
    Program(#[from] ProgramError),
    #[error("{path}: {error}")]
    File { path: String, error: std::io::Error },
    #[error("what was left of {0} does not end")]
    StillThere(Guest),
    #[error("the driver failed: {0}")]
    Died(String),
}

impl Trouble {
    /// What may be over when it is asked for again.
    fn is_passing(&self) -> bool {
        match self {
            Trouble::NotApplied(_)
            | Trouble::Drift(_)
            | Trouble::NotConfigured(_)
            | Trouble::Program(_)
            | Trouble::File { .. }
            | Trouble::StillThere(_)
            | Trouble::Died(_) => true,
            Trouble::Record(error) => error.is_passing(),
            Trouble::Uri(_)
            | Trouble::RoutersOnly
            | Trouble::NotARouter(_)
            | Trouble::NoRouter(_)
            | Trouble::NotRunning(_)
            | Trouble::Image(_)
            | Trouble::NoNetwork(_)
            | Trouble::InUse { .. }
            | Trouble::SegmentTaken { .. }
            | Trouble::OtherSegment(_)
            | Trouble::Vni(_)
            | Trouble::NoPublicBridge(_)
            | Trouble::Foreign { .. }
            | Trouble::Plan(_)
            | Trouble::BadSet(_) => false,
        }
    }

    pub(super) fn of(self, host: &HostRef, call: &'static str) -> DriverError {
        let (host, why) = (host.name.clone(), self.to_string());
        if matches!(self, Trouble::Drift(_) | Trouble::NotConfigured(_)) {
            return DriverError::Differs { host, call, why };
        }
        match self.is_passing() {
            true => DriverError::Unreachable { host, call, why },
            false => DriverError::Refused { host, call, why },
        }
    }
}
