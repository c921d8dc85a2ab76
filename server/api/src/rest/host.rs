//! Hosts and their classes.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use cascina_core::command::Command;
use cascina_core::host::{self, HostClass, HostState};
use cascina_core::refusal::Refusal;
use cascina_core::state;
use cascina_core::units::{Gib, Size, Timestamp};
use cascina_core::upkeep;
use cascina_engine::command::plan;
use cascina_engine::plans;

use super::catalog::name;
use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::catalog::{Class, Host, HostBeside, NewClass, NewHost};
use crate::wire::plan::{DrainPreview, NewDrain, NewFence};
use crate::wire::{Note, Outcome};

fn beside(state: &state::State, row: &host::Host) -> HostBeside {
    HostBeside {
        share: state.rows.shares.get(&row.share).map(|share| share.name.clone()),
        used: state.used_on(row.id),
        guests: state.indexes.guests_by_host.of(&row.id).count(),
    }
}

/// List hosts: all for admins, their own for owners.
#[utoipa::path(get, path = "/v1/hosts", params(PageQuery), responses((status = 200, body = Page<Host>)))]
pub async fn list_hosts(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Host>>, Problem> {
    let keep = |state: &_, row: &_| find::sees_host(state, &who, row);
    page(&app, &query, |state| &state.rows.hosts, keep, beside, Host::of).map(Json)
}

/// Add a host.
#[utoipa::path(post, path = "/v1/hosts", request_body = NewHost, responses((status = 201, body = Host)))]
pub async fn add_host(State(app): State<App>, ask: Ask<NewHost>) -> Answer {
    let NewHost { name, class, share, uri, vcpus, memory_mib, disk_gib } = &ask.body;
    let command = Command::AddHost {
        name: name.clone(),
        class: class.clone(),
        share: share.clone(),
        uri: uri.clone(),
        capacity: Size::new(*vcpus, *memory_mib, *disk_gib),
    };
    let outcome = ask.submit(&app, command).await?;
    let host = app.engine.read(|state| {
        let row = find::host(state, &ask.who, &outcome.subject).ok()?;
        let beside = beside(state, &row);
        Some(Host::of(&row, beside))
    });
    Ok(made(&outcome, "/v1/hosts", host))
}

/// Show a host.
#[utoipa::path(get, path = "/v1/hosts/{host}", responses((status = 200, body = Host)))]
pub async fn show_host(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Host>, Problem> {
    let host = app.engine.read(|state| {
        let row = find::host(state, &who, &text)?;
        let beside = beside(state, &row);
        Ok::<_, Problem>(Host::of(&row, beside))
    })?;
    Ok(Json(host))
}

/// Remove a host on which nothing runs.
#[utoipa::path(delete, path = "/v1/hosts/{host}", responses((status = 200, body = Outcome)))]
pub async fn remove_host(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let host = app.engine.read(|state| find::host(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::RemoveHost { host }).await?))
}

async fn moved(app: &App, text: &str, ask: Ask<Note>, state: HostState) -> Answer {
    let host = app.engine.read(|state| find::host(state, &ask.who, text))?.id;
    let command = Command::SetHostState { host, state, note: ask.body.note.clone() };
    Ok(done(&ask.submit(app, command).await?))
}

/// Let a host take nothing new.
#[utoipa::path(post, path = "/v1/hosts/{host}/cordon", request_body = Note, responses((status = 200, body = Outcome)))]
pub async fn cordon_host(State(app): State<App>, At(text): At, ask: Ask<Note>) -> Answer {
    moved(&app, &text, ask, HostState::Cordoned).await
}

/// Let a host take guests again.
#[utoipa::path(post, path = "/v1/hosts/{host}/uncordon", request_body = Note, responses((status = 200, body = Outcome)))]
pub async fn uncordon_host(State(app): State<App>, At(text): At, ask: Ask<Note>) -> Answer {
    moved(&app, &text, ask, HostState::Up).await
}

/// Mark a host as being worked on.
#[utoipa::path(post, path = "/v1/hosts/{host}/maintenance", request_body = Note, responses((status = 200, body = Outcome)))]
pub async fn maintain_host(State(app): State<App>, At(text): At, ask: Ask<Note>) -> Answer {
    moved(&app, &text, ask, HostState::Maintenance).await
}

/// Let everything on a host go elsewhere, and then be in maintenance.
#[utoipa::path(
    post,
    path = "/v1/hosts/{host}/drain",
    request_body = NewDrain,
    responses((status = 200, description = "An outcome, or what would happen.", body = DrainPreview))
)]
pub async fn drain_host(State(app): State<App>, At(text): At, ask: Ask<NewDrain>) -> Answer {
    let row = app.engine.read(|state| find::host(state, &ask.who, &text))?;
    let workers = ask.body.workers.map(upkeep::Workers::from).unwrap_or_default();
    if ask.body.dry_run {
        if !ask.who.is_admin() {
            return Err(Refusal::Forbidden("only a site-admin may empty hosts".into()).into());
        }
        let now = app.engine.now();
        let preview = app.engine.read(|state| preview(state, &row, workers, now));
        return Ok(Json(preview).into_response());
    }
    let command = Command::DrainHost { host: row.id, workers, note: ask.body.note.clone() };
    Ok(done(&ask.submit(&app, command).await?))
}

