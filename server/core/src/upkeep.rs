//! What people and the server do to hosts: emptying them, being sure that a lost one is off, power.

use serde::{Deserialize, Serialize};

use crate::id::HostId;
use crate::units::Timestamp;

/// What becomes of workers of a host that is emptied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workers {
    /// They end by themselves.
    #[default]
    Wait,
    /// They are stopped, and can be started when the host is back.
    Stop,
    /// They move while they run.
    Migrate,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    pub workers: Workers,
    pub since: Timestamp,
}

/// What a host's power is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Switch {
    On,
    Off,
}

/// How it is known that a lost host is off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fenced {
    pub at: Timestamp,
    /// A person's name, or the program that did it.
    pub by: String,
}

/// Of a host, while there is something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    pub host: HostId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fenced: Option<Fenced>,
    /// A plan switched it off; None: it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<Timestamp>,
    /// The program that switches it has still to be run, with this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<Switch>,
    /// Not before that are its guests looked at again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<Timestamp>,
    /// What went wrong last, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Upkeep {
    pub fn of(host: HostId) -> Upkeep {
        Upkeep { host, drain: None, fenced: None, off: None, switch: None, again: None, note: None }
    }

    pub fn says_nothing(&self) -> bool {
        self.drain.is_none()
            && self.fenced.is_none()
            && self.off.is_none()
            && self.switch.is_none()
            && self.note.is_none()
    }
}
