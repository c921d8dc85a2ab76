//! Plans: proposed, approved, carried out move by move, and settled.

use std::sync::Arc;

use cascina_core::command::Outcome;
use cascina_core::decision::{Decided, Decision, Question, Wished};
use cascina_core::host::{ClassKind, HostState};
use cascina_core::id::{HostId, PlanId};
use cascina_core::name::Name;
use cascina_core::operation::OperationState;
use cascina_core::plan::{Move, MoveState, Plan, PlanState, Step, Trigger, Turn};
use cascina_core::planning::{self, Drawn, draw, is_small, needed};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::{Guest, State};
use cascina_core::upkeep::{Upkeep, Workers};

use super::{Setback, admin, outcome, told};
use crate::plans::{self, AGAIN_MS};
use crate::tx::Tx;
use crate::verdict::{self, Party};

/// Failures after which nothing more of a plan is begun.
const FAILURES: usize = 3;

pub fn questions(
    state: &State,
    who: &Principal,
    trigger: &Trigger,
    binding: Option<&Name>,
    max_moves: Option<u32>,
) -> Result<Vec<(Party, Question)>, Refusal> {
    admin(who, "ask for plans")?;
    if trigger.is_forced() {
        return Ok(Vec::new());
    }
    overlap(state)?;
    if let Some(name) = binding {
        let row = state.indexes.binding_names.get(name).and_then(|id| state.rows.bindings.get(id));
        let row = row.ok_or_else(|| Refusal::not_found("binding", name))?;
        if row.hook != cascina_core::policy::Hook::Reallocation {
            return Err(Refusal::invalid("binding", name, "a binding of the hook `reallocation`"));
        }
    }
    let most = state.site().rules.max_moves;
    let max_moves = max_moves.unwrap_or(most);
    if max_moves == 0 || max_moves > most {
        return Err(Refusal::invalid("max_moves", max_moves, format!("1 to {most}")));
    }
    let question = Question::Reallocate { trigger: trigger.text(), binding: binding.cloned(), max_moves };
    Ok(vec![(Party::of_site(state, who), question)])
}

/// Two plans at a time would take each other's room.
fn overlap(state: &State) -> Result<(), Refusal> {
    let mut active = state.indexes.open_plans.iter().filter_map(|id| state.rows.plans.get(id));
    match active.find(|plan| plan.state.is_active() && !plan.trigger.is_forced()) {
        Some(plan) => Err(Refusal::Busy(format!("{} is under way; wait until it is over, or cancel it", plan.id))),
        None => Ok(()),
    }
}

pub fn propose(
    tx: &mut Tx<'_>,
    who: &Principal,
    trigger: &Trigger,
    binding: Option<&Name>,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    admin(who, "ask for plans")?;
    let forced = trigger.is_forced();
    let (wishes, claimed, decision) = if forced {
        (by_itself(tx.state(), trigger), None, None)
    } else {
        overlap(tx.state())?;
        let [decision] = decisions else { return Err(Setback::Stale) };
        let Decided::Wished { moves, before, after } = &decision.decided else {
            return Err(verdict::refusal(decision).map_or(Setback::Stale, Setback::Refused));
        };
        (moves.clone(), Some((*before, *after)), Some(decision.id))
    };
    let drawn = draw(tx.state(), tx.now, &wishes, forced);
    note_turn(tx, trigger);
    let asked = decision.into_iter().collect::<Vec<_>>();
    if drawn.moves.is_empty() && (forced || drawn.dropped.is_empty()) {
        return Ok(Outcome { decisions: asked, ..nothing_to_do(tx, trigger, &drawn) });
    }
    if !forced {
        supersede(tx, binding);
    }
    let rules = tx.state().site().rules.clone();
    let state = if drawn.moves.is_empty() {
        PlanState::Rejected
    } else if forced || is_small(&rules, &drawn) {
        PlanState::Approved
    } else {
        PlanState::Proposed
    };
    let note = match state {
        PlanState::Rejected => Some("none of its moves can be made; see what was dropped".to_owned()),
        PlanState::Proposed => Some("it is larger than what happens without an admin".to_owned()),
        _ => None,
    };
    let id = PlanId(tx.number());
    let approved_by =
        (state == PlanState::Approved).then(|| if forced { who.name.clone() } else { "the site's rules".into() });
    let text = format!(
        "{} moves, {} dropped ({}): {}",
        drawn.moves.len(),
        drawn.dropped.len(),
        trigger.text(),
        state.as_str()
    );
    tx.put(Plan {
        id,
        trigger: trigger.clone(),
        binding: binding.cloned(),
        decision,
        state,
        moves: drawn.moves,
        dropped: drawn.dropped,
        before: drawn.before,
        after: drawn.after,
        claimed,
        cost: drawn.cost,
        note,
        actor: who.name.clone(),
        approved_by,
        created: tx.now,
        updated: tx.now,
        lasts_until: tx.now.plus_ms(rules.lasts_ms),
        forget_at: state.is_over().then(|| tx.now.plus_ms(rules.keep_ms)),
    });
    tx.tell(crate::tx::Told { decision, ..told("plan.proposed", id, text) });
    Ok(Outcome { decisions: asked, pending: state == PlanState::Proposed, ..outcome(id) })
}

