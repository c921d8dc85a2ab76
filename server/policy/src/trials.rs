//! Candidates beside what is active: how often they were asked, and where they said something else.
//!
//! Only in memory, as failures in a row are: after a restart counting begins anew, and what each said stands
//! in the decisions.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use cascina_core::decision::{Opinion, Reason, Said};
use cascina_core::id::{BindingId, DecisionId};
use cascina_core::policy::{Binding, Digest};
use cascina_core::units::Timestamp;
use parking_lot::Mutex;

/// Disagreements that are kept, newest last.
const KEPT: usize = 50;

/// One decision in which the two did not say the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disagreement {
    pub decision: DecisionId,
    pub at: Timestamp,
    pub tenant: String,
    pub active: Said,
    pub candidate: Said,
    pub reasons: Vec<Reason>,
}

/// How a trial goes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrialTally {
    pub asked: u64,
    /// Times that the candidate's answer counted.
    pub decided: u64,
    pub disagreed: u64,
    pub failed: u64,
    pub recent: VecDeque<Disagreement>,
}

#[derive(Default)]
pub(crate) struct Trials(Mutex<State>);

#[derive(Default)]
struct State {
    tallies: HashMap<BindingId, (Digest, Timestamp, TrialTally)>,
    due: Vec<(BindingId, String)>,
}

impl Trials {
    pub fn observe(
        &self,
        chain: &[Arc<Binding>],
        decision: DecisionId,
        at: Timestamp,
        tenant: &str,
        opinions: &[Opinion],
    ) {
        for candidate in chain.iter().filter(|binding| binding.is_candidate()) {
            let Some(trial) = &candidate.trial else { continue };
            let mut both = opinions.iter().filter(|opinion| opinion.binding == candidate.id);
            let (Some(active), Some(tried)) = (both.next(), both.next()) else { continue };
            let mut state = self.0.lock();
            let entry = state.tallies.entry(candidate.id).or_insert((trial.digest, trial.since, TrialTally::default()));
            if (entry.0, entry.1) != (trial.digest, trial.since) {
                *entry = (trial.digest, trial.since, TrialTally::default());
            }
            let tally = &mut entry.2;
            tally.asked += 1;
            tally.decided += u64::from(tried.counts);
            let failed = matches!(tried.said, Said::Failed { .. });
            tally.failed += u64::from(failed);
            if !failed && same(&active.said, &tried.said) {
                continue;
            }
            tally.disagreed += 1;
            if tally.recent.len() == KEPT {
                tally.recent.pop_front();
            }
            tally.recent.push_back(Disagreement {
                decision,
                at,
                tenant: tenant.to_owned(),
                active: active.said.clone(),
                candidate: tried.said.clone(),
                reasons: tried.reasons.clone(),
            });
            let bounds = trial.bounds;
            let why = if tally.failed >= u64::from(bounds.failures.max(1)) {
                let error = match &tried.said {
                    Said::Failed { error, .. } => error.as_str(),
                    _ => "it failed",
                };
                Some(format!("it failed {} times; the last time {error}", tally.failed))
            } else if tally.asked >= u64::from(bounds.after)
                && tally.disagreed * 1000 > tally.asked * u64::from(bounds.disagreements_permille)
            {
                Some(format!(
                    "it disagreed in {} of {} decisions, where {} in a thousand are allowed",
                    tally.disagreed, tally.asked, bounds.disagreements_permille
                ))
            } else {
                None
            };
            if let Some(why) = why
                && !state.due.iter().any(|(known, _)| *known == candidate.id)
            {
                state.due.push((candidate.id, why));
            }
        }
    }

    pub fn tally(&self, binding: &Binding) -> TrialTally {
        let Some(trial) = &binding.trial else { return TrialTally::default() };
        let state = self.0.lock();
        let known = state.tallies.get(&binding.id);
        known
            .filter(|known| (known.0, known.1) == (trial.digest, trial.since))
            .map(|known| known.2.clone())
            .unwrap_or_default()
    }

    pub fn take_due(&self) -> Vec<(BindingId, String)> {
        std::mem::take(&mut self.0.lock().due)
    }
}

/// Would it come to the same? Scores may differ as long as they prefer the same host.
fn same(one: &Said, other: &Said) -> bool {
    match (one, other) {
        (
            Said::Ranked { candidates, excluded, best },
            Said::Ranked { candidates: others, excluded: out, best: first },
        ) => {
            let host = |best: &[(cascina_core::id::HostId, u64)]| best.first().map(|(host, _)| *host);
            candidates == others && excluded == out && host(best) == host(first)
        }
        (one, other) => one == other,
    }
}
