//! Answers as they come back, checked, in the server's own words.
//!
//! Nothing is mended here: an answer outside the contract is a failure of the policy that gave
//! it, because a silently cut answer is one that nobody gave.

use cascina_core::decision::{self, Amounts, Verdict};
use cascina_core::policy::Scope;

use crate::abi::v1::types::{self, Answer, Failure, Reason};
use crate::bounds::Bounds;
use crate::error::EvaluationError;
use crate::wording;

/// What an `answer` says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Spoken {
    pub verdict: Verdict,
    pub reasons: Vec<decision::Reason>,
}

pub(crate) fn declared<T>(result: Result<T, Failure>, bounds: &Bounds) -> Result<T, EvaluationError> {
    result.map_err(|failure| {
        let (code, text) = failure_texts(&failure, bounds);
        EvaluationError::Declared { code, text }
    })
}

/// Failures are already an excuse, so they are cut rather than failed again.
pub(crate) fn failure_texts(failure: &Failure, bounds: &Bounds) -> (String, String) {
    (
        wording::printable(wording::cut(&failure.code, bounds.code_bytes)),
        wording::printable(wording::cut(&failure.text, bounds.reason_text_bytes)),
    )
}

pub(crate) fn reasons(given: Vec<Reason>, bounds: &Bounds) -> Result<Vec<decision::Reason>, EvaluationError> {
    if given.len() > bounds.reasons {
        let error = format!("{} reasons, where at most {} are allowed", given.len(), bounds.reasons);
        return Err(EvaluationError::Nonsense(error));
    }
    given.into_iter().map(|given| reason(given, bounds)).collect()
}

pub(crate) fn reason(given: Reason, bounds: &Bounds) -> Result<decision::Reason, EvaluationError> {
    if !wording::is_code(&given.code, bounds.code_bytes) {
        let code = wording::printable(wording::cut(&given.code, bounds.code_bytes));
        let error = format!(
            "`{code}` is not a reason's code: lower-case words joined by `-`, at most {} bytes",
            bounds.code_bytes
        );
        return Err(EvaluationError::Nonsense(error));
    }
    if given.text.len() > bounds.reason_text_bytes {
        let error = format!(
            "the text of reason `{}` has {} bytes, where at most {} are allowed",
            given.code,
            given.text.len(),
            bounds.reason_text_bytes
        );
        return Err(EvaluationError::Nonsense(error));
    }
    Ok(decision::Reason { severity: given.severity.into(), code: given.code, text: wording::printable(&given.text) })
}

/// `asked` is what a counter-offer is measured against; none where no amounts were asked for.
/// `scope` is where the policy is bound; none in a trial.
pub(crate) fn spoken(
    answer: Answer,
    asked: Option<Amounts>,
    scope: Option<Scope>,
    bounds: &Bounds,
) -> Result<Spoken, EvaluationError> {
    let verdict = match answer.verdict {
        types::Verdict::Allow => Verdict::Allow,
        types::Verdict::Deny => Verdict::Deny,
        types::Verdict::Pend(types::Approver::SiteAdmin) => Verdict::Pend(decision::Approver::SiteAdmin),
        types::Verdict::Pend(types::Approver::Owner) => match scope {
            Some(Scope::Site | Scope::Tenant(_)) => {
                return Err(EvaluationError::nonsense("it wants an owner's approval, but is not bound at a share"));
            }
            Some(Scope::Share(_)) | None => Verdict::Pend(decision::Approver::Owner),
        },
        types::Verdict::CounterOffer(offer) => {
            let Some(asked) = asked else {
                return Err(EvaluationError::nonsense("it makes a counter-offer where no amounts were asked for"));
            };
            let offer = Amounts::from(offer).min(asked);
            if offer == asked {
                return Err(EvaluationError::nonsense("its counter-offer is no smaller than what was asked for"));
            }
            Verdict::CounterOffer(offer)
        }
    };
    Ok(Spoken { verdict, reasons: reasons(answer.reasons, bounds)? })
}
