//! What will happen, and when.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascina_core::decision::Decision;
use cascina_core::host::Host;
use cascina_core::id::{OperationId, RouterId};
use cascina_core::name::Name;
use cascina_core::units::Timestamp;
use cascina_drivers::sim::Fate;
use cascina_drivers::{HostCall, HostRef};
use cascina_engine::spread::Chore;

use crate::client::RequestId;

/// Which run of the process: what an earlier one waited for nobody waits for any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run(pub u64);

/// Who waits for a host's answer.
#[derive(Debug, Clone)]
pub enum Listener {
    Errand {
        operation: OperationId,
        errand: usize,
    },
    Inventory {
        host: Arc<Host>,
        asked: Timestamp,
    },
    /// Whether a router is as it was told.
    Probe {
        host: Arc<Host>,
        router: RouterId,
        asked: Timestamp,
    },
    /// What lies in the volume store of a class, which this host reaches.
    Store {
        class: Name,
        host: HostRef,
    },
    /// The reconciler, sweeping.
    Sweeper,
    /// Who looks after images.
    Chore(Chore),
}

/// Whom decisions are for.
#[derive(Debug, Clone, Copy)]
pub enum Decider {
    Client(RequestId),
    Operation(OperationId),
    Planner,
}

#[derive(Debug)]
pub enum Happening {
    /// The process comes up.
    Start,
    /// A call ends on its host, whether or not anybody still listens.
    Ends {
        host: HostRef,
        call: Box<HostCall>,
        fate: Fate,
        listener: Option<(Run, Listener)>,
    },
    /// The caller's patience ends.
    Deadline {
        run: Run,
        host: HostRef,
        call: &'static str,
        listener: Listener,
    },
    /// The writer takes what has gathered.
    Write(Run),
    /// Its batch is on the disk, or is not.
    Committed(Run),
    /// After a commit that failed: everything again.
    Again(Run),
    /// The pause of an operation ends.
    Resume(Run, OperationId),
    Decided {
        run: Run,
        whom: Decider,
        decisions: Vec<Arc<Decision>>,
    },
    Sweep(Run),
    Reconcile(Run),
    Images(Run),
    /// The planner looks.
    Plan(Run),
    Crash(Run),
}

/// Happenings in the order of time, and those of one moment in the order in which they were added.
#[derive(Debug, Default)]
pub struct Agenda {
    queue: BTreeMap<(Timestamp, u64), Happening>,
    added: u64,
}

impl Agenda {
    pub fn add(&mut self, at: Timestamp, happening: Happening) {
        self.added += 1;
        self.queue.insert((at, self.added), happening);
    }

    /// The next one that is not later than `until`.
    pub fn next(&mut self, until: Timestamp) -> Option<(Timestamp, Happening)> {
        let first = self.queue.first_entry()?;
        if first.key().0 > until {
            return None;
        }
        let ((at, _), happening) = first.remove_entry();
        Some((at, happening))
    }
}
