//! One proposal's changes: applied to the working state at once, and taken back if it is refused.

use std::sync::Arc;

use cascina_core::decision::Decision;
use cascina_core::event::{Change, Event};
use cascina_core::id::{DecisionId, FarmId, OperationId, TenantId};
use cascina_core::state::{Key, Row, State};
use cascina_core::units::Timestamp;

use crate::number::Numbers;

pub struct Tx<'a> {
    state: &'a mut State,
    numbers: &'a mut Numbers,
    pub now: Timestamp,
    pub actor: String,
    /// What takes each change back, oldest first.
    undo: Vec<Change>,
    /// Changes not yet told by an event.
    untold: Vec<Change>,
    events: Vec<Event>,
    decisions: Vec<Arc<Decision>>,
    first_seq: u64,
}

/// What an event says, beside its changes.
#[derive(Default)]
pub struct Told {
    pub kind: &'static str,
    pub subject: String,
    pub tenant: Option<TenantId>,
    pub farm: Option<FarmId>,
    pub operation: Option<OperationId>,
    pub decision: Option<DecisionId>,
    pub text: String,
}

/// What a proposal did.
#[derive(Debug, Default)]
pub struct Done {
    pub events: Vec<Event>,
    pub decisions: Vec<Arc<Decision>>,
}

impl<'a> Tx<'a> {
    pub fn new(state: &'a mut State, numbers: &'a mut Numbers, now: Timestamp, actor: String) -> Tx<'a> {
        let first_seq = state.seq + 1;
        Tx {
            state,
            numbers,
            now,
            actor,
            undo: Vec::new(),
            untold: Vec::new(),
            events: Vec::new(),
            decisions: Vec::new(),
            first_seq,
        }
    }

    pub fn state(&self) -> &State {
        self.state
    }

    /// A number that nothing else has; ids are made of it.
    pub fn number(&mut self) -> u64 {
        self.numbers.id(self.now)
    }

    /// A number that nobody can guess.
    pub fn secret(&mut self) -> u64 {
        self.numbers.random()
    }

    pub fn put(&mut self, row: impl Into<Row>) {
        let row = row.into();
        let key = row.key();
        self.undo.push(match self.find(&key) {
            Some(old) => Change::Put(old),
            None => Change::Remove(key),
        });
        let change = Change::Put(row);
        self.state.apply(&change);
        self.untold.push(change);
    }

    pub fn remove(&mut self, key: Key) {
        let Some(old) = self.find(&key) else { return };
        self.undo.push(Change::Put(old));
        let change = Change::Remove(key);
        self.state.apply(&change);
        self.untold.push(change);
    }

    /// Records the changes made since the last event.
    pub fn tell(&mut self, told: Told) {
        let seq = self.first_seq + self.events.len() as u64;
        self.state.seq = seq;
        self.events.push(Event {
            seq,
            at: self.now,
            kind: told.kind.into(),
            actor: self.actor.clone(),
            tenant: told.tenant,
            farm: told.farm,
            operation: told.operation,
            decision: told.decision,
            subject: told.subject,
            text: told.text,
            changes: std::mem::take(&mut self.untold),
        });
    }

    pub fn decided(&mut self, decision: Arc<Decision>) {
        if !self.decisions.iter().any(|known| known.id == decision.id) {
            self.decisions.push(decision);
        }
    }

    /// Number of the last event so far.
    pub fn seq(&self) -> u64 {
        self.state.seq
    }

    /// Where to go back to with `back_to`, if what follows fails. Not across an event.
    pub fn mark(&self) -> (usize, usize) {
        debug_assert!(self.untold.len() <= self.undo.len());
        (self.undo.len(), self.untold.len())
    }

    pub fn back_to(&mut self, (undo, untold): (usize, usize)) {
        for change in self.undo.drain(undo..).rev() {
            self.state.apply(&change);
        }
        self.untold.truncate(untold);
    }

    pub fn finish(self) -> Done {
        debug_assert!(self.untold.is_empty(), "changes that no event tells");
        Done { events: self.events, decisions: self.decisions }
    }

    /// Takes everything back.
    pub fn abandon(self) {
        for change in self.undo.iter().rev() {
            self.state.apply(change);
        }
        self.state.seq = self.first_seq - 1;
    }

    fn find(&self, key: &Key) -> Option<Row> {
        self.state.rows.find(key)
    }
}
