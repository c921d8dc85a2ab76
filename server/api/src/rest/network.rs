//! Farms' networks and routers.

use axum::Json;
use axum::extract::State;
use cascina_core::command::Command;
use cascina_core::network::{NatRule, VirtualNetwork};

use super::farm::host_name;
use super::{Answer, done};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::Ask;
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::network::{Forwards, Network, RebuildRouter, Router};

/// List networks.
#[utoipa::path(get, path = "/v1/networks", params(PageQuery), responses((status = 200, body = Page<Network>)))]
pub async fn list_networks(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Network>>, Problem> {
    let keep = |_: &_, row: &VirtualNetwork| who.sees(row.tenant);
    page(&app, &query, |state| &state.rows.networks, keep, |_, _| (), |row, ()| Network::from(row)).map(Json)
}

/// Show a network.
#[utoipa::path(get, path = "/v1/networks/{network}", responses((status = 200, body = Network)))]
pub async fn show_network(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Network>, Problem> {
    let row = app.engine.read(|state| find::network(state, &who, &text))?;
    Ok(Json(Network::from(&*row)))
}

/// List routers.
#[utoipa::path(get, path = "/v1/routers", params(PageQuery), responses((status = 200, body = Page<Router>)))]
pub async fn list_routers(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Router>>, Problem> {
    let shows = find::sees_hosts(&who);
    page(
        &app,
        &query,
        |state| &state.rows.routers,
        |state, row| find::sees_router(state, &who, row),
        |state, row| host_name(state, shows, row.host),
        |row, host| Router::of(row, host.map(|name| name.to_string())),
    )
    .map(Json)
}

/// Show a router.
#[utoipa::path(get, path = "/v1/routers/{router}", responses((status = 200, body = Router)))]
pub async fn show_router(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Router>, Problem> {
    let shows = find::sees_hosts(&who);
    let (row, host) = app.engine.read(|state| {
        let row = find::router(state, &who, &text)?;
        let host = host_name(state, shows, row.host);
        Ok::<_, Problem>((row, host))
    })?;
    Ok(Json(Router::of(&row, host.map(|name| name.to_string()))))
}

/// Replace all port forwards of a router.
#[utoipa::path(put, path = "/v1/routers/{router}/forwards", request_body = Forwards, responses((status = 202, body = Outcome)))]
pub async fn set_forwards(State(app): State<App>, At(text): At, ask: Ask<Forwards>) -> Answer {
    let router = app.engine.read(|state| find::router(state, &ask.who, &text))?.id;
    let forwards = ask.body.forwards.iter().cloned().map(NatRule::from).collect();
    Ok(done(&ask.submit(&app, Command::SetForwards { router, forwards }).await?))
}

/// Make a router anew on another host. Only when its own is down.
#[utoipa::path(
    post,
    path = "/v1/routers/{router}/rebuild",
    request_body = RebuildRouter,
    responses((status = 202, body = Outcome))
)]
pub async fn rebuild_router(State(app): State<App>, At(text): At, ask: Ask<RebuildRouter>) -> Answer {
    let router = app.engine.read(|state| find::router(state, &ask.who, &text))?.id;
    let command = Command::RebuildRouter { router, to: ask.body.to.clone() };
    Ok(done(&ask.submit(&app, command).await?))
}
