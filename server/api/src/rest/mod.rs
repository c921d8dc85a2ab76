//! The nouns of the API, a file each (small ones share one).

pub mod address;
pub mod binding;
pub mod catalog;
pub mod credentials;
pub mod decision;
pub mod farm;
pub mod health;
pub mod host;
pub mod instance;
pub mod network;
pub mod offer;
pub mod operation;
pub mod plan;
pub mod policy;
pub mod quota;
pub mod session;
pub mod share;
pub mod simulation;
pub mod tenant;
pub mod trial;
pub mod user;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use cascina_core::command::Outcome;
use serde::Serialize;

use crate::problem::Problem;
use crate::wire;

/// What a handler gives back when the answer's status varies.
type Answer = Result<Response, Problem>;

/// The answer to a change: 202 if work goes on, else 200.
fn done(outcome: &Outcome) -> Response {
    let status = if outcome.operation.is_some() { StatusCode::ACCEPTED } else { StatusCode::OK };
    (status, Json(wire::Outcome::from(outcome))).into_response()
}

/// The answer to a creation: the thing made. A request that is repeated after the thing is gone
/// gets what is still known of it.
fn made<T: Serialize>(outcome: &Outcome, place: &str, thing: Option<T>) -> Response {
    let Some(thing) = thing else { return done(outcome) };
    let mut response = (StatusCode::CREATED, Json(thing)).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("{place}/{}", outcome.subject)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
