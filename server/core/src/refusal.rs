//! Refusals: an expected no, with what the caller needs to do better.

use crate::decision::{Amounts, Reason};
use crate::id::DecisionId;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("{field}: `{value}` is not valid; allowed: {allowed}")]
    Invalid { field: String, value: String, allowed: String },
    /// Also for things of strangers: what one may not see does not exist.
    #[error("no {noun} `{id}`")]
    NotFound { noun: &'static str, id: String },
    #[error("{0}")]
    Conflict(String),
    /// Something is under way with it, and will be over by itself.
    #[error("{0}")]
    Busy(String),
    /// Somebody asked that this be not possible by accident.
    #[error("{0}")]
    Protected(String),
    #[error("{0}")]
    Forbidden(String),
    /// A policy said no.
    #[error("denied by policy ({decision}): {}", texts(.reasons))]
    Denied { decision: DecisionId, reasons: Vec<Reason> },
    /// Not this much, but this much.
    #[error("not granted as asked, but a smaller request would be ({decision}): {}", texts(.reasons))]
    Offered { decision: DecisionId, offer: Amounts, reasons: Vec<Reason> },
    #[error(
        "quota of {scope} exceeded: {resource}: {wanted} wanted, {used} used and {held} held of {limit}; \
         release some, or ask an admin for more"
    )]
    Quota {
        scope: String,
        resource: &'static str,
        wanted: u64,
        used: u64,
        held: u64,
        limit: u64,
        /// The one that gave a new tenant its limits.
        decision: Option<DecisionId>,
    },
    /// No host has room, or none that policies leave.
    #[error("no host for it ({decision}): {why}")]
    NoHost { decision: DecisionId, why: String },
    #[error("no free {0} left; release one, or ask an admin to enlarge the pool")]
    Exhausted(&'static str),
    #[error("the idempotency key `{0}` was used before for a different request; use a new key")]
    KeyReused(String),
}

fn texts(reasons: &[Reason]) -> String {
    if reasons.is_empty() {
        return "no reason given".into();
    }
    reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; ")
}

impl Refusal {
    pub fn invalid(field: impl Into<String>, value: impl ToString, allowed: impl Into<String>) -> Refusal {
        let value = value.to_string().chars().take(200).collect();
        Refusal::Invalid { field: field.into(), value, allowed: allowed.into() }
    }

    pub fn not_found(noun: &'static str, id: impl ToString) -> Refusal {
        Refusal::NotFound { noun, id: id.to_string() }
    }

    /// The decision that it came from, if it came from one.
    pub fn decision(&self) -> Option<DecisionId> {
        match self {
            Refusal::Denied { decision, .. } | Refusal::Offered { decision, .. } | Refusal::NoHost { decision, .. } => {
                Some(*decision)
            }
            Refusal::Quota { decision, .. } => *decision,
            Refusal::Invalid { .. }
            | Refusal::NotFound { .. }
            | Refusal::Conflict(_)
            | Refusal::Busy(_)
            | Refusal::Protected(_)
            | Refusal::Forbidden(_)
            | Refusal::Exhausted(_)
            | Refusal::KeyReused(_) => None,
        }
    }
}
