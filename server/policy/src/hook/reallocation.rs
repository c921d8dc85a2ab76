//! What should move, shrink, grow or end?
//!
//! Only the form of answers is judged here, and whose numbers they speak of. Whether a move is possible and
//! allowed is for `core::planning`, which drops what is not and lets the rest of the plan be.

use std::borrow::Cow;

use cascina_core::cluster::Cluster;
use cascina_core::decision::{Decided, Reason, Said, Wish, Wished};
use cascina_core::id::{HostId, ShareId};
use cascina_core::plan::Step;
use cascina_core::policy::{Hook, Scope};
use cascina_core::state::Guest;

use crate::abi::v1::reallocation as abi;
use crate::abi::v1::types::{Context, Failure};
use crate::answer;
use crate::bounds::Bounds;
use crate::chain::{Ask, Effect, Judgement};
use crate::component::Loaded;
use crate::error::EvaluationError;
use crate::evaluate::{Evaluated, Runner};
use crate::sandbox::Sandbox;

/// A plan whose form has been checked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Planned {
    /// What, after which, and why.
    pub moves: Vec<(Wish, Vec<u32>, Reason)>,
    pub before: u32,
    pub after: u32,
    pub reasons: Vec<Reason>,
}

impl Sandbox {
    /// Asks all planners of the chain, one after the other, for at most `max_moves` together. One that fails
    /// has nothing to say, whatever its fallback: not to move is always possible.
    pub fn propose(&self, ask: &Ask<'_>, cluster: &Cluster, max_moves: u32) -> Judgement {
        let mut opinions = Vec::new();
        let mut moves: Vec<Wished> = Vec::new();
        let mut claims = None;
        for binding in ask.chain {
            let seen = match binding.scope {
                Scope::Site => Cow::Borrowed(cluster),
                Scope::Share(share) => Cow::Owned(cluster.within(share)),
                // A tenant has no hosts to plan for.
                Scope::Tenant(_) => continue,
            };
            let left = max_moves.saturating_sub(u32::try_from(moves.len()).unwrap_or(u32::MAX));
            let asked = self.consult(
                ask,
                binding,
                |loaded, context| evaluate(&self.runner, loaded, context, &seen, left),
                |planned| {
                    let moves = u32::try_from(planned.moves.len()).unwrap_or(u32::MAX);
                    let said = Said::Proposed { moves, before: planned.before, after: planned.after };
                    (said, std::mem::take(&mut planned.reasons))
                },
            );
            let Some((opinion, effect)) = asked else { continue };
            opinions.push(opinion);
            let Effect::Answer(planned) = effect else { continue };
            claims.get_or_insert((planned.before, planned.after));
            let first = u32::try_from(moves.len()).unwrap_or(u32::MAX);
            moves.extend(planned.moves.into_iter().map(|(wish, after, why)| Wished {
                wish,
                after: after.into_iter().map(|place| place + first).collect(),
                why,
                by: binding.name.to_string(),
                scope: binding.scope,
            }));
        }
        let (before, after) = claims.unwrap_or_default();
        Judgement { decided: Decided::Wished { moves, before, after }, opinions }
    }
}

pub(crate) fn evaluate(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    cluster: &Cluster,
    max_moves: u32,
) -> Evaluated<Planned> {
    let Some(export) = &loaded.exports.reallocation else {
        return Evaluated::failed(EvaluationError::NoHook(Hook::Reallocation));
    };
    // A move with its reason is some hundred bytes on top of what rows are reckoned at.
    let rows = max_moves as usize * 64;
    runner
        .plan::<_, Result<abi::Plan, Failure>>(loaded, export, (context, lower(cluster), max_moves), rows)
        .and_then(|plan| answer::declared(plan, &runner.bounds))
        .and_then(|plan| planned(plan, cluster, max_moves, &runner.bounds))
}

