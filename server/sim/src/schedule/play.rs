//! One schedule, from its seed to the last check.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use cascina_core::command::Command;
use cascina_core::id::{InstanceId, TenantId};
use cascina_core::name::Name;
use cascina_core::principal::{Principal, Role};
use cascina_core::spread::{Bounds, ImageCare};
use cascina_core::state::State;
use cascina_drivers::sim::Latencies;
use cascina_engine::Idempotency;
use serde::Serialize;

use super::site::{bindings, small_site};
use super::{addresses, belongings, disks, farms, groups, houses, images, launches, plans, rules, tenants, trouble};
use crate::books::Keep;
use crate::chance::Chance;
use crate::client::{Answered, Heard, Request};
use crate::crash::{Crashes, Point};
use crate::policies::Policies;
use crate::simulation::{BEGIN, Broken, Pace, Setup, Simulation};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Points {
    /// Where the seed says.
    #[default]
    Seeded,
    Never,
    /// At this one, so many times.
    At(Point, u32),
}

#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Only so many actions; None: as many as the seed says.
    pub actions: Option<u32>,
    /// A real database at this path takes part.
    pub store: Option<PathBuf>,
    /// The whole state is checked after every so many commits; 0 counts as 1.
    pub check_every: u64,
    /// At which of the points that it passes the process ends.
    pub points: Points,
    /// Write down what happens.
    pub told: bool,
}

/// What came of a schedule that held.
#[derive(Debug, Clone)]
pub struct Summary {
    pub seed: u64,
    /// SHA-256 of all events: the same seed, the same trace.
    pub trace: String,
    pub commits: u64,
    pub events: u64,
    pub acknowledged: u64,
    /// Requests whose client heard nothing.
    pub unanswered: u64,
    pub crashes: u64,
    /// Operations that were stuck when all troubles had ended.
    pub stuck: u64,
    pub virtual_ms: u64,
    pub passed: BTreeSet<Point>,
    pub struck: BTreeMap<Point, u32>,
}

/// A schedule that did not hold, with all that led there.
#[derive(Debug, Clone, Serialize, thiserror::Error)]
#[error("seed {seed} {broken}")]
pub struct Failure {
    pub seed: u64,
    pub broken: Broken,
    pub trail: Vec<String>,
}

type Action = fn(&mut Play);

/// How often each kind of action is taken, and what it does.
type Actions = &'static [(u64, Action)];

const GENERAL: Actions = &[
    (120, farms::create),
    (90, farms::run),
    (130, farms::power),
    (40, farms::delete),
    (15, farms::decide_pending),
    (25, farms::mend),
    (30, addresses::allocate),
    (60, addresses::associate),
    (15, addresses::disassociate),
    (15, addresses::release),
    (20, addresses::forward),
    (15, tenants::quota),
    (10, tenants::suspend),
    (10, tenants::found),
    (8, tenants::close),
    (8, tenants::people),
    (20, houses::host_state),
    (6, houses::enlist),
    (8, houses::recall),
    (8, houses::catalog),
    (15, rules::bind),
    (12, rules::rebind),
    (6, rules::unbind),
    (40, Play::repeat),
    (15, Play::repeat_answered),
];

const DISKS: Actions = &[
    (50, disks::create),
    (60, disks::attach),
    (30, disks::detach),
    (20, disks::resize),
    (20, disks::delete),
    (25, disks::juggle),
    (40, disks::snapshot),
    (15, disks::drop_snapshot),
    (20, images::create),
    (12, images::of_snapshot),
    (10, images::set),
    (10, images::deregister),
    (10, images::spread),
    (10, images::evict),
];

const GUESTS: Actions = &[
    (40, launches::change),
    (25, groups::create),
    (10, groups::delete),
    (30, groups::authorize),
    (12, groups::revoke),
    (15, groups::modify),
    (15, belongings::key_pairs),
    (20, belongings::tag),
    (35, houses::migrate),
];

const TROUBLES: Actions =
    &[(45, trouble::faults), (30, trouble::hosts), (15, trouble::guests), (20, trouble::crash), (8, trouble::disk)];

const PLANS: Actions = &[
    (20, plans::foolish),
    (8, plans::propose),
    (25, plans::judge),
    (8, plans::drain),
    (15, plans::fence),
    (8, Play::return_hosts),
];

const ACTIONS: [Actions; 5] = [GENERAL, DISKS, GUESTS, TROUBLES, PLANS];