fn note_turn(tx: &mut Tx<'_>, trigger: &Trigger) {
    if let Trigger::Schedule { name, .. } | Trigger::Event { name, .. } = trigger {
        let row = Turn { name: name.clone(), upto: tx.now, note: trigger.text() };
        tx.put(row);
    }
}

pub fn turn(tx: &mut Tx<'_>, who: &Principal, name: &Name, note: &str) -> Result<Outcome, Refusal> {
    admin(who, "serve schedules")?;
    let row = Turn { name: name.clone(), upto: tx.now, note: note.into() };
    tx.put(row);
    tx.tell(told("plan.turn", name, format!("{name}: {note}")));
    Ok(outcome(name))
}

fn nothing_to_do(tx: &mut Tx<'_>, trigger: &Trigger, drawn: &Drawn) -> Outcome {
    let mut text = format!("{}: nothing can be made better", trigger.text());
    if let Trigger::Drain { host } | Trigger::Lost { host } = trigger {
        let why = drawn.dropped.first().map(|one| format!("{}: {}", one.what, one.text));
        let why = why.unwrap_or_else(|| "it waits for guests that end by themselves".into());
        text = format!("{}: {why}", trigger.text());
        let again = Some(tx.now.plus_ms(AGAIN_MS));
        set_upkeep(tx, *host, |row| (row.again, row.note) = (again, Some(why)));
    }
    tx.tell(told("plan.unneeded", "site", text));
    outcome("")
}

pub fn set_upkeep(tx: &mut Tx<'_>, host: HostId, change: impl FnOnce(&mut Upkeep)) {
    let mut row = tx.state().rows.upkeeps.get(&host).map_or_else(|| Upkeep::of(host), |row| Upkeep::clone(row));
    change(&mut row);
    if row.says_nothing() {
        tx.remove(cascina_core::state::Key::Upkeep(host));
    } else {
        tx.put(row);
    }
}

/// A newer plan of the same planners takes the place of one that nobody has approved.
fn supersede(tx: &mut Tx<'_>, binding: Option<&Name>) {
    let rows = tx.state().indexes.open_plans.iter().filter_map(|id| tx.state().rows.plans.get(id));
    let old = |plan: &&Arc<Plan>| {
        plan.state == PlanState::Proposed && plan.binding.as_ref() == binding && !plan.trigger.is_forced()
    };
    let old: Vec<Plan> = rows.filter(old).map(|plan| Plan::clone(plan)).collect();
    for mut plan in old {
        skip_rest(&mut plan, tx.now, "a newer plan took its place");
        end(tx, plan, PlanState::Superseded, Some("a newer plan took its place".into()));
    }
}

