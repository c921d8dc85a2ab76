//! Replays under way and done, and the gates that ask for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use cascina_core::command::{Command, TrialStep};
use cascina_core::id::BindingId;
use cascina_core::policy::{Binding, Digest, Hook, Mode, Scope, Stage};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_core::units::Timestamp;
use parking_lot::Mutex;

use crate::command::policy::find;
use crate::command::trial::may_shadow;
use crate::engine::Engine;
use crate::error::{EngineError, Fault};
use crate::replay::{Candidate, Gate, Report, replay};
use crate::veil::tenant_for;

/// Replays that are remembered.
const KEPT: usize = 64;
/// What a gate takes for news.
const FRESH_MS: u64 = 24 * 3_600_000;

/// What is asked of a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayAsk {
    /// `name`, `name@version` or a digest.
    pub policy: String,
    /// None: the one that is bound under the policy's name, or the only one of its hook.
    pub binding: Option<BindingId>,
    /// None: those of the binding.
    pub settings: Option<String>,
    pub since_ms: u64,
}

/// How far one is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Running { done: u64, of: u64 },
    Done(Arc<Report>),
    Failed(String),
}

#[derive(Default)]
pub struct Replays(Mutex<Vec<Entry>>);

struct Entry {
    digest: Digest,
    binding: Option<BindingId>,
    settings: String,
    since_ms: u64,
    progress: Arc<AtomicU64>,
    of: u64,
    ended: Option<Result<Arc<Report>, String>>,
}

impl Entry {
    fn standing(&self) -> Standing {
        match &self.ended {
            None => Standing::Running { done: self.progress.load(Ordering::Relaxed), of: self.of },
            Some(Ok(report)) => Standing::Done(Arc::clone(report)),
            Some(Err(error)) => Standing::Failed(error.clone()),
        }
    }
}

fn candidate(state: &State, who: &Principal, ask: &ReplayAsk) -> Result<Candidate, Refusal> {
    let version = find(state, &ask.policy)?;
    let bindings =
        || state.rows.bindings.values().filter(|row| version.hooks.contains(&row.hook) && row.mode != Mode::Off);
    let named = |row: &&Arc<Binding>| row.policy.split('@').next() == Some(version.name.as_str());
    let binding: Arc<Binding> = match ask.binding {
        Some(id) => state.rows.bindings.get(&id).cloned().ok_or_else(|| Refusal::not_found("binding", id))?,
        None => match (&bindings().filter(named).collect::<Vec<_>>()[..], &bindings().collect::<Vec<_>>()[..]) {
            ([one], _) | ([], [one]) => Arc::clone(one),
            (_, several) => {
                let allowed = match several.len() {
                    0 => "a policy with a hook that something is bound to".into(),
                    // Names are said to those only who may see the site's rules.
                    _ if !who.is_admin() => "the name of the binding whose place it takes".to_owned(),
                    _ => {
                        let names: Vec<_> = several.iter().map(|row| row.name.as_str()).collect();
                        format!("one of {}", names.join(", "))
                    }
                };
                return Err(Refusal::invalid("binding", "", allowed));
            }
        },
    };
    may_shadow(state, who, binding.scope)?;
    if !version.hooks.contains(&binding.hook) {
        return Err(Refusal::invalid(
            "binding",
            &binding.name,
            format!("a binding of a hook that {} has", version.label()),
        ));
    }
    Ok(Candidate {
        digest: version.digest,
        policy: version.label(),
        settings: ask.settings.clone().unwrap_or_else(|| binding.settings.clone()),
        hook: binding.hook,
        binding: Some(Binding::clone(&binding)),
    })
}

