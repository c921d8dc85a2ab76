//! Moves operations: forward step by step, back when a step fails, aside when nothing helps.
//!
//! Every function here runs inside the writer's transaction. A step that needs something from
//! outside is recorded as acting in the same commit that ended the step before it, so a crash at
//! any point finds it in the books.

use cascina_core::command::Remedy;
use cascina_core::id::{FarmId, OperationId};
use cascina_core::operation::{Operation, OperationState, SagaKind, StepRecord, StepState};
use cascina_core::refusal::Refusal;
use cascina_core::state::{Key, State};

use super::{Answer, Script, StepError, Work, script};
use crate::tx::{Told, Tx};

/// Attempts of one step in one direction before the saga gives up on it.
const ATTEMPTS: u32 = 5;
/// The first pause between attempts; it doubles.
const PAUSE_MS: u64 = 250;
/// Lost races before it counts as a failure.
const RACES: u32 = 20;

/// What an operation waits for from outside; None if nothing (over, stuck, or not yet time).
pub fn work(state: &State, operation: &Operation) -> Result<Work, StepError> {
    let script = script(operation.saga);
    let step = operation.cursor as usize;
    match operation.state {
        OperationState::Running => (script.act)(step, state, operation),
        OperationState::Compensating => Ok((script.undo)(step, state, operation)),
        OperationState::Done | OperationState::Failed | OperationState::Stuck => Ok(Work::Wait),
    }
}

/// Puts a new operation to work. `first` is what its first step was given.
pub fn begin(tx: &mut Tx<'_>, mut operation: Operation, first: Answer) -> OperationId {
    let script = script(operation.saga);
    operation.version = script.version;
    operation.steps = (0..script.len)
        .map(|i| StepRecord {
            step: (script.name)(i).into(),
            state: StepState::Pending,
            attempts: 0,
            error: None,
            note: None,
            updated: tx.now,
        })
        .collect();
    let id = operation.id;
    forward(tx, &script, operation, Some(first));
    id
}

/// Takes what came of an operation's outside work. Late or repeated answers are ignored.
pub fn settle(tx: &mut Tx<'_>, id: OperationId, cursor: u32, back: bool, answer: Result<Answer, StepError>) {
    let Some(operation) = tx.state().rows.operations.get(&id).map(|row| Operation::clone(row)) else { return };
    let expected = match operation.state {
        OperationState::Running => !back,
        OperationState::Compensating => back,
        OperationState::Done | OperationState::Failed | OperationState::Stuck => false,
    };
    if !expected || operation.cursor != cursor {
        return;
    }
    let script = script(operation.saga);
    if back {
        let answer = answer.and_then(|answer| super::errands(&answer));
        undone(tx, &script, operation, answer);
        return;
    }
    match answer.and_then(|answer| acted(tx, &script, &operation, answer)) {
        Ok(operation) => forward(tx, &script, operation, None),
        Err(error) => failed(tx, &script, operation, error),
    }
}

/// Writes down what a step did, or nothing at all.
fn acted(tx: &mut Tx<'_>, script: &Script, operation: &Operation, answer: Answer) -> Result<Operation, StepError> {
    let mark = tx.mark();
    let mut moved = operation.clone();
    match (script.acted)(operation.cursor as usize, tx, &mut moved, answer) {
        Ok(note) => {
            done(&mut moved, note, tx);
            Ok(moved)
        }
        Err(error) => {
            tx.back_to(mark);
            Err(error)
        }
    }
}

fn done(operation: &mut Operation, note: Option<String>, tx: &Tx<'_>) {
    let record = &mut operation.steps[operation.cursor as usize];
    record.state = StepState::Done;
    record.error = None;
    record.note = note;
    record.updated = tx.now;
    operation.cursor += 1;
    operation.retry_at = None;
}

