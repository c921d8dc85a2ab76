//! What plans need at a moment: moves that are over, moves that are due, plans that are asked for. Pure: the
//! server's agent and the simulator both ask here, and propose what they are told.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascina_core::command::Command;
use cascina_core::host::{ClassKind, Host, HostState};
use cascina_core::id::{HostId, PlanId};
use cascina_core::plan::{Missed, MoveState, Occasion, Plan, PlanState, Step, Trigger, TriggerRule};
use cascina_core::state::{Guest, State};
use cascina_core::units::Timestamp;
use cascina_core::upkeep::Switch;

use crate::power::Power;

/// Between two looks of the agent.
pub const EVERY_MS: u64 = 1000;
/// … when no plan is under way and no host is emptied.
const SELDOM_MS: u64 = 10_000;
/// A host that is emptied, or lost, is looked at again after so long if something is left on it.
pub const AGAIN_MS: u64 = 60_000;

/// What to propose now, in this order. A command that is refused because something is busy is proposed again
/// at the next look; another that would begin a move is answered by [`skip`].
pub fn due(state: &State, now: Timestamp) -> Vec<Command> {
    let mut commands = Vec::new();
    for id in &state.indexes.open_plans {
        let Some(plan) = state.rows.plans.get(id).filter(|plan| plan.state.is_active()) else { continue };
        commands.extend(of_plan(state, plan, now));
    }
    commands.extend(hosts(state, now));
    commands.extend(triggers(state, now));
    commands
}

/// What follows from the refusal of a command, if it is not to be repeated.
pub fn skip(command: &Command, why: &str) -> Option<Command> {
    match command {
        Command::RunMove { plan, index } => {
            Some(Command::SkipMove { plan: *plan, index: *index, why: why.chars().take(500).collect() })
        }
        _ => None,
    }
}

fn of_plan(state: &State, plan: &Plan, now: Timestamp) -> Vec<Command> {
    let over = plan.running().any(|(_, one)| is_over(state, one.operation));
    let done = plan.moves.iter().all(|one| one.state.is_over());
    let late = now >= plan.lasts_until && plan.moves.iter().any(|one| one.state == MoveState::Waiting);
    if over || done || late {
        return vec![Command::SettlePlan { plan: plan.id }];
    }
    let rules = &state.site().rules;
    // A plan that takes guests off hosts that must be emptied waits for no window.
    if !plan.trigger.is_forced() && !rules.open_at(now) {
        return Vec::new();
    }
    let mut busy = Busy::of(state);
    let mut commands = Vec::new();
    for (index, one) in (0u32..).zip(&plan.moves) {
        // Its notice is over.
        let noticed = one.state == MoveState::Running
            && one.operation.is_none()
            && matches!(one.step, Step::Reclaim { .. })
            && one.updated.plus_ms(rules.notice_ms) <= now;
        if noticed || (plan.is_due(index) && busy.take(rules, &one.step)) {
            commands.push(Command::RunMove { plan: plan.id, index });
        }
    }
    commands
}

pub(crate) fn is_over(state: &State, operation: Option<cascina_core::id::OperationId>) -> bool {
    use cascina_core::operation::OperationState;
    let Some(id) = operation else { return false };
    // One that is stuck waits for a person; the plan does not.
    state.rows.operations.get(&id).is_none_or(|row| row.state.is_over() || row.state == OperationState::Stuck)
}

/// How much is under way.
pub(crate) struct Busy {
    total: u32,
    leaving: BTreeMap<HostId, u32>,
    coming: BTreeMap<HostId, u32>,
}

impl Busy {
    pub fn of(state: &State) -> Busy {
        let mut busy = Busy { total: 0, leaving: BTreeMap::new(), coming: BTreeMap::new() };
        let plans = state.indexes.open_plans.iter().filter_map(|id| state.rows.plans.get(id));
        for (_, one) in plans.flat_map(|plan| plan.running()).filter(|(_, one)| one.operation.is_some()) {
            busy.count(&one.step);
        }
        busy
    }

