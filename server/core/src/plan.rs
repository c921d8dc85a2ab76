//! Plans: what should move, shrink or end, what came of it, and what the site allows.

use serde::{Deserialize, Serialize};

use crate::decision::{Amounts, Reason};
use crate::id::{DecisionId, FarmId, HostId, InstanceId, OperationId, PlanId, RouterId, ShareId};
use crate::name::Name;
use crate::state::Guest;
use crate::units::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PlanState {
    /// Waits for an admin: it is larger than what the site lets happen by itself.
    Proposed,
    /// Nothing of it has begun.
    Approved,
    Executing,
    /// All of its moves were made.
    Done,
    /// Some were.
    Partial,
    /// None was: reality departed from it, or a newer one took its place.
    Superseded,
    Rejected,
}

impl PlanState {
    pub fn as_str(self) -> &'static str {
        match self {
            PlanState::Proposed => "proposed",
            PlanState::Approved => "approved",
            PlanState::Executing => "executing",
            PlanState::Done => "done",
            PlanState::Partial => "partial",
            PlanState::Superseded => "superseded",
            PlanState::Rejected => "rejected",
        }
    }

    pub fn is_over(self) -> bool {
        match self {
            PlanState::Proposed | PlanState::Approved | PlanState::Executing => false,
            PlanState::Done | PlanState::Partial | PlanState::Superseded | PlanState::Rejected => true,
        }
    }

    /// The server works on it.
    pub fn is_active(self) -> bool {
        matches!(self, PlanState::Approved | PlanState::Executing)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MoveState {
    Waiting,
    Running,
    Done,
    /// It was not begun, or not any more wanted; its note says why.
    Skipped,
    /// It was begun and did not succeed.
    Failed,
}

impl MoveState {
    pub fn as_str(self) -> &'static str {
        match self {
            MoveState::Waiting => "waiting",
            MoveState::Running => "running",
            MoveState::Done => "done",
            MoveState::Skipped => "skipped",
            MoveState::Failed => "failed",
        }
    }

    pub fn is_over(self) -> bool {
        matches!(self, MoveState::Done | MoveState::Skipped | MoveState::Failed)
    }
}

/// What one move does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Step {
    /// While it runs. Without a host to go to, placement says when it begins.
    Migrate {
        instance: InstanceId,
        from: HostId,
        to: Option<HostId>,
    },
    /// Made anew on another host while its own still answers; its farm is without it for a moment.
    MoveRouter {
        router: RouterId,
        from: HostId,
        to: Option<HostId>,
    },
    /// Started again on another host, since its own is lost and fenced.
    Restart {
        instance: InstanceId,
        from: HostId,
    },
    /// Made anew on another host, since its own is lost and fenced.
    RebuildRouter {
        router: RouterId,
        from: HostId,
    },
    /// Stopped, after the site's notice.
    Reclaim {
        instance: InstanceId,
    },
    /// Another size, while it is stopped.
    Resize {
        instance: InstanceId,
        size: Amounts,
    },
    PowerOff {
        host: HostId,
    },
    PowerOn {
        host: HostId,
    },
    /// Everything goes off it; taken apart into a move a guest when the plan is made.
    Evacuate {
        host: HostId,
    },
    Lend {
        share: ShareId,
    },
    Recall {
        share: ShareId,
    },
    /// Its lease is over.
    Expire {
        farm: FarmId,
    },
}

impl Step {
    pub fn as_str(&self) -> &'static str {
        match self {
            Step::Migrate { .. } => "migrate",
            Step::MoveRouter { .. } => "move-router",
            Step::Restart { .. } => "restart",
            Step::RebuildRouter { .. } => "rebuild-router",
            Step::Reclaim { .. } => "reclaim",
            Step::Resize { .. } => "resize",
            Step::PowerOff { .. } => "power-off",
            Step::PowerOn { .. } => "power-on",
            Step::Evacuate { .. } => "evacuate",
            Step::Lend { .. } => "lend",
            Step::Recall { .. } => "recall",
            Step::Expire { .. } => "expire",
        }
    }

    /// Whom it is about, if it is a guest.
    pub fn guest(&self) -> Option<Guest> {
        match self {
            Step::Migrate { instance, .. }
            | Step::Restart { instance, .. }
            | Step::Reclaim { instance }
            | Step::Resize { instance, .. } => Some(Guest::Instance(*instance)),
            Step::MoveRouter { router, .. } | Step::RebuildRouter { router, .. } => Some(Guest::Router(*router)),
            Step::PowerOff { .. }
            | Step::PowerOn { .. }
            | Step::Evacuate { .. }
            | Step::Lend { .. }
            | Step::Recall { .. }
            | Step::Expire { .. } => None,
        }
    }

    /// The host that it leaves, and the one that it is for.
    pub fn way(&self) -> Option<(HostId, Option<HostId>)> {
        match self {
            Step::Migrate { from, to, .. } | Step::MoveRouter { from, to, .. } => Some((*from, *to)),
            Step::Restart { from, .. } | Step::RebuildRouter { from, .. } => Some((*from, None)),
            _ => None,
        }
    }

    /// What it is about, as text.
    pub fn subject(&self) -> String {
        match (self.guest(), self) {
            (Some(guest), _) => guest.to_string(),
            (None, Step::PowerOff { host } | Step::PowerOn { host } | Step::Evacuate { host }) => host.to_string(),
            (None, Step::Lend { share } | Step::Recall { share }) => share.to_string(),
            (None, Step::Expire { farm }) => farm.to_string(),
            (None, _) => unreachable!("all other steps are about a guest"),
        }
    }
}

