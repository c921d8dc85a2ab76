//! Brings the hosts of a farm to enforce what its security groups say. Forward only. One runs at a time
//! for a farm; changes made meanwhile are taken up by the next.

use std::collections::BTreeSet;

use cascina_core::farm::Farm;
use cascina_core::id::{FarmId, HostId, OperationId};
use cascina_core::network::VirtualNetwork;
use cascina_core::operation::{Operation, OperationState, SagaKind};
use cascina_core::state::State;
use cascina_drivers::HostCall;

use super::{Answer, Errand, Saga, StepError, Work, errands, executor, instance_run, site_calls};
use crate::tx::{Told, Tx};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin,
    Apply,
}

pub struct FirewallApply;

/// The farm's rules changed, or who is in its groups. The new revision is part of what is told, since
/// nobody else may tell of it.
pub fn changed(tx: &mut Tx<'_>, farm: &Farm, told: Told) -> Option<OperationId> {
    let bumped = bump(tx, farm.id);
    tx.tell(told);
    bumped.and_then(|()| begin(tx, farm))
}

/// An instance came or goes. The call that boots it tells its own host, so an operation is needed only
/// if guests elsewhere let it in by its group.
pub fn members_changed(tx: &mut Tx<'_>, farm: &Farm, on: &BTreeSet<HostId>) -> Option<OperationId> {
    bump(tx, farm.id)?;
    if tx.state().indexes.hosts_by_farm.of(&farm.id).all(|host| on.contains(&host)) { None } else { begin(tx, farm) }
}

/// What is enforced changes, and nobody has to be told at once.
pub fn bump(tx: &mut Tx<'_>, farm: FarmId) -> Option<()> {
    let network = site_calls::network(tx.state(), farm).ok()?.clone();
    tx.put(VirtualNetwork { firewall: network.firewall + 1, ..network });
    Some(())
}

/// Sees to it that every host of the farm gets the newest revision.
pub fn begin(tx: &mut Tx<'_>, farm: &Farm) -> Option<OperationId> {
    let same =
        tx.state().indexes.operations_by_farm.pairs(&farm.id).filter(|(_, saga)| **saga == SagaKind::FirewallApply);
    let running = same.map(|(id, _)| id).find(|id| {
        let row = tx.state().rows.operations.get(id);
        row.is_some_and(|row| row.state != OperationState::Stuck)
    });
    if running.is_some() {
        return running;
    }
    // The first guest's host is told when it boots.
    tx.state().indexes.hosts_by_farm.of(&farm.id).next()?;
    let operation = instance_run::operation(tx, SagaKind::FirewallApply, farm, Vec::new(), 0);
    Some(executor::begin(tx, operation, Answer::Nothing))
}

impl Saga for FirewallApply {
    type Step = Step;
    const VERSION: u32 = 1;
    /// Instances come and go many at a time, and each time every host of the farm hears of it.
    const GATHER_MS: u64 = 200;
    const PIVOT: Step = Step::Begin;
    const STEPS: &'static [(Step, &'static str)] = &[(Step::Begin, "begin"), (Step::Apply, "apply")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::Begin => Ok(Work::Nothing),
            Step::Apply => {
                let Ok(network) = site_calls::network(state, operation.farm) else { return Ok(Work::Nothing) };
                let apply = site_calls::apply_firewall(state, network);
                let mut errands = Vec::new();
                for on in state.indexes.hosts_by_farm.of(&operation.farm) {
                    let calls = vec![site_calls::define_network(network), apply.clone()];
                    errands.push(Errand { host: site_calls::host(state, on)?, guest: None, calls });
                }
                Ok(if errands.is_empty() { Work::Nothing } else { Work::Errands(errands) })
            }
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        // A host that its last guest leaves loses the network in between; the next time it is not asked.
        if let Err(StepError::Final(error)) = errands(&answer) {
            return Err(StepError::Passing(error));
        }
        errands(&answer)?;
        let (Step::Apply, Answer::Errands(done)) = (step, &answer) else { return Ok(None) };
        let given = done.iter().flat_map(|(errand, _)| &errand.calls).find_map(|call| match call {
            HostCall::ApplyFirewall { revision, .. } => Some(*revision),
            _ => None,
        });
        let Some(given) = given else { return Ok(None) };
        let wanted = site_calls::network(tx.state(), operation.farm).map_or(given, |row| row.firewall);
        let farm = tx.state().rows.farms.get(&operation.farm).map(|row| Farm::clone(row));
        if let Some(farm) = farm.filter(|farm| wanted > given && farm.state.is_usable()) {
            // More was wanted meanwhile. This one is still in the books as running.
            let next = instance_run::operation(tx, SagaKind::FirewallApply, &farm, Vec::new(), 0);
            executor::begin(tx, next, Answer::Nothing);
        }
        Ok(Some(format!("revision {given}")))
    }
}
