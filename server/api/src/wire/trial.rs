//! Replays, trials, and what policies use.

use cascina_core::decision::{Said, Verdict};
use cascina_core::policy::{self, Stage};
use cascina_engine::Standing;
use cascina_engine::replay::{Changed, Report};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::Reason;
use super::decision::DecisionResult;
use super::policy::Hook;
use super::time;
use crate::explain::Names;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayAsk {
    /// Name or id of the binding whose place it takes; needed if that is not plain.
    pub binding: Option<String>,
    /// Other settings than the binding's.
    #[schema(value_type = Option<Object>)]
    pub settings: Option<Map<String, Value>>,
    /// How far back, in seconds; 30 days if not given.
    pub since_s: Option<u64>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayState {
    Running,
    Done,
    Failed,
}

/// A replay of recorded decisions with a candidate in place of what was active.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyReplay {
    pub state: ReplayState,
    /// Decisions made again so far, and in all.
    pub done: u64,
    pub of: u64,
    pub error: Option<String>,
    pub report: Option<ReplayReport>,
}

impl PolicyReplay {
    pub fn of(standing: &Standing, names: &Names) -> PolicyReplay {
        let blank = |state| PolicyReplay { state, done: 0, of: 0, error: None, report: None };
        match standing {
            Standing::Running { done, of } => PolicyReplay { done: *done, of: *of, ..blank(ReplayState::Running) },
            Standing::Failed(error) => PolicyReplay { error: Some(error.clone()), ..blank(ReplayState::Failed) },
            Standing::Done(report) => PolicyReplay {
                done: report.decisions,
                of: report.decisions,
                report: Some(ReplayReport::of(report, names)),
                ..blank(ReplayState::Done)
            },
        }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayReport {
    pub policy: String,
    pub hook: Hook,
    pub since: String,
    pub decisions: u64,
    pub changed: u64,
    /// Granted then and not now, and the other way round.
    pub new_denials: u64,
    pub new_grants: u64,
    /// The candidate trapped, ran out, or answered outside the contract.
    pub failed: u64,
    /// That the changed decisions were about.
    pub vcpus: u64,
    pub addresses: u64,
    /// Those with changes, most of them first.
    pub tenants: Vec<ReplayTenant>,
    /// Up to fifty of the changes.
    pub examples: Vec<ReplayChange>,
    pub took_ms: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayTenant {
    pub tenant: String,
    pub decisions: u64,
    pub changed: u64,
    pub new_denials: u64,
    pub new_grants: u64,
    pub vcpus: u64,
    pub addresses: u64,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct ReplayChange {
    pub decision: String,
    pub at: String,
    pub tenant: String,
    pub before: DecisionResult,
    pub after: DecisionResult,
    pub reasons: Vec<Reason>,
}

impl ReplayChange {
    fn of(changed: &Changed, names: &Names) -> ReplayChange {
        ReplayChange {
            decision: changed.decision.to_string(),
            at: time(changed.at),
            tenant: changed.tenant.clone(),
            before: DecisionResult::of(&changed.before, names),
            after: DecisionResult::of(&changed.after, names),
            reasons: changed.reasons.iter().map(Reason::from).collect(),
        }
    }
}

impl ReplayReport {
    fn of(report: &Report, names: &Names) -> ReplayReport {
        let mut tenants: Vec<ReplayTenant> = report
            .tenants
            .iter()
            .filter(|(_, row)| row.changed > 0)
            .map(|(tenant, row)| ReplayTenant {
                tenant: tenant.clone(),
                decisions: row.decisions,
                changed: row.changed,
                new_denials: row.new_denials,
                new_grants: row.new_grants,
                vcpus: row.vcpus,
                addresses: row.addresses,
            })
            .collect();
        tenants.sort_by_key(|row| std::cmp::Reverse((row.new_denials, row.changed)));
        ReplayReport {
            policy: report.policy.clone(),
            hook: report.hook.into(),
            since: time(report.since),
            decisions: report.decisions,
            changed: report.changed,
            new_denials: report.new_denials,
            new_grants: report.new_grants,
            failed: report.failed,
            vcpus: report.vcpus,
            addresses: report.addresses,
            tenants,
            examples: report.examples.iter().map(|changed| ReplayChange::of(changed, names)).collect(),
            took_ms: report.took_ms,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StageName {
    /// Asked beside what is active, without effect.
    Shadow,
    /// Decides for some tenants.
    Canary,
}

/// A candidate for a binding's place.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTrial {
    /// `name`, `name@version` or a digest; none: the active component with other settings.
    pub policy: Option<String>,
    /// None: those of the binding.
    #[schema(value_type = Option<Object>)]
    pub settings: Option<Map<String, Value>>,
    pub stage: StageName,
    /// Canary: of all tenants, 0 to 100; which ones follows from their names.
    #[serde(default)]
    pub percent: u32,
    /// Canary: these tenants; `*` stands for any text.
    #[serde(default)]
    pub tenants: Vec<String>,
    /// More disagreements among a thousand decisions end the trial; 1000 never does.
    pub max_disagreements_permille: Option<u32>,
    /// Decisions before that is looked at.
    pub after: Option<u32>,
    /// Traps and the like that end the trial.
    pub max_failures: Option<u32>,
}

impl NewTrial {
    pub fn stage(&self) -> Stage {
        match self.stage {
            StageName::Shadow => Stage::Shadow,
            StageName::Canary => Stage::Canary { percent: self.percent, tenants: self.tenants.clone() },
        }
    }
}

/// A candidate beside what is active, and how it goes.
#[derive(Debug, Serialize, ToSchema)]
pub struct Trial {
    pub binding: String,
    pub active: String,
    pub candidate: String,
    pub digest: String,
    #[schema(value_type = Object)]
    pub settings: Value,
    pub stage: StageName,
    pub percent: Option<u32>,
    pub tenants: Vec<String>,
    pub by: String,
    pub since: String,
    /// Since then, or since the server started.
    pub asked: u64,
    /// Times that its answer counted.
    pub decided: u64,
    pub disagreed: u64,
    pub failed: u64,
    /// The last of them, newest first.
    pub disagreements: Vec<Disagreement>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Disagreement {
    pub decision: String,
    pub at: String,
    pub tenant: String,
    /// What each said, in a few words.
    pub active: String,
    pub candidate: String,
    pub reasons: Vec<Reason>,
}

impl Trial {
    pub fn of(
        row: &policy::Binding,
        trial: &policy::Trial,
        tally: &cascina_engine::TrialTally,
        names: &Names,
        tenant: impl Fn(&str) -> String,
    ) -> Trial {
        let (stage, percent, tenants) = match &trial.stage {
            Stage::Shadow => (StageName::Shadow, None, Vec::new()),
            Stage::Canary { percent, tenants } => (StageName::Canary, Some(*percent), tenants.clone()),
        };
        let disagreements = tally.recent.iter().rev().map(|seen| Disagreement {
            decision: seen.decision.to_string(),
            at: time(seen.at),
            tenant: tenant(&seen.tenant),
            active: brief(&seen.active, names),
            candidate: brief(&seen.candidate, names),
            reasons: seen.reasons.iter().map(Reason::from).collect(),
        });
        Trial {
            binding: row.name.to_string(),
            active: row.policy.clone(),
            candidate: trial.policy.clone(),
            digest: trial.digest.to_string(),
            settings: serde_json::from_str(&trial.settings).unwrap_or(Value::Null),
            stage,
            percent,
            tenants,
            by: trial.by.clone(),
            since: time(trial.since),
            asked: tally.asked,
            decided: tally.decided,
            disagreed: tally.disagreed,
            failed: tally.failed,
            disagreements: disagreements.collect(),
        }
    }
}

fn brief(said: &Said, names: &Names) -> String {
    match said {
        Said::Verdict(Verdict::Allow) => "allow".into(),
        Said::Verdict(Verdict::Deny) => "deny".into(),
        Said::Verdict(Verdict::Pend(_)) => "pend".into(),
        Said::Verdict(Verdict::CounterOffer(offer)) => {
            format!("counter-offer of {} instances and {} vCPUs", offer.instances, offer.vcpus)
        }
        Said::Ranked { candidates, excluded, best } => {
            let left = candidates - excluded;
            match best.first().filter(|_| names.shows_hosts) {
                Some((host, _)) => format!("{left} of {candidates} hosts, best {}", names.host(*host)),
                None => format!("{left} of {candidates} hosts"),
            }
        }
        Said::Refused => "no host will do".into(),
        Said::Abstained => "no opinion".into(),
        Said::Assigned { limits } => format!("{} limits", limits.len()),
        Said::Proposed { moves, before, after } => format!("{moves} moves, from {before} to {after}"),
        Said::Chose { victims } => format!("{victims} instances"),
        Said::Failed { error, .. } => error.clone(),
        Said::Quarantined { .. } => "in quarantine".into(),
    }
}

/// What the policies of a binding have used since the server started.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyUse {
    pub binding: String,
    pub policy: String,
    pub hook: Hook,
    /// `site`, `share NAME` or `tenant NAME`.
    pub owner: String,
    pub asked: u64,
    pub failed: u64,
    pub fuel: u64,
    pub micros: u64,
}

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
pub struct PolicyUses {
    pub items: Vec<PolicyUse>,
}
