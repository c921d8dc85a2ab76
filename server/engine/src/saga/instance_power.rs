//! Starts, stops and reboots instances.

use cascina_core::id::InstanceId;
use cascina_core::instance::InstanceState;
use cascina_core::operation::Operation;
use cascina_core::state::{Guest, State};
use cascina_drivers::HostCall;

use super::{Answer, Saga, StepError, Work, errands, instance_run, site_calls};
use crate::tx::Tx;

/// Those that are still in this state: while an operation was stuck, people may have gone on with them.
fn still(state: &State, operation: &Operation, wanted: InstanceState) -> Vec<InstanceId> {
    let is = |id: &&InstanceId| state.rows.instances.get(*id).is_some_and(|row| row.state == wanted);
    operation.instances.iter().filter(is).copied().collect()
}

fn all(tx: &mut Tx<'_>, operation: &Operation, from: InstanceState, to: InstanceState, note: Option<&str>) {
    for id in still(tx.state(), operation, from) {
        instance_run::set(tx, id, to, note.map(String::from));
    }
}

/// The one step that all three have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin,
    Act,
    Finish,
}

pub struct InstanceStart;

impl Saga for InstanceStart {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Finish;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "boot"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::Act => {
                let ids = still(state, operation, InstanceState::Scheduled);
                site_calls::boot(state, operation.farm, &ids)
            }
            Step::Begin | Step::Finish => Ok(Work::Nothing),
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        errands(&answer)?;
        if step == Step::Act {
            all(tx, operation, InstanceState::Scheduled, InstanceState::Running, None);
        }
        Ok(None)
    }

    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        match step {
            Step::Act => stop(state, operation, InstanceState::Scheduled).unwrap_or(Work::Nothing),
            Step::Begin | Step::Finish => Work::Nothing,
        }
    }

    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        let why = operation.error.clone().unwrap_or_default();
        let note = format!("could not be started: {why}");
        all(tx, operation, InstanceState::Scheduled, InstanceState::Stopped, Some(&note));
    }
}

fn stop(state: &State, operation: &Operation, from: InstanceState) -> Result<Work, StepError> {
    site_calls::for_instances(state, &still(state, operation, from), |row| {
        Ok(vec![HostCall::Stop { guest: Guest::Instance(row.id) }])
    })
}

pub struct InstanceStop;

impl Saga for InstanceStop {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Begin;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "stop"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::Act => stop(state, operation, InstanceState::Stopping),
            Step::Begin | Step::Finish => Ok(Work::Nothing),
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        errands(&answer)?;
        if step == Step::Act {
            all(tx, operation, InstanceState::Stopping, InstanceState::Stopped, None);
        }
        Ok(None)
    }
}

pub struct InstanceReboot;

impl Saga for InstanceReboot {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Begin;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "reboot"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::Act => site_calls::for_instances(state, &still(state, operation, InstanceState::Running), |row| {
                Ok(vec![HostCall::Reboot { guest: Guest::Instance(row.id), operation: operation.id }])
            }),
            Step::Begin | Step::Finish => Ok(Work::Nothing),
        }
    }

    fn acted(_: Step, _: &mut Tx<'_>, _: &mut Operation, answer: Answer) -> Result<Option<String>, StepError> {
        errands(&answer).map(|()| None)
    }
}
