//! What a policy said, and what it was expected to say.

use std::collections::BTreeMap;
use std::fmt;

use cascina_core::decision::{Amounts, Approver, Reason};
use serde::{Deserialize, Serialize};

use super::{Case, Limit};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    Allow,
    Deny,
    Pend,
    CounterOffer,
    Assigned,
    Ranked,
    Refused,
    Abstained,
    /// It could not form an answer: said so itself, trapped, ran out, or answered nonsense.
    Failed,
}

/// An answer in full. What does not belong to its verdict is absent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Said {
    pub verdict: Word,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approver: Option<Approver>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offer: Option<Amounts>,
    /// By class, "" for the tenant as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<BTreeMap<String, Limit>>,
    /// One a candidate, in their order; empty means no preference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scores: Option<Vec<u32>>,
    /// Host, code of the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<BTreeMap<u32, String>>,
    #[serde(default)]
    pub reasons: Vec<Reason>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// It said so itself, as the contract allows.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub declared: bool,
}

impl Said {
    pub(super) fn word(verdict: Word, reasons: Vec<Reason>) -> Said {
        Said {
            verdict,
            approver: None,
            offer: None,
            limits: None,
            scores: None,
            excluded: None,
            reasons,
            error: None,
            declared: false,
        }
    }

    /// The candidates that it leaves, best first; of equals, in the order in which they came.
    pub fn order(&self, case: &Case) -> Vec<u32> {
        let (Some(rank), Word::Ranked) = (&case.rank, self.verdict) else { return Vec::new() };
        let out = self.excluded.clone().unwrap_or_default();
        let score = |row: usize| self.scores.as_ref().and_then(|scores| scores.get(row)).copied().unwrap_or(0);
        let rows = rank.hosts.iter().enumerate();
        let mut left: Vec<_> =
            rows.map(|(row, host)| (host.id, score(row))).filter(|(id, _)| !out.contains_key(id)).collect();
        left.sort_by_key(|(_, score)| std::cmp::Reverse(*score));
        left.into_iter().map(|(id, _)| id).collect()
    }
}

/// What must be so; what is left out does not matter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Word>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approver: Option<Approver>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<Amounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<BTreeMap<String, Limit>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scores: Option<Vec<u32>>,
    /// Host, code of the reason. In TOML, hosts are keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub excluded: Option<BTreeMap<String, String>>,
    /// The first of `order`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<u32>,
    /// Hosts that it leaves, best first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Vec<u32>>,
    /// All reasons, word for word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reasons: Option<Vec<Reason>>,
    /// Codes of all reasons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codes: Option<Vec<String>>,
}

impl Expect {
    /// Expects just this again, byte for byte.
    pub fn exactly(said: &Said) -> Expect {
        Expect {
            verdict: Some(said.verdict),
            approver: said.approver,
            offer: said.offer,
            limits: said.limits.clone(),
            scores: said.scores.clone(),
            excluded: said.excluded.as_ref().map(by_text),
            reasons: Some(said.reasons.clone()),
            ..Expect::default()
        }
    }

    /// Where an answer is not as expected: one line each, none if it is.
    pub fn differences(&self, case: &Case, said: &Said) -> Vec<String> {
        let mut found = Vec::new();
        let codes: Vec<String> = said.reasons.iter().map(|reason| reason.code.clone()).collect();
        let order = said.order(case);
        compare(&mut found, "verdict", self.verdict.as_ref(), Some(&said.verdict));
        if let (Some(error), false) = (&said.error, found.is_empty()) {
            found.push(format!("it failed: {error}"));
        }
        compare(&mut found, "approver", self.approver.as_ref(), said.approver.as_ref());
        compare(&mut found, "offer", self.offer.as_ref(), said.offer.as_ref());
        compare(&mut found, "limits", self.limits.as_ref(), said.limits.as_ref());
        compare(&mut found, "scores", self.scores.as_ref(), said.scores.as_ref());
        compare(&mut found, "excluded", self.excluded.as_ref(), said.excluded.as_ref().map(by_text).as_ref());
        compare(&mut found, "best", self.best.as_ref(), order.first());
        compare(&mut found, "order", self.order.as_ref(), Some(&order));
        compare(&mut found, "reasons", self.reasons.as_ref(), Some(&said.reasons));
        compare(&mut found, "codes", self.codes.as_ref(), Some(&codes));
        found
    }
}

fn by_text(excluded: &BTreeMap<u32, String>) -> BTreeMap<String, String> {
    excluded.iter().map(|(host, code)| (host.to_string(), code.clone())).collect()
}

fn compare<T: PartialEq + Serialize>(found: &mut Vec<String>, what: &str, wanted: Option<&T>, got: Option<&T>) {
    if let Some(wanted) = wanted
        && Some(wanted) != got
    {
        let text = |value: Option<&T>| match value {
            Some(value) => serde_json::to_string(value).unwrap_or_else(|error| error.to_string()),
            None => "nothing".into(),
        };
        found.push(format!("{what}: expected {}, got {}", text(Some(wanted)), text(got)));
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match serde_json::to_string(self) {
            Ok(text) => f.write_str(&text),
            Err(error) => write!(f, "{error}"),
        }
    }
}
