//! What operations need from outside at a moment, and who works on them. Pure: the server's runner
//! and the simulator both ask here.

use std::collections::BTreeSet;
use std::time::Duration;

use cascina_core::id::OperationId;
use cascina_core::operation::{Operation, OperationState};
use cascina_core::state::State;
use cascina_core::units::Timestamp;
use cascina_drivers::{DriverError, HostRef};

use crate::kernel::Proposal;
use crate::saga::{self, Answer, StepError, Work};

/// Which step, in which direction: an answer for another one is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub cursor: u32,
    pub back: bool,
}

impl Place {
    fn of(operation: &Operation) -> Option<Place> {
        let back = match operation.state {
            OperationState::Running => false,
            OperationState::Compensating => true,
            OperationState::Done | OperationState::Failed | OperationState::Stuck => return None,
        };
        Some(Place { cursor: operation.cursor, back })
    }

    /// What to propose about what came of the work here.
    pub fn settled(self, operation: OperationId, answer: Result<Answer, StepError>) -> Proposal {
        Proposal::Settled { operation, cursor: self.cursor, back: self.back, answer }
    }
}

#[derive(Debug)]
pub enum Need {
    /// Nothing from outside: it is over, stuck, or waits for another operation.
    Nothing,
    /// To be left alone until then.
    Pause(Timestamp),
    /// An answer, perhaps without anything being done for it.
    Answer(Place, Result<Answer, StepError>),
    Work(Place, Work),
}

/// What an operation needs now.
pub fn need(state: &State, id: OperationId, now: Timestamp) -> Need {
    let Some(operation) = state.rows.operations.get(&id) else { return Need::Nothing };
    let Some(place) = Place::of(operation) else { return Need::Nothing };
    if let Some(until) = operation.retry_at.filter(|until| *until > now) {
        return Need::Pause(until);
    }
    match saga::work(state, operation) {
        Ok(Work::Wait) => Need::Nothing,
        Ok(Work::Nothing) => Need::Answer(place, Ok(Answer::Nothing)),
        Ok(work @ (Work::Errands(_) | Work::Decide(_))) => Need::Work(place, work),
        Err(error) => Need::Answer(place, Err(error)),
    }
}

/// A call to which the host did not answer in time.
pub fn unanswered(host: &HostRef, call: &'static str, deadline: Duration) -> DriverError {
    let why = format!("no answer within {} ms", deadline.as_millis());
    DriverError::Unreachable { host: host.name.clone(), call, why }
}

/// Operations that somebody works on: one at a time each, and none is forgotten.
#[derive(Debug, Default)]
pub struct Rota {
    busy: BTreeSet<OperationId>,
    /// Woken while somebody was about to leave them.
    again: BTreeSet<OperationId>,
}

impl Rota {
    /// True if the caller must see to it that somebody works on it now.
    pub fn wake(&mut self, id: OperationId) -> bool {
        let free = self.busy.insert(id);
        if !free {
            self.again.insert(id);
        }
        free
    }

    /// False if it was woken meanwhile: then it must be worked on again.
    pub fn leave(&mut self, id: OperationId) -> bool {
        if self.again.remove(&id) {
            return false;
        }
        self.busy.remove(&id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_woken_while_it_is_left_is_worked_on_again() {
        let mut rota = Rota::default();
        let id = OperationId(1);
        assert!(rota.wake(id));
        assert!(!rota.wake(id));
        assert!(!rota.leave(id), "it was woken");
        assert!(rota.leave(id));
        assert!(rota.wake(id));
    }
}