pub struct Play {
    pub sim: Simulation,
    pub chance: Chance,
    /// Few farms, in which more is done.
    pub narrow: bool,
    /// How much more often actions of each list are taken than others.
    factors: [u64; ACTIONS.len()],
    /// Names that were given, so that each is new.
    named: u64,
    /// What clients have heard.
    pub heard: Vec<Answered>,
    /// Requests with a key whose client heard nothing.
    unheard: Vec<Request>,
}

/// Plays a schedule. A failure is played again to tell what led to it, which is free: nothing differs.
pub fn play(policies: &Policies, seed: u64, options: &Options) -> Result<Summary, Failure> {
    match play_once(policies, seed, options) {
        Err(first) if !options.told => {
            let again = play_once(policies, seed, &Options { told: true, store: None, ..options.clone() });
            again.map_err(|failure| *failure).and_then(|_| {
                let without = if options.store.is_some() { " without the database" } else { "" };
                let what = format!("{}; played again{without}, it holds", first.broken.what);
                Err(Failure { seed, broken: Broken { at: first.broken.at, what }, trail: Vec::new() })
            })
        }
        result => result.map_err(|failure| *failure),
    }
}

fn quick() -> Latencies {
    Latencies { copy_ms: 900, clone_ms: 200, boot_ms: 700, stop_ms: 300, reboot_ms: 800, ..Latencies::default() }
}

fn play_once(policies: &Policies, seed: u64, options: &Options) -> Result<Summary, Box<Failure>> {
    let failure = |broken, trail| Box::new(Failure { seed, broken, trail });
    let mut chance = Chance::new(seed);
    let actions = 20 + chance.below(140) as u32;
    // Some seeds without any, so that the other troubles are seen alone.
    let permille = chance.pick(&[0, 3, 10, 30, 60]).unwrap_or(0);
    let seeded = Crashes::now_and_then(permille, chance.number());
    let crashes = match options.points {
        Points::Seeded => seeded,
        Points::Never => Crashes::none(),
        Points::At(point, times) => Crashes::at(point, times),
    };
    let mut site = small_site();
    // Sometimes nobody looks after images, sometimes only those go anywhere that somebody asks for.
    let care = ImageCare { spread: chance.permille(600), bounds: Bounds { per_source: 1, in_all: 4 } };
    site.site.images = chance.permille(700).then_some(care);
    let setup = Setup {
        seed: chance.number(),
        site,
        bindings: bindings(),
        policies: policies.clone(),
        // Slow hosts, with much under way at a time, or quick ones, with which more can be done.
        latencies: if chance.permille(500) { Latencies::default() } else { quick() },
        pace: Pace {
            commit_ms: (1, 8),
            decide_ms: (0, 6),
            restart_ms: (200, 5000),
            call_deadline_ms: 30_000,
            reconcile_ms: Some(45_000),
        },
        keep: options.store.clone().map_or(Keep::Log, Keep::Store),
        crashes,
        check_every: options.check_every.max(1),
        told: options.told,
    };
    let sim = Simulation::new(setup).map_err(|broken| failure(broken, Vec::new()))?;
    let narrow = chance.permille(600);
    let more = if narrow { [2, 5, 10] } else { [1, 1, 4] };
    let often = |chance: &mut Chance| chance.pick(&more).unwrap_or(1);
    let factors = [
        if narrow { 2 } else { 1 },
        often(&mut chance),
        often(&mut chance),
        chance.between((1, 3)),
        chance.pick(&[0, 1, 3, 8]).unwrap_or(1),
    ];
    let mut play = Play { sim, chance, narrow, factors, named: 0, heard: Vec::new(), unheard: Vec::new() };
    let actions = options.actions.unwrap_or(actions);
    match play.through(actions) {
        Ok(stuck) => Ok(play.summary(seed, stuck)),
        Err(broken) => Err(failure(broken, std::mem::take(&mut play.sim.trail))),
    }
}

impl Play {
    fn through(&mut self, actions: u32) -> Result<u64, Broken> {
        self.pass(2000)?;
        for _ in 0..actions {
            // Bursts, and pauses in which something can come to an end.
            let gap = match self.chance.below(20) {
                0..7 => self.chance.below(150),
                7..18 => self.chance.below(if self.narrow { 6_000 } else { 12_000 }),
                _ => self.chance.below(90_000),
            };
            self.pass(gap)?;
            self.act();
        }
        self.end()
    }

