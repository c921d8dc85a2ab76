//! Plans and their moves.

use cascina_core::{plan, planning, state, upkeep};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{decision_link, mirror, text, time};

mirror! {
    PlanState = plan::PlanState { Proposed Approved Executing Done Partial Superseded Rejected }
    MoveState = plan::MoveState { Waiting Running Done Skipped Failed }
    Workers = upkeep::Workers { Wait Stop Migrate }
}

/// How good things are; of everything but `slots` and `empty`, less is better.
#[derive(Debug, Serialize, ToSchema)]
pub struct Score {
    /// Free, and of no use, since too little of the other is free beside it.
    pub stranded_vcpus: u64,
    pub stranded_mib: u64,
    /// The same in thousandths of all there is, the worse of both.
    pub stranded_permille: u32,
    /// How far the fullest host of a class is above the mean of its class.
    pub imbalance_permille: u32,
    /// Open hosts with guests that run, and without.
    pub hosts_used: u32,
    pub empty: u32,
    /// Guests of the size that was refused last that would fit; 0 if nothing was refused lately.
    pub slots: u32,
}

impl From<plan::Score> for Score {
    fn from(score: plan::Score) -> Score {
        let plan::Score {
            stranded_vcpus,
            stranded_mib,
            stranded_permille,
            imbalance_permille,
            hosts_used,
            empty,
            slots,
        } = score;
        Score { stranded_vcpus, stranded_mib, stranded_permille, imbalance_permille, hosts_used, empty, slots }
    }
}

/// What it costs those whom it is about.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cost {
    /// That go over the network.
    pub bytes: u64,
    /// Guests that notice.
    pub disturbed: u32,
    /// … of which so many are stopped.
    pub stopped: u32,
}

