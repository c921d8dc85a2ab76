//! The state is the fold over the log, and nothing else.

use cascina_core::event::Event;
use cascina_core::state::State;

use super::verdict;

pub fn check(state: &State, log: &[Event]) -> Result<(), String> {
    let mut folded = State::default();
    let mut found = Vec::new();
    for event in log {
        if event.seq != folded.seq + 1 {
            found.push(format!("event {} follows event {}", event.seq, folded.seq));
        }
        event.changes.iter().for_each(|change| folded.apply(change));
        folded.seq = event.seq;
    }
    if folded.seq != state.seq {
        found.push(format!("the log ends at event {}, the state stands at {}", folded.seq, state.seq));
    }
    if folded.rows != state.rows {
        found.push("the rows differ from the fold over the log".into());
    }
    verdict(found)
}
