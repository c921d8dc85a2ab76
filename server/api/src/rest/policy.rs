//! Policies: uploaded components.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use cascina_core::command::Command;
use cascina_core::refusal::Refusal;
use cascina_engine::command::policy::may_upload;

use super::{Answer, done, made};
use crate::auth::Caller;
use crate::find;
use crate::idempotency::{Ask, Nothing, read};
use crate::page::{Asked, At, Page, PageQuery, page};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::Outcome;
use crate::wire::policy::Policy;

/// Bytes that a component may have on its way in; the sandbox has its own limit.
const COMPONENT_LIMIT: usize = 64 << 20;

/// List policies.
#[utoipa::path(get, path = "/v1/policies", params(PageQuery), responses((status = 200, body = Page<Policy>)))]
pub async fn list_policies(
    State(app): State<App>,
    _: Caller,
    Asked(query): Asked<PageQuery>,
) -> Result<Json<Page<Policy>>, Problem> {
    page(&app, &query, |state| &state.rows.policies, |_, _| true, |_, _| (), |row, ()| Policy::from(row)).map(Json)
}

/// Upload a component. It is checked, and put to work only by a binding. Uploading the same bytes
/// again changes nothing, so no idempotency key is needed.
#[utoipa::path(
    post,
    path = "/v1/policies",
    request_body(content = Vec<u8>, content_type = "application/wasm"),
    responses((status = 201, body = Policy))
)]
pub async fn upload_policy(State(app): State<App>, Caller(who): Caller, headers: HeaderMap, body: Body) -> Answer {
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/wasm") {
        let detail = "the body must be a component, and say so: `Content-Type: application/wasm`";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(Problem::new(status, "media-type", "Unsupported media type", detail));
    }
    let signatures = signatures(&headers)?;
    let bytes = read(body, COMPONENT_LIMIT).await?;
    // Compiling an interpreter takes longer than clients wait: it goes on without them, and whoever asks
    // again finds it done.
    let (engine, caller) = (app.engine.clone(), who.clone());
    let upload = tokio::spawn(async move { engine.upload_policy(&caller, bytes.to_vec(), signatures).await });
    let outcome = upload.await.map_err(|_| Problem::internal("the upload failed; the server's log says why"))??;
    let row = app.engine.read(|state| find::policy(state, &outcome.subject)).ok();
    Ok(made(&outcome, "/v1/policies", row.map(|row| Policy::from(&*row))))
}

/// Signatures of the component, in base64, with commas between them.
fn signatures(headers: &HeaderMap) -> Result<Vec<String>, Problem> {
    const HEADER: &str = "Cascina-Signature";
    const MOST: usize = 8;
    let Some(value) = headers.get(HEADER) else { return Ok(Vec::new()) };
    let text = value.to_str().map_err(|_| Problem::invalid(HEADER, "(bytes)", "base64"))?;
    let all: Vec<String> = text.split(',').map(|one| one.trim().to_owned()).collect();
    if all.len() > MOST {
        return Err(Problem::invalid(HEADER, all.len(), "at most 8 signatures"));
    }
    Ok(all)
}

/// Show a policy, by `name@version`, by digest, or by name for its newest version.
#[utoipa::path(get, path = "/v1/policies/{policy}", responses((status = 200, body = Policy)))]
pub async fn show_policy(State(app): State<App>, _: Caller, At(text): At) -> Result<Json<Policy>, Problem> {
    let row = app.engine.read(|state| find::policy(state, &text))?;
    Ok(Json(Policy::from(&*row)))
}

/// Fetch the bytes of a component.
#[utoipa::path(
    get,
    path = "/v1/policies/{policy}/component",
    responses((status = 200, content_type = "application/wasm", body = Vec<u8>))
)]
pub async fn fetch_component(State(app): State<App>, Caller(who): Caller, At(text): At) -> Result<Response, Problem> {
    // Whoever may bring policies may read them; what others see is what they say of themselves.
    may_upload(&who)?;
    let row = app.engine.read(|state| find::policy(state, &text))?;
    // A tenant's rules are its own matter, as others' are theirs.
    if who.role.of_tenant() && !row.embedded && row.uploaded_by != who.name {
        return Err(Refusal::Forbidden("only its author and people of the site may read a component".into()).into());
    }
    let bytes = app.engine.component(row.digest).await?.ok_or_else(|| Refusal::not_found("component", row.digest))?;
    Ok(([(header::CONTENT_TYPE, "application/wasm")], bytes).into_response())
}

/// Remove a policy that nothing binds.
#[utoipa::path(delete, path = "/v1/policies/{policy}", responses((status = 200, body = Outcome)))]
pub async fn remove_policy(State(app): State<App>, At(text): At, ask: Ask<Nothing>) -> Answer {
    let digest = app.engine.read(|state| find::policy(state, &text))?.digest;
    Ok(done(&ask.submit(&app, Command::RemovePolicy { digest }).await?))
}
