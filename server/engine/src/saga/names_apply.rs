//! Tells a farm's router what its instances are called. Forward only, and in nobody's way: it never gets
//! stuck, since what a router does not know is found and repaired by the reconciler. One runs at a time for a
//! farm; changes made meanwhile are taken up by the next.

use cascina_core::farm::Farm;
use cascina_core::id::{FarmId, OperationId};
use cascina_core::network::VRouter;
use cascina_core::operation::{Operation, OperationState, SagaKind};
use cascina_core::state::{Guest, State};
use cascina_drivers::HostCall;

use super::{Answer, Errand, Saga, StepError, Work, errands, executor, instance_run, site_calls};
use crate::tx::Tx;

/// Attempts before it is left to the reconciler.
const ATTEMPTS: u32 = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin,
    Apply,
}

pub struct NamesApply;

/// Instances came or went: the router should know others than before, and hears of it if the farm is one
/// that can be used. One that is still being made tells its router when its instances boot.
pub fn changed(tx: &mut Tx<'_>, farm: FarmId) -> Option<OperationId> {
    let router = site_calls::router(tx.state(), farm).ok()?.clone();
    tx.put(VRouter { desired_revision: router.desired_revision + 1, ..router });
    let farm = tx.state().rows.farms.get(&farm).filter(|farm| farm.state.is_usable()).cloned()?;
    begin(tx, &farm)
}

/// Sees to it that the router gets what it lacks.
pub fn begin(tx: &mut Tx<'_>, farm: &Farm) -> Option<OperationId> {
    behind(tx.state(), farm.id)?;
    let same = tx.state().indexes.operations_by_farm.pairs(&farm.id).filter(|(_, saga)| **saga == SagaKind::NamesApply);
    let running = same.map(|(id, _)| id).find(|id| {
        let row = tx.state().rows.operations.get(id);
        row.is_some_and(|row| row.state == OperationState::Running)
    });
    if running.is_some() {
        return running;
    }
    let operation = instance_run::operation(tx, SagaKind::NamesApply, farm, Vec::new(), 0);
    Some(executor::begin(tx, operation, Answer::Nothing))
}

/// What brings a router up to date that runs and does not have all that it should.
fn behind(state: &State, farm: FarmId) -> Option<Errand> {
    let row = site_calls::router(state, farm).ok()?;
    if row.applied_revision >= row.desired_revision {
        return None;
    }
    let guest = Guest::Router(row.id);
    let config = site_calls::router_config(state, row);
    let apply = HostCall::ApplyRouter { guest, revision: row.desired_revision, config };
    Some(Errand { host: site_calls::host(state, row.host?).ok()?, guest: Some(guest), calls: vec![apply] })
}

/// Has the router of a farm be told along with other work.
pub fn along(state: &State, farm: FarmId, work: Work) -> Work {
    match (work, behind(state, farm)) {
        (Work::Errands(mut errands), Some(errand)) => {
            errands.push(errand);
            Work::Errands(errands)
        }
        (work, _) => work,
    }
}

/// The answer without what came of that, which is noted.
pub fn noted(tx: &mut Tx<'_>, farm: FarmId, answer: Answer) -> Answer {
    let Answer::Errands(done) = answer else { return answer };
    let (router, rest): (Vec<_>, _) =
        done.into_iter().partition(|(errand, _)| matches!(errand.guest, Some(Guest::Router(_))));
    for (errand, result) in router {
        if result.is_ok() {
            has(tx, farm, &errand);
        }
    }
    Answer::Errands(rest)
}

/// The router has what it was given by this. Gives the revision.
fn has(tx: &mut Tx<'_>, farm: FarmId, errand: &Errand) -> Option<u64> {
    let given = errand.calls.iter().find_map(|call| match call {
        HostCall::ApplyRouter { revision, .. } => Some(*revision),
        _ => None,
    })?;
    let row = site_calls::router(tx.state(), farm).ok()?.clone();
    if row.applied_revision < given {
        tx.put(VRouter { applied_revision: given, updated: tx.now, ..row });
    }
    Some(given)
}

impl Saga for NamesApply {
    type Step = Step;
    const VERSION: u32 = 1;
    /// Instances come and go many at a time, and a router is told of all of them each time.
    const GATHER_MS: u64 = 300;
    const PIVOT: Step = Step::Begin;
    const STEPS: &'static [(Step, &'static str)] = &[(Step::Begin, "begin"), (Step::Apply, "apply")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        Ok(match (step, behind(state, operation.farm)) {
            (Step::Begin, _) | (Step::Apply, None) => Work::Nothing,
            (Step::Apply, Some(errand)) => Work::Errands(vec![errand]),
        })
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        if let Err(error) = errands(&answer) {
            let again = operation.current().is_some_and(|record| record.attempts < ATTEMPTS);
            return match error {
                StepError::Passing(_) if again => Err(error),
                error => Ok(Some(format!("not yet: {error}"))),
            };
        }
        let (Step::Apply, Answer::Errands(done)) = (step, answer) else { return Ok(None) };
        let given = done.iter().find_map(|(errand, _)| has(tx, operation.farm, errand));
        let farm = tx.state().rows.farms.get(&operation.farm).map(|row| Farm::clone(row));
        if let Some(farm) = farm.filter(|farm| farm.state.is_usable() && behind(tx.state(), farm.id).is_some()) {
            // More was wanted meanwhile. This one is still in the books as running.
            let next = instance_run::operation(tx, SagaKind::NamesApply, &farm, Vec::new(), 0);
            executor::begin(tx, next, Answer::Nothing);
        }
        Ok(given.map(|given| format!("revision {given}")))
    }
}