    fn act(&mut self) {
        let weighed = ACTIONS.iter().zip(self.factors);
        let all: Vec<(u64, Action)> = weighed
            .flat_map(|(list, factor)| list.iter().map(move |(weight, action)| (weight * factor, *action)))
            .collect();
        let mut drawn = self.chance.below(all.iter().map(|(weight, _)| weight).sum());
        for (weight, action) in all {
            if drawn < weight {
                return action(self);
            }
            drawn -= weight;
        }
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: u64) -> Result<(), Broken> {
        let until = self.sim.now.plus_ms(ms);
        let result = self.sim.run_until(until);
        for answered in std::mem::take(&mut self.sim.answers) {
            // Who knows the answer does not insist: it may be forgotten together with what came of it.
            let known = |other: &Answered| {
                matches!(other.heard, Heard::Done(_)) && other.request.idempotency == answered.request.idempotency
            };
            let unheard = answered.heard == Heard::Nothing && answered.request.idempotency.is_some();
            if unheard && !self.heard.iter().any(known) {
                self.unheard.push(Request::clone(&answered.request));
            }
            self.heard.push(answered);
        }
        result
    }

    pub fn state(&self) -> &State {
        &self.sim.books.state
    }

    /// A name that nothing has had.
    pub fn name(&mut self, before: &str) -> Name {
        self.named += 1;
        let text = format!("{before}{}", self.named);
        text.parse().unwrap_or_else(|_| unreachable!("a prefix and a number are a name"))
    }

    pub fn pick<T: Copy>(&mut self, from: impl FnOnce(&State) -> Vec<T>) -> Option<T> {
        let all = from(&self.sim.books.state);
        self.chance.pick(&all)
    }

    /// Asks as the administrator.
    pub fn ask(&mut self, command: Command) {
        self.ask_as(Principal::system(), command);
    }

    /// Asks as somebody of the tenant, most of the time.
    pub fn ask_for(&mut self, tenant: Option<TenantId>, command: Command) {
        let role = match self.chance.below(10) {
            0..4 => None,
            4..9 => Some(Role::TenantAdmin),
            _ => self.chance.pick(&[Role::Member, Role::Viewer]),
        };
        let who = match (tenant, role) {
            (Some(tenant), Some(role)) => {
                Principal { user: None, name: role.as_str().into(), role, tenant: Some(tenant), groups: Vec::new() }
            }
            _ => Principal::system(),
        };
        self.ask_as(who, command);
    }

    fn ask_as(&mut self, principal: Principal, command: Command) {
        let key = self.chance.permille(400).then(|| self.name("key-"));
        let idempotency = key.map(|key| Idempotency { key: key.to_string(), request: format!("{command:?}") });
        self.sim.submit(Request { principal, command, idempotency });
    }

    /// Asks again what nobody answered.
    fn repeat(&mut self) {
        if self.unheard.is_empty() {
            return;
        }
        let which = self.chance.below(self.unheard.len() as u64) as usize;
        let request = self.unheard.swap_remove(which);
        self.sim.submit(request);
    }

    /// Asks again what was answered, for example because the answer was forgotten: as long as what came
    /// of it lives, the answer is the same.
    fn repeat_answered(&mut self) {
        let live = |id: &InstanceId| self.state().rows.instances.get(id).is_some_and(|row| row.is_live());
        let again = |answered: &&Answered| match &answered.heard {
            Heard::Done(outcome) => answered.request.idempotency.is_some() && outcome.instances.iter().any(live),
            Heard::Refused(_) | Heard::Fault(_) | Heard::Nothing => false,
        };
        let requests: Vec<_> = self.heard.iter().filter(again).map(|answered| Arc::clone(&answered.request)).collect();
        let which = self.chance.below(requests.len() as u64) as usize;
        if let Some(request) = requests.get(which) {
            self.sim.submit(Request::clone(request));
        }
    }

    fn summary(&self, seed: u64, stuck: u64) -> Summary {
        let heard =
            |what: fn(&Heard) -> bool| self.heard.iter().filter(|answered| what(&answered.heard)).count() as u64;
        Summary {
            seed,
            trace: self.sim.books.trace(),
            commits: self.sim.books.commits,
            events: self.sim.books.log.len() as u64,
            acknowledged: heard(|heard| matches!(heard, Heard::Done(_))),
            unanswered: heard(|heard| *heard == Heard::Nothing),
            crashes: self.sim.starts - 1,
            stuck,
            virtual_ms: self.sim.now.0 - BEGIN.0,
            passed: self.sim.crashes.passed.clone(),
            struck: self.sim.crashes.struck.clone(),
        }
    }
}
