//! Clients: they ask, and hear an answer or that the line went dead.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascina_core::command::{Command, Outcome};
use cascina_core::decision::Decision;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_engine::command::{Setback, questions};
use cascina_engine::kernel::{Proposal, Ticket, repeated};
use cascina_engine::policies::check_settings;
use cascina_engine::verdict::gather_all;
use cascina_engine::{Idempotency, RACES, ticket};

use crate::agenda::Decider;
use crate::process::Reply;
use crate::simulation::Simulation;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

#[derive(Debug, Clone)]
pub struct Request {
    pub principal: Principal,
    pub command: Command,
    pub idempotency: Option<Idempotency>,
}

impl Request {
    /// By the site's administrator.
    pub fn admin(command: Command) -> Request {
        Request { principal: Principal::system(), command, idempotency: None }
    }
}

/// What a client hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    Done(Outcome),
    Refused(Refusal),
    /// The server said that it could not, and that nothing was changed.
    Fault(String),
    /// The server was down, or crashed: it may have been done or not.
    Nothing,
}

#[derive(Debug, Clone)]
pub struct Answered {
    pub id: RequestId,
    pub request: Arc<Request>,
    pub heard: Heard,
}

struct Open {
    request: Arc<Request>,
    ticket: Option<Ticket>,
    races: u32,
}

/// Requests that nobody has answered yet.
#[derive(Default)]
pub struct Clients {
    asked: u64,
    open: BTreeMap<RequestId, Open>,
}

impl Clients {
    /// The line of everybody who waits goes dead.
    pub fn hang_up(&mut self) -> Vec<Answered> {
        let open = std::mem::take(&mut self.open);
        open.into_iter().map(|(id, open)| Answered { id, request: open.request, heard: Heard::Nothing }).collect()
    }

    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }
}

impl Simulation {
    /// Sends a request; what comes of it is found in `answers`.
    pub fn submit(&mut self, request: Request) -> RequestId {
        self.clients.asked += 1;
        let id = RequestId(self.clients.asked);
        self.say(|| format!("request {} by {}: {:?}", id.0, request.principal.name, request.command));
        let ticket = request.idempotency.as_ref().map(|given| ticket(&request.principal, given));
        self.clients.open.insert(id, Open { request: Arc::new(request), ticket, races: 0 });
        if self.is_ready() {
            self.consider(id)
        } else {
            self.hear(id, Heard::Nothing)
        }
        id
    }

    /// Up to the proposal, as the engine's door does it.
    fn consider(&mut self, id: RequestId) {
        let Some(open) = self.clients.open.get(&id) else { return };
        let (request, state) = (Arc::clone(&open.request), &self.books.state);
        match open.ticket.as_ref().map(|ticket| repeated(state, ticket)) {
            Some(Ok(Some(outcome))) => return self.hear(id, Heard::Done(outcome)),
            Some(Err(refusal)) => return self.hear(id, Heard::Refused(refusal)),
            Some(Ok(None)) | None => {}
        }
        let asked = check_settings(state, &self.policies.sandbox, &request.command)
            .and_then(|()| questions(state, &request.principal, &request.command, self.now));
        match asked {
            Err(refusal) => self.hear(id, Heard::Refused(refusal)),
            Ok(asked) if asked.is_empty() => self.client_decided(id, Vec::new()),
            Ok(asked) => {
                let askings = gather_all(state, self.now, None, asked);
                self.decide(Decider::Client(id), askings, true);
            }
        }
    }

    pub(crate) fn client_decided(&mut self, id: RequestId, decisions: Vec<Arc<Decision>>) {
        let Some(open) = self.clients.open.get(&id) else { return };
        let proposal = Proposal::Command {
            who: open.request.principal.clone(),
            command: Box::new(open.request.command.clone()),
            decisions,
            ticket: open.ticket.clone(),
        };
        self.propose(proposal, Reply::Client(id));
    }

    pub(crate) fn client_answered(&mut self, id: RequestId, result: Result<Result<Outcome, Setback>, String>) {
        match result {
            Ok(Ok(outcome)) => self.hear(id, Heard::Done(outcome)),
            Ok(Err(Setback::Refused(refusal))) => self.hear(id, Heard::Refused(refusal)),
            Ok(Err(Setback::Stale)) => {
                let Some(open) = self.clients.open.get_mut(&id) else { return };
                open.races += 1;
                if open.races < RACES {
                    self.consider(id);
                } else {
                    self.hear(id, Heard::Fault("too many others want the same hosts".into()));
                }
            }
            Err(fault) => self.hear(id, Heard::Fault(fault)),
        }
    }

    fn hear(&mut self, id: RequestId, heard: Heard) {
        let Some(open) = self.clients.open.remove(&id) else { return };
        // A process that ends in this very moment tells nobody anything.
        let heard = if self.crashing { Heard::Nothing } else { heard };
        let text = |heard: &Heard| match heard {
            Heard::Done(outcome) => format!("done: {}", outcome.subject),
            Heard::Refused(refusal) => format!("refused: {refusal}"),
            Heard::Fault(fault) => format!("fault: {fault}"),
            Heard::Nothing => "no answer".into(),
        };
        self.say(|| format!("request {} {}", id.0, text(&heard)));
        self.answers.push(Answered { id, request: open.request, heard });
    }
}