impl Engine {
    /// Begins to make recorded decisions again with a candidate; the same that is under way goes on.
    ///
    /// # Errors
    ///
    /// If the caller may not, or there is no such policy or binding, or its settings do not suit it.
    pub fn start_replay(&self, who: &Principal, ask: &ReplayAsk) -> Result<Standing, EngineError> {
        let shared = self.shared();
        let candidate = self.read(|state| candidate(state, who, ask))?;
        let settings = shared.sandbox.check_settings(&candidate.digest, candidate.hook, &candidate.settings);
        settings.map_err(|complaints| {
            let text: Vec<String> = complaints.iter().map(ToString::to_string).collect();
            Refusal::invalid("settings", &candidate.settings, text.join("; "))
        })?;
        let now = self.now();
        let since = Timestamp(now.0.saturating_sub(ask.since_ms));
        let binding = candidate.binding.as_ref().map(|binding| binding.id);
        let stored = |error: cascina_store::StoreError| Fault::Store(error.to_string());
        let (of, _) = self.reader().count_decisions(candidate.hook, since).map_err(stored)?;
        let mut replays = shared.replays.0.lock();
        let same = |entry: &Entry| {
            (entry.digest, entry.binding, entry.since_ms) == (candidate.digest, binding, ask.since_ms)
                && entry.settings == candidate.settings
        };
        if let Some(entry) = replays.iter().find(|entry| same(entry) && entry.ended.is_none()) {
            return Ok(entry.standing());
        }
        if replays.iter().filter(|entry| entry.ended.is_none()).count() >= 2 {
            let text = "two replays are under way; each takes the server's cores, so wait for one to end";
            return Err(Refusal::Busy(text.into()).into());
        }
        replays.retain(|entry| !same(entry));
        if replays.len() >= KEPT {
            replays.remove(0);
        }
        let progress = Arc::new(AtomicU64::new(0));
        replays.push(Entry {
            digest: candidate.digest,
            binding,
            settings: candidate.settings.clone(),
            since_ms: ask.since_ms,
            progress: Arc::clone(&progress),
            of,
            ended: None,
        });
        drop(replays);
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        let reader = self.reader().clone();
        tokio::task::spawn_blocking(move || {
            let report = replay(&reader, &shared.sandbox, &candidate, since, now, cores, &progress);
            let ended = report.map(Arc::new).map_err(|error| error.to_string());
            let mut replays = shared.replays.0.lock();
            // By its progress, which is its own.
            if let Some(entry) = replays.iter_mut().find(|entry| Arc::ptr_eq(&entry.progress, &progress)) {
                entry.ended = Some(ended);
            }
        });
        Ok(Standing::Running { done: 0, of })
    }

    /// How far the last replay of a policy is.
    ///
    /// # Errors
    ///
    /// If there is none, or it is not the caller's business.
    pub fn replay_standing(
        &self,
        who: &Principal,
        policy: &str,
        binding: Option<BindingId>,
    ) -> Result<Standing, EngineError> {
        let shared = self.shared();
        let replays = shared.replays.0.lock();
        let found = self.read(|state| {
            let digest = find(state, policy)?.digest;
            let mine = |entry: &&Entry| {
                entry.digest == digest
                    && binding.is_none_or(|binding| entry.binding == Some(binding))
                    && match entry.binding.and_then(|id| state.rows.bindings.get(&id)) {
                        Some(row) => may_shadow(state, who, row.scope).is_ok(),
                        None => who.is_admin(),
                    }
            };
            let standing = replays.iter().rev().find(mine).map(Entry::standing);
            Ok::<_, Refusal>(standing.map(|standing| seen_by(state, who, standing)))
        })?;
        Ok(found.ok_or_else(|| Refusal::not_found("replay", policy))?)
    }

    /// What is put to work must be signed, as far as the site asks for it, and must have been replayed, as far as
    /// gates ask for that.
    pub(crate) fn check_gates(&self, command: &Command) -> Result<(), Refusal> {
        let shared = self.shared();
        let Some(coming) = self.read(|state| coming(state, command)) else { return Ok(()) };
        self.read(|state| match state.rows.policies.get(&coming.digest) {
            Some(version) => shared.supply.admits(state, version, coming.scope),
            None => Ok(()),
        })?;
        let now = self.now();
        let replays = shared.replays.0.lock();
        for gate in shared.gates.iter().filter(|gate| gate.hook.is_none_or(|hook| hook == coming.hook)) {
            check_gate(gate, &coming, &replays, now)?;
        }
        Ok(())
    }
}

