//! A trace, asked of the real engine in virtual time.
//!
//! Requests become instances by the same commands as through the API. A farm's subnet does not hold
//! them all, so they are spread over farms, each of a tenant of its own, without limits and of every
//! owner's group.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use cascina_core::command::{Command, NewBinding, NewFarm, NewInstances, Outcome, Power};
use cascina_core::decision::Amounts;
use cascina_core::farm::FarmState;
use cascina_core::id::{FarmId, InstanceId};
use cascina_core::launch::Launch;
use cascina_core::name::Name;
use cascina_core::plan::{MoveState, Step};
use cascina_core::refusal::Refusal;
use cascina_core::site::SiteSpec;
use cascina_core::units::Timestamp;
use cascina_drivers::sim::Latencies;

use super::drawn::{Capacity, draw};
use super::measure::Workers;
use super::report::{Facts, PolicyReport, Sample, Share, Stand};
use super::site::{FARM, IMAGE, flavor_name, prepared, reallocating};
use super::{Trace, TraceRequest};
use crate::books::Keep;
use crate::client::{Heard, Request, RequestId};
use crate::crash::Crashes;
use crate::policies::Policies;
use crate::simulation::{Broken, Pace, Setup, Simulation, Stopwatch};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// As it was: everybody comes and goes in time.
    Timed,
    /// Drawn with replacement and never removed, until far more is asked for than there is.
    Inflation,
}

impl Mode {
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Timed => "timed",
            Mode::Inflation => "inflation",
        }
    }
}

/// How a trace is replayed.
pub struct Replay<'a> {
    pub trace: &'a Trace,
    pub mode: Mode,
    pub seed: u64,
    pub site: &'a SiteSpec,
    /// How the site places, for the report; and what is bound for that.
    pub policy: String,
    pub bindings: Vec<NewBinding>,
    pub policies: &'a Policies,
    pub latencies: Latencies,
    /// How long a request that finds no room waits for some; 0: it goes away at once.
    pub patience_s: u64,
    pub stopwatch: Option<Stopwatch>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    #[error("the replay is broken {0}")]
    Broken(#[from] Broken),
    #[error("the site cannot be made ready for the trace: {0}")]
    Unready(String),
    #[error("the site has no workers; name hosts in the configuration or in the trace's hosts.csv")]
    NoWorkers,
}

/// Between two requests in inflation mode.
const GAP_MS: u64 = 1000;
/// Longest until the site is ready.
const READY_MS: u64 = 24 * 3_600_000;

pub fn replay(what: &Replay<'_>) -> Result<(Facts, PolicyReport), ReplayError> {
    let began = what.stopwatch.as_ref().map(|watch| watch());
    let mut run = Run::new(what)?;
    run.make_farms()?;
    run.sim.decision_times.clear();
    match what.mode {
        Mode::Timed => run.timed()?,
        Mode::Inflation => run.inflation()?,
    }
    let took = began.zip(what.stopwatch.as_ref()).map(|(began, watch)| watch().saturating_sub(began));
    Ok(run.report(took))
}

/// Whom a request got, and the place of its farm.
type Came = (InstanceId, usize);

struct Run<'a> {
    trace: &'a Trace,
    sim: Simulation,
    workers: Workers,
    /// What comes, as positions in the trace: all of it, or what was drawn.
    coming: Vec<usize>,
    farms: Vec<(FarmId, usize)>,
    asked: Capacity,
    requests: u64,
    report: PolicyReport,
    facts: Facts,
    /// For the mean over time.
    since: Timestamp,
    sum: (f64, f64),
    began: Timestamp,
    /// Stranded parts and idle vCPUs, times milliseconds.
    wasted: (f64, f64),
    patience_ms: u64,
    /// Who waits since when: position in the trace.
    waiting: VecDeque<(Timestamp, usize)>,
    waited_ms: u64,
    /// Asked and got, in vCPU-seconds, by owner.
    owners: [(f64, f64); OWNERS],
    sample_ms: u64,
    next_sample: Timestamp,
}

/// Traces do not say whose requests are; they are dealt out to so many owners in turn.
const OWNERS: usize = 8;
/// Points of a plot.
const SAMPLES: u64 = 240;

