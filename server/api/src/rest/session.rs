//! Tokens, and who one is.

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use cascina_core::units::Timestamp;

use crate::auth::{Caller, key_holder};
use crate::idempotency::{BODY_LIMIT, parse, read};
use crate::problem::Problem;
use crate::router::App;
use crate::wire::tenant::{Credentials, Token, Whoami};
use crate::wire::time;

/// Get a token for an access key and its secret.
#[utoipa::path(post, path = "/v1/tokens", request_body = Credentials, responses((status = 200, body = Token)), security(()))]
pub async fn create_token(State(app): State<App>, body: Body) -> Result<Json<Token>, Problem> {
    let asked: Credentials = parse(&read(body, BODY_LIMIT).await?)?;
    let user = app.engine.read(|state| key_holder(&app.engine, state, &asked.access_key, &asked.secret));
    let user = user.ok_or_else(|| Problem::unauthorized("no such access key, or another secret"))?;
    let token = app.auth.user_token(&user, app.engine.now());
    let (token, expires) = token.ok_or_else(|| Problem::internal("no token could be made"))?;
    Ok(Json(Token { token, expires: time(Timestamp(expires.saturating_mul(1000))) }))
}

/// Who the caller is.
#[utoipa::path(get, path = "/v1/whoami", responses((status = 200, body = Whoami)))]
pub async fn whoami(Caller(who): Caller) -> Json<Whoami> {
    Json(Whoami::from(&who))
}
