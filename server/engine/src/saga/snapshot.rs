//! Makes and removes snapshots. An image that is to be made of one becomes available with it.

use cascina_core::id::SnapshotId;
use cascina_core::image::{Image, ImageState};
use cascina_core::operation::Operation;
use cascina_core::snapshot::{Disk, Snapshot, SnapshotState};
use cascina_core::state::{Guest, Key, State};
use cascina_core::tag::Resource;
use cascina_drivers::HostCall;

use super::{Answer, Errand, Saga, StepError, Work, errands, site_calls, volume};
use crate::command::tag;
use crate::tx::Tx;

/// The steps that both have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Begin,
    Act,
    Finish,
}

fn of(state: &State, operation: &Operation) -> Option<Snapshot> {
    operation.snapshot.and_then(|id| state.rows.snapshots.get(&id)).map(|row| Snapshot::clone(row))
}

fn set(tx: &mut Tx<'_>, operation: &Operation, change: impl FnOnce(&mut Snapshot)) {
    if let Some(mut row) = of(tx.state(), operation) {
        change(&mut row);
        row.updated = tx.now;
        tx.put(row);
    }
}

fn set_image(tx: &mut Tx<'_>, operation: &Operation, state: ImageState) {
    let image = operation.image.and_then(|id| tx.state().rows.images.get(&id)).map(|row| Image::clone(row));
    // It may have been deregistered while it was being made.
    if let Some(image) = image.filter(|image| image.state == ImageState::Pending) {
        tx.put(Image { state, updated: tx.now, ..image });
    }
}

pub fn remove(snapshot: &Snapshot) -> HostCall {
    HostCall::RemoveSnapshot { snapshot: snapshot.id, at: site_calls::place(snapshot.farm, &snapshot.class) }
}

fn store(state: &State, snapshot: &Snapshot, call: HostCall) -> Result<Work, StepError> {
    let host = site_calls::store_host(state, &snapshot.class, snapshot.id.0)?;
    Ok(Work::Errands(vec![Errand { host, guest: None, calls: vec![call] }]))
}

/// Nothing of it is left in any store.
pub fn forget(tx: &mut Tx<'_>, id: SnapshotId) {
    if let Some(farm) = tx.state().rows.snapshots.get(&id).map(|row| row.farm) {
        tag::forget(tx, farm, Resource::Snapshot(id));
        tx.remove(Key::Snapshot(id));
    }
}

pub struct SnapshotCreate;

impl Saga for SnapshotCreate {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Finish;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "make"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        let (Step::Act, Some(snapshot)) = (step, of(state, operation)) else { return Ok(Work::Nothing) };
        let at = site_calls::place(snapshot.farm, &snapshot.class);
        let call = HostCall::MakeSnapshot { snapshot: snapshot.id, at, of: snapshot.source };
        match snapshot.source {
            Disk::Volume(id) => {
                let source = state.rows.volumes.get(&id);
                let source = source.ok_or_else(|| StepError::Final(format!("volume {id} is gone")))?;
                volume::errand(state, source, call)
            }
            Disk::Copy(_) => store(state, &snapshot, call),
            Disk::Root(id) => {
                let row = state.rows.instances.get(&id).filter(|row| row.is_live());
                let on = row.and_then(|row| row.host);
                let on = on.ok_or_else(|| StepError::Final(format!("instance {id} is gone")))?;
                let guest = Some(Guest::Instance(id));
                Ok(Work::Errands(vec![Errand { host: site_calls::host(state, on)?, guest, calls: vec![call] }]))
            }
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
            set(tx, operation, |row| row.state = SnapshotState::Completed);
            set_image(tx, operation, ImageState::Available);
        }
        Ok(None)
    }

    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        match (step, of(state, operation)) {
            (Step::Act, Some(snapshot)) => store(state, &snapshot, remove(&snapshot)).unwrap_or(Work::Nothing),
            _ => Work::Nothing,
        }
    }

    /// It stays in sight, so that its owner learns why; it can only be deleted.
    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        let why = operation.error.clone();
        set(tx, operation, |row| {
            row.state = SnapshotState::Error;
            row.note = why;
        });
        set_image(tx, operation, ImageState::Failed);
    }
}

pub struct SnapshotDelete;

impl Saga for SnapshotDelete {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Begin;
    const STEPS: &'static [(Step, &'static str)] =
        &[(Step::Begin, "begin"), (Step::Act, "remove"), (Step::Finish, "finish")];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        match (step, of(state, operation)) {
            (Step::Act, Some(snapshot)) => store(state, &snapshot, remove(&snapshot)),
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
        if let (Step::Finish, Some(id)) = (step, operation.snapshot) {
            forget(tx, id);
        }
        Ok(None)
    }
}
