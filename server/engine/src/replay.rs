//! What a candidate would have decided: every recorded decision of its hook made again, from the facts as they
//! stood, with the candidate in the place of what was active.
//!
//! One thread folds the event log and gathers facts; the others ask the policies. Each decision stands for
//! itself: what would have followed from another outcome is not played through.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

use cascina_core::decision::{Amounts, Decided, Decision, Question, Reason, Said};
use cascina_core::id::{BindingId, DecisionId};
use cascina_core::policy::{Binding, Digest, Hook, Mode, Scope, matches};
use cascina_core::units::Timestamp;
use cascina_core::view::ClusterView;
use cascina_policy::Sandbox;
use cascina_store::{Reader, StoreError};
use parking_lot::Mutex;

use crate::verdict::{Asking, Moment, Party, denials, gather};

/// Changes that are kept one by one.
const EXAMPLES: usize = 50;

/// Which component, in whose place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    pub digest: Digest,
    pub policy: String,
    pub settings: String,
    /// None: beside what is there, as a new rule of the site.
    pub binding: Option<Binding>,
    pub hook: Hook,
}

/// How a decision came out otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    pub decision: DecisionId,
    pub at: Timestamp,
    pub tenant: String,
    pub before: Decided,
    pub after: Decided,
    pub reasons: Vec<Reason>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OfTenant {
    pub decisions: u64,
    pub changed: u64,
    pub new_denials: u64,
    pub new_grants: u64,
    /// Amounts that the changed decisions were about.
    pub vcpus: u64,
    pub addresses: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    pub digest: Digest,
    pub policy: String,
    pub hook: Hook,
    pub scope: Scope,
    pub settings: String,
    pub since: Timestamp,
    pub made: Timestamp,
    pub decisions: u64,
    pub changed: u64,
    /// Granted then, and not now.
    pub new_denials: u64,
    pub new_grants: u64,
    /// The candidate trapped, ran out, or answered outside the contract.
    pub failed: u64,
    pub vcpus: u64,
    pub addresses: u64,
    pub tenants: BTreeMap<String, OfTenant>,
    /// The first of them.
    pub examples: Vec<Changed>,
    pub took_ms: u64,
}

/// A bound on what a replay may show before its candidate may decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gate {
    /// None: every hook.
    pub hook: Option<Hook>,
    /// A tenant's name, or a pattern with `*`.
    pub tenants: String,
    pub max_new_denials: u64,
    /// How far back a replay must look.
    pub since_ms: u64,
}

impl Report {
    /// Why a gate stays shut, if it does.
    pub fn stopped_by(&self, gate: &Gate) -> Option<String> {
        if self.failed > 0 {
            return Some(format!("the candidate failed in {} of {} decisions", self.failed, self.decisions));
        }
        let inside = self.tenants.iter().filter(|(tenant, _)| matches(&gate.tenants, tenant));
        let denials: u64 = inside.map(|(_, row)| row.new_denials).sum();
        (denials > gate.max_new_denials).then(|| {
            format!(
                "{denials} requests of tenants `{}` that were granted would be denied; at most {} may be",
                gate.tenants, gate.max_new_denials
            )
        })
    }
}

fn granted(decided: &Decided) -> bool {
    match decided {
        Decided::Allowed | Decided::Placed { .. } | Decided::Assigned { .. } => true,
        // Nobody asked for anything that could be denied.
        Decided::Wished { .. } | Decided::Victims { .. } => true,
        Decided::Denied | Decided::Pending { .. } | Decided::Offered { .. } | Decided::NoHost { .. } => false,
    }
}

/// What a question is about.
pub fn amounts(question: &Question) -> Amounts {
    match question {
        Question::AdmitFarm { farm } => farm.total(),
        Question::CheckQuota { wanted, .. } => *wanted,
        Question::Place(place) => Amounts::of_instances(place.size, place.count),
        Question::AdmitTenant { .. }
        | Question::AssignQuota { .. }
        | Question::Reallocate { .. }
        | Question::ChooseVictims { .. } => Amounts::default(),
    }
}

/// Puts the candidate into a chain. False: the binding was not asked then, and has nothing to say.
fn replace(asking: &mut Asking, candidate: &Candidate) -> bool {
    let with = |binding: &Binding, mode| Binding {
        digest: candidate.digest,
        policy: candidate.policy.clone(),
        settings: candidate.settings.clone(),
        mode,
        quarantined: None,
        trial: None,
        previous: None,
        ..binding.clone()
    };
    // Trials of that time are left out: they had no part in what is compared.
    asking.chain.retain(|binding| !binding.is_candidate());
    let Some(place) = &candidate.binding else {
        let name = "candidate".parse().unwrap_or_else(|_| unreachable!("a literal that is a name"));
        let new = Binding {
            id: BindingId(u64::MAX),
            name,
            hook: candidate.hook,
            scope: Scope::Site,
            digest: candidate.digest,
            policy: candidate.policy.clone(),
            settings: candidate.settings.clone(),
            order: 100,
            weight: 100,
            mode: Mode::Enforce,
            on_error: cascina_core::policy::Fallback::Deny,
            quarantined: None,
            trial: None,
            previous: None,
            created: Timestamp(0),
            updated: Timestamp(0),
        };
        asking.chain.push(Arc::new(new));
        return true;
    };
    let Some(at) = asking.chain.iter().position(|binding| binding.id == place.id) else { return false };
    asking.chain[at] = Arc::new(with(&asking.chain[at], Mode::Enforce));
    true
}