fn skip_rest(plan: &mut Plan, now: cascina_core::units::Timestamp, why: &str) {
    for one in plan.moves.iter_mut().filter(|one| one.state == MoveState::Waiting) {
        one.state = MoveState::Skipped;
        one.note = Some(why.into());
        one.updated = now;
    }
}

fn end(tx: &mut Tx<'_>, mut plan: Plan, state: PlanState, note: Option<String>) {
    plan.state = state;
    plan.note = note.or(plan.note);
    plan.updated = tx.now;
    plan.forget_at = Some(tx.now.plus_ms(tx.state().site().rules.keep_ms));
    let id = plan.id;
    let done = plan.count(MoveState::Done);
    let text = format!("{} of {} moves made: {}", done, plan.moves.len(), state.as_str());
    tx.put(plan);
    tx.tell(told("plan.over", id, text));
}

/// What the server wants by itself.
fn by_itself(state: &State, trigger: &Trigger) -> Vec<Wished> {
    match trigger {
        Trigger::Drain { host } => {
            let workers = state.rows.upkeeps.get(host).and_then(|row| row.drain.as_ref()).map(|drain| drain.workers);
            drain_steps(state, *host, workers.unwrap_or_default())
                .into_iter()
                .map(|step| needed(step, Vec::new(), "drain", "host-is-emptied", "Its host is to be emptied."))
                .collect()
        }
        Trigger::Lost { host } => {
            let left = plans::running_on(state, *host);
            let steps = left.into_iter().filter(|guest| plans::restarts(state, *guest)).map(|guest| match guest {
                Guest::Instance(instance) => Step::Restart { instance, from: *host },
                Guest::Router(router) => Step::RebuildRouter { router, from: *host },
            });
            steps.map(|step| needed(step, Vec::new(), "evacuation", "host-is-lost", "Its host is lost.")).collect()
        }
        Trigger::Hand | Trigger::Schedule { .. } | Trigger::Event { .. } => Vec::new(),
    }
}

/// What empties a host.
pub fn drain_steps(state: &State, host: HostId, workers: Workers) -> Vec<Step> {
    let step = |guest| match guest {
        Guest::Router(router) => Some(Step::MoveRouter { router, from: host, to: None }),
        Guest::Instance(instance) => {
            let row = state.rows.instances.get(&instance)?;
            let services = state.rows.classes.get(&row.class).is_some_and(|class| class.kind == ClassKind::Services);
            match workers {
                _ if services => Some(Step::Migrate { instance, from: host, to: None }),
                Workers::Migrate => Some(Step::Migrate { instance, from: host, to: None }),
                Workers::Stop => Some(Step::Reclaim { instance }),
                Workers::Wait => None,
            }
        }
    };
    plans::running_on(state, host).into_iter().filter_map(step).collect()
}

fn open(state: &State, id: PlanId) -> Result<Plan, Refusal> {
    let plan = state.rows.plans.get(&id).ok_or_else(|| Refusal::not_found("plan", id))?;
    if plan.state.is_over() {
        return Err(Refusal::Conflict(format!("{id} is {} and over", plan.state.as_str())));
    }
    Ok(Plan::clone(plan))
}

pub fn approve(tx: &mut Tx<'_>, who: &Principal, id: PlanId) -> Result<Outcome, Refusal> {
    admin(who, "approve plans")?;
    let plan = open(tx.state(), id)?;
    if plan.state != PlanState::Proposed {
        return Err(Refusal::Conflict(format!("{id} is {} already", plan.state.as_str())));
    }
    overlap(tx.state())?;
    let lasts_until = tx.now.plus_ms(tx.state().site().rules.lasts_ms);
    tx.put(Plan {
        state: PlanState::Approved,
        approved_by: Some(who.name.clone()),
        note: None,
        updated: tx.now,
        lasts_until,
        ..plan
    });
    tx.tell(told("plan.approved", id, format!("approved by {}", who.name)));
    Ok(outcome(id))
}

