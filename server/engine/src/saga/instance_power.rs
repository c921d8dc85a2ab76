//! Starts, stops and reboots instances.

use cascina_core::instance::InstanceState;
use cascina_core::operation::Operation;
use cascina_core::state::{Guest, State};
use cascina_drivers::HostCall;

use super::{Answer, Saga, StepError, Work, errands, instance_run, site_calls};
use crate::tx::Tx;

fn all(tx: &mut Tx<'_>, operation: &Operation, state: InstanceState, note: Option<&str>) {
    for id in &operation.instances {
        if tx.state().rows.instances.get(id).is_some_and(|row| row.is_live()) {
            instance_run::set(tx, *id, state, note.map(String::from));
        }
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
            Step::Act => site_calls::for_instances(state, &operation.instances, |row| site_calls::boot(state, row)),
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
            all(tx, operation, InstanceState::Running, None);
        }
        Ok(None)
    }

    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        match step {
            Step::Act => stop(state, operation).unwrap_or(Work::Nothing),
            Step::Begin | Step::Finish => Work::Nothing,
        }
    }

    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        let why = operation.error.clone().unwrap_or_default();
        all(tx, operation, InstanceState::Stopped, Some(&format!("could not be started: {why}")));
    }
}

fn stop(state: &State, operation: &Operation) -> Result<Work, StepError> {
    site_calls::for_instances(state, &operation.instances, |row| {
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
            Step::Act => stop(state, operation),
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
            all(tx, operation, InstanceState::Stopped, None);
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
            Step::Act => site_calls::for_instances(state, &operation.instances, |row| {
                Ok(vec![HostCall::Reboot { guest: Guest::Instance(row.id), operation: operation.id }])
            }),
            Step::Begin | Step::Finish => Ok(Work::Nothing),
        }
    }

    fn acted(_: Step, _: &mut Tx<'_>, _: &mut Operation, answer: Answer) -> Result<Option<String>, StepError> {
        errands(&answer).map(|()| None)
    }
}
