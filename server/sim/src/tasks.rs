//! Operations at work: calls to hosts, pauses, placements.

use std::sync::Arc;
use std::time::Duration;

use cascina_core::decision::Decision;
use cascina_core::id::OperationId;
use cascina_drivers::sim::{Fate, Planned};
use cascina_drivers::{DriverError, HostCall, HostRef, Reply as HostReply};
use cascina_engine::need::{Need, Place, need, unanswered};
use cascina_engine::saga::{Answer, Errand, Work};
use cascina_engine::verdict::gather_all;

use crate::agenda::{Decider, Happening, Listener};
use crate::crash::{Point, When};
use crate::process::Reply;
use crate::simulation::Simulation;

struct Doing {
    errand: Errand,
    /// Calls of it that have been answered well.
    answered: usize,
    result: Option<Result<HostReply, DriverError>>,
}

/// Errands of one step, under way together.
pub struct Calls {
    place: Place,
    errands: Vec<Doing>,
}

impl Simulation {
    /// Sees to it that somebody works on an operation.
    pub(crate) fn wake(&mut self, id: OperationId) {
        if self.process.as_mut().is_some_and(|process| process.rota.wake(id)) {
            self.work(id);
        }
    }

    pub(crate) fn retry_operations(&mut self) {
        let ids: Vec<_> = self.books.state.indexes.unfinished.iter().copied().collect();
        for id in ids {
            self.wake(id);
        }
    }

    /// Goes on with an operation that is on the rota.
    pub(crate) fn work(&mut self, id: OperationId) {
        while !self.crashing {
            match need(&self.books.state, id, self.now) {
                Need::Nothing => {
                    if self.process.as_mut().is_none_or(|process| process.rota.leave(id)) {
                        return;
                    }
                }
                Need::Pause(until) => {
                    if let Some(process) = &self.process {
                        self.agenda.add(until, Happening::Resume(process.run, id));
                    }
                    return;
                }
                Need::Answer(place, answer) => return self.propose(place.settled(id, answer), Reply::Operation(id)),
                Need::Work(place, work) => return self.perform(id, place, work),
            }
        }
    }

    fn perform(&mut self, id: OperationId, place: Place, work: Work) {
        if self.passes(id, When::BeforeAct) {
            return;
        }
        match work {
            Work::Errands(errands) => {
                let doing = |errand| Doing { errand, answered: 0, result: None };
                let calls = Calls { place, errands: errands.into_iter().map(doing).collect() };
                let count = calls.errands.len();
                if let Some(process) = &mut self.process {
                    process.calls.insert(id, calls);
                }
                for errand in 0..count {
                    self.next_call(id, errand);
                }
                self.all_called(id);
            }
            Work::Decide(asked) => {
                let askings = gather_all(&self.books.state, self.now, Some(id), asked);
                if let Some(process) = &mut self.process {
                    process.calls.insert(id, Calls { place, errands: Vec::new() });
                }
                self.decide(Decider::Operation(id), askings, false);
            }
            Work::Nothing | Work::Wait => {}
        }
    }

    fn passes(&mut self, id: OperationId, when: When) -> bool {
        let Some(operation) = self.books.state.rows.operations.get(&id) else { return false };
        let point = Point::of(operation, when);
        self.crashes_at(point)
    }

    fn next_call(&mut self, id: OperationId, errand: usize) {
        let Some(calls) = self.process.as_mut().and_then(|process| process.calls.get_mut(&id)) else { return };
        let Some(doing) = calls.errands.get_mut(errand) else { return };
        match doing.errand.calls.get(doing.answered).cloned() {
            Some(call) => {
                let host = doing.errand.host.clone();
                self.call(host, call, Listener::Errand { operation: id, errand });
            }
            None => {
                doing.result.get_or_insert(Ok(HostReply::Done));
            }
        }
    }

    pub(crate) fn errand_answered(&mut self, id: OperationId, errand: usize, reply: Result<HostReply, DriverError>) {
        let Some(calls) = self.process.as_mut().and_then(|process| process.calls.get_mut(&id)) else { return };
        let Some(doing) = calls.errands.get_mut(errand) else { return };
        doing.answered += 1;
        let over = doing.answered == doing.errand.calls.len();
        match reply {
            Ok(_) if !over => self.next_call(id, errand),
            reply => doing.result = Some(reply),
        }
        self.all_called(id);
    }

