//! Errors as people and programs get them: RFC 9457 problem details.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cascina_core::refusal::Refusal;
use cascina_engine::{EngineError, Fault};
use serde::Serialize;
use utoipa::ToSchema;

use crate::wire::offer::Grant;
use crate::wire::{Amounts, Reason};

/// A problem, as RFC 9457 has it, with what the caller needs to do better.
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Stable, for programs.
    #[serde(rename = "type")]
    pub kind: String,
    pub title: String,
    pub status: u16,
    pub detail: String,
    /// What of the request is wrong, as a path into it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What was there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// What could be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
    /// Link to the decision that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decision: Option<String>,
    /// Why policies said no.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
    /// What would be granted instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offer: Option<Amounts>,
    /// What else would be granted, the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
}

impl Problem {
    pub fn new(status: StatusCode, kind: &str, title: &str, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("urn:cascina:problem:{kind}"),
            title: title.into(),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            value: None,
            allowed: None,
            decision: None,
            reasons: Vec::new(),
            offer: None,
            grants: Vec::new(),
        }
    }

    pub fn unauthorized(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", "Not authenticated", detail)
    }

    /// One thing of the request is wrong.
    pub fn invalid(field: &str, value: impl ToString, allowed: &str) -> Problem {
        Refusal::invalid(field, value, allowed).into()
    }

    pub fn internal(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Internal error", detail)
    }
}

/// The one place where an expected no becomes a status.
impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        let detail = refusal.to_string();
        let decision = refusal.decision().map(|id| format!("/v1/decisions/{id}"));
        let (status, kind, title) = match &refusal {
            Refusal::Invalid { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Not valid"),
            Refusal::NotFound { .. } => (StatusCode::NOT_FOUND, "not-found", "Not found"),
            Refusal::Conflict(_) => (StatusCode::CONFLICT, "conflict", "In conflict with what is"),
            Refusal::Busy(_) => (StatusCode::CONFLICT, "busy", "Busy"),
            Refusal::Protected(_) => (StatusCode::CONFLICT, "protected", "Protected"),
            Refusal::Forbidden(_) => (StatusCode::FORBIDDEN, "forbidden", "Not allowed"),
            Refusal::Denied { .. } => (StatusCode::FORBIDDEN, "denied", "Denied by policy"),
            Refusal::Offered { .. } => (StatusCode::CONFLICT, "offered", "Less is offered"),
            Refusal::Quota { .. } => (StatusCode::FORBIDDEN, "quota-exceeded", "Quota exceeded"),
            Refusal::NoHost { .. } => (StatusCode::CONFLICT, "no-host", "No host has room"),
            Refusal::Exhausted(_) => (StatusCode::CONFLICT, "exhausted", "None left"),
            Refusal::KeyReused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "key-reused", "Idempotency key reused"),
        };
        let mut problem = Problem { decision, ..Problem::new(status, kind, title, detail) };
        match refusal {
            Refusal::Invalid { field, value, allowed } => {
                problem.field = Some(field);
                problem.value = Some(value);
                problem.allowed = Some(allowed);
            }
            Refusal::Denied { reasons, .. } => problem.reasons = reasons.iter().map(Reason::from).collect(),
            Refusal::Offered { offer, reasons, .. } => {
                problem.offer = Some(Amounts::limit(offer));
                problem.reasons = reasons.iter().map(Reason::from).collect();
            }
            Refusal::Quota { resource, wanted, used, held, limit, .. } => {
                problem.field = Some(resource.into());
                problem.value = Some(wanted.to_string());
                problem.allowed = Some(format!("at most {}", limit.saturating_sub(used.saturating_add(held))));
            }
            Refusal::KeyReused(key) => {
                problem.field = Some("Idempotency-Key".into());
                problem.value = Some(key);
            }
            Refusal::NotFound { .. }
            | Refusal::Conflict(_)
            | Refusal::Busy(_)
            | Refusal::Protected(_)
            | Refusal::Forbidden(_)
            | Refusal::NoHost { .. }
            | Refusal::Exhausted(_) => {}
        }
        problem
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Problem {
        let fault = match error {
            EngineError::Refusal(refusal) => return refusal.into(),
            EngineError::Fault(fault) => fault,
        };
        // Ours, so it is told to the operator here, once.
        tracing::error!(error = %fault, "a request failed");
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        match fault {
            Fault::Unavailable(_) => Problem::new(unavailable, "unavailable", "Try again", fault.to_string()),
            Fault::Store(_) => {
                let detail = "the change could not be stored, and nothing was changed; see the server's log";
                Problem::new(unavailable, "store", "The store failed", detail)
            }
            // The cause is in the log and may say what callers should not know.
            Fault::Internal(_) | Fault::Unreadable(_) => Problem::internal("the server failed; its log says why"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"cascina\""));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_core::decision;
    use cascina_core::id::DecisionId;

    #[test]
    fn a_denial_links_to_its_decision_and_tells_the_reasons() {
        let reasons = vec![decision::Reason::denial("too-big", "at most 8 vCPUs")];
        let problem = Problem::from(Refusal::Denied { decision: DecisionId(7), reasons });
        assert_eq!(problem.status, 403);
        assert_eq!(problem.decision.as_deref(), Some("/v1/decisions/decision-00000000000000007"));
        assert_eq!(problem.reasons[0].text, "at most 8 vCPUs");
    }

    #[test]
    fn what_is_wrong_is_named() {
        let problem = Problem::from(Refusal::invalid("flavor", "m9", "m1.small"));
        assert_eq!((problem.status, problem.field.as_deref()), (422, Some("flavor")));
        let quota = Refusal::Quota {
            scope: "tenant a".into(),
            resource: "vcpus",
            wanted: 8,
            used: 3,
            held: 1,
            limit: 10,
            decision: None,
        };
        assert_eq!(Problem::from(quota).allowed.as_deref(), Some("at most 6"));
    }

    #[test]
    fn faults_keep_their_cause_to_themselves() {
        let problem = Problem::from(EngineError::from(Fault::Internal("secret path".into())));
        assert_eq!(problem.status, 500);
        assert!(!problem.detail.contains("secret"));
    }

    #[test]
    fn the_form_is_that_of_the_standard() {
        let response = Problem::unauthorized("no token").into_response();
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert!(response.headers().contains_key(header::WWW_AUTHENTICATE));
    }
}
