//! Attaches volumes to instances, and detaches them.

use cascina_core::instance::{Instance, InstanceState};
use cascina_core::operation::{Operation, StepState};
use cascina_core::state::{Guest, State};
use cascina_core::volume::{AttachmentState, Volume};
use cascina_drivers::{HostCall, VolumeAt};

use super::{Answer, Errand, Saga, StepError, Work, errands, site_calls, volume};
use crate::tx::Tx;

/// The steps that both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin,
    Act,
    Finish,
}

/// The volume of an operation and the instance that has it or is to have it, on its host. None if they
/// have parted: while the operation was stuck, people may have gone on with both.
fn pair(state: &State, operation: &Operation) -> Option<(Volume, Instance)> {
    let volume = volume::of(state, operation).filter(|row| row.operation == Some(operation.id))?;
    let id = volume.attachment.as_ref()?.instance;
    let instance = state.rows.instances.get(&id).filter(|_| operation.instances.contains(&id))?;
    Some((volume, Instance::clone(instance)))
}

/// Changes the volume, if it is still with the instance.
fn set(tx: &mut Tx<'_>, operation: &Operation, change: impl FnOnce(&mut Volume)) {
    if pair(tx.state(), operation).is_some() {
        volume::set(tx, operation, change);
    }
}

fn set_state(tx: &mut Tx<'_>, operation: &Operation, state: AttachmentState) {
    set(tx, operation, |row| {
        if let Some(held) = &mut row.attachment {
            held.state = state;
        }
    });
}

fn errand(state: &State, instance: &Instance, call: HostCall) -> Result<Work, StepError> {
    let Some(on) = instance.host else { return Ok(Work::Nothing) };
    let guest = Some(Guest::Instance(instance.id));
    Ok(Work::Errands(vec![Errand { host: site_calls::host(state, on)?, guest, calls: vec![call] }]))
}

fn detach(state: &State, operation: &Operation) -> Result<Work, StepError> {
    let Some((volume, instance)) = pair(state, operation) else { return Ok(Work::Nothing) };
    let (guest, at) = (Guest::Instance(instance.id), site_calls::place(volume.farm, &volume.class));
    errand(state, &instance, HostCall::DetachVolume { guest, volume: volume.id, at })
}

pub struct VolumeAttach;

impl Saga for VolumeAttach {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Finish;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "attach"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        let (Step::Act, Some((volume, instance))) = (step, pair(state, operation)) else { return Ok(Work::Nothing) };
        // One that is stopped gets it when it boots.
        if instance.state == InstanceState::Stopped {
            return Ok(Work::Nothing);
        }
        let device = volume.attachment.as_ref().map(|held| held.device.clone()).unwrap_or_default();
        let (guest, at) = (Guest::Instance(instance.id), site_calls::place(volume.farm, &volume.class));
        errand(state, &instance, HostCall::AttachVolume { guest, volume: VolumeAt { volume: volume.id, device }, at })
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        errands(&answer)?;
        if step == Step::Finish {
            set_state(tx, operation, AttachmentState::Attached);
        }
        Ok(None)
    }

    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        match step {
            Step::Act => detach(state, operation).unwrap_or(Work::Nothing),
            Step::Begin | Step::Finish => Work::Nothing,
        }
    }

    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        let why = operation.error.clone().unwrap_or_default();
        let skipped = operation.steps.iter().any(|record| record.state == StepState::Skipped);
        set(tx, operation, |row| {
            match &mut row.attachment {
                // Nobody took it off, so its guest may have it, and it can be detached like any other.
                Some(held) if skipped => held.state = AttachmentState::Attached,
                _ => row.attachment = None,
            }
            row.note = Some(format!("could not be attached: {why}"));
        });
    }
}

pub struct VolumeDetach;

impl Saga for VolumeDetach {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Begin;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "detach"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match step {
            Step::Act => detach(state, operation),
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
        let skipped = matches!((step, &answer), (Step::Act, Answer::Nothing));
        match step {
            // Without this step the guest still has it.
            Step::Act if skipped && matches!(detach(tx.state(), operation)?, Work::Errands(_)) => {
                set_state(tx, operation, AttachmentState::Attached);
            }
            Step::Begin | Step::Act => {}
            Step::Finish => set(tx, operation, |row| {
                row.attachment.take_if(|held| held.state == AttachmentState::Detaching);
            }),
        }
        Ok(None)
    }
}