struct Job {
    asking: Asking,
    view: Arc<ClusterView>,
    decision: Box<Decision>,
}

/// Makes them again, on `threads` threads beside this one. `done` counts along.
///
/// # Errors
///
/// If the books cannot be read.
pub fn replay(
    reader: &Reader,
    sandbox: &Sandbox,
    candidate: &Candidate,
    since: Timestamp,
    now: Timestamp,
    threads: usize,
    done: &AtomicU64,
) -> Result<Report, StoreError> {
    let begun = Instant::now();
    let scope = candidate.binding.as_ref().map_or(Scope::Site, |binding| binding.scope);
    let report = Mutex::new(Report {
        digest: candidate.digest,
        policy: candidate.policy.clone(),
        hook: candidate.hook,
        scope,
        settings: candidate.settings.clone(),
        since,
        made: now,
        decisions: 0,
        changed: 0,
        new_denials: 0,
        new_grants: 0,
        failed: 0,
        vcpus: 0,
        addresses: 0,
        tenants: BTreeMap::new(),
        examples: Vec::new(),
        took_ms: 0,
    });
    let (_, first) = reader.count_decisions(candidate.hook, since)?;
    let (sender, jobs) = mpsc::sync_channel::<Job>(256);
    let jobs = Mutex::new(jobs);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let job = jobs.lock().recv();
                    let Ok(job) = job else { return };
                    again(sandbox, candidate, job, &report);
                    done.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        // Dropped at the end of this, which ends the threads.
        let sender = sender;
        let mut past = reader.past(first)?;
        past.state.dirty_view = true;
        let mut view = Arc::new(ClusterView::default());
        past.state.refresh(&mut view);
        let mut trouble = None;
        reader.each_decision(candidate.hook, since, |decision| {
            let state = match past.advance(decision.revision) {
                Ok(state) => state,
                Err(error) => {
                    trouble = Some(error);
                    return false;
                }
            };
            if view.revision != state.seq {
                state.refresh(&mut view);
            }
            let party = Party::again(&decision);
            let mut asking = gather(state, decision.at, party, decision.operation, decision.question.clone());
            if !replace(&mut asking, candidate) {
                done.fetch_add(1, Ordering::Relaxed);
                return true;
            }
            sender.send(Job { asking, view: Arc::clone(&view), decision: Box::new(decision) }).is_ok()
        })?;
        trouble.map_or(Ok(()), Err)
    })?;
    let mut report = report.into_inner();
    report.examples.sort_by_key(|changed| (changed.at, changed.decision));
    report.took_ms = begun.elapsed().as_millis() as u64;
    Ok(report)
}

fn again(sandbox: &Sandbox, candidate: &Candidate, job: Job, report: &Mutex<Report>) {
    let Job { asking, view, decision } = job;
    let moment =
        Moment { now: decision.at, revision: decision.revision, seed: decision.seed, id: decision.id, dry_run: true };
    let made = asking.decide(sandbox, &view, moment);
    let failed = made
        .opinions
        .iter()
        .any(|opinion| opinion.digest == candidate.digest && matches!(opinion.said, Said::Failed { .. }));
    let mut report = report.lock();
    let row = report.tenants.entry(decision.tenant_name.clone()).or_default();
    row.decisions += 1;
    let changed = made.decided != decision.decided;
    let (before, after) = (granted(&decision.decided), granted(&made.decided));
    let (denied, granted) = (u64::from(before && !after), u64::from(!before && after));
    let about = amounts(&decision.question);
    let (vcpus, addresses) = (u64::from(about.vcpus), u64::from(about.addresses));
    if changed {
        row.changed += 1;
        row.new_denials += denied;
        row.new_grants += granted;
        row.vcpus += vcpus;
        row.addresses += addresses;
    }
    report.decisions += 1;
    report.failed += u64::from(failed);
    if !changed {
        return;
    }
    report.changed += 1;
    report.new_denials += denied;
    report.new_grants += granted;
    report.vcpus += vcpus;
    report.addresses += addresses;
    // What would be denied says most.
    if report.examples.len() < EXAMPLES || denied > 0 && report.new_denials as usize <= EXAMPLES {
        let reasons = denials(&made);
        if report.examples.len() == EXAMPLES {
            report.examples.pop();
        }
        report.examples.push(Changed {
            decision: decision.id,
            at: decision.at,
            tenant: decision.tenant_name.clone(),
            before: decision.decided.clone(),
            after: made.decided,
            reasons,
        });
    }
}