fn lower(cluster: &Cluster) -> abi::Cluster<'_> {
    abi::Cluster {
        hosts: abi::Hosts {
            id: &cluster.host,
            vcpus: &cluster.host_vcpus,
            vcpus_free: &cluster.host_vcpus_free,
            memory_mib: &cluster.host_memory_mib,
            memory_free_mib: &cluster.host_memory_free_mib,
            load_permille: &cluster.host_load_permille,
            class: &cluster.host_class,
            share: &cluster.host_share,
            state: &cluster.host_state,
        },
        instances: abi::Instances {
            id: &cluster.instance,
            farm: &cluster.farm,
            home: &cluster.home,
            vcpus: &cluster.vcpus,
            memory_mib: &cluster.memory_mib,
            cpu_permille: &cluster.cpu_permille,
            idle_s: &cluster.idle_s,
            traits: &cluster.traits,
        },
        shares: abi::Shares {
            number: &cluster.share,
            vcpus: &cluster.share_vcpus,
            vcpus_own: &cluster.share_vcpus_own,
            vcpus_lent: &cluster.share_vcpus_lent,
            state: &cluster.share_state,
        },
        leases: abi::Leases { farm: &cluster.lease_farm, ends_ms: &cluster.lease_ends_ms },
        pending: cluster.pending.into(),
    }
}

fn planned(plan: abi::Plan, cluster: &Cluster, max_moves: u32, bounds: &Bounds) -> Result<Planned, EvaluationError> {
    if plan.moves.len() > max_moves as usize {
        let count = plan.moves.len();
        return Err(EvaluationError::Nonsense(format!("{count} moves, where at most {max_moves} were asked for")));
    }
    let mut moves = Vec::with_capacity(plan.moves.len());
    for (index, given) in plan.moves.into_iter().enumerate() {
        // Only earlier ones: no circles.
        if let Some(after) = given.after.iter().find(|after| **after as usize >= index) {
            return Err(EvaluationError::Nonsense(format!(
                "move {index} waits for move {after}, which is not before it"
            )));
        }
        moves.push((wish(given.step, cluster), given.after, answer::reason(given.why, bounds)?));
    }
    let (before, after) = (plan.score_before, plan.score_after);
    Ok(Planned { moves, before, after, reasons: answer::reasons(plan.reasons, bounds)? })
}

fn wish(step: abi::Step, cluster: &Cluster) -> Wish {
    match known(step, cluster) {
        Ok(step) => Wish::Known(step),
        Err(unknown) => Wish::Unknown(unknown),
    }
}

/// In the server's own words; or which number stands for nothing.
fn known(step: abi::Step, cluster: &Cluster) -> Result<Step, String> {
    let guest = |number: u32| cluster.guest(number).ok_or_else(|| format!("instance {number}"));
    let instance = |number: u32| match guest(number)? {
        (Guest::Instance(id), _) => Ok(id),
        (Guest::Router(_), _) => Err(format!("instance {number}, which is a router,")),
    };
    let host = |number: u32| match cluster.has_host(number) {
        true => Ok(HostId(number)),
        false => Err(format!("host {number}")),
    };
    let share = |number: u32| match cluster.has_share(number) {
        true => Ok(ShareId(number)),
        false => Err(format!("share {number}")),
    };
    Ok(match step {
        abi::Step::Migrate(abi::Migration { instance, to }) => {
            let to = Some(host(to)?);
            match guest(instance)? {
                (Guest::Instance(instance), from) => Step::Migrate { instance, from, to },
                (Guest::Router(router), from) => Step::MoveRouter { router, from, to },
            }
        }
        abi::Step::Resize(abi::Resizing { instance: number, size }) => {
            Step::Resize { instance: instance(number)?, size: size.into() }
        }
        abi::Step::Reclaim(number) => Step::Reclaim { instance: instance(number)? },
        abi::Step::PowerOff(number) => Step::PowerOff { host: host(number)? },
        abi::Step::PowerOn(number) => Step::PowerOn { host: host(number)? },
        abi::Step::Evacuate(number) => Step::Evacuate { host: host(number)? },
        abi::Step::Lend(abi::Lending { share: number, .. }) => Step::Lend { share: share(number)? },
        abi::Step::Recall(abi::Lending { share: number, .. }) => Step::Recall { share: share(number)? },
        abi::Step::Expire(number) => {
            Step::Expire { farm: cluster.farm_of(number).ok_or_else(|| format!("farm {number}"))? }
        }
    })
}
