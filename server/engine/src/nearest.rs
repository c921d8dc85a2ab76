//! What would be granted instead: since policies are pure, asking them costs nothing but time.
//!
//! The search changes one thing of a refused request at a time and rehearses each variation on one frozen
//! state: fewer instances, a smaller flavor, another class, or the same when leases have ended. What it finds
//! is true of that moment; an offer makes it true for ten minutes.

use std::collections::BTreeSet;
use std::sync::Arc;

use cascina_core::command::{Command, NewInstances};
use cascina_core::decision::Decision;
use cascina_core::event::Change;
use cascina_core::farm::Farm;
use cascina_core::flavor::Flavor;
use cascina_core::host::ClassKind;
use cascina_core::id::DecisionId;
use cascina_core::name::Name;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::{Key, State};
use cascina_core::units::Timestamp;
use cascina_core::view::ClusterView;
use cascina_policy::Sandbox;

use crate::command::{Setback, questions};
use crate::kernel::{Kernel, Proposal};
use crate::offers::Reserved;
use crate::verdict::{Moment, decide_all, gather_all};

/// Rehearsals in one search: it is on the path of a refused request.
const MOST: u32 = 48;
/// Flavors and moments that are tried, each.
const FEW: usize = 5;

/// One thing that would be granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    pub kind: GrantKind,
    /// For people.
    pub text: String,
    /// What to ask for.
    pub command: Command,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantKind {
    Fewer,
    Smaller,
    OtherClass,
    /// The same, from then on.
    Later(Timestamp),
}

/// One moment, to rehearse on.
pub(crate) struct Frozen<'a> {
    pub state: &'a State,
    pub view: &'a Arc<ClusterView>,
    pub sandbox: &'a Sandbox,
    pub who: &'a Principal,
    pub now: Timestamp,
    pub reserved: &'a [Reserved],
}

impl Frozen<'_> {
    /// Would it be granted?
    fn grants(&self, state: &State, view: &Arc<ClusterView>, command: &Command) -> bool {
        self.rehearse(state, view, command).is_ok()
    }

    /// What would be decided for a command that would be granted.
    pub fn decisions(&self, command: &Command) -> Result<Vec<Arc<Decision>>, Refusal> {
        self.rehearse(self.state, self.view, command)
    }

    fn rehearse(
        &self,
        state: &State,
        view: &Arc<ClusterView>,
        command: &Command,
    ) -> Result<Vec<Arc<Decision>>, Refusal> {
        let questions = questions(state, self.who, command, self.now)?;
        let mut askings = gather_all(state, self.now, None, questions);
        askings.iter_mut().for_each(|asking| asking.keep_clear_of(self.reserved));
        let mut seed = 0;
        let moment = || {
            seed += 1;
            Moment { now: self.now, revision: view.revision, seed, id: DecisionId(seed), dry_run: true }
        };
        let decisions = decide_all(askings, self.sandbox, view, moment, true);
        let decisions: Vec<Arc<Decision>> = decisions.into_iter().map(Arc::new).collect();
        let mut kernel = Kernel::new(state.clone(), 1);
        let proposal = Proposal::Command {
            who: self.who.clone(),
            command: Box::new(command.clone()),
            decisions: decisions.clone(),
            ticket: None,
        };
        match kernel.take(self.now, &proposal).0 {
            // Waiting for a person is no grant.
            Ok(outcome) if outcome.pending => Err(Refusal::Conflict("a person must approve it".into())),
            Ok(_) => Ok(decisions),
            Err(Setback::Refused(refusal)) => Err(refusal),
            Err(Setback::Stale) => Err(Refusal::Conflict("the facts changed".into())),
        }
    }

    /// The nearest grants, the least changed first. None for commands that are not about instances.
    pub fn search(&self, command: &Command) -> Vec<Grant> {
        let lines = lines(command);
        if lines.is_empty() {
            return Vec::new();
        }
        let mut left = MOST;
        let mut found = Vec::new();
        let mut may = |command: &Command| {
            let go = left > 0;
            left = left.saturating_sub(1);
            go && self.grants(self.state, self.view, command)
        };
        found.extend(fewer(command, &lines, &mut may));
        found.extend(self.smaller(command, &lines, &mut may));
        found.extend(self.other_class(command, &lines, &mut may));
        found.extend(self.later(command, left));
        found
    }

    /// A flavor that is smaller in everything, for the lines that have the largest.
    fn smaller(
        &self,
        command: &Command,
        lines: &[NewInstances],
        may: &mut impl FnMut(&Command) -> bool,
    ) -> Option<Grant> {
        let flavors = &self.state.rows.flavors;
        let largest = lines
            .iter()
            .filter_map(|line| flavors.get(&line.flavor))
            .max_by_key(|row| (row.size.vcpus, row.size.memory))?;
        let fits = |row: &&Arc<Flavor>| {
            !row.deprecated
                && row.size != largest.size
                && row.size.vcpus <= largest.size.vcpus
                && row.size.memory <= largest.size.memory
                && row.size.disk <= largest.size.disk
        };
        let mut smaller: Vec<&Arc<Flavor>> = flavors.values().filter(fits).collect();
        smaller.sort_by_key(|row| std::cmp::Reverse((row.size.vcpus, row.size.memory, row.size.disk)));
        smaller.into_iter().take(FEW).find_map(|row| {
            let with = change(command, |line| {
                if line.flavor == largest.name {
                    line.flavor = row.name.clone();
                }
                line.min_count = line.max_count;
            });
            may(&with).then(|| Grant {
                kind: GrantKind::Smaller,
                text: format!("{} with flavor {} in place of {}", counts(&with), row.name, largest.name),
                command: with,
            })
        })
    }

    fn other_class(
        &self,
        command: &Command,
        lines: &[NewInstances],
        may: &mut impl FnMut(&Command) -> bool,
    ) -> Option<Grant> {
        let usual = self.state.default_class();
        let asked: BTreeSet<Name> =
            lines.iter().map(|line| line.class.clone().unwrap_or_else(|| usual.clone())).collect();
        let classes = self.state.rows.classes.values();
        let others = classes.filter(|row| row.kind == ClassKind::Workers && !asked.contains(&row.name));
        others.take(FEW).find_map(|row| {
            let with = change(command, |line| {
                line.class = Some(row.name.clone());
                line.min_count = line.max_count;
            });
            may(&with).then(|| Grant {
                kind: GrantKind::OtherClass,
                text: format!("{} in class {}", counts(&with), row.name),
                command: with,
            })
        })
    }

    /// The same, when the leases of other farms have ended and nobody else has come.
    fn later(&self, command: &Command, left: u32) -> Option<Grant> {
        let mut ends: Vec<(Timestamp, Arc<Farm>)> = self
            .state
            .rows
            .farms
            .values()
            .filter(|farm| farm.request.lease_s > 0 && farm.state.is_usable())
            .map(|farm| (farm.created.plus_ms(farm.request.lease_s.saturating_mul(1000)), farm.clone()))
            .filter(|(ends, _)| *ends > self.now)
            .collect();
        ends.sort_by_key(|(ends, farm)| (*ends, farm.id));
        let mut state = self.state.clone();
        for (at, farm) in ends.into_iter().take(FEW.min(left as usize)) {
            if matches!(command, Command::RunInstances { farm: own, .. } if *own == farm.id) {
                // It would end with it.
                return None;
            }
            let instances: Vec<_> = state.indexes.instances_by_farm.of(&farm.id).collect();
            for id in instances {
                state.apply(&Change::Remove(Key::Instance(id)));
            }
            if self.grants(&state, &Arc::new(state.view()), command) {
                let text = "the same, when the lease of another farm ends, if nobody takes it first".into();
                return Some(Grant { kind: GrantKind::Later(at), text, command: command.clone() });
            }
        }
        None
    }
}