pub fn reject(tx: &mut Tx<'_>, who: &Principal, id: PlanId, note: Option<&str>) -> Result<Outcome, Refusal> {
    admin(who, "reject plans")?;
    let mut plan = open(tx.state(), id)?;
    if plan.state != PlanState::Proposed {
        let state = plan.state.as_str();
        return Err(Refusal::Conflict(format!("{id} is {state}; only a proposed one is rejected: cancel this one")));
    }
    let why = note.map_or_else(|| format!("rejected by {}", who.name), |note| format!("{}: {note}", who.name));
    skip_rest(&mut plan, tx.now, &why);
    end(tx, plan, PlanState::Rejected, Some(why));
    Ok(outcome(id))
}

/// What runs comes to its end; nothing more begins.
pub fn cancel(tx: &mut Tx<'_>, who: &Principal, id: PlanId, note: Option<&str>) -> Result<Outcome, Refusal> {
    admin(who, "cancel plans")?;
    let mut plan = open(tx.state(), id)?;
    let why = note.map_or_else(|| format!("cancelled by {}", who.name), |note| format!("{}: {note}", who.name));
    skip_rest(&mut plan, tx.now, &why);
    // A notice is taken back.
    for one in plan.moves.iter_mut().filter(|one| one.state == MoveState::Running && one.operation.is_none()) {
        (one.state, one.note, one.updated) = (MoveState::Skipped, Some(why.clone()), tx.now);
    }
    plan.note = Some(why);
    conclude(tx, plan, "plan.cancelled");
    Ok(outcome(id))
}

/// Ends a plan if all of its moves are over, else keeps what changed.
fn conclude(tx: &mut Tx<'_>, mut plan: Plan, kind: &'static str) {
    let id = plan.id;
    if plan.moves.iter().any(|one| !one.state.is_over()) {
        plan.updated = tx.now;
        let text = plan.note.clone().unwrap_or_else(|| "a move is over".into());
        tx.put(plan);
        tx.tell(told(kind, id, text));
        return;
    }
    let done = plan.count(MoveState::Done);
    let state = if done == plan.moves.len() {
        PlanState::Done
    } else if done > 0 {
        PlanState::Partial
    } else if plan.state == PlanState::Proposed {
        PlanState::Rejected
    } else {
        PlanState::Superseded
    };
    if let Trigger::Drain { host } | Trigger::Lost { host } = plan.trigger {
        // What was left is tried again, in a while.
        let again = (state != PlanState::Done).then(|| tx.now.plus_ms(AGAIN_MS));
        let note = plan.moves.iter().find(|one| one.state != MoveState::Done).and_then(|one| one.note.clone());
        if tx.state().rows.upkeeps.contains_key(&host) {
            set_upkeep(tx, host, |row| (row.again, row.note) = (again, note));
        }
    }
    end(tx, plan, state, None);
}

pub fn skip(tx: &mut Tx<'_>, who: &Principal, id: PlanId, index: u32, why: &str) -> Result<Outcome, Refusal> {
    admin(who, "carry plans out")?;
    let mut plan = open(tx.state(), id)?;
    let now = tx.now;
    let noticed = |one: &Move| one.state == MoveState::Running && one.operation.is_none();
    if let Some(one) = plan.moves.get_mut(index as usize).filter(|one| one.state == MoveState::Waiting || noticed(one))
    {
        (one.state, one.note, one.updated) = (MoveState::Skipped, Some(why.into()), now);
        depart(&mut plan, now);
        conclude(tx, plan, "plan.move");
    }
    Ok(outcome(id))
}

