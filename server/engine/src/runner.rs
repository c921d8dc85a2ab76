//! Does the outside work of operations: calls hosts, asks for placements, and proposes what came of
//! it to the writer.

use std::sync::Arc;

use cascina_core::id::OperationId;
use cascina_core::operation::{Operation, OperationState};
use cascina_drivers::{DriverError, Reply};

use crate::engine::Shared;
use crate::kernel::Proposal;
use crate::saga::{self, Answer, Errand, StepError, Work};
use crate::verdict::{decide_all, gather};

/// Which step, in which direction: an answer for another one is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    cursor: u32,
    back: bool,
}

fn place(operation: &Operation) -> Option<Place> {
    let back = match operation.state {
        OperationState::Running => false,
        OperationState::Compensating => true,
        OperationState::Done | OperationState::Failed | OperationState::Stuck => return None,
    };
    Some(Place { cursor: operation.cursor, back })
}

/// Works on one operation until it needs nothing more from outside.
pub async fn run(shared: Arc<Shared>, id: OperationId) {
    loop {
        let Some(operation) = shared.published.read().rows.operations.get(&id).cloned() else { return };
        let Some(at) = place(&operation) else { return };
        if let Some(until) = operation.retry_at {
            let pause = until.0.saturating_sub(shared.clock.now().0);
            if pause > 0 {
                tokio::time::sleep(std::time::Duration::from_millis(pause)).await;
                continue;
            }
        }
        let work = saga::work(&shared.published.read(), &operation);
        let outside = matches!(work, Ok(Work::Errands(_) | Work::Decide(_)));
        if outside {
            crash(&shared, &operation, at, "before");
        }
        let answer = match work {
            Ok(Work::Wait) => return,
            Ok(Work::Nothing) => Ok(Answer::Nothing),
            Ok(Work::Errands(errands)) => Ok(Answer::Errands(perform(&shared, errands).await)),
            Ok(Work::Decide(asked)) => decide(&shared, id, asked).await,
            Err(error) => Err(error),
        };
        if outside {
            crash(&shared, &operation, at, "after");
        }
        let proposal = Proposal::Settled { operation: id, cursor: at.cursor, back: at.back, answer };
        if shared.propose(proposal).await.is_err() {
            // Stopping, or the store is full: the step is in the books and will be taken up again.
            return;
        }
    }
}

async fn perform(shared: &Arc<Shared>, errands: Vec<Errand>) -> Vec<(Errand, Result<Reply, DriverError>)> {
    let tasks: Vec<_> = errands
        .into_iter()
        .map(|errand| {
            let (shared, mine) = (Arc::clone(shared), errand.clone());
            (errand, tokio::spawn(async move { errand_calls(&shared, &mine).await }))
        })
        .collect();
    let mut done = Vec::with_capacity(tasks.len());
    for (errand, task) in tasks {
        // A driver that panics has not answered, which is no reason to forget the operation.
        let result = task.await.unwrap_or_else(|error| {
            let (host, why) = (errand.host.name.clone(), format!("its driver failed: {error}"));
            Err(DriverError::Unreachable { host, call: "errand", why })
        });
        done.push((errand, result));
    }
    done
}

async fn errand_calls(shared: &Shared, errand: &Errand) -> Result<Reply, DriverError> {
    let mut last = Reply::Done;
    for call in &errand.calls {
        let name = call.as_str();
        let _permit = shared.calls.acquire().await;
        last = match tokio::time::timeout(shared.call_deadline, shared.hypervisor.call(&errand.host, call.clone()))
            .await
        {
            Ok(reply) => reply?,
            Err(_) => {
                return Err(DriverError::Unreachable {
                    host: errand.host.name.clone(),
                    call: name,
                    why: format!("no answer within {} ms", shared.call_deadline.as_millis()),
                });
            }
        };
    }
    Ok(last)
}

async fn decide(
    shared: &Arc<Shared>,
    id: OperationId,
    asked: Vec<(crate::verdict::Party, cascina_core::decision::Question)>,
) -> Result<Answer, StepError> {
    let now = shared.clock.now();
    let (askings, view) = {
        let state = shared.published.read();
        let askings: Vec<_> =
            asked.into_iter().map(|(party, question)| gather(&state, now, party, Some(id), question)).collect();
        (askings, shared.view.load_full())
    };
    let decider = Arc::clone(shared);
    let decided = shared
        .blocking(move || decide_all(askings, &decider.sandbox, &view, || decider.moment(now, view.revision), false))
        .await;
    shared.drain_quarantine();
    match decided {
        Ok(decisions) => Ok(Answer::Decisions(decisions.into_iter().map(Arc::new).collect())),
        Err(fault) => Err(StepError::Passing(fault.to_string())),
    }
}

/// Ends the process as a crash would, at the point named in the configuration: for crash tests.
fn crash(shared: &Shared, operation: &Operation, at: Place, when: &str) {
    let Some(point) = &shared.crash_at else { return };
    let step = operation.current().map(|record| record.step.as_str()).unwrap_or_default();
    let direction = if at.back { "undo" } else { "act" };
    if *point == format!("{}/{step}/{when}-{direction}", operation.saga.as_str()) {
        crate::engine::die();
    }
}