/// What a move, or a plan, costs those whom it is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// That go over the network.
    pub bytes: u64,
    /// Guests that notice.
    pub disturbed: u32,
    /// … of which so many are stopped, for good or for a while.
    pub stopped: u32,
}

impl Cost {
    #[must_use]
    pub fn plus(self, other: Cost) -> Cost {
        Cost {
            bytes: self.bytes.saturating_add(other.bytes),
            disturbed: self.disturbed.saturating_add(other.disturbed),
            stopped: self.stopped.saturating_add(other.stopped),
        }
    }
}

/// How good things are; of everything here but `slots` and `empty`, less is better.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Free, and of no use, since too little of the other resource is free beside it.
    pub stranded_vcpus: u64,
    pub stranded_mib: u64,
    /// The same in thousandths of all there is, the worse of both.
    pub stranded_permille: u32,
    /// How far the fullest host of a class is above the mean of its class, the worst class.
    pub imbalance_permille: u32,
    /// Open hosts with a guest that runs, and without.
    pub hosts_used: u32,
    pub empty: u32,
    /// Guests of the size that was refused last that would fit; 0 if nothing was refused lately.
    pub slots: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    pub step: Step,
    /// Places of moves that must be over before.
    pub after: Vec<u32>,
    pub why: Reason,
    /// Who proposed it: name of a binding, or of what the server does by itself.
    pub by: String,
    pub cost: Cost,
    pub state: MoveState,
    pub operation: Option<OperationId>,
    /// What became of it, for people.
    pub note: Option<String>,
    pub updated: Timestamp,
}

/// A proposed move that is no part of the plan, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DroppedMove {
    pub by: String,
    pub what: String,
    /// For programs: `unknown-instance`, `no-room` …
    pub code: String,
    pub text: String,
}

/// Why a plan was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Trigger {
    Hand,
    /// A line of the site's, which was due at that time.
    Schedule {
        name: Name,
        due: Timestamp,
    },
    /// Something happened that a line of the site's waits for.
    Event {
        name: Name,
        event: String,
    },
    /// A host is to be emptied.
    Drain {
        host: HostId,
    },
    /// A host is lost, and known to be off.
    Lost {
        host: HostId,
    },
}

impl Trigger {
    /// Made and carried out by the server itself, whatever else goes on.
    pub fn is_forced(&self) -> bool {
        matches!(self, Trigger::Drain { .. } | Trigger::Lost { .. })
    }

