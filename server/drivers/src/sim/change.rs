//! What a call leaves behind on a host. The journal is a list of these, and so is a compacted one.

use std::sync::Arc;

use cascina_core::id::{NetworkId, SnapshotId, VolumeId};
use cascina_core::name::Name;
use cascina_core::security_group::{Firewall, FirewallChange};
use cascina_core::state::Guest;
use cascina_core::units::Size;
use serde::{Deserialize, Serialize};

use super::given::Given;
use super::machine::SimGuest;
use super::stores::{SimSnapshot, SimVolume};
use crate::NetworkSpec;

/// One thing, as it is afterwards: applying a change twice changes nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Where; None for what hosts share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<Name>,
    pub effect: Effect,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Effect {
    /// The host exists and has this capacity. The first change of every host.
    Host {
        capacity: Size,
    },
    Lost {
        lost: bool,
    },
    /// A copy of the image is on the host.
    Image {
        image: String,
    },
    /// So many bytes of one are.
    ImagePart {
        image: String,
        bytes: u64,
    },
    /// Nothing of it is.
    ImageGone {
        image: String,
    },
    Network {
        network: NetworkSpec,
    },
    NetworkGone {
        network: NetworkId,
    },
    Guest {
        guest: Box<SimGuest>,
    },
    GuestGone {
        guest: Guest,
    },
    /// A guest that was here is on another host, as it was.
    Moved {
        guest: Guest,
        to: Name,
    },
    /// The host enforces this firewall, which is known by now.
    Enforced {
        network: NetworkId,
        revision: u64,
    },
    /// Shared: a firewall that hosts are about to enforce. Said once, since it is large and on many, and
    /// by what differs from the one before, if there is one.
    Firewall {
        network: NetworkId,
        revision: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<u64>,
        change: FirewallChange,
        /// As it was given, if it was: what follows from it is compared with that much faster.
        #[serde(skip)]
        whole: Option<Firewall>,
    },
    /// Shared: what guests are about to be given. Said once, for the same reason.
    Given {
        number: u64,
        given: Arc<Given>,
    },
    /// Shared, like all that lies in volume stores.
    Volume {
        class: Name,
        volume: VolumeId,
        is: SimVolume,
    },
    VolumeGone {
        class: Name,
        volume: VolumeId,
    },
    Snapshot {
        class: Name,
        snapshot: SnapshotId,
        is: SimSnapshot,
    },
    SnapshotGone {
        class: Name,
        snapshot: SnapshotId,
    },
}

impl Effect {
    /// It is on no host, but shared by all.
    pub fn is_shared(&self) -> bool {
        match self {
            Effect::Host { .. }
            | Effect::Lost { .. }
            | Effect::Image { .. }
            | Effect::ImagePart { .. }
            | Effect::ImageGone { .. }
            | Effect::Network { .. }
            | Effect::NetworkGone { .. }
            | Effect::Guest { .. }
            | Effect::GuestGone { .. }
            | Effect::Moved { .. }
            | Effect::Enforced { .. } => false,
            Effect::Firewall { .. }
            | Effect::Given { .. }
            | Effect::Volume { .. }
            | Effect::VolumeGone { .. }
            | Effect::Snapshot { .. }
            | Effect::SnapshotGone { .. } => true,
        }
    }

    /// The change that it makes when it comes from a call to this host.
    pub(super) fn at(self, host: &Name) -> Change {
        Change { host: (!self.is_shared()).then(|| host.clone()), effect: self }
    }
}