    /// Proposes what came of the errands, once all have ended.
    fn all_called(&mut self, id: OperationId) {
        let Some(process) = &mut self.process else { return };
        if process.calls.get(&id).is_none_or(|calls| calls.errands.iter().any(|doing| doing.result.is_none())) {
            return;
        }
        let Some(calls) = process.calls.remove(&id) else { return };
        if self.passes(id, When::AfterAct) {
            return;
        }
        let ended = |doing: Doing| doing.result.map(|result| (doing.errand, result));
        let answer = Answer::Errands(calls.errands.into_iter().filter_map(ended).collect());
        self.propose(calls.place.settled(id, Ok(answer)), Reply::Operation(id));
    }

    pub(crate) fn decided(&mut self, whom: Decider, decisions: Vec<Arc<Decision>>) {
        match whom {
            Decider::Client(id) => self.client_decided(id, decisions),
            Decider::Planner => self.plan_decided(decisions),
            Decider::Operation(id) => {
                let Some(calls) = self.process.as_mut().and_then(|process| process.calls.remove(&id)) else { return };
                if self.passes(id, When::AfterAct) {
                    return;
                }
                self.propose(calls.place.settled(id, Ok(Answer::Decisions(decisions))), Reply::Operation(id));
            }
        }
    }

    /// The writer has taken what came of a step, or could not keep it.
    pub(crate) fn settled(&mut self, id: OperationId, kept: bool) {
        // What was not kept is still in the books, and is taken up again after the writer's pause.
        let left = !kept && self.process.as_mut().is_none_or(|process| process.rota.leave(id));
        if !left {
            self.work(id);
        }
    }

    /// A call leaves for its host. It ends there whatever becomes of the caller.
    pub(crate) fn call(&mut self, host: HostRef, call: HostCall, listener: Listener) {
        let Some(process) = self.process.as_ref().filter(|_| !self.crashing) else { return };
        let run = process.run;
        let Planned { latency_ms, fate } = self.world.begin(&host, &call);
        self.say(|| format!("call {} {}{}", host.name, call.as_str(), if fate == Fate::Answer { "" } else { " !" }));
        let deadline = self.pace.call_deadline_ms;
        let late = matches!(fate, Fate::Hang { .. }) || latency_ms > deadline;
        let heard = match late {
            true => {
                let (host, call) = (host.clone(), call.as_str());
                self.agenda.add(self.later(deadline), Happening::Deadline { run, host, call, listener });
                None
            }
            false => Some((run, listener)),
        };
        let ends = Happening::Ends { host, call: Box::new(call), fate, listener: heard };
        self.agenda.add(self.later(latency_ms), ends);
    }

    pub(crate) fn call_ends(&mut self, host: &HostRef, call: &HostCall, fate: &Fate, listener: Option<Listener>) {
        let reply = self.world.finish(host, call, fate);
        if let Err(error) = &reply {
            self.say(|| format!("{error}"));
        }
        if let Some(listener) = listener {
            self.heard(listener, reply);
        }
    }

    pub(crate) fn call_unanswered(&mut self, host: &HostRef, call: &'static str, listener: Listener) {
        let error = unanswered(host, call, Duration::from_millis(self.pace.call_deadline_ms));
        self.heard(listener, Err(error));
    }

    fn heard(&mut self, listener: Listener, reply: Result<HostReply, DriverError>) {
        match listener {
            Listener::Errand { operation, errand } => self.errand_answered(operation, errand, reply),
            Listener::Inventory { host, asked } => self.inventory_answered(host, asked, reply),
            Listener::Probe { host, router, asked } => self.router_answered(&host, router, asked, &reply),
            Listener::Store { class, host } => self.store_answered(&class, &host, reply),
            Listener::Sweeper => self.reconcile_next(),
            Listener::Chore(chore) => self.chore_answered(chore, reply),
        }
    }
}