/// Goes on until a step needs something from outside.
fn forward(tx: &mut Tx<'_>, script: &Script, mut operation: Operation, mut given: Option<Answer>) {
    loop {
        let step = operation.cursor as usize;
        if step >= script.len {
            operation.state = OperationState::Done;
            save(tx, operation, "operation.done");
            return;
        }
        if operation.cancel && step <= script.pivot {
            operation.error.get_or_insert_with(|| "cancelled".into());
            turn_back(tx, script, operation);
            return;
        }
        let answer = match given.take() {
            None | Some(Answer::Nothing) => match (script.act)(step, tx.state(), &operation) {
                Ok(Work::Nothing) => Ok(Answer::Nothing),
                Ok(work @ (Work::Errands(_) | Work::Decide(_) | Work::Wait)) => {
                    debug_assert!(
                        !matches!(work, Work::Wait) || script.waits == Some(step),
                        "a step that waits says so"
                    );
                    let record = &mut operation.steps[step];
                    record.state = StepState::Acting;
                    record.updated = tx.now;
                    operation.retry_at = (script.gather_ms > 0).then(|| tx.now.plus_ms(script.gather_ms));
                    save(tx, operation, "operation.step");
                    return;
                }
                Err(error) => Err(error),
            },
            Some(answer) => Ok(answer),
        };
        match answer.and_then(|answer| acted(tx, script, &operation, answer)) {
            Ok(moved) => operation = moved,
            Err(error) => {
                failed(tx, script, operation, error);
                return;
            }
        }
    }
}

/// A step did not work: again, back, or aside.
fn failed(tx: &mut Tx<'_>, script: &Script, mut operation: Operation, error: StepError) {
    let step = operation.cursor as usize;
    let record = &mut operation.steps[step];
    record.attempts += 1;
    record.updated = tx.now;
    let again = match &error {
        StepError::Stale => record.attempts < RACES,
        StepError::Passing(_) => record.attempts < ATTEMPTS,
        StepError::Final(_) => false,
    };
    record.error = Some(error.to_string());
    if again && !(operation.cancel && step <= script.pivot) {
        record.state = StepState::Acting;
        let pause = if error == StepError::Stale { 0 } else { PAUSE_MS << (record.attempts - 1).min(8) };
        operation.retry_at = (pause > 0).then(|| tx.now.plus_ms(pause));
        save(tx, operation, "operation.retry");
        return;
    }
    record.state = StepState::Failed;
    let text = format!("{}: {error}", record.step);
    operation.error = Some(text);
    if step <= script.pivot {
        turn_back(tx, script, operation);
    } else {
        stuck(tx, operation);
    }
}

/// From here backwards. The present step is undone too, since it may have half happened.
fn turn_back(tx: &mut Tx<'_>, script: &Script, mut operation: Operation) {
    operation.state = OperationState::Compensating;
    operation.retry_at = None;
    let farm = tx.state().rows.farms.get(&operation.farm).map(|row| row.state);
    if operation.saga == SagaKind::FarmCreate && farm == Some(cascina_core::farm::FarmState::Provisioning) {
        mark_farm(tx, &operation, cascina_core::farm::FarmState::Compensating);
    }
    backward(tx, script, operation);
}

fn backward(tx: &mut Tx<'_>, script: &Script, mut operation: Operation) {
    loop {
        let step = operation.cursor as usize;
        match (script.undo)(step, tx.state(), &operation) {
            Work::Nothing => {
                let mark = tx.mark();
                if let Err(error) = (script.undone)(step, tx, &operation) {
                    tx.back_to(mark);
                    undone(tx, script, operation, Err(error));
                    return;
                }
            }
            Work::Errands(_) | Work::Decide(_) | Work::Wait => {
                let now = tx.now;
                let record = &mut operation.steps[step];
                if record.state != StepState::Undoing {
                    record.attempts = 0;
                }
                record.state = StepState::Undoing;
                record.updated = now;
                save(tx, operation, "operation.undo");
                return;
            }
        }
        if !step_back(tx, script, &mut operation) {
            return;
        }
    }
}

/// Marks the step undone; false when that was the last.
fn step_back(tx: &mut Tx<'_>, script: &Script, operation: &mut Operation) -> bool {
    let record = &mut operation.steps[operation.cursor as usize];
    record.state = StepState::Undone;
    record.updated = tx.now;
    operation.retry_at = None;
    if operation.cursor == 0 {
        operation.state = OperationState::Failed;
        (script.failed)(tx, operation);
        save(tx, operation.clone(), "operation.failed");
        return false;
    }
    operation.cursor -= 1;
    true
}