impl<'a> Run<'a> {
    fn new(what: &Replay<'a>) -> Result<Run<'a>, ReplayError> {
        let trace = what.trace;
        let class = default_class(what.site);
        let mut capacity = Capacity::default();
        what.site.hosts.iter().filter(|host| Some(&host.class) == class).for_each(|host| capacity.add(host.capacity));
        if capacity.vcpus == 0 || capacity.memory_mib == 0 {
            return Err(ReplayError::NoWorkers);
        }
        let coming = match what.mode {
            Mode::Timed => (0..trace.requests.len()).collect(),
            Mode::Inflation => draw(&trace.requests, capacity, what.seed),
        };
        let most = match what.mode {
            Mode::Timed => most_alive(&trace.requests),
            Mode::Inflation => coming.len(),
        };
        let farms = most / FARM + 1;
        let mut sim = Simulation::new(Setup {
            seed: what.seed,
            site: reallocating(prepared(what.site.clone(), trace, farms), &what.bindings),
            bindings: what.bindings.clone(),
            policies: what.policies.clone(),
            latencies: what.latencies.clone(),
            pace: Pace {
                commit_ms: (1, 1),
                decide_ms: (0, 0),
                restart_ms: (0, 0),
                call_deadline_ms: 120_000,
                reconcile_ms: None,
            },
            keep: Keep::State,
            crashes: Crashes::none(),
            check_every: 0,
            told: false,
        })?;
        sim.stopwatch = what.stopwatch.clone();
        sim.run_until(sim.now.plus_ms(1000))?;
        if !sim.is_ready() {
            return Err(ReplayError::Unready("the server does not start with it".into()));
        }
        let workers = Workers::of(&sim.books.state);
        let mut facts = Facts::of(trace, what.seed, what.mode.as_str());
        facts.workers = workers.sizes.len() as u64;
        (facts.vcpus, facts.memory_mib) = (workers.capacity.vcpus, workers.capacity.memory_mib);
        facts.too_large = trace.requests.iter().filter(|row| !workers.holds(row.size())).count() as u64;
        let now = sim.now;
        let report = PolicyReport { policy: what.policy.clone(), ..PolicyReport::default() };
        let farms = vec![(FarmId(0), 0); farms];
        let (asked, requests, sum) = (Capacity::default(), 0, (0.0, 0.0));
        Ok(Run {
            trace,
            sim,
            workers,
            coming,
            farms,
            asked,
            requests,
            report,
            facts,
            since: now,
            sum,
            began: now,
            wasted: (0.0, 0.0),
            patience_ms: what.patience_s.saturating_mul(1000),
            waiting: VecDeque::new(),
            waited_ms: 0,
            owners: [(0.0, 0.0); OWNERS],
            sample_ms: 0,
            next_sample: now,
        })
    }

    /// Tenants without limits, and their farms.
    fn make_farms(&mut self) -> Result<(), ReplayError> {
        let name = |i: usize| -> Name {
            format!("trace-{i}").parse().unwrap_or_else(|_| unreachable!("letters and a number are a name"))
        };
        let groups: Vec<Name> = self.sim.books.state.rows.shares.values().map(|row| row.group.clone()).collect();
        for i in 0..self.farms.len() {
            let farm = NewFarm {
                name: name(i),
                tenant: name(i),
                groups: groups.clone(),
                tier: "unlimited".parse().ok(),
                user: None,
                ssh_key: None,
                instances: Vec::new(),
                lease_s: 0,
                labels: BTreeMap::new(),
            };
            let made = self.demand(Command::CreateFarm(farm))?;
            let id = made.subject.parse().map_err(|_| unready("a farm waits for approval"))?;
            self.farms[i].0 = id;
        }
        let until = self.sim.now.plus_ms(READY_MS);
        while !self.sim.is_quiet() && self.sim.step(until)? {}
        for (id, _) in self.farms.clone() {
            let row = self.sim.books.state.rows.farms.get(&id).cloned().ok_or_else(|| unready("a farm is gone"))?;
            if row.state != FarmState::Active {
                let why = row.note.clone().unwrap_or_default();
                return Err(ReplayError::Unready(format!("farm {} is {:?}: {why}", row.name, row.state)));
            }
            let (tenant, limit) = (row.tenant, Amounts::UNLIMITED);
            self.demand(Command::SetQuota { tenant, class: None, limit })?;
        }
        (self.began, self.since) = (self.sim.now, self.sim.now);
        Ok(())
    }

    fn demand(&mut self, command: Command) -> Result<Outcome, ReplayError> {
        let id = self.sim.submit(Request::admin(command));
        match self.answer_to(id)? {
            Heard::Done(outcome) => Ok(outcome),
            Heard::Refused(refusal) => Err(ReplayError::Unready(refusal.to_string())),
            Heard::Fault(fault) => Err(ReplayError::Unready(fault)),
            Heard::Nothing => Err(unready("the server is down")),
        }
    }

    /// Lets time pass until a request is answered.
    fn answer_to(&mut self, id: RequestId) -> Result<Heard, ReplayError> {
        loop {
            let answered = self.sim.answers.iter().position(|answered| answered.id == id);
            if let Some(place) = answered {
                return Ok(self.sim.answers.swap_remove(place).heard);
            }
            if !self.sim.step(self.sim.now.plus_ms(READY_MS))? {
                return Err(unready("a request is never answered"));
            }
        }
    }

    /// Asks for one guest. Gives it if it was placed, with its farm; otherwise it waits, if it may.
    fn ask(&mut self, which: usize) -> Result<Option<Came>, ReplayError> {
        self.requests += 1;
        self.asked.add(self.trace.requests[which].size());
        self.owe(which).0 += self.core_seconds(which);
        self.try_to(which, None)
    }

    /// vCPU-seconds that it is there for, if it leaves.
    fn core_seconds(&self, which: usize) -> f64 {
        let request = &self.trace.requests[which];
        let stays = request.depart_s.map_or(86_400, |depart| depart.saturating_sub(request.arrive_s));
        f64::from(request.size().vcpus.0) * stays as f64
    }

    fn owe(&mut self, which: usize) -> &mut (f64, f64) {
        &mut self.owners[which % OWNERS]
    }

    /// Once more, for those who wait, the first first.
    fn retry(&mut self) -> Result<Vec<(usize, Came)>, ReplayError> {
        let mut came = Vec::new();
        for _ in 0..self.waiting.len() {
            let Some((since, which)) = self.waiting.pop_front() else { break };
            if let Some(guest) = self.try_to(which, Some(since))? {
                came.push((which, guest));
            }
        }
        Ok(came)
    }

    fn try_to(&mut self, which: usize, since: Option<Timestamp>) -> Result<Option<Came>, ReplayError> {
        let size = self.trace.requests[which].size();
        let emptiest = self.farms.iter().enumerate().min_by_key(|(_, (_, guests))| *guests);
        let Some((place, (farm, _))) = emptiest else { return Err(unready("there is no farm")) };
        let ask = NewInstances {
            name: None,
            flavor: flavor_name(size).parse().map_err(|_| unready("a flavor has no name"))?,
            image: IMAGE.into(),
            class: None,
            min_count: 1,
            max_count: 1,
            host: None,
            launch: Launch::default(),
        };
        let id = self.sim.submit(Request::admin(Command::RunInstances { farm: *farm, ask }));
        let heard = self.answer_to(id)?;
        let placed = match heard {
            Heard::Done(outcome) => outcome.instances.first().copied(),
            Heard::Refused(Refusal::NoHost { .. })
                if self.workers.holds(size)
                    && self.sim.now < since.unwrap_or(self.sim.now).plus_ms(self.patience_ms) =>
            {
                let since = since.unwrap_or(self.sim.now);
                self.waiting.push_back((since, which));
                None
            }
            Heard::Refused(refusal) => {
                let reason = self.reason(&self.trace.requests[which], &refusal);
                *self.report.refused.entry(reason).or_default() += 1;
                if self.workers.holds(size) && self.report.first_refusal.is_none() {
                    self.report.first_refusal = Some(self.stand());
                }
                None
            }
            Heard::Fault(fault) => return Err(ReplayError::Unready(fault)),
            Heard::Nothing => return Err(unready("the server is down")),
        };
        if placed.is_some() {
            self.report.placed += 1;
            self.farms[place].1 += 1;
            let got = self.core_seconds(which);
            self.owe(which).1 += got;
            if let Some(since) = since {
                self.report.waited += 1;
                self.waited_ms += self.sim.now.0 - since.0;
            }
        }
        self.look();
        Ok(placed.map(|id| (id, place)))
    }

    fn reason(&self, request: &TraceRequest, refusal: &Refusal) -> String {
        match refusal {
            Refusal::NoHost { .. } if !self.workers.holds(request.size()) => "larger than any host".into(),
            Refusal::NoHost { .. } => "no host has room".into(),
            Refusal::Denied { .. } | Refusal::Offered { .. } => "denied by a policy".into(),
            Refusal::Quota { .. } => "quota".into(),
            other => other.to_string(),
        }
    }

    fn stand(&self) -> Stand {
        let (used, hosts) = self.workers.used(&self.sim.books.view);
        let allocated = self.workers.share(used);
        Stand { requests: self.requests, placed: self.report.placed, allocated, hosts }
    }

    /// Notes how much is in use, for the peak, and for the mean since the last look.
    fn look(&mut self) {
        let (used, hosts) = self.workers.used(&self.sim.books.view);
        let share = self.workers.share(used);
        let peak = &mut self.report.peak;
        (peak.vcpus, peak.memory) = (peak.vcpus.max(share.vcpus), peak.memory.max(share.memory));
        self.report.most_hosts = self.report.most_hosts.max(hosts);
        self.report.lower_bound = self.report.lower_bound.max(self.workers.lower_bound(used));
        let passed = (self.sim.now.0 - self.since.0) as f64;
        self.sum = (self.sum.0 + share.vcpus * passed, self.sum.1 + share.memory * passed);
        let (stranded, idle) = self.workers.stranded(&self.sim.books.view);
        self.wasted = (self.wasted.0 + stranded * passed, self.wasted.1 + idle as f64 * passed);
        self.since = self.sim.now;
        if self.sample_ms > 0 && self.sim.now >= self.next_sample {
            let (migrations, _, _) = self.moved();
            self.report.samples.push(Sample {
                at_s: (self.sim.now.0 - self.began.0) / 1000,
                allocated: share,
                stranded,
                refused: self.report.refused.values().sum(),
                migrations,
            });
            self.next_sample = self.sim.now.plus_ms(self.sample_ms);
        }
    }

    /// Guests that were moved, bytes that went along, and plans that came to something.
    fn moved(&self) -> (u64, u64, u64) {
        let (mut moves, mut bytes, mut plans) = (0, 0, 0);
        for plan in self.sim.books.state.rows.plans.values() {
            plans += u64::from(plan.count(MoveState::Done) > 0);
            for one in plan.moves.iter().filter(|one| one.state == MoveState::Done) {
                moves += u64::from(matches!(one.step, Step::Migrate { .. }));
                bytes += one.cost.bytes;
            }
        }
        (moves, bytes, plans)
    }

    fn inflation(&mut self) -> Result<(), ReplayError> {
        for which in std::mem::take(&mut self.coming) {
            let next = self.sim.now.plus_ms(GAP_MS);
            self.ask(which)?;
            let asked = self.asked.permille_of(self.workers.capacity);
            if asked >= 1000 && self.report.at_100.is_none() {
                self.report.at_100 = Some(self.stand());
            }
            if asked >= super::drawn::MOST_PERMILLE {
                self.report.at_130 = Some(self.stand());
            }
            self.sim.run_until(next)?;
        }
        Ok(())
    }

    fn timed(&mut self) -> Result<(), ReplayError> {
        let zero = self.trace.requests.first().map_or(0, |request| request.arrive_s);
        let last = self.trace.requests.last().map_or(0, |request| request.arrive_s);
        self.sample_ms = ((last - zero) * 1000 / SAMPLES).max(1);
        let (trace, began) = (self.trace, self.began);
        let at = |second: u64| began.plus_ms((second - zero) * 1000);
        // Those that leave at a time leave before those that come.
        let mut leaving: BTreeMap<(Timestamp, usize), (InstanceId, usize)> = BTreeMap::new();
        for which in std::mem::take(&mut self.coming) {
            let request = &trace.requests[which];
            let arrive = at(request.arrive_s);
            while let Some(first) = leaving.first_entry().filter(|first| first.key().0 <= arrive) {
                let ((when, _), guest) = first.remove_entry();
                self.leave(when, guest)?;
                for (which, guest) in self.retry()? {
                    self.leaves_later(which, guest, &mut leaving);
                }
            }
            self.pass(arrive)?;
            let placed = self.ask(which)?;
            if let Some(guest) = placed {
                self.leaves_later(which, guest, &mut leaving);
            }
            for (which, guest) in self.retry()? {
                self.leaves_later(which, guest, &mut leaving);
            }
        }
        // Who still waits has waited in vain.
        for (_, which) in std::mem::take(&mut self.waiting) {
            let _ = which;
            *self.report.refused.entry("no host has room".into()).or_default() += 1;
        }
        // Up to the last arrival: what comes after it only empties the site.
        let passed = (self.sim.now.0 - self.began.0).max(1) as f64;
        self.report.mean = Some(Share { vcpus: self.sum.0 / passed, memory: self.sum.1 / passed });
        Ok(())
    }

    /// It stays as long as it would have, whenever it came.
    fn leaves_later(
        &self,
        which: usize,
        guest: (InstanceId, usize),
        leaving: &mut BTreeMap<(Timestamp, usize), (InstanceId, usize)>,
    ) {
        let request = &self.trace.requests[which];
        if let Some(depart) = request.depart_s {
            let zero = self.trace.requests.first().map_or(0, |request| request.arrive_s);
            let came = self.began.plus_ms((request.arrive_s - zero) * 1000);
            let late = self.sim.now.0.saturating_sub(came.0);
            let stays = depart.saturating_sub(request.arrive_s) * 1000;
            leaving.insert(
                (came.plus_ms(stays + if self.patience_ms > 0 { late } else { 0 }).max(self.sim.now), which),
                guest,
            );
        }
    }

    /// Time passes, and what is in use meanwhile counts.
    fn pass(&mut self, until: Timestamp) -> Result<(), ReplayError> {
        // In pieces, so that what plans do in between counts.
        while self.sim.now < until {
            let next = self.sim.now.plus_ms(if self.sample_ms > 0 { 600_000 } else { u64::MAX });
            self.sim.run_until(until.min(next))?;
            self.look();
        }
        Ok(())
    }

    fn leave(&mut self, when: Timestamp, (id, farm): (InstanceId, usize)) -> Result<(), ReplayError> {
        self.pass(when)?;
        // What a planner has just begun with it comes to its end first.
        let busy =
            |sim: &Simulation| sim.books.state.rows.instances.get(&id).is_some_and(|row| row.bound_for.is_some());
        let until = self.sim.now.plus_ms(READY_MS);
        while busy(&self.sim) && self.sim.step(until)? {}
        self.demand(Command::Power { instances: vec![id], power: Power::Terminate })?;
        self.farms[farm].1 -= 1;
        Ok(())
    }

    fn report(mut self, took: Option<Duration>) -> (Facts, PolicyReport) {
        let (migrations, bytes, plans) = self.moved();
        let passed = (self.sim.now.0 - self.began.0).max(1) as f64;
        let report = &mut self.report;
        (report.migrations, report.migrated_gib, report.plans) = (migrations, bytes >> 30, plans);
        report.stranded = self.wasted.0 / passed;
        report.idle_core_hours = self.wasted.1 / 3_600_000.0;
        report.waited_s = self.waited_ms as f64 / 1000.0 / report.waited.max(1) as f64;
        report.jain = jain(&self.owners);
        report.virtual_s = (self.sim.now.0 - self.began.0) / 1000;
        let mut times = std::mem::take(&mut self.sim.decision_times);
        times.sort_unstable();
        report.decisions = times.len() as u64;
        let quantile = |permille: usize| times.get(times.len() * permille / 1000).map_or(0.0, micros);
        (report.decision_p50_us, report.decision_p99_us) = (quantile(500), quantile(990));
        let rate = |count: u64, time: Duration| if time.is_zero() { 0.0 } else { count as f64 / time.as_secs_f64() };
        report.decisions_per_second = rate(report.decisions, times.iter().sum());
        report.requests_per_second = took.map_or(0.0, |took| rate(self.requests, took));
        (self.facts, self.report)
    }
}

/// Of what each got of what it asked for.
fn jain(owners: &[(f64, f64)]) -> f64 {
    let parts: Vec<f64> = owners.iter().filter(|(asked, _)| *asked > 0.0).map(|(asked, got)| got / asked).collect();
    let (sum, squares) = parts.iter().fold((0.0, 0.0), |(sum, squares), part| (sum + part, squares + part * part));
    if squares == 0.0 { 1.0 } else { sum * sum / (parts.len() as f64 * squares) }
}

fn micros(time: &Duration) -> f64 {
    time.as_nanos() as f64 / 1000.0
}

fn unready(why: &str) -> ReplayError {
    ReplayError::Unready(why.into())
}

/// The class that instances go to which name none, as the engine chooses it.
fn default_class(site: &SiteSpec) -> Option<&Name> {
    let mut classes: Vec<_> = site.classes.iter().collect();
    classes.sort_by(|a, b| a.name.cmp(&b.name));
    let workers = classes.iter().find(|class| class.kind == cascina_core::host::ClassKind::Workers);
    workers.or(classes.first()).map(|class| &class.name)
}

fn most_alive(requests: &[TraceRequest]) -> usize {
    let mut steps: Vec<(u64, i64)> = Vec::new();
    for request in requests {
        steps.push((request.arrive_s, 1));
        // What leaves takes a minute to be gone.
        steps.extend(request.depart_s.map(|depart| (depart + 60, -1)));
    }
    // Those that come at a second before those that leave at it.
    steps.sort_unstable_by_key(|(at, step)| (*at, -step));
    let mut alive = 0;
    let most = steps
        .into_iter()
        .map(|(_, step)| {
            alive += step;
            alive
        })
        .max();
    usize::try_from(most.unwrap_or(0)).unwrap_or(0)
}