fn lines(command: &Command) -> Vec<NewInstances> {
    match command {
        Command::CreateFarm(ask) => ask.instances.clone(),
        Command::RunInstances { ask, .. } => vec![ask.clone()],
        _ => Vec::new(),
    }
}

/// The command with each of its lines changed.
fn change(command: &Command, mut each: impl FnMut(&mut NewInstances)) -> Command {
    let mut command = command.clone();
    match &mut command {
        Command::CreateFarm(ask) => ask.instances.iter_mut().for_each(each),
        Command::RunInstances { ask, .. } => each(ask),
        _ => {}
    }
    command
}

/// `3 × m1.small, 1 × m1.large`.
fn counts(command: &Command) -> String {
    let lines = lines(command);
    let one = |line: &NewInstances| format!("{} × {}", line.max_count, line.flavor);
    lines.iter().filter(|line| line.max_count > 0).map(one).collect::<Vec<_>>().join(", ")
}

/// The most instances that would be granted, each line in its share.
fn fewer(command: &Command, lines: &[NewInstances], may: &mut impl FnMut(&Command) -> bool) -> Option<Grant> {
    let all: u32 = lines.iter().map(|line| line.max_count).sum();
    let scaled = |count: u32| {
        change(command, |line| {
            let part = u64::from(line.max_count) * u64::from(count) / u64::from(all.max(1));
            line.max_count = u32::try_from(part).unwrap_or(line.max_count);
            line.min_count = line.max_count;
        })
    };
    let sum = |command: &Command| self::lines(command).iter().map(|line| line.max_count).sum::<u32>();
    // Granted with so many, refused with so many.
    let (mut good, mut bad) = (0, all);
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        let with = scaled(middle);
        if sum(&with) > 0 && may(&with) {
            good = middle;
        } else {
            bad = middle;
        }
    }
    let with = scaled(good);
    (sum(&with) > 0).then(|| Grant { kind: GrantKind::Fewer, text: counts(&with), command: with })
}
