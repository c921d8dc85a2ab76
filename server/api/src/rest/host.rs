//! Hosts and their classes.

use axum::Json;
use axum::extract::State;
use cascina_core::command::Command;
use cascina_core::host::{self, HostClass, HostState};
use cascina_core::state;
use cascina_core::units::{Gib, Size};

use super::catalog::name;
use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::catalog::{Class, Host, HostBeside, NewClass, NewHost};
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
