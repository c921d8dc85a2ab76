//! Requests to a server, and what comes back when it is not what was asked for.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use ureq::http::{Method, Request, Response};
use ureq::{Agent, Body};

use super::problem::Problem;

/// Why a client command did not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("{0}")]
    Usage(String),
    /// An expected no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// An operation ended otherwise than hoped.
    #[error("{0}")]
    Ended(String),
    #[error("{0}")]
    Fault(String),
}

impl Failure {
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Refused(_) | Failure::Ended(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Fault(_) => 3,
        }
    }
}

pub type Done<T = ()> = Result<T, Failure>;

#[derive(Debug, Clone, clap::Args)]
pub struct Connection {
    /// Address of the server.
    #[arg(long, global = true, env = "CASCINA_SERVER", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// File with the token to show; its text can be given as CASCINA_TOKEN too.
    #[arg(long, global = true, env = "CASCINA_TOKEN_FILE")]
    token_file: Option<PathBuf>,

    /// Makes repeating this very command safe: the server does its work once for a key.
    #[arg(long, global = true)]
    idempotency_key: Option<String>,
}

pub struct Client {
    agent: Agent,
    server: String,
    token: Option<String>,
    idempotency_key: Option<String>,
}

/// Longer than the server takes to decide, and short enough to notice that it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

