//! Decisions, as they were recorded and in words.

use cascina_core::decision::{self, Decided, Said};
use cascina_core::policy::Scope;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::policy::{Fallback, Hook, ScopeKind};
use super::{Amounts, Approver, Reason, text, texts, time};
use crate::explain::Names;

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Allow,
    Deny,
    Pend,
    CounterOffer,
    Ranked,
    Refused,
    Abstained,
    Assigned,
    Failed,
    Quarantined,
    /// Moves, or instances: `candidates` says how many.
    Proposed,
    Chose,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Scored {
    pub host: String,
    pub score: u64,
}

/// Limits of one scope; without class, the tenant as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct Limits {
    pub class: Option<String>,
    pub limit: Amounts,
}

fn limits(limits: &[(String, decision::Amounts)]) -> Vec<Limits> {
    let one = |(class, limit): &(String, decision::Amounts)| Limits {
        class: Some(class.clone()).filter(|class| !class.is_empty()),
        limit: Amounts::limit(*limit),
    };
    limits.iter().map(one).collect()
}

/// One policy's part in a decision.
#[derive(Debug, Serialize, ToSchema)]
pub struct Opinion {
    pub binding: String,
    pub name: String,
    pub policy: String,
    pub digest: String,
    pub scope: ScopeKind,
    /// Name of the share whose owner's rule it is.
    pub share: Option<String>,
    /// False in shadow mode: recorded, without effect.
    pub counts: bool,
    pub verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approver: Option<Approver>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<Amounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidates: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded: Option<u32>,
    /// The best of those that it ranked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub best: Vec<Scored>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limits>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What applied in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    pub reasons: Vec<Reason>,
    /// Lines that the policy logged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    pub fuel: u64,
}

impl Opinion {
    pub fn of(row: &decision::Opinion, names: &Names) -> Opinion {
        let (scope, share) = match row.scope {
            Scope::Site => (ScopeKind::Site, None),
            Scope::Share(id) => (ScopeKind::Share, Some(names.share(id))),
            Scope::Tenant(_) => (ScopeKind::Tenant, None),
        };
        let mut opinion = Opinion {
            binding: row.binding.to_string(),
            name: row.name.to_string(),
            policy: row.policy.clone(),
            digest: row.digest.to_string(),
            scope,
            share,
            counts: row.counts,
            verdict: Verdict::Abstained,
            approver: None,
            offer: None,
            candidates: None,
            excluded: None,
            best: Vec::new(),
            limits: Vec::new(),
            error: None,
            fallback: None,
            reasons: row.reasons.iter().map(Reason::from).collect(),
            // What an author logs is not written for the eyes of tenants.
            log: if names.shows_hosts { row.log.clone() } else { Vec::new() },
            fuel: row.fuel,
        };
        opinion.verdict = match &row.said {
            Said::Verdict(decision::Verdict::Allow) => Verdict::Allow,
            Said::Verdict(decision::Verdict::Deny) => Verdict::Deny,
            Said::Verdict(decision::Verdict::Pend(approver)) => {
                opinion.approver = Some((*approver).into());
                Verdict::Pend
            }
            Said::Verdict(decision::Verdict::CounterOffer(offer)) => {
                opinion.offer = Some(Amounts::limit(*offer));
                Verdict::CounterOffer
            }
            Said::Ranked { candidates, excluded, best } => {
                opinion.candidates = Some(*candidates);
                opinion.excluded = Some(*excluded);
                if names.shows_hosts {
                    let scored = |(host, score): &_| Scored { host: names.host(*host), score: *score };
                    opinion.best = best.iter().map(scored).collect();
                }
                Verdict::Ranked
            }
            Said::Refused => Verdict::Refused,
            Said::Abstained => Verdict::Abstained,
            Said::Assigned { limits: assigned } => {
                opinion.limits = limits(assigned);
                Verdict::Assigned
            }
            Said::Proposed { moves, .. } => {
                opinion.candidates = Some(*moves);
                Verdict::Proposed
            }
            Said::Chose { victims } => {
                opinion.candidates = Some(*victims);
                Verdict::Chose
            }
            Said::Failed { error, fallback } => {
                opinion.error = Some(error.clone());
                opinion.fallback = Some((*fallback).into());
                Verdict::Failed
            }
            Said::Quarantined { fallback } => {
                opinion.fallback = Some((*fallback).into());
                Verdict::Quarantined
            }
        };
        opinion
    }
}