/// Whose requests they were, as the caller may know it.
fn seen_by(state: &State, who: &Principal, standing: Standing) -> Standing {
    let Standing::Done(report) = standing else { return standing };
    if who.is_admin() {
        return Standing::Done(report);
    }
    let name = |name: &str| tenant_for(state, who, report.scope, name);
    let mut seen = Report::clone(&report);
    seen.tenants = report.tenants.iter().map(|(tenant, row)| (name(tenant), row.clone())).collect();
    seen.examples.iter_mut().for_each(|changed| changed.tenant = name(&changed.tenant));
    Standing::Done(Arc::new(seen))
}

/// A policy that is about to decide.
struct Coming {
    digest: Digest,
    policy: String,
    settings: String,
    hook: Hook,
    scope: Scope,
}

fn coming(state: &State, command: &Command) -> Option<Coming> {
    let of = |row: &Binding| Coming {
        digest: row.digest,
        policy: row.policy.clone(),
        settings: row.settings.clone(),
        hook: row.hook,
        scope: row.scope,
    };
    let row = |id: &BindingId| state.rows.bindings.get(id);
    match command {
        Command::Bind(new) if new.mode == Mode::Enforce => {
            let version = find(state, &new.policy).ok()?;
            let (hook, scope, settings) = (new.hook, new.scope, new.settings.clone());
            Some(Coming { digest: version.digest, policy: version.label(), settings, hook, scope })
        }
        Command::Rebind { binding, change } => {
            let row = row(binding)?;
            let version = find(state, change.policy.as_deref().unwrap_or(&row.digest.to_string())).ok()?;
            let settings = change.settings.clone().unwrap_or_else(|| row.settings.clone());
            let mode = change.mode.unwrap_or(row.mode);
            let news = version.digest != row.digest || settings != row.settings || row.mode != Mode::Enforce;
            let coming = Coming { digest: version.digest, policy: version.label(), settings, ..of(row) };
            (mode == Mode::Enforce && news).then_some(coming)
        }
        Command::Trial { binding, step } => {
            let row = row(binding)?;
            match step {
                TrialStep::Promote | TrialStep::Stage(Stage::Canary { .. }) => row.candidate().map(|row| of(&row)),
                TrialStep::Begin(new) if new.stage != Stage::Shadow => {
                    let version = find(state, new.policy.as_deref().unwrap_or(&row.digest.to_string())).ok()?;
                    let settings = new.settings.clone().unwrap_or_else(|| row.settings.clone());
                    Some(Coming { digest: version.digest, policy: version.label(), settings, ..of(row) })
                }
                // Going back must be possible at once.
                TrialStep::Begin(_) | TrialStep::Stage(_) | TrialStep::Withdraw { .. } | TrialStep::Rollback => None,
            }
        }
        _ => None,
    }
}

fn check_gate(gate: &Gate, coming: &Coming, replays: &[Entry], now: Timestamp) -> Result<(), Refusal> {
    let days = gate.since_ms.div_ceil(24 * 3_600_000);
    let first = format!("run `cascina policy replay {} --since {days}d` with the same settings first", coming.policy);
    let reports = replays.iter().rev().filter_map(|entry| match &entry.ended {
        Some(Ok(report)) => Some(report),
        _ => None,
    });
    let report = reports.into_iter().find(|report| {
        (report.digest, report.hook, report.scope) == (coming.digest, coming.hook, coming.scope)
            && report.settings == coming.settings
            && report.made.0.saturating_add(FRESH_MS) >= now.0
            // What it looked at may begin as late as the gate's span before it was made.
            && report.since.0.saturating_add(gate.since_ms) <= report.made.0
    });
    let Some(report) = report else {
        return Err(Refusal::Conflict(format!("a gate asks for a replay of the last {days} days; {first}")));
    };
    match report.stopped_by(gate) {
        Some(why) => Err(Refusal::Conflict(format!("{} may not decide: {why}", coming.policy))),
        None => Ok(()),
    }
}
