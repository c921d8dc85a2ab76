//! The agent that carries plans out, in virtual time: one thing after the other.

use std::collections::VecDeque;
use std::sync::Arc;

use cascina_core::command::{Command, Outcome};
use cascina_core::decision::Decision;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_engine::command::{Setback, questions};
use cascina_engine::kernel::Proposal;
use cascina_engine::plans;
use cascina_engine::verdict::gather_all;

use crate::agenda::{Decider, Happening};
use crate::process::Reply;
use crate::simulation::Simulation;

#[derive(Default)]
pub struct Planner {
    /// It is to look, or is at work.
    awake: bool,
    todo: VecDeque<Command>,
    /// What was asked or proposed, and is not answered.
    present: Option<Command>,
}

impl Simulation {
    /// Looks after a while, if there is anything to look after.
    pub(crate) fn plan_later(&mut self) {
        if plans::idle(&self.books.state) {
            return;
        }
        let at = self.later(plans::pause_ms(&self.books.state));
        let Some(process) = self.process.as_mut().filter(|process| process.ready && !process.planner.awake) else {
            return;
        };
        process.planner.awake = true;
        self.agenda.add(at, Happening::Plan(process.run));
    }

    pub(crate) fn plan(&mut self) {
        let todo = plans::due(&self.books.state, self.now);
        if let Some(process) = &mut self.process {
            process.planner.todo = todo.into();
        }
        self.plan_next();
    }

    fn plan_next(&mut self) {
        while !self.crashing {
            let Some(process) = &mut self.process else { return };
            let Some(command) = process.planner.todo.pop_front() else {
                process.planner.awake = false;
                return self.plan_later();
            };
            process.planner.present = Some(command.clone());
            match questions(&self.books.state, &Principal::system(), &command, self.now) {
                Err(refusal) => self.plan_refused(&command, &refusal),
                Ok(asked) if asked.is_empty() => return self.plan_decided(Vec::new()),
                Ok(asked) => {
                    let askings = gather_all(&self.books.state, self.now, None, asked);
                    return self.decide(Decider::Planner, askings, true);
                }
            }
        }
    }

    pub(crate) fn plan_decided(&mut self, decisions: Vec<Arc<Decision>>) {
        let present = self.process.as_ref().and_then(|process| process.planner.present.clone());
        let Some(command) = present else { return };
        self.say(|| format!("the planner: {command:?}"));
        let (who, command) = (Principal::system(), Box::new(command));
        self.propose(Proposal::Command { who, command, decisions, ticket: None }, Reply::Planner);
    }

    pub(crate) fn plan_answered(&mut self, result: Result<Result<Outcome, Setback>, String>) {
        let present = self.process.as_mut().and_then(|process| process.planner.present.take());
        // What was lost to a race, or could not be kept, comes up again at the next look.
        if let (Some(command), Ok(Err(Setback::Refused(refusal)))) = (present, result) {
            self.plan_refused(&command, &refusal);
        }
        self.plan_next();
    }

    fn plan_refused(&mut self, command: &Command, refusal: &Refusal) {
        self.say(|| format!("the planner is refused: {refusal}"));
        let skip = match refusal {
            Refusal::Busy(_) => None,
            other => plans::skip(command, &other.to_string()),
        };
        if let (Some(process), Some(skip)) = (&mut self.process, skip) {
            process.planner.todo.push_front(skip);
        }
    }
}