fn undone(tx: &mut Tx<'_>, script: &Script, mut operation: Operation, result: Result<(), StepError>) {
    let step = operation.cursor as usize;
    let mark = tx.mark();
    let result = result.and_then(|()| (script.undone)(step, tx, &operation));
    match result {
        Ok(()) => {
            if step_back(tx, script, &mut operation) {
                backward(tx, script, operation);
            }
        }
        Err(error) => {
            tx.back_to(mark);
            let now = tx.now;
            let record = &mut operation.steps[step];
            record.attempts += 1;
            record.error = Some(error.to_string());
            record.updated = now;
            // Even a refusal is worth repeating: nothing may be left behind.
            if record.attempts < ATTEMPTS {
                operation.retry_at = Some(now.plus_ms(PAUSE_MS << (record.attempts - 1)));
                save(tx, operation, "operation.retry");
            } else {
                let text = format!("undoing {}: {error}", record.step);
                operation.error = Some(match operation.error.take() {
                    Some(first) => format!("{first}; then {text}"),
                    None => text,
                });
                stuck(tx, operation);
            }
        }
    }
}

/// Parks an operation for a person, in sight.
fn stuck(tx: &mut Tx<'_>, mut operation: Operation) {
    let farm = operation.farm;
    if operation.saga != SagaKind::FarmDelete && deletion(tx.state(), farm).is_some() {
        // The farm is being deleted, which cleans up whatever there is.
        supersede(tx, operation);
        return;
    }
    operation.state = OperationState::Stuck;
    operation.retry_at = None;
    if matches!(operation.saga, SagaKind::FarmCreate | SagaKind::FarmDelete)
        && let Some(mut row) = tx.state().rows.farms.get(&farm).map(|row| cascina_core::farm::Farm::clone(row))
    {
        row.state = cascina_core::farm::FarmState::Stuck;
        row.note = operation.error.clone();
        row.updated = tx.now;
        tx.put(row);
    }
    save(tx, operation, "operation.stuck");
}

fn deletion(state: &State, farm: FarmId) -> Option<OperationId> {
    state
        .indexes
        .operations_by_farm
        .of(&farm)
        .find(|id| state.rows.operations.get(id).is_some_and(|row| row.saga == SagaKind::FarmDelete))
}

/// Ends an operation because the farm's deletion takes over what it left.
fn supersede(tx: &mut Tx<'_>, mut operation: Operation) {
    operation.state = OperationState::Failed;
    operation.retry_at = None;
    let first = operation.error.take().unwrap_or_default();
    operation.error = Some(format!("{first}; left to the farm's deletion"));
    drop_holds(tx, operation.id);
    save(tx, operation, "operation.failed");
}

pub fn drop_holds(tx: &mut Tx<'_>, operation: OperationId) {
    let holds: Vec<_> = tx.state().indexes.holds_by_operation.of(&operation).collect();
    for hold in holds {
        tx.remove(Key::Hold(hold));
    }
}

/// Asks an operation to undo itself; takes it over at once if it is stuck.
pub fn cancel(tx: &mut Tx<'_>, id: OperationId) {
    let Some(mut operation) = tx.state().rows.operations.get(&id).map(|row| Operation::clone(row)) else { return };
    match operation.state {
        OperationState::Stuck => supersede(tx, operation),
        OperationState::Running if !operation.cancel => {
            operation.cancel = true;
            let script = script(operation.saga);
            let step = operation.cursor as usize;
            let waits = matches!((script.act)(step, tx.state(), &operation), Ok(Work::Wait));
            if waits && step <= script.pivot {
                operation.error = Some("cancelled".into());
                turn_back(tx, &script, operation);
            } else {
                save(tx, operation, "operation.cancel");
            }
        }
        OperationState::Running | OperationState::Compensating | OperationState::Done | OperationState::Failed => {}
    }
}

/// Lets operations go on that waited for others to end.
pub fn stop_waiting(tx: &mut Tx<'_>, farm: FarmId) {
    let ids: Vec<_> = tx
        .state()
        .indexes
        .operations_by_farm
        .pairs(&farm)
        .filter(|(_, saga)| script(**saga).waits.is_some())
        .map(|(id, _)| id)
        .collect();
    for id in ids {
        let Some(operation) = tx.state().rows.operations.get(&id) else { continue };
        if operation.state != OperationState::Running {
            continue;
        }
        let record = operation.current().map(|record| record.state);
        let script = script(operation.saga);
        // What others need from hosts can take long to put together, and is not asked for here.
        let waited = record == Some(StepState::Acting)
            && script.waits == Some(operation.cursor as usize)
            && matches!((script.act)(operation.cursor as usize, tx.state(), operation), Ok(Work::Nothing));
        if waited {
            let operation = Operation::clone(operation);
            forward(tx, &script, operation, None);
        }
    }
}

