//! What befalls hosts and guests by itself, without a call.

use cascina_core::name::Name;
use cascina_core::state::Guest;
use cascina_core::units::Size;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind", deny_unknown_fields)]
pub enum Incident {
    /// The host joins with this capacity, or has this capacity from now on.
    AddHost { host: Name, capacity: Size },
    /// The host cannot be reached any more. Its guests go on.
    Lose { host: Name },
    /// It answers again, with all that was on it.
    Restore { host: Name },
    /// Its power fails and comes back: all that ran has crashed.
    PowerCycle { host: Name },
    /// A running guest ends by itself.
    CrashGuest { guest: Guest },
    /// A running router has nothing any more of what it was told.
    ForgetRouter { guest: Guest },
}

/// An incident needs something for it to befall.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NothingThere {
    #[error("no simulated host is called {0}")]
    Host(Name),
    #[error("{0} runs on no simulated host")]
    Guest(Guest),
}
