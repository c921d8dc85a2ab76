//! A server and its hosts in virtual time: what happens next, and what a crash does.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use cascina_core::command::{Command, NewBinding, Outcome};
use cascina_core::site::SiteSpec;
use cascina_core::units::Timestamp;
use cascina_drivers::sim::{Incident, Latencies, Settings, World};
use cascina_engine::command::Setback;
use cascina_engine::policies::{at_start, check_settings};
use serde::Serialize;

use crate::agenda::{Agenda, Happening, Run};
use crate::books::{Books, Keep};
use crate::chance::Chance;
use crate::check;
use crate::client::{Answered, Clients};
use crate::crash::{Crashes, Point};
use crate::policies::Policies;
use crate::process::{Process, Reply};

/// Tells how much real time has passed since some moment.
pub type Stopwatch = Arc<dyn Fn() -> Duration + Send + Sync>;

/// When a simulation begins: 2026-01-01T00:00:00Z.
pub const BEGIN: Timestamp = Timestamp(1_767_225_600_000);

/// How long things of the server take, in milliseconds: from, to.
#[derive(Debug, Clone)]
pub struct Pace {
    pub commit_ms: (u64, u64),
    pub decide_ms: (u64, u64),
    /// From a crash until the process is up again.
    pub restart_ms: (u64, u64),
    pub call_deadline_ms: u64,
    /// None: hosts are never looked at.
    pub reconcile_ms: Option<u64>,
}

/// What a simulation is made of.
pub struct Setup {
    pub seed: u64,
    pub site: SiteSpec,
    /// Made at the first start.
    pub bindings: Vec<NewBinding>,
    pub policies: Policies,
    pub latencies: Latencies,
    pub pace: Pace,
    pub keep: Keep,
    pub crashes: Crashes,
    /// The whole state is checked after every so many commits; 0: never by itself.
    pub check_every: u64,
    /// Whether to write down what happens, for people.
    pub told: bool,
}

/// Something is not as it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("after {} ms: {what}", .at.0 - BEGIN.0)]
pub struct Broken {
    pub at: Timestamp,
    pub what: String,
}

pub struct Simulation {
    pub now: Timestamp,
    pub world: World,
    pub books: Books,
    pub crashes: Crashes,
    pub answers: Vec<Answered>,
    /// What happened, a line each, if it is to be told.
    pub trail: Vec<String>,
    /// Times that the process came up.
    pub starts: u64,
    /// Rounds of the reconciler that came to an end.
    pub rounds: u64,
    /// Wall-clock time, for decisions: this crate has no clock of its own.
    pub stopwatch: Option<Stopwatch>,
    pub decision_times: Vec<Duration>,
    /// Until then the disk takes nothing.
    pub disk_full_until: Timestamp,
    pub(crate) agenda: Agenda,
    pub(crate) process: Option<Process>,
    pub(crate) clients: Clients,
    pub(crate) policies: Policies,
    pub(crate) chance: Chance,
    pub(crate) pace: Pace,
    pub(crate) crashing: bool,
    site: SiteSpec,
    bindings: Vec<NewBinding>,
    check_every: u64,
    told: bool,
    broken: Option<Broken>,
}

impl Simulation {
    pub fn new(setup: Setup) -> Result<Simulation, Broken> {
        let mut chance = Chance::new(setup.seed);
        let mut world =
            World::new(Settings { seed: chance.number(), latencies: setup.latencies, ..Settings::default() });
        let broken = |what: String| Broken { at: BEGIN, what };
        for host in &setup.site.hosts {
            let incident = Incident::AddHost { host: host.name.clone(), capacity: host.capacity };
            world.strike(&incident).map_err(|error| broken(error.to_string()))?;
        }
        let mut books = Books::new(setup.keep).map_err(broken)?;
        books.keep_components(&setup.policies).map_err(broken)?;
        let mut agenda = Agenda::default();
        agenda.add(BEGIN, Happening::Start);
        Ok(Simulation {
            now: BEGIN,
            world,
            books,
            crashes: setup.crashes,
            answers: Vec::new(),
            trail: Vec::new(),
            starts: 0,
            rounds: 0,
            stopwatch: None,
            decision_times: Vec::new(),
            disk_full_until: BEGIN,
            agenda,
            process: None,
            clients: Clients::default(),
            policies: setup.policies,
            chance,
            pace: setup.pace,
            crashing: false,
            site: setup.site,
            bindings: setup.bindings,
            check_every: setup.check_every,
            told: setup.told,
            broken: None,
        })
    }

    /// Lets everything happen up to a time.
    pub fn run_until(&mut self, until: Timestamp) -> Result<(), Broken> {
        while self.step(until)? {}
        self.now = self.now.max(until);
        Ok(())
    }

    /// Lets the next thing happen, if it is not later than `until`.
    pub fn step(&mut self, until: Timestamp) -> Result<bool, Broken> {
        let Some((at, happening)) = self.agenda.next(until) else { return Ok(false) };
        self.now = self.now.max(at);
        self.happen(happening);
        if std::mem::take(&mut self.crashing) {
            self.fall();
        }
        self.broken.take().map_or(Ok(true), Err)
    }

