//! Simulated hosts: what fails there, and what is on them. There is nothing here with real ones.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::idempotency::Ask;
use crate::problem::Problem;
use crate::router::{App, Simulation};

/// All faults; those before are replaced.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Faults {
    /// For example `[{"call": "boot", "times": 1, "fault": {"kind": "refuse", "why": "no"}}]`.
    #[schema(value_type = Vec<Object>)]
    faults: Value,
}

/// Admins only; for others, and with real hosts, there is no simulation.
fn simulation(app: &App, who: &Principal) -> Result<Arc<dyn Simulation>, Refusal> {
    let found = app.simulation.clone().filter(|_| who.is_admin());
    found.ok_or_else(|| Refusal::not_found("simulation", "of this server"))
}

/// Show which faults the simulated hosts have.
#[utoipa::path(get, path = "/v1/simulation/faults", responses((status = 200, body = Object)))]
pub async fn show_faults(State(app): State<App>, Caller(who): Caller) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({"faults": simulation(&app, &who)?.faults()})))
}

/// Replace the faults that the simulated hosts have.
#[utoipa::path(put, path = "/v1/simulation/faults", request_body = Faults, responses((status = 200, body = Object)))]
pub async fn set_faults(State(app): State<App>, ask: Ask<Faults>) -> Result<Json<Value>, Problem> {
    let simulation = simulation(&app, &ask.who)?;
    let Faults { faults } = &ask.body;
    simulation.set_faults(faults.clone()).map_err(|why| Problem::invalid("faults", faults, &why))?;
    Ok(Json(json!({"faults": simulation.faults()})))
}

/// Let something befall a simulated host or guest: it is lost, comes back, loses power, crashes.
#[utoipa::path(post, path = "/v1/simulation/incidents", request_body = Object, responses((status = 200, body = Object)))]
pub async fn strike(State(app): State<App>, ask: Ask<Value>) -> Result<Json<Value>, Problem> {
    let simulation = simulation(&app, &ask.who)?;
    simulation.strike(ask.body.clone()).map_err(|why| Problem::invalid("body", &ask.body, &why))?;
    Ok(Json(ask.body))
}

/// Show what is on the simulated hosts.
#[utoipa::path(get, path = "/v1/simulation/world", responses((status = 200, body = Object)))]
pub async fn show_world(State(app): State<App>, Caller(who): Caller) -> Result<Json<Value>, Problem> {
    Ok(Json(simulation(&app, &who)?.world()))
}
