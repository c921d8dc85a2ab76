//! Plans, wise and foolish, hosts that are emptied, and lost ones that somebody makes sure of.

use std::sync::Arc;

use cascina_core::command::Command;
use cascina_core::decision::{ABI, Decided, Decision, Question, Reason, Severity, Wish, Wished};
use cascina_core::host::HostState;
use cascina_core::id::{DecisionId, FarmId, HostId, InstanceId, PlanId, RouterId};
use cascina_core::plan::{PlanState, Step, Trigger};
use cascina_core::policy::{Hook, Scope};
use cascina_core::principal::Principal;
use cascina_core::upkeep::Workers;
use cascina_drivers::sim::Incident;
use cascina_engine::kernel::Proposal;

use super::play::Play;
use super::trouble::strike;
use crate::process::Reply;

/// What a planner without any sense wishes for: known things and unknown ones, possible or not.
pub fn foolish(play: &mut Play) {
    if !play.sim.is_ready() {
        return;
    }
    let count = play.chance.between((1, 12));
    let mut moves = Vec::new();
    for i in 0..count {
        let after = (0..i).filter(|_| play.chance.permille(100)).map(|place| place as u32).collect();
        let why = Reason { severity: Severity::Info, code: "whim".into(), text: "It felt like it.".into() };
        moves.push(Wished { wish: wish(play), after, why, by: "fool".into(), scope: Scope::Site });
    }
    let decision = Decision {
        id: DecisionId(play.chance.number()),
        hook: Hook::Reallocation,
        abi: ABI.into(),
        at: play.sim.now,
        revision: play.state().seq,
        seed: 0,
        actor: "system".into(),
        roles: Vec::new(),
        tenant: None,
        tenant_name: String::new(),
        groups: Vec::new(),
        tier: super::site::name("standard"),
        farm: None,
        farm_name: String::new(),
        operation: None,
        question: Question::Reallocate { trigger: "by hand".into(), binding: None, max_moves: 64 },
        candidates: 0,
        dropped: Vec::new(),
        opinions: Vec::new(),
        decided: Decided::Wished { moves, before: 0, after: 0 },
        micros: 0,
    };
    let command = Box::new(Command::ProposePlan { trigger: Trigger::Hand, binding: None, max_moves: None });
    let decisions = vec![Arc::new(decision)];
    let proposal = Proposal::Command { who: Principal::system(), command, decisions, ticket: None };
    play.sim.say(|| "a fool's plan".into());
    play.sim.propose(proposal, Reply::Nobody);
}

fn wish(play: &mut Play) -> Wish {
    let instance = play.pick(|state| {
        state.rows.instances.values().filter(|row| row.is_live()).map(|row| (row.id, row.host)).collect()
    });
    let (instance, home) = instance.unwrap_or((InstanceId(7), None));
    let router = play.pick(|state| state.rows.routers.values().map(|row| (row.id, row.host)).collect());
    let (router, on) = router.unwrap_or((RouterId(7), None));
    let host = |play: &mut Play| play.pick(|state| state.rows.hosts.keys().copied().collect()).unwrap_or(HostId(99));
    let (some, other) = (host(play), host(play));
    Wish::Known(match play.chance.below(20) {
        0..10 => Step::Migrate { instance, from: home.unwrap_or(some), to: Some(other) },
        10 => Step::Migrate { instance, from: some, to: None },
        11 => Step::MoveRouter { router, from: on.unwrap_or(some), to: Some(other) },
        12 => Step::Reclaim { instance },
        13 => Step::PowerOff { host: some },
        14 => Step::PowerOn { host: some },
        15 => Step::Evacuate { host: some },
        16 => Step::Restart { instance, from: home.unwrap_or(some) },
        17 => Step::RebuildRouter { router, from: on.unwrap_or(some) },
        18 => {
            let farm = play.pick(|state| state.rows.farms.keys().copied().collect()).unwrap_or(FarmId(7));
            Step::Expire { farm }
        }
        _ => return Wish::Unknown("instance 4000000000".into()),
    })
}

/// The bound planners are asked.
pub fn propose(play: &mut Play) {
    play.ask(Command::ProposePlan { trigger: Trigger::Hand, binding: None, max_moves: None });
}

pub fn judge(play: &mut Play) {
    let open: Vec<(PlanId, PlanState)> =
        play.state().rows.plans.values().filter(|row| !row.state.is_over()).map(|row| (row.id, row.state)).collect();
    let Some((plan, state)) = play.chance.pick(&open) else { return };
    let command = match (state, play.chance.below(10)) {
        (PlanState::Proposed, 0..7) => Command::ApprovePlan { plan },
        (PlanState::Proposed, _) => Command::RejectPlan { plan, note: None },
        (_, 0..4) => Command::CancelPlan { plan, note: None },
        _ => return,
    };
    play.ask(command);
}

pub fn drain(play: &mut Play) {
    let Some(host) = play.pick(|state| state.rows.hosts.keys().copied().collect()) else { return };
    let workers = play.chance.pick(&[Workers::Wait, Workers::Stop, Workers::Migrate]).unwrap_or_default();
    play.ask(Command::DrainHost { host, workers, note: None });
}

/// Somebody pulls the plug of a lost host, and says so.
pub fn fence(play: &mut Play) {
    let lost = play.pick(|state| {
        let rows = state.rows.hosts.values().filter(|row| row.state == HostState::Down);
        rows.map(|row| row.id).collect()
    });
    let Some(id) = lost else { return };
    let Some(host) = play.state().rows.hosts.get(&id).map(|row| row.name.clone()) else { return };
    strike(play, &Incident::PowerCycle { host });
    play.ask(Command::FenceHost { host: id, by: "a person".into() });
}

impl Play {
    /// Hosts that are emptied, fenced or off take guests again.
    pub fn return_hosts(&mut self) {
        let rows = &self.state().rows;
        let away =
            rows.hosts.values().filter(|row| row.state == HostState::Draining || rows.upkeeps.contains_key(&row.id));
        for host in away.map(|row| row.id).collect::<Vec<_>>() {
            self.ask(Command::SetHostState { host, state: HostState::Up, note: None });
        }
    }
}
