//! The writer in virtual time: what gathers while one batch is being written is the next batch.

use cascina_core::command::Outcome;
use cascina_core::id::DecisionId;
use cascina_core::principal::Principal;
use cascina_core::units::Timestamp;
use cascina_engine::BATCH;
use cascina_engine::command::Setback;
use cascina_engine::kernel::Proposal;
use cascina_engine::verdict::{Asking, Moment, decide_all};

use crate::agenda::{Decider, Happening, Run};
use crate::crash::{Point, When, moved};
use crate::process::{Reply, Writing};
use crate::simulation::Simulation;

/// Before a batch that could not be kept is followed by another.
const DISK_PAUSE_MS: u64 = 50;

impl Simulation {
    pub(crate) fn propose(&mut self, proposal: Proposal, reply: Reply) {
        let Some(process) = &mut self.process else { return };
        process.inbox.push_back((proposal, reply));
        self.write_soon();
    }

    fn write_soon(&mut self) {
        let now = self.now;
        let Some(process) = &mut self.process else { return };
        if process.writing.is_none() && !process.write_due && !process.inbox.is_empty() {
            process.write_due = true;
            self.agenda.add(now, Happening::Write(process.run));
        }
    }

    /// Takes a batch and works it out.
    pub(crate) fn write(&mut self) {
        let now = self.now;
        let Some(process) = &mut self.process else { return };
        process.write_due = false;
        let mut batch = Writing { events: Vec::new(), decisions: Vec::new(), answers: Vec::new() };
        let count = process.inbox.len().min(BATCH);
        for (proposal, reply) in process.inbox.drain(..count) {
            let (result, done) = process.kernel.take(now, &proposal);
            batch.events.extend(done.events);
            batch.decisions.extend(done.decisions);
            batch.answers.push((reply, result));
        }
        if batch.events.is_empty() && batch.decisions.is_empty() {
            self.answer(batch.answers);
            self.write_soon();
            return;
        }
        process.writing = Some(batch);
        let run = process.run;
        let takes = self.chance.between(self.pace.commit_ms);
        self.agenda.add(now.plus_ms(takes), Happening::Committed(run));
    }

    /// The batch is on the disk, or is not.
    pub(crate) fn committed(&mut self, run: Run) {
        let Some(batch) = self.process.as_mut().and_then(|process| process.writing.take()) else { return };
        let points: Vec<_> = moved(&batch.events).map(|operation| Point::of(operation, When::BeforeCommit)).collect();
        if points.into_iter().any(|point| self.crashes_at(point)) {
            return;
        }
        let after: Vec<_> = moved(&batch.events).map(|operation| Point::of(operation, When::AfterCommit)).collect();
        let told: Vec<String> = match self.is_told() {
            true => {
                batch.events.iter().map(|event| format!("  {} {}: {}", event.seq, event.kind, event.text)).collect()
            }
            false => Vec::new(),
        };
        let kept = match self.now < self.disk_full_until {
            true => Err("the disk is full".to_string()),
            // A database that fails by itself is what nobody asked for.
            false => match self.books.commit(batch.events, &batch.decisions) {
                Ok(woken) => Ok(woken),
                Err(error) => return self.broke(format!("a commit failed: {error}")),
            },
        };
        match kept {
            Ok(woken) => {
                told.into_iter().for_each(|line| self.say(|| line));
                if after.into_iter().any(|point| self.crashes_at(point)) {
                    return;
                }
                self.check_commit();
                for id in woken {
                    self.wake(id);
                }
                self.answer(batch.answers);
                self.sweep_when_due();
                self.plan_later();
                self.write_soon();
            }
            Err(error) => {
                self.say(|| format!("commit failed: {error}"));
                let state = self.books.state.clone();
                if let Some(process) = &mut self.process {
                    process.kernel.state = state;
                    // Nothing is taken before the pause is over.
                    process.write_due = true;
                }
                for (reply, _) in batch.answers {
                    self.reply(reply, Err(error.clone()));
                }
                self.agenda.add(self.now.plus_ms(DISK_PAUSE_MS), Happening::Again(run));
            }
        }
    }

    /// After the pause that follows a commit that failed.
    pub(crate) fn again(&mut self) {
        if let Some(process) = &mut self.process {
            process.write_due = false;
        }
        self.retry_operations();
        self.write_soon();
    }

    fn answer(&mut self, answers: Vec<(Reply, Result<Outcome, Setback>)>) {
        for (reply, result) in answers {
            self.reply(reply, Ok(result));
            if self.crashing {
                return;
            }
        }
    }

    fn reply(&mut self, reply: Reply, result: Result<Result<Outcome, Setback>, String>) {
        match reply {
            Reply::Client(id) => self.client_answered(id, result),
            Reply::Operation(id) => self.settled(id, result.is_ok()),
            Reply::Reconciler => self.reconcile_next(),
            Reply::Sweeper => self.swept(),
            Reply::Images => self.images_proposed(),
            Reply::Planner => self.plan_answered(result),
            Reply::Start => self.started(result),
            Reply::Nobody => {}
        }
    }

    /// Asks policies: the facts are those of now, the answer comes later.
    pub(crate) fn decide(&mut self, whom: Decider, askings: Vec<Asking>, until_refused: bool) {
        let now = self.now;
        let Some(process) = &mut self.process else { return };
        let (run, chance, view) = (process.run, &mut process.chance, &self.books.view);
        let moment = || {
            let (seed, id) = (chance.number(), DecisionId(chance.number()));
            Moment { now, revision: view.revision, seed, id, dry_run: false }
        };
        let began = self.stopwatch.as_ref().map(|watch| watch());
        let decisions = decide_all(askings, &self.policies.sandbox, view, moment, until_refused);
        if let (Some(began), Some(watch)) = (began, &self.stopwatch) {
            self.decision_times.push(watch().saturating_sub(began));
        }
        let decisions: Vec<_> = decisions.into_iter().map(std::sync::Arc::new).collect();
        self.quarantine();
        match self.chance.between(self.pace.decide_ms) {
            0 => self.decided(whom, decisions),
            takes => self.agenda.add(now.plus_ms(takes), Happening::Decided { run, whom, decisions }),
        }
    }

    /// Persists that the sandbox gave up on a binding.
    fn quarantine(&mut self) {
        for (binding, why) in self.policies.sandbox.quarantine_due() {
            // Runs share the sandbox: another run's binding is not ours.
            if self.books.state.rows.bindings.contains_key(&binding) {
                let command = cascina_core::command::Command::Quarantine { binding, why };
                self.propose_ours(command, Reply::Nobody);
            }
        }
    }

    /// A proposal of the server's own.
    pub(crate) fn propose_ours(&mut self, command: cascina_core::command::Command, reply: Reply) {
        self.say(|| format!("the server: {command:?}"));
        let (who, command) = (Principal::system(), Box::new(command));
        self.propose(Proposal::Command { who, command, decisions: Vec::new(), ticket: None }, reply);
    }

    pub(crate) fn later(&self, ms: u64) -> Timestamp {
        self.now.plus_ms(ms)
    }
}
