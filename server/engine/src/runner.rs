//! Does the outside work of operations: calls hosts, asks for placements, and proposes what came of
//! it to the writer.

use std::sync::Arc;
use std::time::Duration;

use cascina_core::id::OperationId;
use cascina_core::operation::Operation;
use cascina_drivers::{DriverError, Reply};

use crate::engine::Shared;
use crate::need::{Need, Place, need, unanswered};
use crate::saga::{Answer, Errand, StepError, Work};
use crate::verdict::{decide_all, gather_all};

/// Works on one operation until it needs nothing more from outside.
pub async fn run(shared: Arc<Shared>, id: OperationId) {
    loop {
        let now = shared.clock.now();
        let (need, operation) = {
            let state = shared.published.read();
            (need(&state, id, now), state.rows.operations.get(&id).cloned())
        };
        let (place, answer) = match need {
            Need::Nothing => return,
            Need::Pause(until) => {
                tokio::time::sleep(Duration::from_millis(until.0.saturating_sub(now.0))).await;
                continue;
            }
            Need::Answer(place, answer) => (place, answer),
            Need::Work(place, work) => {
                crash(&shared, operation.as_deref(), place, "before");
                let answer = match work {
                    Work::Errands(errands) => Ok(Answer::Errands(perform(&shared, errands).await)),
                    Work::Decide(asked) => decide(&shared, id, asked).await,
                    Work::Nothing | Work::Wait => Ok(Answer::Nothing),
                };
                crash(&shared, operation.as_deref(), place, "after");
                (place, answer)
            }
        };
        if shared.propose(place.settled(id, answer)).await.is_err() {
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
            Err(_) => return Err(unanswered(&errand.host, name, shared.call_deadline)),
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
        let mut askings = gather_all(&state, now, Some(id), asked);
        let reserved = shared.offers.reserved(now);
        askings.iter_mut().for_each(|asking| asking.keep_clear_of(&reserved));
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
fn crash(shared: &Shared, operation: Option<&Operation>, at: Place, when: &str) {
    let (Some(point), Some(operation)) = (&shared.crash_at, operation) else { return };
    let step = operation.current().map(|record| record.step.as_str()).unwrap_or_default();
    let direction = if at.back { "undo" } else { "act" };
    if *point == format!("{}/{step}/{when}-{direction}", operation.saga.as_str()) {
        crate::engine::die();
    }
}