    fn happen(&mut self, happening: Happening) {
        let present = self.process.as_ref().map(|process| process.run);
        let here = |run: Run| Some(run) == present;
        match happening {
            Happening::Start => self.start(),
            Happening::Ends { host, call, fate, listener } => {
                let listener = listener.filter(|(run, _)| here(*run)).map(|(_, listener)| listener);
                self.call_ends(&host, &call, &fate, listener);
            }
            Happening::Deadline { run, host, call, listener } if here(run) => {
                self.call_unanswered(&host, call, listener);
            }
            Happening::Write(run) if here(run) => self.write(),
            Happening::Committed(run) if here(run) => self.committed(run),
            Happening::Again(run) if here(run) => self.again(),
            Happening::Resume(run, id) if here(run) => self.work(id),
            Happening::Decided { run, whom, decisions } if here(run) => self.decided(whom, decisions),
            Happening::Sweep(run) if here(run) => self.sweep(),
            Happening::Reconcile(run) if here(run) => self.reconcile(),
            Happening::Images(run) if here(run) => self.look_after_images(),
            Happening::Plan(run) if here(run) => self.plan(),
            Happening::Crash(run) if here(run) => self.crash(),
            // Of an earlier run: nobody waits for it.
            _ => {}
        }
    }

    /// The process ends as if its power had failed, once the present happening is over.
    pub fn crash(&mut self) {
        self.say(|| "CRASH".into());
        self.crashing = self.process.is_some();
    }

    /// … in a while, unless it has ended by then.
    pub fn crash_after(&mut self, ms: u64) {
        if let Some(process) = &self.process {
            self.agenda.add(self.now.plus_ms(ms), Happening::Crash(process.run));
        }
    }

    /// True if the process ends here; then the caller has nothing more to do.
    pub(crate) fn crashes_at(&mut self, point: Point) -> bool {
        let crashes = self.crashes.pass(point);
        if crashes {
            self.say(|| format!("CRASH at {point}"));
            self.crashing = true;
        }
        crashes
    }

    /// Everything that was not committed is gone.
    fn fall(&mut self) {
        self.process = None;
        self.answers.extend(self.clients.hang_up());
        if let Err(what) = self.books.reopen() {
            self.broken = Some(Broken { at: self.now, what });
        }
        self.check_now();
        let takes = self.chance.between(self.pace.restart_ms);
        let up = self.now.plus_ms(takes);
        self.agenda.add(up, Happening::Start);
        if let Some(lasts) = self.crashes.nested() {
            self.agenda.add(up.plus_ms(lasts), Happening::Crash(Run(self.starts + 1)));
        }
    }

    /// From the committed state, in the engine's order: site file, policies, operations, agents.
    fn start(&mut self) {
        self.starts += 1;
        let number = self.starts;
        self.say(|| format!("start number {number}"));
        let run = Run(self.starts);
        self.process = Some(Process::new(run, self.books.state.clone(), &mut self.chance));
        self.propose_ours(Command::ApplySite(Box::new(self.site.clone())), Reply::Start);
    }

    /// The next step of the start, once the one before it is committed.
    pub(crate) fn started(&mut self, result: Result<Result<Outcome, Setback>, String>) {
        match result {
            Ok(Ok(_)) => {}
            // The server would end with an error, and its supervisor would start it again.
            Err(_) => return self.crash(),
            Ok(Err(setback)) => return self.broke(format!("the start was refused: {setback:?}")),
        }
        let (state, now) = (&self.books.state, self.now);
        let Some(process) = &mut self.process else { return };
        let steps = process.starting.get_or_insert_with(|| {
            let known = |digest| state.rows.policies.contains_key(digest);
            let absent = self.policies.checked.iter().filter(|checked| !known(&checked.inspected.digest));
            let brought = absent.map(|checked| checked.version(true, "system", now)).collect();
            VecDeque::from(at_start(state, brought, self.bindings.clone()))
        });
        if let Some(command) = steps.pop_front() {
            match check_settings(&self.books.state, &self.policies.sandbox, &command) {
                Ok(()) => self.propose_ours(command, Reply::Start),
                Err(refusal) => self.broke(format!("the start was refused: {refusal}")),
            }
            return;
        }
        process.ready = true;
        self.retry_operations();
        self.sweep_when_due();
        self.reconcile_later();
        self.look_after_images_in(0);
        self.plan_later();
    }

    pub fn is_ready(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.ready)
    }

    /// Nothing moves any more: no request open, no operation that is not over or stuck.
    pub fn is_quiet(&self) -> bool {
        use cascina_core::operation::OperationState;
        let rows = &self.books.state.rows;
        let moves = |id| rows.operations.get(id).is_some_and(|row| row.state != OperationState::Stuck);
        let writes = self.process.as_ref().is_some_and(|p| p.writing.is_some() || !p.inbox.is_empty());
        let settled = self.images_are_settled();
        let plans = self.books.state.indexes.open_plans.iter().filter_map(|id| rows.plans.get(id));
        let planned = plans.into_iter().any(|plan| plan.state.is_active());
        self.is_ready()
            && self.clients.is_empty()
            && !writes
            && settled
            && !planned
            && !self.books.state.indexes.unfinished.iter().any(moves)
    }

    /// Writes down what happens, if anybody wants to know.
    pub(crate) fn say(&mut self, line: impl FnOnce() -> String) {
        if self.told {
            let ms = self.now.0 - BEGIN.0;
            self.trail.push(format!("{:>6}.{:03} {}", ms / 1000, ms % 1000, line()));
        }
    }

    pub(crate) fn is_told(&self) -> bool {
        self.told
    }

    /// Not as it must be: the simulation ends after the present happening.
    pub(crate) fn broke(&mut self, what: String) {
        self.broken.get_or_insert(Broken { at: self.now, what });
    }

    pub(crate) fn check_commit(&mut self) {
        if self.check_every > 0 && self.books.commits.is_multiple_of(self.check_every) {
            self.check_now();
        }
    }

    pub(crate) fn check_now(&mut self) {
        if self.check_every == 0 {
            return;
        }
        if let Err(what) = check::state::check(&self.books.state) {
            self.broke(what);
        }
    }
}
