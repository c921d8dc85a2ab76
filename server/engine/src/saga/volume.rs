//! Makes, enlarges and removes volumes.

use cascina_core::id::VolumeId;
use cascina_core::operation::Operation;
use cascina_core::state::{Key, State};
use cascina_core::tag::Resource;
use cascina_core::volume::{Volume, VolumeState};
use cascina_drivers::HostCall;

use super::{Answer, Errand, Saga, StepError, Work, errands, site_calls};
use crate::command::tag;
use crate::tx::Tx;

/// The steps that all three have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin,
    Act,
    Finish,
}

/// The volume that an operation is about, unless it has gone with its farm.
pub fn of(state: &State, operation: &Operation) -> Option<Volume> {
    operation.volume.and_then(|id| state.rows.volumes.get(&id)).map(|row| Volume::clone(row))
}

/// A call to a host that reaches the volume: the one where it is attached, else any of its class.
pub fn errand(state: &State, volume: &Volume, call: HostCall) -> Result<Work, StepError> {
    let host = match attached_to(state, volume) {
        Some(host) => host,
        None => site_calls::store_host(state, &volume.class, volume.id.0)?,
    };
    Ok(Work::Errands(vec![Errand { host, guest: None, calls: vec![call] }]))
}

fn attached_to(state: &State, volume: &Volume) -> Option<cascina_drivers::HostRef> {
    let instance = state.rows.instances.get(&volume.attachment.as_ref()?.instance)?;
    site_calls::host(state, instance.host?).ok()
}

pub fn make(volume: &Volume) -> HostCall {
    HostCall::MakeVolume {
        volume: volume.id,
        at: site_calls::place(volume.farm, &volume.class),
        size: volume.size,
        from: volume.snapshot,
    }
}

pub fn remove(volume: &Volume) -> HostCall {
    HostCall::RemoveVolume { volume: volume.id, at: site_calls::place(volume.farm, &volume.class) }
}

/// The volumes that these errands took out of their stores.
pub fn removed(answer: &Answer) -> Vec<VolumeId> {
    let Answer::Errands(done) = answer else { return Vec::new() };
    let calls = done.iter().filter(|(_, result)| result.is_ok()).flat_map(|(errand, _)| &errand.calls);
    let volumes = calls.filter_map(|call| match call {
        HostCall::RemoveVolume { volume, .. } => Some(*volume),
        _ => None,
    });
    volumes.collect()
}

/// Changes the volume of an operation, if it is still there.
pub fn set(tx: &mut Tx<'_>, operation: &Operation, change: impl FnOnce(&mut Volume)) {
    if let Some(mut row) = of(tx.state(), operation) {
        change(&mut row);
        row.updated = tx.now;
        tx.put(row);
    }
}

/// Nothing of it is left in any store.
pub fn forget(tx: &mut Tx<'_>, id: VolumeId) {
    if let Some(farm) = tx.state().rows.volumes.get(&id).map(|row| row.farm) {
        tag::forget(tx, farm, Resource::Volume(id));
        tx.remove(Key::Volume(id));
    }
}

pub struct VolumeCreate;

impl Saga for VolumeCreate {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Finish;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "make"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match (step, of(state, operation)) {
            (Step::Act, Some(volume)) => errand(state, &volume, make(&volume)),
            _ => Ok(Work::Nothing),
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        errands(&answer)?;
        if step == Step::Finish {
            set(tx, operation, |row| row.state = VolumeState::Ready);
        }
        Ok(None)
    }

    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        match (step, of(state, operation)) {
            (Step::Act, Some(volume)) => errand(state, &volume, remove(&volume)).unwrap_or(Work::Nothing),
            _ => Work::Nothing,
        }
    }

    /// It stays in sight, so that its owner learns why; it can only be deleted.
    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        let why = operation.error.clone();
        set(tx, operation, |row| {
            row.state = VolumeState::Error;
            row.note = why;
        });
    }
}

pub struct VolumeResize;

impl Saga for VolumeResize {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Begin;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "resize"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match (step, of(state, operation)) {
            (Step::Act, Some(volume)) => {
                let at = site_calls::place(volume.farm, &volume.class);
                errand(state, &volume, HostCall::ResizeVolume { volume: volume.id, at, size: volume.size })
            }
            _ => Ok(Work::Nothing),
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        errands(&answer)?;
        match (step, &answer) {
            (Step::Act, Answer::Nothing) => set(tx, operation, |row| {
                row.note = Some(format!("may still be smaller than {}; resize it to that again", row.size));
            }),
            (Step::Finish, _) => {
                let now = tx.now;
                set(tx, operation, |row| {
                    row.state = VolumeState::Ready;
                    if let Some(modified) = &mut row.modified {
                        modified.ended = Some(now);
                    }
                });
            }
            _ => {}
        }
        Ok(None)
    }
}

pub struct VolumeDelete;

impl Saga for VolumeDelete {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Begin;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "remove"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match (step, of(state, operation)) {
            (Step::Act, Some(volume)) => errand(state, &volume, remove(&volume)),
            _ => Ok(Work::Nothing),
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        errands(&answer)?;
        if let (Step::Finish, Some(id)) = (step, operation.volume) {
            forget(tx, id);
        }
        Ok(None)
    }
}
