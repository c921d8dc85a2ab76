//! What changes something comes in here: the body, checked, and what makes repeating it safe.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use cascina_core::command::{Command, Outcome};
use cascina_core::principal::Principal;
use cascina_engine::Idempotency;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::auth::Caller;
use crate::problem::Problem;
use crate::router::App;

/// Bytes that a JSON body may have.
pub const BODY_LIMIT: usize = 1 << 20;

/// A body without fields; it may be left out.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A request that changes something.
pub struct Ask<T> {
    pub who: Principal,
    pub body: T,
    idempotency: Option<Idempotency>,
}

impl<T> Ask<T> {
    /// Hands the command to the engine.
    pub async fn submit(&self, app: &App, command: Command) -> Result<Outcome, Problem> {
        let (principal, idempotency) = (self.who.clone(), self.idempotency.clone());
        Ok(app.engine.submit(cascina_engine::Request { principal, command, idempotency }).await?)
    }
}

impl<T: DeserializeOwned> FromRequest<App> for Ask<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Ask<T>, Problem> {
        let (mut parts, body) = request.into_parts();
        // First of all: strangers learn nothing about what a good body is.
        let Caller(who) = Caller::from_request_parts(&mut parts, app).await?;
        let bytes = read(body, BODY_LIMIT).await?;
        let idempotency = idempotency(&parts.headers, &parts.method, &parts.uri, &bytes)?;
        if !bytes.is_empty() && !is_json(&parts.headers) {
            let detail = "the body must be JSON, and say so: `Content-Type: application/json`";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(status, "media-type", "Unsupported media type", detail));
        }
        Ok(Ask { who, body: parse(&bytes)?, idempotency })
    }
}

/// All of a body, unless it is too long.
pub async fn read(body: Body, limit: usize) -> Result<Bytes, Problem> {
    to_bytes(body, limit).await.map_err(|error| {
        let detail = format!("the body is longer than {limit} bytes, or broke off: {error}");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too-large", "Body too large", detail)
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

fn idempotency(headers: &HeaderMap, method: &Method, uri: &Uri, body: &[u8]) -> Result<Option<Idempotency>, Problem> {
    const HEADER: &str = "Idempotency-Key";
    let Some(value) = headers.get(HEADER) else { return Ok(None) };
    let bytes = value.as_bytes();
    if !(1..=64).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_graphic) {
        return Err(Problem::invalid(HEADER, String::from_utf8_lossy(bytes), "1 to 64 visible ASCII characters"));
    }
    let mut hash = Sha256::new();
    for part in [method.as_str().as_bytes(), uri.path().as_bytes(), body] {
        // Lengths keep the parts apart.
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let key = String::from_utf8_lossy(bytes).into_owned();
    Ok(Some(Idempotency { key, request: hex::encode(hash.finalize()) }))
}

/// JSON as `T`; what is wrong is named by its path. An empty body is an object without fields.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    // A list would be taken for an object's fields in their order.
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        serde_json::from_slice::<serde::de::IgnoredAny>(bytes).map_err(|error| malformed(&error))?;
        return Err(Problem::invalid("body", String::from_utf8_lossy(bytes), "a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = serde_path_to_error::deserialize(&mut deserializer);
    let error = match parsed {
        Ok(value) => match deserializer.end() {
            Ok(()) => return Ok(value),
            Err(error) => return Err(malformed(&error)),
        },
        Err(error) => error,
    };
    if !error.inner().is_data() {
        return Err(malformed(error.inner()));
    }
    let path = error.path().to_string();
    let text = error.inner().to_string();
    let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
    let mut field = if path == "." { String::new() } else { path };
    for kind in ["unknown field `", "missing field `"] {
        let Some(name) = text.strip_prefix(kind).and_then(|rest| rest.split('`').next()) else { continue };
        // Some of serde's errors are told at the thing that the field is in, some at the field.
        if field != name && !field.ends_with(&format!(".{name}")) {
            field = if field.is_empty() { name.into() } else { format!("{field}.{name}") };
        }
    }
    let value = value_at(bytes, &field);
    let allowed = text.split_once("expected ").map(|(_, expected)| expected.to_owned());
    let place = if field.is_empty() { "the body".to_owned() } else { field.clone() };
    Err(Problem {
        field: Some(if field.is_empty() { "body".into() } else { field }),
        value,
        allowed,
        ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", "Not valid", format!("{place}: {text}"))
    })
}

fn malformed(error: &serde_json::Error) -> Problem {
    let detail = format!("the body is not JSON: {error}");
    Problem {
        field: Some("body".into()),
        ..Problem::new(StatusCode::BAD_REQUEST, "malformed", "Malformed JSON", detail)
    }
}

/// What stands at a path like `instances[0].flavor`.
fn value_at(bytes: &[u8], path: &str) -> Option<String> {
    let root: Value = serde_json::from_slice(bytes).ok()?;
    let pointer: String = path.replace('[', ".").replace(']', "").split('.').map(|part| format!("/{part}")).collect();
    let value = root.pointer(&pointer)?;
    let text = value.as_str().map_or_else(|| value.to_string(), String::from);
    Some(text.chars().take(200).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_core::name::Name;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Line {
        flavor: Name,
        count: u32,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code)]
    struct Order {
        lines: Vec<Line>,
    }

    fn problem(text: &str) -> Problem {
        parse::<Order>(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn errors_name_the_field() {
        for (text, field, value) in [
            (r#"{"lines":[{"flavor":"a","count":-1}]}"#, "lines[0].count", Some("-1")),
            (r#"{"lines":[{"flavor":"A B","count":1}]}"#, "lines[0].flavor", Some("A B")),
            (r#"{"lines":[{"flavor":"a","count":1,"x":2}]}"#, "lines[0].x", Some("2")),
            (r#"{"lines":[{"flavor":"a"}]}"#, "lines[0].count", None),
            ("{}", "lines", None),
            ("", "lines", None),
            ("[]", "body", None),
        ] {
            let problem = problem(text);
            assert_eq!(problem.status, 422, "{text}");
            assert_eq!(problem.field.as_deref(), Some(field), "{text}");
            if value.is_some() {
                assert_eq!(problem.value.as_deref(), value, "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_json_is_told_apart() {
        for text in ["{", "{\"lines\":[]} x", "nonsense", "\u{0}"] {
            assert_eq!(problem(text).status, 400, "{text}");
        }
    }

    #[test]
    fn keys_have_a_form_and_cover_the_request() {
        let key = |value: &str, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert("Idempotency-Key", value.parse().unwrap());
            idempotency(&headers, &Method::POST, &Uri::from_static("/v1/farms"), body)
        };
        assert_ne!(key("a", b"1").unwrap().unwrap().request, key("a", b"2").unwrap().unwrap().request);
        assert_eq!(key("a", b"1").unwrap(), key("a", b"1").unwrap());
        for wrong in ["", "a b", &"x".repeat(65)] {
            assert_eq!(key(wrong, b"").unwrap_err().field.as_deref(), Some("Idempotency-Key"), "{wrong}");
        }
    }
}