    pub fn text(&self) -> String {
        match self {
            Trigger::Hand => "by hand".into(),
            Trigger::Schedule { name, .. } => format!("schedule {name}"),
            Trigger::Event { name, event } => format!("{name}: {event}"),
            Trigger::Drain { host } => format!("drain of host {host}"),
            Trigger::Lost { host } => format!("loss of host {host}"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    pub id: PlanId,
    pub trigger: Trigger,
    /// The one binding that was asked, if it was only one.
    pub binding: Option<Name>,
    pub decision: Option<DecisionId>,
    pub state: PlanState,
    pub moves: Vec<Move>,
    pub dropped: Vec<DroppedMove>,
    pub before: Score,
    pub after: Score,
    /// What the policy says itself of before and after; lower is better.
    pub claimed: Option<(u32, u32)>,
    pub cost: Cost,
    /// Why it is in this state, for people.
    pub note: Option<String>,
    pub actor: String,
    pub approved_by: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
    /// What has not begun by then is left.
    pub lasts_until: Timestamp,
    /// Set once it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forget_at: Option<Timestamp>,
}

impl Plan {
    pub fn running(&self) -> impl Iterator<Item = (u32, &Move)> {
        (0u32..).zip(&self.moves).filter(|(_, one)| one.state == MoveState::Running)
    }

    pub fn count(&self, state: MoveState) -> usize {
        self.moves.iter().filter(|one| one.state == state).count()
    }

    /// All that must come before it is over; and it is moot if what it needs did not happen.
    pub fn is_due(&self, index: u32) -> bool {
        let Some(one) = self.moves.get(index as usize) else { return false };
        one.state == MoveState::Waiting
            && one.after.iter().all(|before| self.moves.get(*before as usize).is_none_or(|move_| move_.state.is_over()))
    }
}

/// What the site lets plans do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Rules {
    /// Most moves of one plan.
    pub max_moves: u32,
    /// Moves under way at a time: in all, and to or from one host.
    pub total: u32,
    pub per_host: u32,
    /// A guest that was moved stays at least so long, and is not moved more often than so many times a day.
    pub cooldown_ms: u64,
    pub moves_a_day: u32,
    /// What moves without need must make something better by so many thousandths (0: whatever it gains and
    /// costs) …
    pub least_gain_permille: u32,
    /// … and may cost so many GiB for each thousandth.
    pub gib_per_permille: u32,
    /// What happens without an admin: so many moves, GiB and stopped guests at most.
    pub auto_moves: u32,
    pub auto_gib: u64,
    pub auto_stops: u32,
    /// Between the notice and the stop of an instance that is reclaimed.
    pub notice_ms: u64,
    /// A plan is not begun, nor gone on with, after this.
    pub lasts_ms: u64,
    pub keep_ms: u64,
    /// When moves without need may begin; none: always.
    pub windows: Vec<Window>,
    /// Workers may move while they run, too.
    pub migrate_workers: bool,
    /// Workers of a lost host are started again elsewhere, from their images: their disks are lost.
    pub restart_workers: bool,
    pub triggers: Vec<TriggerRule>,
    /// Classes whose hosts a program of the site's switches on and off.
    pub switched: Vec<Name>,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            max_moves: 64,
            total: 4,
            per_host: 1,
            cooldown_ms: 6 * 3_600_000,
            moves_a_day: 2,
            least_gain_permille: 5,
            gib_per_permille: 64,
            auto_moves: 16,
            auto_gib: 512,
            auto_stops: 0,
            notice_ms: 900_000,
            lasts_ms: 2 * 3_600_000,
            keep_ms: 30 * 86_400_000,
            windows: Vec::new(),
            migrate_workers: false,
            restart_workers: false,
            triggers: Vec::new(),
            switched: Vec::new(),
        }
    }
}

/// From each time of a crontab line on, for so long.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    pub cron: crate::crontab::Crontab,
    pub lasts_ms: u64,
}

impl Rules {
    /// Whether moves without need may begin now.
    pub fn open_at(&self, now: Timestamp) -> bool {
        self.windows.is_empty()
            || self.windows.iter().any(|window| {
                let since = Timestamp(now.0.saturating_sub(window.lasts_ms));
                window.cron.next_after(since).is_some_and(|begins| begins <= now)
            })
    }
}

/// What makes the server ask for a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerRule {
    pub name: Name,
    /// The binding that is asked; None: all of the hook.
    pub binding: Option<Name>,
    pub cron: Option<crate::crontab::Crontab>,
    /// What was due while nobody could ask.
    pub missed: Missed,
    pub on: Vec<Occasion>,
    /// Between two plans for what happened.
    pub quiet_ms: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missed {
    /// Once, however often it was due.
    #[default]
    Once,
    Skip,
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Occasion {
    HostAdded,
    HostFailing,
    ShareRecalled,
    /// A request found no host with room.
    NoRoom,
}

impl Occasion {
    pub fn as_str(self) -> &'static str {
        match self {
            Occasion::HostAdded => "host-added",
            Occasion::HostFailing => "host-failing",
            Occasion::ShareRecalled => "share-recalled",
            Occasion::NoRoom => "no-room",
        }
    }
}

/// When a line of the site's was last served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    pub name: Name,
    /// Everything up to here has been seen to.
    pub upto: Timestamp,
    pub note: String,
}

/// A request that found no room: remembered for a while, so that plans can make some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shortage {
    pub decision: DecisionId,
    pub class: Name,
    pub size: crate::units::Size,
    pub count: u32,
    pub at: Timestamp,
    pub expires: Timestamp,
}
