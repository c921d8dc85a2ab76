//! What a call leaves behind on a host. The journal is a list of these, and so is a compacted one.

use cascina_core::id::NetworkId;
use cascina_core::name::Name;
use cascina_core::state::Guest;
use cascina_core::units::Size;
use serde::{Deserialize, Serialize};

use super::machine::SimGuest;
use crate::NetworkSpec;

/// One thing on one host, as it is afterwards: applying a change twice changes nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    pub host: Name,
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
}
