//! What was acknowledged was done, once, and is still in the books.

use std::collections::BTreeMap;

use cascina_core::command::Command;
use cascina_core::event::Event;
use cascina_core::state::State;

use super::verdict;
use crate::client::{Answered, Heard};

pub fn check(state: &State, log: &[Event], answers: &[Answered]) -> Result<(), String> {
    let mut found = Vec::new();
    let mut keys = BTreeMap::new();
    for answered in answers {
        let Heard::Done(outcome) = &answered.heard else { continue };
        let mut lost = |what: String| found.push(format!("request {} was acknowledged, but {what}", answered.id.0));
        if outcome.seq > log.len() as u64 {
            lost(format!("its event {} is not in the log", outcome.seq));
        }
        let rows = &state.rows;
        if let Some(id) = outcome.operation.filter(|id| !rows.operations.contains_key(id)) {
            lost(format!("its operation {id} is lost"));
        }
        for id in outcome.instances.iter().filter(|id| !rows.instances.contains_key(id)) {
            lost(format!("its instance {id} is lost"));
        }
        if let Command::CreateFarm(_) = &answered.request.command {
            let farm = outcome.subject.parse().ok();
            if farm.is_none_or(|id| !rows.farms.contains_key(&id)) {
                lost(format!("its farm {} is lost", outcome.subject));
            }
        }
        if let Some(given) = &answered.request.idempotency {
            let first = keys.entry(&given.key).or_insert((answered.id, outcome));
            if first.1 != outcome {
                lost(format!("request {} with the same key came out otherwise", first.0.0));
            }
        }
    }
    verdict(found)
}
