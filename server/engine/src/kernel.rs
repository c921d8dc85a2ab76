//! The deterministic heart: one proposal at a time, checked against the state, told as events.
//!
//! No clock, no threads, no input or output. The same seed and the same proposals at the same times
//! give the same events, which is what the simulator rests on.

use std::sync::Arc;

use cascina_core::command::{Command, Outcome};
use cascina_core::decision::{Decision, Question};
use cascina_core::id::{OperationId, ReceiptId};
use cascina_core::plan::Shortage;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::{Receipt, State};
use cascina_core::units::Timestamp;

use crate::command::{self, Setback, told};
use crate::number::Numbers;
use crate::saga::{self, Answer, StepError};
use crate::tx::{Done, Told, Tx};

/// What a client says so that repeating its request is safe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub id: ReceiptId,
    pub key: String,
    /// Digest of the request.
    pub request: String,
}

#[derive(Debug, Clone)]
pub enum Proposal {
    Command {
        who: Principal,
        command: Box<Command>,
        decisions: Vec<Arc<Decision>>,
        ticket: Option<Ticket>,
    },
    /// What came of the outside work of an operation's step.
    Settled {
        operation: OperationId,
        cursor: u32,
        back: bool,
        answer: Result<Answer, StepError>,
    },
}

pub struct Kernel {
    pub state: State,
    numbers: Numbers,
}

impl Kernel {
    pub fn new(state: State, seed: u64) -> Kernel {
        let numbers = Numbers::after(&state, seed);
        Kernel { state, numbers }
    }

    /// Checks and applies a proposal. What is refused leaves no trace but its decisions.
    pub fn take(&mut self, now: Timestamp, proposal: &Proposal) -> (Result<Outcome, Setback>, Done) {
        match proposal {
            Proposal::Command { who, command, decisions, ticket } => {
                self.command(now, who, command, decisions, ticket.as_ref())
            }
            Proposal::Settled { operation, cursor, back, answer } => {
                let mut tx = Tx::new(&mut self.state, &mut self.numbers, now, "system".into());
                saga::settle(&mut tx, *operation, *cursor, *back, answer.clone());
                (Ok(Outcome::default()), tx.finish())
            }
        }
    }

    fn command(
        &mut self,
        now: Timestamp,
        who: &Principal,
        command: &Command,
        decisions: &[Arc<Decision>],
        ticket: Option<&Ticket>,
    ) -> (Result<Outcome, Setback>, Done) {
        match ticket.map(|ticket| repeated(&self.state, ticket)) {
            Some(Ok(Some(outcome))) => return (Ok(outcome), Done::default()),
            Some(Err(refusal)) => return (Err(refusal.into()), Done::default()),
            Some(Ok(None)) | None => {}
        }
        let mut tx = Tx::new(&mut self.state, &mut self.numbers, now, who.name.clone());
        match command::apply(&mut tx, who, command, decisions) {
            Ok(mut outcome) => {
                for decision in decisions {
                    tx.decided(decision.clone());
                }
                outcome.seq = tx.seq();
                if let Some(ticket) = ticket {
                    let expires = now.plus_ms(tx.state().site().receipt_ms);
                    let receipt =
                        Receipt { id: ticket.id, request: ticket.request.clone(), outcome: outcome.clone(), expires };
                    tx.put(receipt);
                    tx.tell(told("request.kept", ticket.id, "kept for a client that may ask again"));
                }
                (Ok(outcome), tx.finish())
            }
            Err(Setback::Stale) => {
                tx.abandon();
                (Err(Setback::Stale), Done::default())
            }
            Err(Setback::Refused(refusal)) => {
                tx.abandon();
                let done = self.refused(now, who, &refusal, decisions);
                (Err(Setback::Refused(refusal)), done)
            }
        }
    }

    /// A refusal that policies had a part in stays in the books.
    fn refused(&mut self, now: Timestamp, who: &Principal, refusal: &Refusal, decisions: &[Arc<Decision>]) -> Done {
        let Some(last) = decisions.last() else { return Done::default() };
        let mut tx = Tx::new(&mut self.state, &mut self.numbers, now, who.name.clone());
        for decision in decisions {
            tx.decided(decision.clone());
        }
        note_shortage(&mut tx, refusal, last);
        tx.tell(Told {
            tenant: last.tenant,
            farm: last.farm,
            decision: Some(last.id),
            ..told("request.refused", last.id, refusal.to_string())
        });
        tx.finish()
    }
}

/// How long a request that found no room counts as one that plans should make some for.
const SHORTAGE_MS: u64 = 3_600_000;

fn note_shortage(tx: &mut Tx<'_>, refusal: &Refusal, decision: &Decision) {
    // A move that finds no room is no tenant's request.
    let asked = match (refusal, &decision.question) {
        (Refusal::NoHost { .. }, Question::Place(asked)) if matches!(&*asked.cause, "create" | "start") => asked,
        _ => return,
    };
    let row = Shortage {
        decision: decision.id,
        class: asked.class.clone(),
        size: asked.size,
        count: asked.count,
        at: tx.now,
        expires: tx.now.plus_ms(SHORTAGE_MS),
    };
    tx.put(row);
}

/// The outcome of an earlier request with the same key, if it was the same request.
pub fn repeated(state: &State, ticket: &Ticket) -> Result<Option<Outcome>, Refusal> {
    match state.rows.receipts.get(&ticket.id) {
        None => Ok(None),
        Some(receipt) if receipt.request == ticket.request => Ok(Some(receipt.outcome.clone())),
        Some(_) => Err(Refusal::KeyReused(ticket.key.clone())),
    }
}