/// What a person decided about a stuck operation (or, for `Cancel`, any that can still be undone).
pub fn mend(tx: &mut Tx<'_>, id: OperationId, remedy: Remedy) -> Result<(), Refusal> {
    let Some(mut operation) = tx.state().rows.operations.get(&id).map(|row| Operation::clone(row)) else {
        return Err(Refusal::not_found("operation", id));
    };
    let script = script(operation.saga);
    let step = operation.cursor as usize;
    if remedy == Remedy::Cancel {
        if operation.state.is_over() || step > script.pivot || operation.saga == SagaKind::FarmDelete {
            return Err(Refusal::Conflict(format!("{id} can no longer be undone: it is past its pivot or over")));
        }
        if operation.state == OperationState::Stuck {
            operation.error.get_or_insert_with(|| "cancelled".into());
            mark_farm(tx, &operation, cascina_core::farm::FarmState::Compensating);
            turn_back(tx, &script, operation);
        } else {
            cancel(tx, id);
        }
        return Ok(());
    }
    if operation.state != OperationState::Stuck {
        return Err(Refusal::Conflict(format!("{id} is not stuck, so there is nothing to mend")));
    }
    let now = tx.now;
    let back = operation.steps[step].state == StepState::Undoing;
    operation.steps[step].attempts = 0;
    operation.state = if back { OperationState::Compensating } else { OperationState::Running };
    let farm_state = match (operation.saga, back) {
        (SagaKind::FarmDelete, _) => cascina_core::farm::FarmState::Deleting,
        (_, true) => cascina_core::farm::FarmState::Compensating,
        (_, false) => cascina_core::farm::FarmState::Provisioning,
    };
    mark_farm(tx, &operation, farm_state);
    match remedy {
        Remedy::Retry => {
            operation.steps[step].state = if back { StepState::Undoing } else { StepState::Acting };
            save(tx, operation, "operation.mended");
        }
        Remedy::Skip | Remedy::Adopt => {
            let word = if remedy == Remedy::Skip { StepState::Skipped } else { StepState::Adopted };
            if back {
                // What the step left in the rows goes, as if the hosts had obeyed.
                (script.undone)(step, tx, &operation).map_err(|error| Refusal::Conflict(error.to_string()))?;
                if step_back(tx, &script, &mut operation) {
                    operation.steps[step].state = word;
                    backward(tx, &script, operation);
                }
            } else {
                // Either way the rows go on as if the hosts had obeyed: half a deletion is no state to be in.
                // Only an adopted step is believed to have reached them.
                let answer = if remedy == Remedy::Adopt { Answer::Errands(Vec::new()) } else { Answer::Nothing };
                (script.acted)(step, tx, &mut operation, answer)
                    .map_err(|error| Refusal::Conflict(format!("cannot go on without this step: {error}")))?;
                operation.steps[step].state = word;
                operation.steps[step].updated = now;
                operation.cursor += 1;
                forward(tx, &script, operation, None);
            }
        }
        Remedy::Cancel => unreachable!("handled above"),
    }
    Ok(())
}

fn mark_farm(tx: &mut Tx<'_>, operation: &Operation, state: cascina_core::farm::FarmState) {
    if !matches!(operation.saga, SagaKind::FarmCreate | SagaKind::FarmDelete) {
        return;
    }
    if let Some(mut farm) = tx.state().rows.farms.get(&operation.farm).map(|row| cascina_core::farm::Farm::clone(row)) {
        farm.state = state;
        farm.updated = tx.now;
        tx.put(farm);
    }
}

fn save(tx: &mut Tx<'_>, mut operation: Operation, kind: &'static str) {
    operation.updated = tx.now;
    let step = operation.current().map(|record| record.step.clone()).unwrap_or_default();
    let text = match &operation.error {
        Some(error) => format!("{}: {error}", operation.saga.as_str()),
        None => format!("{} {step}", operation.saga.as_str()),
    };
    let told = Told {
        kind,
        subject: operation.id.to_string(),
        tenant: operation.tenant,
        farm: Some(operation.farm),
        operation: Some(operation.id),
        decision: None,
        text,
    };
    let over = operation.state.is_over() || operation.state == OperationState::Stuck;
    let farm = operation.farm;
    tx.put(operation);
    tx.tell(told);
    if over {
        stop_waiting(tx, farm);
    }
}