    fn count(&mut self, step: &Step) {
        self.total += 1;
        if let Some((from, to)) = step.way() {
            *self.leaving.entry(from).or_default() += 1;
            if let Some(to) = to {
                *self.coming.entry(to).or_default() += 1;
            }
        }
    }

    pub fn allows(&self, rules: &cascina_core::plan::Rules, step: &Step) -> bool {
        let few = |map: &BTreeMap<HostId, u32>, host: &HostId| map.get(host).copied().unwrap_or(0) < rules.per_host;
        self.total < rules.total
            && step
                .way()
                .is_none_or(|(from, to)| few(&self.leaving, &from) && to.is_none_or(|to| few(&self.coming, &to)))
    }

    /// Counts it, if it may begin.
    fn take(&mut self, rules: &cascina_core::plan::Rules, step: &Step) -> bool {
        let allowed = self.allows(rules, step);
        if allowed {
            self.count(step);
        }
        allowed
    }
}

fn has_plan(state: &State, of: impl Fn(&Trigger) -> bool) -> bool {
    state.indexes.open_plans.iter().filter_map(|id| state.rows.plans.get(id)).any(|plan| of(&plan.trigger))
}

/// Hosts that are emptied, and lost ones that are known to be off.
fn hosts(state: &State, now: Timestamp) -> Vec<Command> {
    let mut commands = Vec::new();
    for upkeep in state.rows.upkeeps.values() {
        let Some(host) = state.rows.hosts.get(&upkeep.host) else { continue };
        let again = upkeep.again.is_none_or(|again| again <= now);
        let propose = |trigger| Command::ProposePlan { trigger, binding: None, max_moves: None };
        if host.state == HostState::Draining && upkeep.drain.is_some() {
            if running_on(state, host.id).is_empty() {
                commands.push(Command::EndDrain { host: host.id });
            } else if again && !has_plan(state, |trigger| *trigger == Trigger::Drain { host: upkeep.host }) {
                commands.push(propose(Trigger::Drain { host: host.id }));
            }
        }
        let lost = host.state == HostState::Down && upkeep.fenced.is_some();
        if lost && again && !has_plan(state, |trigger| *trigger == Trigger::Lost { host: upkeep.host }) {
            let left = running_on(state, host.id);
            if left.iter().any(|guest| restarts(state, *guest)) {
                commands.push(propose(Trigger::Lost { host: host.id }));
            }
        }
    }
    commands
}

/// Guests that run on a host, or did when it was lost.
pub fn running_on(state: &State, host: HostId) -> Vec<Guest> {
    let runs = |guest: &Guest| match guest {
        Guest::Instance(id) => state.rows.instances.get(id).is_some_and(|row| row.powered),
        Guest::Router(_) => true,
    };
    state.indexes.guests_by_host.of(&host).filter(runs).collect()
}

/// The site starts it again elsewhere when its host is lost.
pub fn restarts(state: &State, guest: Guest) -> bool {
    match guest {
        Guest::Router(id) => {
            let farm = state.rows.routers.get(&id).and_then(|row| state.rows.farms.get(&row.farm));
            farm.is_some_and(|farm| farm.state.is_usable())
        }
        Guest::Instance(id) => {
            let Some(row) = state.rows.instances.get(&id).filter(|row| row.powered && row.bound_for.is_none()) else {
                return false;
            };
            let kind = state.rows.classes.get(&row.class).map(|class| class.kind);
            let usable = state.rows.farms.get(&row.farm).is_some_and(|farm| farm.state.is_usable());
            usable && (kind == Some(ClassKind::Services) || state.site().rules.restart_workers)
        }
    }
}

/// Lines of the site's that are due.
fn triggers(state: &State, now: Timestamp) -> Vec<Command> {
    let site = state.site();
    site.rules.triggers.iter().filter_map(|rule| trigger(state, rule, now)).collect()
}