/// Hosts that fell out before any policy was asked.
#[derive(Debug, Serialize, ToSchema)]
pub struct Dropped {
    /// Stable, for programs.
    pub why: String,
    pub hosts: u32,
    /// Names of up to five of them, for those who see hosts.
    pub examples: Vec<String>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ending {
    Allowed,
    Denied,
    Pending,
    Offered,
    Placed,
    NoHost,
    Assigned,
    /// Moves are wished for; what came of them is in the plan.
    Wished,
    /// Instances were chosen to be given back.
    Victims,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionResult {
    pub outcome: Ending,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approver: Option<Approver>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<Amounts>,
    /// Names of the hosts that were chosen, for those who see hosts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub limits: Vec<Limits>,
}

impl DecisionResult {
    pub fn of(decided: &Decided, names: &Names) -> DecisionResult {
        let bare =
            |outcome| DecisionResult { outcome, approver: None, offer: None, hosts: Vec::new(), limits: Vec::new() };
        let hosts = |hosts: &[cascina_core::id::HostId]| {
            let shown = if names.shows_hosts { hosts } else { &[] };
            shown.iter().map(|id| names.host(*id)).collect()
        };
        match decided {
            Decided::Allowed => bare(Ending::Allowed),
            Decided::Denied => bare(Ending::Denied),
            Decided::Pending { approver } => {
                DecisionResult { approver: Some((*approver).into()), ..bare(Ending::Pending) }
            }
            Decided::Offered { offer } => {
                DecisionResult { offer: Some(Amounts::limit(*offer)), ..bare(Ending::Offered) }
            }
            Decided::Placed { hosts: chosen } => DecisionResult { hosts: hosts(chosen), ..bare(Ending::Placed) },
            Decided::NoHost { placed } => DecisionResult { hosts: hosts(placed), ..bare(Ending::NoHost) },
            Decided::Wished { .. } => bare(Ending::Wished),
            Decided::Victims { .. } => bare(Ending::Victims),
            Decided::Assigned { limits: assigned } => {
                DecisionResult { limits: limits(assigned), ..bare(Ending::Assigned) }
            }
        }
    }
}

/// A decision in brief.
#[derive(Debug, Serialize, ToSchema)]
pub struct Decision {
    pub id: String,
    pub hook: Hook,
    pub at: String,
    pub actor: String,
    pub tenant: Option<String>,
    pub tenant_name: String,
    pub farm: Option<String>,
    pub farm_name: String,
    pub operation: Option<String>,
    /// Number of the event at which the facts stood.
    pub revision: u64,
    pub decided: DecisionResult,
    /// Time that it took, in microseconds.
    pub micros: u64,
}

impl Decision {
    pub fn of(row: &decision::Decision, names: &Names) -> Decision {
        Decision {
            id: row.id.to_string(),
            hook: row.hook.into(),
            at: time(row.at),
            actor: row.actor.clone(),
            tenant: text(&row.tenant),
            tenant_name: row.tenant_name.clone(),
            farm: text(&row.farm),
            farm_name: row.farm_name.clone(),
            operation: text(&row.operation),
            revision: row.revision,
            decided: DecisionResult::of(&row.decided, names),
            micros: row.micros,
        }
    }
}

/// A decision with everything that was recorded of it, and the same in words.
#[derive(Debug, Serialize, ToSchema)]
pub struct DecisionDetail {
    #[serde(flatten)]
    pub decision: Decision,
    pub abi: String,
    pub seed: u64,
    pub roles: Vec<String>,
    pub groups: Vec<String>,
    pub tier: String,
    /// What was asked, as policies were told.
    #[schema(value_type = Object)]
    pub question: Value,
    /// Hosts that policies were asked about.
    pub candidates: u32,
    pub dropped: Vec<Dropped>,
    pub opinions: Vec<Opinion>,
    /// Sentences, for people.
    pub explanation: Vec<String>,
}

/// The word under which the core keeps a value.
pub fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => String::new(),
    }
}

impl DecisionDetail {
    pub fn of(row: &decision::Decision, names: &Names) -> DecisionDetail {
        let dropped = |dropped: &decision::Dropped| Dropped {
            why: word(&dropped.why),
            hosts: dropped.hosts,
            examples: if names.shows_hosts {
                dropped.examples.iter().map(|id| names.host(*id)).collect()
            } else {
                Vec::new()
            },
        };
        DecisionDetail {
            decision: Decision::of(row, names),
            abi: row.abi.clone(),
            seed: row.seed,
            roles: row.roles.clone(),
            groups: texts(&row.groups),
            tier: row.tier.to_string(),
            question: serde_json::to_value(&row.question).unwrap_or(Value::Null),
            candidates: row.candidates,
            dropped: row.dropped.iter().map(dropped).collect(),
            opinions: row.opinions.iter().map(|opinion| Opinion::of(opinion, names)).collect(),
            explanation: crate::explain::explain(row, names),
        }
    }
}

/// A decision made again from the books.
#[derive(Debug, Serialize, ToSchema)]
pub struct Replay {
    /// The same outcome, opinions and fuel as recorded.
    pub same: bool,
    pub decided: DecisionResult,
    pub opinions: Vec<Opinion>,
}
