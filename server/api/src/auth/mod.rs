//! Who is it? A token says so, and the user's row says what they may do now.

pub mod token;

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use cascina_core::id::UserId;
use cascina_core::principal::{Principal, Role};
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_core::tenant::User;
use cascina_core::units::Timestamp;
use cascina_engine::Engine;
use jsonwebtoken::{DecodingKey, EncodingKey};
use secrecy::{ExposeSecret, SecretBox};
use subtle::ConstantTimeEq;

use self::token::{Subject, TokenError};
use crate::problem::Problem;
use crate::router::App;

/// Subject of the token that is made at the first start, before there is any user.
const ADMIN: &str = "admin";

/// Issues and checks tokens.
#[derive(Clone)]
pub struct Auth {
    keys: Arc<(EncodingKey, DecodingKey)>,
    ttl_s: u64,
}

impl Auth {
    /// `ttl_s` is how long tokens that users get for their access key last.
    pub fn new(secret: &SecretBox<[u8; 32]>, ttl_s: u64) -> Auth {
        let secret = secret.expose_secret();
        Auth { keys: Arc::new((EncodingKey::from_secret(secret), DecodingKey::from_secret(secret))), ttl_s }
    }

    /// A token for the site's first admin, who has no row.
    pub fn admin_token(&self, now: Timestamp, ttl_s: u64) -> Option<String> {
        let subject =
            Subject { sub: ADMIN.into(), name: ADMIN.into(), role: Role::SiteAdmin, tenant: None, groups: Vec::new() };
        token::issue(&self.keys.0, subject, now, ttl_s).map(|(text, _)| text)
    }

    /// Whether a token is one of ours and has not expired.
    pub fn is_good(&self, text: &str, now: Timestamp) -> bool {
        token::check(&self.keys.1, text, now).is_ok()
    }

    /// The token and when it expires, in seconds since 1970.
    pub fn user_token(&self, user: &User, now: Timestamp) -> Option<(String, u64)> {
        let subject = Subject {
            sub: user.id.to_string(),
            name: user.name.to_string(),
            role: user.role,
            tenant: user.tenant.map(|id| id.to_string()),
            groups: user.groups.iter().map(ToString::to_string).collect(),
        };
        token::issue(&self.keys.0, subject, now, self.ttl_s)
    }

    fn principal(&self, state: &State, text: &str, now: Timestamp) -> Result<Principal, Problem> {
        let refused = |error: TokenError| Problem::unauthorized(error.to_string());
        let claims = token::check(&self.keys.1, text, now).map_err(refused)?;
        if claims.sub == ADMIN {
            let name = ADMIN.into();
            return Ok(Principal { user: None, name, role: Role::SiteAdmin, tenant: None, groups: Vec::new() });
        }
        let id: UserId = claims.sub.parse().map_err(|_| refused(TokenError::Forged))?;
        let user = state.rows.users.get(&id).filter(|user| user.active);
        let user = user.ok_or_else(|| Problem::unauthorized("the token's user does not exist any more"))?;
        Ok(principal(user))
    }
}

fn principal(user: &User) -> Principal {
    Principal {
        user: Some(user.id),
        name: user.name.to_string(),
        role: user.role,
        tenant: user.tenant,
        groups: user.groups.clone(),
    }
}

/// The user whose access key this is.
pub fn key_holder(engine: &Engine, state: &State, public: &str, secret: &str) -> Option<Arc<User>> {
    let key = state.indexes.access_keys.get(public).and_then(|id| state.rows.access_keys.get(id));
    let key = key.filter(|key| !key.disabled);
    // Compared even if there is no such key, so that time does not tell which exist.
    let kept = key.and_then(|key| engine.secret(key)).unwrap_or_default();
    let same: bool = kept.as_bytes().ct_eq(secret.as_bytes()).into();
    let key = key.filter(|_| same && !kept.is_empty())?;
    state.rows.users.get(&key.user).filter(|user| user.active).cloned()
}

/// The authenticated caller of a request.
pub struct Caller(pub Principal);

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Caller, Problem> {
        let missing = || Problem::unauthorized("this needs a token: `Authorization: Bearer …`");
        let given = parts.headers.get(AUTHORIZATION).ok_or_else(missing)?;
        let (scheme, text) = given.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(missing)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(missing());
        }
        let now = app.engine.now();
        app.engine.read(|state| app.auth.principal(state, text.trim(), now)).map(Caller)
    }
}

impl Caller {
    /// What only admins may even see does not exist for others.
    pub fn admin(&self, noun: &'static str) -> Result<(), Refusal> {
        if self.0.is_admin() { Ok(()) } else { Err(Refusal::not_found(noun, "")) }
    }
}