/// Stops when things are no longer as the plan saw them.
fn depart(plan: &mut Plan, now: cascina_core::units::Timestamp) {
    let (skipped, failed) = (plan.count(MoveState::Skipped), plan.count(MoveState::Failed));
    if failed >= FAILURES {
        skip_rest(plan, now, "too much went wrong before it");
    } else if !plan.trigger.is_forced() && skipped >= FAILURES && skipped * 2 > plan.moves.len() {
        skip_rest(plan, now, "things are no longer as the plan saw them");
    }
}

pub fn settle(tx: &mut Tx<'_>, who: &Principal, id: PlanId) -> Result<Outcome, Refusal> {
    admin(who, "carry plans out")?;
    let mut plan = open(tx.state(), id)?;
    let now = tx.now;
    let mut moves = std::mem::take(&mut plan.moves);
    for one in moves.iter_mut().filter(|one| one.state == MoveState::Running) {
        if !plans::is_over(tx.state(), one.operation) {
            continue;
        }
        let (state, note) = came_of(tx.state(), one);
        (one.state, one.note, one.updated) = (state, note, now);
    }
    plan.moves = moves;
    if now >= plan.lasts_until {
        skip_rest(&mut plan, now, "the plan's time is over");
    }
    depart(&mut plan, now);
    conclude(tx, plan, "plan.move");
    Ok(outcome(id))
}

/// What became of a move whose operation is over, stuck or forgotten.
fn came_of(state: &State, one: &Move) -> (MoveState, Option<String>) {
    let operation = one.operation.and_then(|id| state.rows.operations.get(&id));
    match operation.map(|row| (row.state, row)) {
        Some((OperationState::Done, row)) => {
            let note = row.steps.iter().rev().find_map(|step| step.note.clone());
            (MoveState::Done, note)
        }
        Some((OperationState::Stuck, row)) => {
            let why = row.error.clone().unwrap_or_default();
            (MoveState::Failed, Some(format!("{} is stuck: {why}", row.id)))
        }
        Some((_, row)) => (MoveState::Failed, row.error.clone()),
        None => match (&one.step, one.step.guest()) {
            (Step::Migrate { to: Some(to), .. }, Some(Guest::Instance(id)))
                if state.rows.instances.get(&id).is_some_and(|row| row.host == Some(*to)) =>
            {
                (MoveState::Done, None)
            }
            _ => (MoveState::Failed, Some("nobody knows any more what came of it".into())),
        },
    }
}

/// A host that is to be emptied has nothing left.
pub fn end_drain(tx: &mut Tx<'_>, who: &Principal, id: HostId) -> Result<Outcome, Refusal> {
    admin(who, "change hosts")?;
    let row = tx.state().rows.hosts.get(&id).cloned().ok_or_else(|| Refusal::not_found("host", id))?;
    if row.state != HostState::Draining || !plans::running_on(tx.state(), id).is_empty() {
        return Ok(outcome(&row.name));
    }
    set_upkeep(tx, id, |row| (row.drain, row.again, row.note) = (None, None, None));
    let note = Some("emptied".into());
    tx.put(cascina_core::host::Host {
        state: HostState::Maintenance,
        note,
        updated: tx.now,
        ..cascina_core::host::Host::clone(&row)
    });
    tx.tell(told("host.drained", &row.name, format!("host {} is empty and in maintenance", row.name)));
    Ok(outcome(&row.name))
}

/// What a drain would do, for people who ask first: nothing is changed.
pub fn drain_preview(state: &State, host: HostId, workers: Workers, now: cascina_core::units::Timestamp) -> Drawn {
    let mut state = state.clone();
    // As if it took nothing any more.
    if let Some(row) = state.rows.hosts.get(&host) {
        let row = cascina_core::host::Host { state: HostState::Draining, ..cascina_core::host::Host::clone(row) };
        state.apply(&cascina_core::event::Change::Put(row.into()));
    }
    let wishes: Vec<Wished> = drain_steps(&state, host, workers)
        .into_iter()
        .map(|step| needed(step, Vec::new(), "drain", "host-is-emptied", "Its host is to be emptied."))
        .collect();
    planning::draw(&state, now, &wishes, true)
}
