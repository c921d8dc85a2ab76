//! Shares: which stakeholder owns which hosts.

use axum::Json;
use axum::extract::State;
use cascina_core::command::Command;
use cascina_core::host;

use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::catalog::{NewShare, Share};

/// List shares: all for admins, their own for owners.
#[utoipa::path(get, path = "/v1/shares", params(PageQuery), responses((status = 200, body = Page<Share>)))]
pub async fn list_shares(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Share>>, Problem> {
    let keep = |_: &_, row: &host::Share| who.owns(&row.group);
    page(&app, &query, |state| &state.rows.shares, keep, |state, row| state.share_usage(row.id), Share::of).map(Json)
}

/// Make or change a share.
#[utoipa::path(post, path = "/v1/shares", request_body = NewShare, responses((status = 201, body = Share)))]
pub async fn put_share(State(app): State<App>, ask: Ask<NewShare>) -> Answer {
    let NewShare { name, group, lends } = ask.body.clone();
    let outcome = ask.submit(&app, Command::PutShare { name, group, lends }).await?;
    let share = app.engine.read(|state| {
        let row = find::share(state, &ask.who, &outcome.subject).ok()?;
        Some(Share::of(&row, state.share_usage(row.id)))
    });
    Ok(made(&outcome, "/v1/shares", share))
}

/// Show a share.
#[utoipa::path(get, path = "/v1/shares/{share}", responses((status = 200, body = Share)))]
pub async fn show_share(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Share>, Problem> {
    let share = app.engine.read(|state| {
        let row = find::share(state, &who, &text)?;
        Ok::<_, Problem>(Share::of(&row, state.share_usage(row.id)))
    })?;
    Ok(Json(share))
}

async fn recalled(app: &App, text: &str, ask: Ask<Nothing>, recalled: bool) -> Answer {
    let share = app.engine.read(|state| find::share(state, &ask.who, text))?.id;
    Ok(done(&ask.submit(app, Command::RecallShare { share, recalled }).await?))
}

/// The owner wants its hosts back.
#[utoipa::path(post, path = "/v1/shares/{share}/recall", responses((status = 200, body = Outcome)))]
pub async fn recall_share(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    recalled(&app, &text, ask, true).await
}

/// The owner lends again.
#[utoipa::path(post, path = "/v1/shares/{share}/return", responses((status = 200, body = Outcome)))]
pub async fn return_share(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    recalled(&app, &text, ask, false).await
}
