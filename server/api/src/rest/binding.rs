//! Bindings: which policy decides what, for whom, with which settings.

use axum::Json;
use axum::extract::State;
use cascina_core::command::{self, Command};
use cascina_core::policy::{self, Scope};
use cascina_core::refusal::Refusal;
use cascina_core::state;
use serde_json::Value;

use super::user::in_field;
use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::policy::{Binding, BindingChange, NewBinding};

fn share(state: &state::State, row: &policy::Binding) -> Option<String> {
    match row.scope {
        Scope::Share(id) => state.rows.shares.get(&id).map(|share| share.name.to_string()),
        Scope::Site | Scope::Tenant(_) => None,
    }
}

/// List bindings.
#[utoipa::path(get, path = "/v1/bindings", params(PageQuery), responses((status = 200, body = Page<Binding>)))]
pub async fn list_bindings(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Binding>>, Problem> {
    let keep = |state: &_, row: &_| find::sees_binding(state, &who, row);
    page(&app, &query, |state| &state.rows.bindings, keep, share, Binding::of).map(Json)
}

/// Put a policy to work.
#[utoipa::path(post, path = "/v1/bindings", request_body = NewBinding, responses((status = 201, body = Binding)))]
pub async fn bind(State(app): State<App>, ask: Ask<NewBinding>) -> Answer {
    let body = &ask.body;
    let scope = app.engine.read(|state| match (&body.share, &body.tenant) {
        (None, None) => Ok(Scope::Site),
        (Some(text), None) => {
            let found = find::share(state, &ask.who, text);
            found.map(|row| Scope::Share(row.id)).map_err(|refusal| in_field("share", text, refusal))
        }
        (None, Some(text)) => {
            let found = find::tenant(state, &ask.who, text);
            found.map(|row| Scope::Tenant(row.id)).map_err(|refusal| in_field("tenant", text, refusal))
        }
        (Some(_), Some(text)) => Err(Refusal::invalid("tenant", text, "a share or a tenant, not both").into()),
    })?;
    let command = Command::Bind(command::NewBinding {
        name: body.name.clone(),
        hook: body.hook.into(),
        scope,
        policy: body.policy.clone(),
        settings: Value::Object(body.settings.clone()).to_string(),
        order: body.order,
        weight: body.weight,
        mode: body.mode.into(),
        on_error: body.on_error.into(),
    });
    let outcome = ask.submit(&app, command).await?;
    let binding = app.engine.read(|state| {
        let row = find::binding(state, &ask.who, &outcome.subject).ok()?;
        Some(Binding::of(&row, share(state, &row)))
    });
    Ok(made(&outcome, "/v1/bindings", binding))
}

/// Show a binding.
#[utoipa::path(get, path = "/v1/bindings/{binding}", responses((status = 200, body = Binding)))]
pub async fn show_binding(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Binding>, Problem> {
    let binding = app.engine.read(|state| {
        let row = find::binding(state, &who, &text)?;
        Ok::<_, Problem>(Binding::of(&row, share(state, &row)))
    })?;
    Ok(Json(binding))
}

/// Change a binding: another policy or version, other settings, shadow or off, out of quarantine.
#[utoipa::path(patch, path = "/v1/bindings/{binding}", request_body = BindingChange, responses((status = 200, body = Outcome)))]
pub async fn rebind(State(app): State<App>, At(text): At, ask: Ask<BindingChange>) -> Answer {
    let binding = app.engine.read(|state| find::binding(state, &ask.who, &text))?.id;
    let body = &ask.body;
    let change = command::BindingChange {
        policy: body.policy.clone(),
        settings: body.settings.clone().map(|settings| Value::Object(settings).to_string()),
        order: body.order,
        weight: body.weight,
        mode: body.mode.map(policy::Mode::from),
        on_error: body.on_error.map(policy::Fallback::from),
        release: body.release,
    };
    Ok(done(&ask.submit(&app, Command::Rebind { binding, change }).await?))
}

/// Take a policy out of work.
#[utoipa::path(delete, path = "/v1/bindings/{binding}", responses((status = 200, body = Outcome)))]
pub async fn unbind(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let binding = app.engine.read(|state| find::binding(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::Unbind { binding }).await?))
}
