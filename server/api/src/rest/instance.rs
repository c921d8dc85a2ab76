//! Instances.

use axum::Json;
use axum::extract::State;
use cascina_core::command::{Command, Power};
use cascina_core::instance;
use cascina_core::principal::Principal;

use super::farm::host_name;
use super::{Answer, done};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::farm::{Instance, MigrateInstance};

pub fn listed(
    app: &App,
    who: &Principal,
    query: &PageQuery,
    wanted: impl Fn(&instance::Instance) -> bool,
) -> Result<Page<Instance>, Problem> {
    let shows = find::sees_hosts(who);
    page(
        app,
        query,
        |state| &state.rows.instances,
        |_, row| wanted(row) && who.sees(row.tenant),
        |state, row| host_name(state, shows, row.host),
        |row, host| Instance::of(row, host.map(|name| name.to_string())),
    )
}

/// List instances.
#[utoipa::path(get, path = "/v1/instances", params(PageQuery), responses((status = 200, body = Page<Instance>)))]
pub async fn list_instances(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Instance>>, Problem> {
    listed(&app, &who, &query, |_| true).map(Json)
}

/// Show an instance.
#[utoipa::path(get, path = "/v1/instances/{instance}", responses((status = 200, body = Instance)))]
pub async fn show_instance(
    State(app): State<App>,
    Caller(who): Caller,
    At(text): At,
) -> Result<Json<Instance>, Problem> {
    let shows = find::sees_hosts(&who);
    let (row, host) = app.engine.read(|state| {
        let row = find::instance(state, &who, &text)?;
        let host = host_name(state, shows, row.host);
        Ok::<_, Problem>((row, host))
    })?;
    Ok(Json(Instance::of(&row, host.map(|name| name.to_string()))))
}

async fn powered(app: &App, text: &str, ask: Ask<Nothing>, power: Power) -> Answer {
    let instance = app.engine.read(|state| find::instance(state, &ask.who, text))?.id;
    Ok(done(&ask.submit(app, Command::Power { instances: vec![instance], power }).await?))
}

/// Terminate an instance: its disk goes with it.
#[utoipa::path(delete, path = "/v1/instances/{instance}", responses((status = 202, body = Outcome)))]
pub async fn terminate_instance(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    powered(&app, &text, ask, Power::Terminate).await
}

/// Start a stopped instance.
#[utoipa::path(post, path = "/v1/instances/{instance}/start", responses((status = 202, body = Outcome)))]
pub async fn start_instance(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    powered(&app, &text, ask, Power::Start).await
}

/// Stop an instance; it keeps its disk.
#[utoipa::path(post, path = "/v1/instances/{instance}/stop", responses((status = 202, body = Outcome)))]
pub async fn stop_instance(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    powered(&app, &text, ask, Power::Stop).await
}

/// Restart a running instance.
#[utoipa::path(post, path = "/v1/instances/{instance}/reboot", responses((status = 202, body = Outcome)))]
pub async fn reboot_instance(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    powered(&app, &text, ask, Power::Reboot).await
}

/// Move a running instance to another host of its class.
#[utoipa::path(
    post,
    path = "/v1/instances/{instance}/migrate",
    request_body = MigrateInstance,
    responses((status = 202, body = Outcome))
)]
pub async fn migrate_instance(State(app): State<App>, At(text): At, ask: Ask<MigrateInstance>) -> Answer {
    let instance = app.engine.read(|state| find::instance(state, &ask.who, &text))?.id;
    let command = Command::MigrateInstance { instance, to: ask.body.to.clone() };
    Ok(done(&ask.submit(&app, command).await?))
}
