//! Makes a farm's router be there, run, and do what it should. Forward only; also the cure for a
//! router that has gone.

use cascina_core::farm::{Farm, FarmState};
use cascina_core::id::FarmId;
use cascina_core::network::{RouterState, VRouter};
use cascina_core::operation::{Operation, OperationState, SagaKind};
use cascina_core::state::State;
use cascina_drivers::HostCall;

use super::{Answer, Saga, StepError, Work, errands, site_calls};
use crate::tx::Tx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin,
    Apply,
}

pub struct RouterApply;

/// Notes the revision that the router was given; more may have been wanted since, and nothing was given
/// if the step was skipped.
pub fn applied(tx: &mut Tx<'_>, farm: FarmId, answer: &Answer) -> Result<u64, StepError> {
    let router = site_calls::router(tx.state(), farm)?.clone();
    let given = match answer {
        Answer::Errands(errands) => errands
            .iter()
            .flat_map(|(errand, _)| errand.calls.iter())
            .find_map(|call| match call {
                HostCall::ApplyRouter { revision, .. } => Some(*revision),
                _ => None,
            })
            .unwrap_or(router.desired_revision),
        Answer::Nothing | Answer::Decisions(_) => return Ok(router.applied_revision),
    };
    let applied_revision = router.applied_revision.max(given);
    tx.put(VRouter { applied_revision, state: RouterState::Running, updated: tx.now, ..router });
    Ok(given)
}

/// It is being made anew elsewhere: it gets what it should do there, and must not come up here meanwhile.
fn is_moving(state: &State, farm: FarmId) -> bool {
    let mut under_way =
        state.indexes.operations_by_farm.pairs(&farm).filter(|(_, saga)| **saga == SagaKind::RouterMove);
    under_way.any(|(id, _)| state.rows.operations.get(&id).is_some_and(|row| row.state != OperationState::Stuck))
}

impl Saga for RouterApply {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Begin;
    const WAITS: Option<Step> = Some(Step::Begin);
    const STEPS: &'static [(Step, &'static str)] = &[(Step::Begin, "begin"), (Step::Apply, "apply")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::Begin if is_moving(state, operation.farm) => Ok(Work::Wait),
            Step::Begin => Ok(Work::Nothing),
            Step::Apply => site_calls::ensure_router(state, operation.farm),
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        match step {
            Step::Begin => errands(&answer).map(|()| None),
            Step::Apply => repaired(tx, operation, &answer),
        }
    }
}

/// The farm's router is there and does what it should: nothing is missing any more.
pub fn repaired(tx: &mut Tx<'_>, operation: &Operation, answer: &Answer) -> Result<Option<String>, StepError> {
    errands(answer)?;
    let given = applied(tx, operation.farm, answer)?;
    let farm = tx.state().rows.farms.get(&operation.farm).map(|row| Farm::clone(row));
    if let Some(mut farm) = farm.filter(|farm| farm.state == FarmState::Degraded) {
        farm.state = FarmState::Active;
        farm.note = None;
        farm.updated = tx.now;
        tx.put(farm);
    }
    Ok(Some(format!("revision {given}")))
}