fn trigger(state: &State, rule: &TriggerRule, now: Timestamp) -> Option<Command> {
    let Some(turn) = state.rows.turns.get(&rule.name) else {
        // From now on: what was before it was written down is not its business.
        return Some(Command::NoteTurn { name: rule.name.clone(), note: "begins".into() });
    };
    let propose = |trigger| {
        // One after the other: what is due while a plan is under way is seen to by that plan's successor.
        if has_plan(state, |trigger| !trigger.is_forced()) {
            return Some(Command::NoteTurn { name: rule.name.clone(), note: "a plan is under way".into() });
        }
        Some(Command::ProposePlan { trigger, binding: rule.binding.clone(), max_moves: None })
    };
    if let Some(due) = rule.cron.as_ref().and_then(|cron| cron.next_after(turn.upto)).filter(|due| *due <= now) {
        let late = now.0 - due.0 > 6 * SELDOM_MS;
        if late && rule.missed == Missed::Skip {
            return Some(Command::NoteTurn { name: rule.name.clone(), note: "missed, and skipped".into() });
        }
        return propose(Trigger::Schedule { name: rule.name.clone(), due });
    }
    if rule.on.is_empty() || now < turn.upto.plus_ms(rule.quiet_ms) {
        return None;
    }
    let event = rule.on.iter().find(|occasion| happened(state, **occasion, turn.upto))?;
    propose(Trigger::Event { name: rule.name.clone(), event: event.as_str().into() })
}

fn happened(state: &State, occasion: Occasion, since: Timestamp) -> bool {
    match occasion {
        Occasion::HostAdded => state.rows.hosts.values().any(|row| row.created > since),
        Occasion::HostFailing => {
            state.rows.hosts.values().any(|row| row.state == HostState::Down && row.updated > since)
        }
        Occasion::ShareRecalled => state.rows.shares.values().any(|row| row.recalled && row.updated > since),
        Occasion::NoRoom => state.rows.shortages.values().any(|row| row.at > since),
    }
}

/// Hosts to switch, and how: what a plan wants, and lost ones that are not known to be off.
pub fn switches(state: &State, now: Timestamp, power: &dyn Power) -> Vec<(Arc<Host>, Switch)> {
    let mut switches = Vec::new();
    for host in state.rows.hosts.values().filter(|host| power.by(&host.class).is_some()) {
        let upkeep = state.rows.upkeeps.get(&host.id);
        if upkeep.and_then(|upkeep| upkeep.again).is_some_and(|again| again > now) {
            continue;
        }
        let wanted = upkeep.and_then(|upkeep| upkeep.switch);
        let lost = host.state == HostState::Down
            && wanted.is_none()
            && upkeep.is_none_or(|upkeep| upkeep.fenced.is_none())
            && !running_on(state, host.id).is_empty();
        if let Some(switch) = wanted.or(lost.then_some(Switch::Off)) {
            switches.push((host.clone(), switch));
        }
    }
    switches
}

/// A plan's row, for those who made it.
pub fn find(state: &State, id: PlanId) -> Option<&Plan> {
    state.rows.plans.get(&id).map(|plan| &**plan)
}

/// Until the next look.
pub fn pause_ms(state: &State) -> u64 {
    let active = |id: &PlanId| state.rows.plans.get(id).is_some_and(|plan| plan.state.is_active());
    let busy = state.indexes.open_plans.iter().any(active) || !state.rows.upkeeps.is_empty();
    if busy { EVERY_MS } else { SELDOM_MS }
}

/// Whether anything is under way or waits to be.
pub fn idle(state: &State) -> bool {
    let active = |id: &PlanId| state.rows.plans.get(id).is_some_and(|plan| plan.state != PlanState::Proposed);
    !state.indexes.open_plans.iter().any(active)
        && state.rows.upkeeps.is_empty()
        && state.site().rules.triggers.is_empty()
}