fn preview(state: &state::State, row: &host::Host, workers: upkeep::Workers, now: Timestamp) -> DrainPreview {
    let drawn = plan::drain_preview(state, row.id, workers, now);
    let spoken: Vec<_> = drawn.moves.iter().filter_map(|one| one.step.guest()).collect();
    let told = |guest: &state::Guest| drawn.dropped.iter().any(|one| one.what.ends_with(&guest.to_string()));
    let all = plans::running_on(state, row.id);
    let waits = all.iter().filter(|guest| !spoken.contains(guest) && !told(guest)).map(ToString::to_string).collect();
    let tenant = |guest: &state::Guest| match guest {
        state::Guest::Instance(id) => state.rows.instances.get(id).map(|row| row.tenant),
        state::Guest::Router(id) => {
            let farm = state.rows.routers.get(id).and_then(|row| state.rows.farms.get(&row.farm));
            farm.map(|farm| farm.tenant)
        }
    };
    let tenants: std::collections::BTreeSet<_> = all.iter().filter_map(tenant).collect();
    let names = tenants.iter().filter_map(|id| state.rows.tenants.get(id)).map(|row| row.name.to_string()).collect();
    DrainPreview::of(state, row, &drawn, waits, names)
}

/// You are sure that nothing runs on a lost host any more: what it had is started elsewhere.
#[utoipa::path(post, path = "/v1/hosts/{host}/fence", request_body = NewFence, responses((status = 200, body = Outcome)))]
pub async fn fence_host(State(app): State<App>, At(text): At, ask: Ask<NewFence>) -> Answer {
    let host = app.engine.read(|state| find::host(state, &ask.who, &text))?.id;
    if !ask.body.confirmed {
        let allowed = "true, once you are sure that nothing runs on the host any more";
        return Err(Refusal::invalid("confirmed", false, allowed).into());
    }
    let by = ask.who.name.clone();
    Ok(done(&ask.submit(&app, Command::FenceHost { host, by }).await?))
}

/// List host classes.
#[utoipa::path(get, path = "/v1/classes", params(PageQuery), responses((status = 200, body = Page<Class>)))]
pub async fn list_classes(
    State(app): State<App>,
    _: Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Class>>, Problem> {
    page(&app, &query, |state| &state.rows.classes, |_, _| true, |_, _| (), |row, ()| Class::from(row)).map(Json)
}

/// Show a host class.
#[utoipa::path(get, path = "/v1/classes/{class}", responses((status = 200, body = Class)))]
pub async fn show_class(State(app): State<App>, _: Caller, At(text): At) -> Result<Json<Class>, Problem> {
    let row = app.engine.read(|state| find::class(state, &text))?;
    Ok(Json(Class::from(&*row)))
}

/// Make or change a host class.
#[utoipa::path(put, path = "/v1/classes/{class}", request_body = NewClass, responses((status = 200, body = Outcome)))]
pub async fn put_class(State(app): State<App>, At(text): At, ask: Ask<NewClass>) -> Answer {
    let NewClass { kind, cpu_overcommit_permille, volumes_gib } = ask.body;
    let class = HostClass {
        name: name("class", &text)?,
        kind: kind.into(),
        cpu_overcommit_permille,
        volumes: Gib(volumes_gib),
    };
    Ok(done(&ask.submit(&app, Command::PutClass(class)).await?))
}
