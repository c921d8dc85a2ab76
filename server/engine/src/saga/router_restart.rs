//! Restarts a router that runs and does not answer, and gives it its configuration. Forward only.

use cascina_core::operation::Operation;
use cascina_core::state::State;
use cascina_drivers::HostCall;

use super::{Answer, Saga, StepError, Work, router_apply, site_calls};
use crate::tx::Tx;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin,
    Restart,
    Apply,
}

pub struct RouterRestart;

impl Saga for RouterRestart {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Begin;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Restart, "restart"), (Step::Apply, "apply")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::Begin => Ok(Work::Nothing),
            Step::Restart => restart(state, operation),
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
            Step::Begin => Ok(None),
            Step::Restart => super::errands(&answer).map(|()| None),
            Step::Apply => router_apply::repaired(tx, operation, &answer),
        }
    }
}

/// All that makes it be there, and a restart before it is told anything.
fn restart(state: &State, operation: &Operation) -> Result<Work, StepError> {
    let mut work = site_calls::ensure_router(state, operation.farm)?;
    if let Work::Errands(errands) = &mut work {
        for errand in errands {
            errand.calls.retain(|call| !matches!(call, HostCall::ApplyRouter { .. } | HostCall::ProbeRouter { .. }));
            errand.calls.extend(errand.guest.map(|guest| HostCall::Reboot { guest, operation: operation.id }));
        }
    }
    Ok(work)
}
