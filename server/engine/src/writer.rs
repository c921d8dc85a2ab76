//! The one writer: takes proposals in batches, commits each batch in one transaction, then publishes
//! it and answers. Nobody is told of a change that could still be lost.

use std::sync::Arc;
use std::time::Duration;

use cascina_core::command::Outcome;
use cascina_core::event::{Change, Event};
use cascina_core::id::OperationId;
use cascina_core::operation::{Operation, StepState};
use cascina_core::policy::Digest;
use cascina_core::state::{Row, State};
use cascina_core::view::ClusterView;
use cascina_store::{Batch, Store};
use tokio::sync::{mpsc, oneshot};

use crate::command::Setback;
use crate::engine::Shared;
use crate::error::Fault;
use crate::kernel::{Kernel, Proposal};

/// Most proposals in one transaction.
pub const BATCH: usize = 256;

pub enum Message {
    Proposal(Proposal, oneshot::Sender<Result<Result<Outcome, Setback>, Fault>>),
    /// Bytes of a component, before the row that names them.
    Component(Digest, Vec<u8>, oneshot::Sender<Result<(), Fault>>),
    Stop(oneshot::Sender<()>),
}

/// Runs until stopped; owns the store and the working state.
pub fn run(mut store: Store, mut kernel: Kernel, shared: Arc<Shared>, mut inbox: mpsc::Receiver<Message>) {
    let mut batch: Vec<Message> = Vec::with_capacity(BATCH);
    while inbox.blocking_recv_many(&mut batch, BATCH) > 0 {
        let mut answers = Vec::new();
        let mut events: Vec<Event> = Vec::new();
        let mut decisions = Vec::new();
        let mut stop = None;
        for message in batch.drain(..) {
            match message {
                Message::Proposal(proposal, answer) => {
                    let (result, done) = kernel.take(shared.clock.now(), &proposal);
                    events.extend(done.events);
                    decisions.extend(done.decisions);
                    answers.push((answer, result));
                }
                Message::Component(digest, bytes, answer) => {
                    let result = store.put_component(digest, &bytes);
                    // The asker may have gone; the component stays, named by nothing.
                    let _ = answer.send(result.map_err(|error| Fault::Store(error.to_string())));
                }
                Message::Stop(answer) => stop = Some(answer),
            }
        }
        crash(&shared, &events, "before-commit");
        let committed = if events.is_empty() && decisions.is_empty() {
            Ok(())
        } else {
            store.commit(&Batch { events: &events, decisions: &decisions })
        };
        match committed {
            Ok(()) => {
                crash(&shared, &events, "after-commit");
                shared.set_store_sound(true);
                count(events.len(), decisions.len());
                publish(&shared, events);
                for (answer, result) in answers {
                    let _ = answer.send(Ok(result));
                }
            }
            Err(error) => {
                tracing::error!(error = %error, "a batch could not be stored; nothing of it was done");
                // What was worked out is forgotten; what is published is what the store has.
                kernel.state = shared.published.read().clone();
                for (answer, _) in answers {
                    let _ = answer.send(Err(Fault::Store(error.to_string())));
                }
                // A full disk does not get emptier by asking at once.
                shared.set_store_sound(false);
                std::thread::park_timeout(Duration::from_millis(50));
                shared.retry_operations();
            }
        }
        if let Some(answer) = stop {
            if let Err(error) = store.settle() {
                tracing::warn!(error = %error, "the write-ahead log stays beside the database; nothing is lost");
            }
            let _ = answer.send(());
            return;
        }
    }
}

/// Brings a state and its view up to date with what was committed. Gives the operations that moved.
pub fn absorb(state: &mut State, view: &mut Arc<ClusterView>, events: &[Event]) -> Vec<OperationId> {
    let mut moved = Vec::new();
    for event in events {
        for change in &event.changes {
            state.apply(change);
            if let Change::Put(Row::Operation(operation)) = change {
                moved.push(operation.id);
            }
        }
        state.seq = event.seq;
    }
    state.refresh(view);
    moved
}

/// For operators, and for benchmarks that write the same again.
fn count(events: usize, decisions: usize) {
    if events + decisions == 0 {
        return;
    }
    metrics::counter!("cascina_commits_total").increment(1);
    metrics::counter!("cascina_events_total").increment(events as u64);
    metrics::counter!("cascina_decisions_total").increment(decisions as u64);
}

fn publish(shared: &Arc<Shared>, events: Vec<Event>) {
    if events.is_empty() {
        return;
    }
    let mut view = shared.view.load_full();
    let moved = {
        let mut published = shared.published.write();
        let moved = absorb(&mut published, &mut view, &events);
        shared.view.store(view);
        moved
    };
    for event in events {
        // Nobody may be listening.
        let _ = shared.events.send(Arc::new(event));
    }
    for id in moved {
        shared.wake(id);
    }
}

/// Ends the process as a crash would, at the point named in the configuration: for crash tests.
fn crash(shared: &Shared, events: &[Event], point: &str) {
    let Some(at) = &shared.crash_at else { return };
    for event in events {
        for change in &event.changes {
            let Change::Put(Row::Operation(operation)) = change else { continue };
            if operation.steps.iter().any(|record| *at == named(operation, record, point)) {
                crate::engine::die();
            }
        }
    }
}

fn named(operation: &Operation, record: &cascina_core::operation::StepRecord, point: &str) -> String {
    let direction = match record.state {
        StepState::Done => "done",
        StepState::Undone => "undone",
        _ => "",
    };
    format!("{}/{}/{direction}-{point}", operation.saga.as_str(), record.step)
}
