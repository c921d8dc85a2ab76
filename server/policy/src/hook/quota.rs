//! How much may a tenant have, and may it have this?

use std::collections::BTreeMap;

use cascina_core::decision::{Amounts, Decided, Reason, Said};
use cascina_core::name::Name;
use cascina_core::policy::{Hook, Scope};
use cascina_core::quota::Usage;

use super::admission::judge;
use crate::abi::v1::quota as abi;
use crate::abi::v1::types::{Answer, Context, Failure};
use crate::answer::{self, Spoken};
use crate::bounds::Bounds;
use crate::chain::{Ask, Effect, Judgement, Subject};
use crate::component::Loaded;
use crate::error::EvaluationError;
use crate::evaluate::{Evaluated, Runner};
use crate::sandbox::Sandbox;
use crate::wording;

/// Limits by class, "" for the tenant as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Assigned {
    pub limits: BTreeMap<String, Amounts>,
    pub reasons: Vec<Reason>,
}

impl Sandbox {
    /// The limits that a new tenant starts with: of all answers, the smallest value of each.
    pub fn assign_quota(&self, ask: &Ask<'_>, classes: &[Name]) -> Judgement {
        let mut opinions = Vec::with_capacity(ask.chain.len());
        let mut denied = false;
        let mut limits: BTreeMap<String, Amounts> = BTreeMap::new();
        for binding in ask.chain {
            let asked = self.consult(
                ask,
                binding,
                |loaded, context| evaluate_assign(&self.runner, loaded, context, ask.subject(binding.scope), classes),
                |assigned| {
                    let limits = assigned.limits.iter().map(|(class, limit)| (class.clone(), *limit)).collect();
                    (Said::Assigned { limits }, std::mem::take(&mut assigned.reasons))
                },
            );
            let Some((opinion, effect)) = asked else { continue };
            opinions.push(opinion);
            match effect {
                Effect::Answer(assigned) => {
                    for (class, limit) in assigned.limits {
                        let smallest = limits.get(&class).map_or(limit, |known| known.min(limit));
                        limits.insert(class, smallest);
                    }
                }
                Effect::Deny => denied = true,
                Effect::None => {}
            }
        }
        let decided = if denied { Decided::Denied } else { Decided::Assigned { limits: limits.into_iter().collect() } };
        Judgement { decided, opinions }
    }

    /// May this be consumed? The limits themselves are the server's own check.
    pub fn check_quota(&self, ask: &Ask<'_>, verb: &str, class: &str, wanted: Amounts, usage: &[Usage]) -> Judgement {
        let consumption = Consumption { verb, class, wanted, usage };
        judge(self, ask, |loaded, context, scope| {
            evaluate_check(&self.runner, loaded, context, ask.subject(scope), &consumption, Some(scope))
        })
    }
}

pub(crate) struct Consumption<'a> {
    pub verb: &'a str,
    pub class: &'a str,
    pub wanted: Amounts,
    pub usage: &'a [Usage],
}

pub(crate) fn evaluate_check(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    subject: &Subject,
    consumption: &Consumption<'_>,
    scope: Option<Scope>,
) -> Evaluated<Spoken> {
    let Some(exports) = &loaded.exports.quota else {
        return Evaluated::failed(EvaluationError::NoHook(Hook::Quota));
    };
    let usage: Vec<_> = consumption.usage.iter().map(Into::into).collect();
    let request = abi::Consumption {
        subject: subject.lower(),
        verb: consumption.verb,
        class: consumption.class,
        wanted: consumption.wanted.into(),
        usage: &usage,
    };
    runner
        .call::<_, Result<Answer, Failure>>(loaded, &exports.check, (context, request), 0)
        .and_then(|answer| answer::declared(answer, &runner.bounds))
        .and_then(|answer| answer::spoken(answer, Some(consumption.wanted), scope, &runner.bounds))
}

pub(crate) fn evaluate_assign(
    runner: &Runner,
    loaded: &Loaded,
    context: Context<'_>,
    subject: &Subject,
    classes: &[Name],
) -> Evaluated<Assigned> {
    let Some(exports) = &loaded.exports.quota else {
        return Evaluated::failed(EvaluationError::NoHook(Hook::Quota));
    };
    let names: Vec<&str> = classes.iter().map(Name::as_str).collect();
    let request = abi::AssignmentRequest { subject: subject.lower(), classes: &names, attributes: &[] };
    runner
        .call::<_, Result<abi::Assignment, Failure>>(loaded, &exports.assign, (context, request), 0)
        .and_then(|answer| answer::declared(answer, &runner.bounds))
        .and_then(|answer| assigned(answer, &names, &runner.bounds))
}

fn assigned(answer: abi::Assignment, classes: &[&str], bounds: &Bounds) -> Result<Assigned, EvaluationError> {
    let mut limits = BTreeMap::new();
    for abi::Limit { class, limit } in answer.limits {
        if !class.is_empty() && !classes.contains(&class.as_str()) {
            let class = wording::printable(wording::cut(&class, 80));
            return Err(EvaluationError::Nonsense(format!("it sets a limit for `{class}`, which is no host class")));
        }
        if let Some((class, _)) = limits.get_key_value(&class) {
            return Err(EvaluationError::Nonsense(format!("it sets the limit for `{class}` twice")));
        }
        limits.insert(class, limit.into());
    }
    Ok(Assigned { limits, reasons: answer::reasons(answer.reasons, bounds)? })
}
