//! Users and their access keys.

use axum::Json;
use axum::extract::State;
use cascina_core::command::Command;
use cascina_core::refusal::Refusal;

use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::tenant::{AccessKey, AccessKeyChange, AccessKeyOrder, NewAccessKey, NewUser, User};

/// List users.
#[utoipa::path(get, path = "/v1/users", params(PageQuery), responses((status = 200, body = Page<User>)))]
pub async fn list_users(
    State(app): State<App>,
    Caller(who): Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<User>>, Problem> {
    let keep = |_: &_, row: &_| find::sees_user(&who, row);
    page(&app, &query, |state| &state.rows.users, keep, |_, _| (), |row, ()| User::from(row)).map(Json)
}

/// Make a user of a tenant, or of the site.
#[utoipa::path(post, path = "/v1/users", request_body = NewUser, responses((status = 201, body = User)))]
pub async fn create_user(State(app): State<App>, ask: Ask<NewUser>) -> Answer {
    let NewUser { name, tenant, role, groups, ssh_key } = &ask.body;
    let tenant = match tenant {
        Some(text) => {
            let found = app.engine.read(|state| find::tenant(state, &ask.who, text));
            Some(found.map_err(|refusal| in_field("tenant", text, refusal))?.id)
        }
        // A tenant's own admin need not say which.
        None => ask.who.tenant,
    };
    let (name, groups, ssh_key) = (name.clone(), groups.clone(), ssh_key.clone());
    let command = Command::CreateUser { tenant, name, role: (*role).into(), groups, ssh_key };
    let outcome = ask.submit(&app, command).await?;
    let row = outcome.subject.parse().ok().and_then(|id| app.engine.read(|state| state.rows.users.get(&id).cloned()));
    Ok(made(&outcome, "/v1/users", row.map(|row| User::from(&*row))))
}

/// A refusal to find what a field names, as a problem of that field.
pub fn in_field(field: &str, value: &str, refusal: Refusal) -> Problem {
    let mut problem = Problem::from(refusal);
    problem.field.get_or_insert_with(|| field.into());
    problem.value.get_or_insert_with(|| value.chars().take(200).collect());
    problem
}

/// Show a user.
#[utoipa::path(get, path = "/v1/users/{user}", responses((status = 200, body = User)))]
pub async fn show_user(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Json<User>, Problem> {
    let row = app.engine.read(|state| find::user(state, &who, &text))?;
    Ok(Json(User::from(&*row)))
}

/// Delete a user with its access keys; its tokens end with it.
#[utoipa::path(delete, path = "/v1/users/{user}", responses((status = 200, body = Outcome)))]
pub async fn delete_user(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let user = app.engine.read(|state| find::user(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::DeleteUser { user }).await?))
}

/// List a user's access keys, without their secrets.
#[utoipa::path(get, path = "/v1/users/{user}/access-keys", params(PageQuery), responses((status = 200, body = Page<AccessKey>)))]
pub async fn list_access_keys(
    State(app): State<App>,
    Caller(who): Caller,
    At(text): At,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<AccessKey>>, Problem> {
    let user = app.engine.read(|state| find::user(state, &who, &text))?;
    // Others of the tenant see that a user is there, not what it signs with.
    let may = who.user == Some(user.id) || user.tenant.map_or(who.is_admin(), |tenant| who.administers(tenant));
    if !may {
        return Err(Refusal::Forbidden("only a tenant-admin may see others' access keys".into()).into());
    }
    let keep = |_: &_, row: &cascina_core::tenant::AccessKey| row.user == user.id;
    page(&app, &query, |state| &state.rows.access_keys, keep, |_, _| (), |row, ()| AccessKey::from(row)).map(Json)
}

/// Make an access key. Its secret is in this answer and in no other.
#[utoipa::path(post, path = "/v1/users/{user}/access-keys", request_body = AccessKeyOrder, responses((status = 201, body = NewAccessKey)))]
pub async fn create_access_key(State(app): State<App>, At(text): At, ask: Ask<AccessKeyOrder>) -> Answer {
    let (user, farm) = app.engine.read(|state| {
        let farm = ask.body.farm.as_ref().map(|text| find::farm(state, &ask.who, text)).transpose()?;
        Ok::<_, Refusal>((find::user(state, &ask.who, &text)?.id, farm.map(|farm| farm.id)))
    })?;
    let sealed = app.engine.new_secret(user).sealed;
    let outcome = ask.submit(&app, Command::CreateAccessKey { user, farm, sealed }).await?;
    let id = outcome.subject.parse().ok();
    let row = id.and_then(|id| app.engine.read(|state| state.rows.access_keys.get(&id).cloned()));
    // Read back, since a client that repeats its request must get the secret that it was to get first.
    let shown = row.and_then(|row| app.engine.secret(&row).map(|secret| (AccessKey::from(&*row), secret)));
    Ok(made(&outcome, "/v1/access-keys", shown.map(|(key, secret)| NewAccessKey { key, secret })))
}

/// Disable an access key, or enable it again.
#[utoipa::path(patch, path = "/v1/access-keys/{key}", request_body = AccessKeyChange, responses((status = 200, body = Outcome)))]
pub async fn set_access_key(State(app): State<App>, At(text): At, ask: Ask<AccessKeyChange>) -> Answer {
    let key = app.engine.read(|state| find::access_key(state, &ask.who, &text))?.id;
    let disabled = ask.body.disabled;
    Ok(done(&ask.submit(&app, Command::SetAccessKey { key, disabled }).await?))
}

/// Delete an access key.
#[utoipa::path(delete, path = "/v1/access-keys/{key}", responses((status = 200, body = Outcome)))]
pub async fn delete_access_key(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let key = app.engine.read(|state| find::access_key(state, &ask.who, &text))?.id;
    Ok(done(&ask.submit(&app, Command::DeleteAccessKey { key }).await?))
}
