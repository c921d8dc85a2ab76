//! Tenants.

use axum::Json;
use axum::extract::State;
use cascina_core::command::Command;
use cascina_core::tenant::TenantRequest;

use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::tenant::{NewTenant, Tenant};
use crate::wire::{Note, Outcome};

/// List tenants.
#[utoipa::path(get, path = "/v1/tenants", params(PageQuery), responses((status = 200, body = Page<Tenant>)))]
pub async fn list_tenants(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Tenant>>, Problem> {
    let keep = |_: &_, row: &_| find::sees_tenant(&who, row);
    page(&app, &query, |state| &state.rows.tenants, keep, |_, _| (), |row, ()| Tenant::from(row)).map(Json)
}

/// Ask for a tenant; a policy may refuse it, or want a person to approve it first.
#[utoipa::path(post, path = "/v1/tenants", request_body = NewTenant, responses((status = 201, body = Tenant)))]
pub async fn create_tenant(State(app): State<App>, ask: Ask<NewTenant>) -> Answer {
    let tier = ask.body.tier.clone().unwrap_or_else(|| app.engine.read(|state| state.site().default_tier.clone()));
    let request = TenantRequest { name: ask.body.name.clone(), groups: ask.body.groups.clone(), tier };
    let outcome = ask.submit(&app, Command::CreateTenant(request)).await?;
    let row = outcome.subject.parse().ok().and_then(|id| app.engine.read(|state| state.rows.tenants.get(&id).cloned()));
    Ok(made(&outcome, "/v1/tenants", row.map(|row| Tenant::from(&*row))))
}

/// Show a tenant.
#[utoipa::path(get, path = "/v1/tenants/{tenant}", responses((status = 200, body = Tenant)))]
pub async fn show_tenant(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<Tenant>, Problem> {
    let row = app.engine.read(|state| find::tenant(state, &who, &text))?;
    Ok(Json(Tenant::from(&*row)))
}

/// Close a tenant that has no farms.
#[utoipa::path(delete, path = "/v1/tenants/{tenant}", responses((status = 200, body = Outcome)))]
pub async fn delete_tenant(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let tenant = app.engine.read(|state| find::tenant(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::CloseTenant { tenant }).await?))
}

async fn suspended(app: &App, text: &str, ask: Ask<Nothing>, suspended: bool) -> Answer {
    let tenant = app.engine.read(|state| find::tenant(state, &ask.who, text))?.id;
    Ok(done(&ask.submit(app, Command::SuspendTenant { tenant, suspended }).await?))
}

/// Suspend a tenant: it may look, but change nothing.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/suspend", responses((status = 200, body = Outcome)))]
pub async fn suspend_tenant(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    suspended(&app, &text, ask, true).await
}

/// End a tenant's suspension.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/resume", responses((status = 200, body = Outcome)))]
pub async fn resume_tenant(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    suspended(&app, &text, ask, false).await
}

async fn judged(app: &App, text: &str, ask: Ask<Note>, approved: bool) -> Answer {
    let tenant = app.engine.read(|state| find::tenant(state, &ask.who, text))?.id;
    let command = Command::ApproveTenant { tenant, approved, note: ask.body.note.clone() };
    Ok(done(&ask.submit(app, command).await?))
}

/// Say yes to a tenant that waits for approval.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/approve", request_body = Note, responses((status = 200, body = Outcome)))]
pub async fn approve_tenant(State(app): State<App>, At(text): At, ask: Ask<Note>) -> Answer {
    judged(&app, &text, ask, true).await
}

/// Say no to a tenant that waits for approval.
#[utoipa::path(post, path = "/v1/tenants/{tenant}/reject", request_body = Note, responses((status = 200, body = Outcome)))]
pub async fn reject_tenant(State(app): State<App>, At(text): At, ask: Ask<Note>) -> Answer {
    judged(&app, &text, ask, false).await
}