impl From<plan::Cost> for Cost {
    fn from(cost: plan::Cost) -> Cost {
        let plan::Cost { bytes, disturbed, stopped } = cost;
        Cost { bytes, disturbed, stopped }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Move {
    pub index: usize,
    /// `migrate`, `move-router`, `restart`, `rebuild-router`, `reclaim`, `resize`, `power-off`, `power-on`,
    /// `lend`, `recall` or `expire`.
    pub kind: String,
    /// Id of an instance, router or farm; name of a host or share.
    pub subject: String,
    /// Names of hosts, where it is moved. Where a plan goes that cannot wait, `to` is what is expected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// Moves that must be over before.
    pub after: Vec<u32>,
    /// Stable, for programs; and a sentence.
    pub code: String,
    pub why: String,
    /// Who proposed it: a binding, `drain` or `evacuation`.
    pub by: String,
    pub cost: Cost,
    pub state: MoveState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub updated: String,
}

/// A wish that is no part of the plan, and why.
#[derive(Debug, Serialize, ToSchema)]
pub struct DroppedMove {
    pub by: String,
    pub what: String,
    /// Stable, for programs: `no-room`, `pinned`, `cooldown`, `unknown` …
    pub code: String,
    pub text: String,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Plan {
    /// None for one that was only drawn up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    pub trigger: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binding: Option<String>,
    pub state: PlanState,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub before: Score,
    pub after: Score,
    /// What the policy says itself of before and after; less is better.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claimed: Option<[u32; 2]>,
    pub cost: Cost,
    pub moves: Vec<Move>,
    pub dropped: Vec<DroppedMove>,
    /// Path of the decision that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    pub actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approved_by: Option<String>,
    pub created: String,
    pub updated: String,
    /// What has not begun by then is left.
    pub lasts_until: String,
}

fn host(state: &state::State, id: cascina_core::id::HostId) -> String {
    state.rows.hosts.get(&id).map_or_else(|| id.to_string(), |row| row.name.to_string())
}

fn subject(state: &state::State, step: &plan::Step) -> String {
    match step {
        plan::Step::PowerOff { host: id } | plan::Step::PowerOn { host: id } | plan::Step::Evacuate { host: id } => {
            host(state, *id)
        }
        plan::Step::Lend { share } | plan::Step::Recall { share } => {
            state.rows.shares.get(share).map_or_else(|| share.to_string(), |row| row.name.to_string())
        }
        other => other.subject(),
    }
}

fn moves(state: &state::State, rows: &[plan::Move]) -> Vec<Move> {
    let one = |(index, row): (usize, &plan::Move)| {
        let way = row.step.way();
        Move {
            index,
            kind: row.step.as_str().into(),
            subject: subject(state, &row.step),
            from: way.map(|(from, _)| host(state, from)),
            to: way.and_then(|(_, to)| to).map(|to| host(state, to)),
            after: row.after.clone(),
            code: row.why.code.clone(),
            why: row.why.text.clone(),
            by: row.by.clone(),
            cost: row.cost.into(),
            state: row.state.into(),
            operation: text(&row.operation),
            note: row.note.clone(),
            updated: time(row.updated),
        }
    };
    rows.iter().enumerate().map(one).collect()
}

fn dropped(rows: &[plan::DroppedMove]) -> Vec<DroppedMove> {
    let one = |row: &plan::DroppedMove| DroppedMove {
        by: row.by.clone(),
        what: row.what.clone(),
        code: row.code.clone(),
        text: row.text.clone(),
    };
    rows.iter().map(one).collect()
}

impl Plan {
    pub fn of(state: &state::State, row: &plan::Plan) -> Plan {
        Plan {
            id: Some(row.id.to_string()),
            trigger: row.trigger.text(),
            binding: text(&row.binding),
            state: row.state.into(),
            note: row.note.clone(),
            before: row.before.into(),
            after: row.after.into(),
            claimed: row.claimed.map(|(before, after)| [before, after]),
            cost: row.cost.into(),
            moves: moves(state, &row.moves),
            dropped: dropped(&row.dropped),
            decision: row.decision.map(decision_link),
            actor: row.actor.clone(),
            approved_by: row.approved_by.clone(),
            created: time(row.created),
            updated: time(row.updated),
            lasts_until: time(row.lasts_until),
        }
    }

    /// One that is not kept.
    pub fn drawn(state: &state::State, row: &plan::Plan) -> Plan {
        Plan { id: None, decision: None, ..Plan::of(state, row) }
    }
}

/// What emptying a host would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct DrainPreview {
    pub host: String,
    pub moves: Vec<Move>,
    pub dropped: Vec<DroppedMove>,
    /// Workers that are waited for.
    pub waits_for: Vec<String>,
    pub cost: Cost,
    /// Names of tenants that have guests there.
    pub tenants: Vec<String>,
}

impl DrainPreview {
    pub fn of(
        state: &state::State,
        host: &cascina_core::host::Host,
        drawn: &planning::Drawn,
        waits_for: Vec<String>,
        tenants: Vec<String>,
    ) -> DrainPreview {
        DrainPreview {
            host: host.name.to_string(),
            moves: moves(state, &drawn.moves),
            dropped: dropped(&drawn.dropped),
            waits_for,
            cost: drawn.cost.into(),
            tenants,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPlan {
    /// Name of the binding that is asked; all of the hook if left out.
    #[schema(value_type = Option<String>)]
    pub binding: Option<cascina_core::name::Name>,
    /// At most so many moves; as many as the site allows if left out.
    pub max_moves: Option<u32>,
    /// Show what would be planned, and keep nothing.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDrain {
    /// What becomes of workers: wait until they end (if left out), stop them after the site's notice, or move
    /// them while they run.
    pub workers: Option<Workers>,
    pub note: Option<String>,
    /// Show who is affected, and change nothing.
    #[serde(default)]
    pub dry_run: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFence {
    /// Must be true: you have made sure that nothing runs on the host any more.
    pub confirmed: bool,
}