impl Client {
    pub fn new(connection: &Connection) -> Done<Client> {
        let token = match &connection.token_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::Usage(format!("cannot read the token file {}: {error}", path.display()))
                })?;
                Some(text.trim().to_owned())
            }
            None => std::env::var("CASCINA_TOKEN").ok().filter(|text| !text.is_empty()),
        };
        let server = connection.server.trim_end_matches('/').to_owned();
        if !server.starts_with("http://") {
            return Err(Failure::Usage(format!(
                "--server `{server}` must begin with `http://`; for a server behind TLS, tunnel to its loopback port"
            )));
        }
        let config = Agent::config_builder().http_status_as_error(false).timeout_connect(Some(Duration::from_secs(10)));
        let idempotency_key = connection.idempotency_key.clone();
        Ok(Client { agent: config.build().into(), server, token, idempotency_key })
    }

    pub fn get(&self, path: &str) -> Done<Value> {
        self.send(Method::GET, path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> Done<Value> {
        self.send(Method::POST, path, Some(body))
    }

    pub fn put(&self, path: &str, body: &Value) -> Done<Value> {
        self.send(Method::PUT, path, Some(body))
    }

    pub fn patch(&self, path: &str, body: &Value) -> Done<Value> {
        self.send(Method::PATCH, path, Some(body))
    }

    pub fn delete(&self, path: &str) -> Done<Value> {
        self.send(Method::DELETE, path, None)
    }

    /// All pages of a list.
    pub fn list(&self, path: &str) -> Done<Vec<Value>> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let joint = if path.contains('?') { '&' } else { '?' };
            let page = match &cursor {
                None => self.get(path)?,
                Some(cursor) => self.get(&format!("{path}{joint}cursor={}", escaped(cursor)))?,
            };
            match page {
                Value::Array(all) => return Ok(all),
                Value::Object(mut page) => {
                    if let Some(Value::Array(some)) = page.remove("items") {
                        items.extend(some);
                    }
                    match page.get("next") {
                        Some(Value::String(next)) => cursor = Some(next.clone()),
                        Some(Value::Number(next)) => cursor = Some(next.to_string()),
                        _ => return Ok(items),
                    }
                }
                other => return Err(Failure::Fault(format!("the server answered {path} with no list: {other}"))),
            }
        }
    }

    pub fn upload(&self, path: &str, bytes: Vec<u8>, signature: Option<&str>) -> Done<Value> {
        let mut request = self.request(Method::POST, path)?.header("Content-Type", "application/wasm");
        if let Some(signature) = signature {
            request = request.header("Cascina-Signature", signature.trim());
        }
        let response = self.agent.run(request.body(bytes).map_err(unspeakable)?);
        read(path, response.map_err(|error| self.unreachable(&error))?)
    }

    /// Bytes rather than JSON.
    pub fn download(&self, path: &str) -> Done<Vec<u8>> {
        let request = self.request(Method::GET, path)?;
        let response = self.agent.run(request.body(()).map_err(unspeakable)?);
        let mut response = response.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            read(path, response)?;
            return Ok(Vec::new());
        }
        let bytes = response.body_mut().with_config().limit(256 << 20).read_to_vec();
        bytes.map_err(|error| Failure::Fault(format!("the answer to {path} broke off: {error}")))
    }

    /// Server-sent events: calls `each` with the data of every one until it says false or they end.
    pub fn follow(&self, path: &str, mut each: impl FnMut(Value) -> Done<bool>) -> Done {
        let request = self.request(Method::GET, path)?.header("Accept", "text/event-stream");
        let response = self.agent.run(request.body(()).map_err(unspeakable)?);
        let response = response.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() {
            return read(path, response).map(|_| ());
        }
        let mut data = String::new();
        for line in BufReader::new(response.into_body().into_reader()).lines() {
            let line = line.map_err(|error| Failure::Fault(format!("the stream of events broke off: {error}")))?;
            if let Some(text) = line.strip_prefix("data:") {
                data.push_str(text.strip_prefix(' ').unwrap_or(text));
            } else if line.is_empty() && !data.is_empty() {
                let event = serde_json::from_str(&data).unwrap_or_else(|_| Value::String(data.clone()));
                data.clear();
                if !each(event)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Done<Value> {
        let mut request = self.request(method.clone(), path)?;
        if let Some(key) = self.idempotency_key.as_ref().filter(|_| method != Method::GET) {
            request = request.header("Idempotency-Key", key);
        }
        let response = match body {
            Some(body) => {
                let request = request.header("Content-Type", "application/json").body(body.to_string());
                let request = self.agent.configure_request(request.map_err(unspeakable)?);
                self.agent.run(request.timeout_global(Some(PATIENCE)).build())
            }
            None => {
                let request = self.agent.configure_request(request.body(()).map_err(unspeakable)?);
                self.agent.run(request.timeout_global(Some(PATIENCE)).build())
            }
        };
        read(path, response.map_err(|error| self.unreachable(&error))?)
    }

    fn request(&self, method: Method, path: &str) -> Done<ureq::http::request::Builder> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.server));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        Ok(request)
    }

    fn unreachable(&self, error: &ureq::Error) -> Failure {
        Failure::Fault(format!(
            "no answer from {}: {error}\nIs the server running (`cascina serve`), and is this its address (--server, CASCINA_SERVER)?",
            self.server
        ))
    }
}

fn unspeakable(error: ureq::http::Error) -> Failure {
    Failure::Usage(format!("this cannot be sent: {error}"))
}

fn read(path: &str, mut response: Response<Body>) -> Done<Value> {
    let status = response.status().as_u16();
    let most = 256 << 20;
    let text = response.body_mut().with_config().limit(most).read_to_string();
    let text = text.map_err(|error| Failure::Fault(format!("the answer to {path} broke off: {error}")))?;
    let value = match text.is_empty() {
        true => Value::Null,
        false => serde_json::from_str(&text).unwrap_or(Value::String(text)),
    };
    match status {
        200..300 => Ok(value),
        400..500 => Err(Failure::Refused(Box::new(Problem { status, body: value }))),
        _ => Err(Failure::Fault(Problem { status, body: value }.to_string())),
    }
}

/// Part of a path or query, with everything escaped that could mean something there.
pub fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(escaped("a/../b?c=d"), "a%2F..%2Fb%3Fc%3Dd");
        assert_eq!(escaped("placement-pack@1.0.0"), "placement-pack%401.0.0");
    }
}
