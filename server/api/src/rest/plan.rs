//! Plans: what should move, and what came of it.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use cascina_core::command::Command;
use cascina_core::id::PlanId;
use cascina_core::plan;

use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::plan::{NewPlan, Plan};
use crate::wire::{Note, Outcome};

/// List plans; for admins.
#[utoipa::path(get, path = "/v1/plans", params(PageQuery), responses((status = 200, body = Page<Plan>)))]
pub async fn list_plans(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Plan>>, Problem> {
    let keep = |_: &_, _: &plan::Plan| who.is_admin();
    page(&app, &query, |state| &state.rows.plans, keep, Plan::of, |_, plan| plan).map(Json)
}

/// Ask planners for a plan. Without any move that is worth it nothing is made, and the answer says so.
#[utoipa::path(
    post,
    path = "/v1/plans",
    request_body = NewPlan,
    responses((status = 201, body = Plan), (status = 200, body = Outcome))
)]
pub async fn create_plan(State(app): State<App>, ask: Ask<NewPlan>) -> Answer {
    let NewPlan { binding, max_moves, dry_run } = &ask.body;
    let trigger = plan::Trigger::Hand;
    let command = Command::ProposePlan { trigger, binding: binding.clone(), max_moves: *max_moves };
    if *dry_run {
        let request = cascina_engine::Request { principal: ask.who.clone(), command, idempotency: None };
        let drawn = app.engine.draft(&request).await?;
        let shown = app.engine.read(|state| drawn.map(|row| Plan::drawn(state, &row)));
        return Ok(Json(shown).into_response());
    }
    let outcome = ask.submit(&app, command).await?;
    let row = app.engine.read(|state| {
        let id: PlanId = outcome.subject.parse().ok()?;
        state.rows.plans.get(&id).map(|row| Plan::of(state, row))
    });
    Ok(made(&outcome, "/v1/plans", row))
}

/// Show a plan with its moves.
#[utoipa::path(get, path = "/v1/plans/{plan}", responses((status = 200, body = Plan)))]
pub async fn show_plan(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Plan>, Problem> {
    let plan = app.engine.read(|state| find::plan(state, &who, &text).map(|row| Plan::of(state, &row)))?;
    Ok(Json(plan))
}

/// Let a proposed plan be carried out.
#[utoipa::path(post, path = "/v1/plans/{plan}/approve", responses((status = 200, body = Outcome)))]
pub async fn approve_plan(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let plan = app.engine.read(|state| find::plan(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::ApprovePlan { plan }).await?))
}

/// Do not let it.
#[utoipa::path(post, path = "/v1/plans/{plan}/reject", request_body = Note, responses((status = 200, body = Outcome)))]
pub async fn reject_plan(State(app): State<App>, At(text): At, ask: Ask<Note>) -> Answer {
    let plan = app.engine.read(|state| find::plan(state, &ask.who, &text))?.id;
    let note = ask.body.note.clone();
    Ok(done(&ask.submit(&app, Command::RejectPlan { plan, note }).await?))
}

/// Begin nothing more of a plan. What is under way comes to its end.
#[utoipa::path(post, path = "/v1/plans/{plan}/cancel", request_body = Note, responses((status = 200, body = Outcome)))]
pub async fn cancel_plan(State(app): State<App>, At(text): At, ask: Ask<Note>) -> Answer {
    let plan = app.engine.read(|state| find::plan(state, &ask.who, &text))?.id;
    let note = ask.body.note.clone();
    Ok(done(&ask.submit(&app, Command::CancelPlan { plan, note }).await?))
}
