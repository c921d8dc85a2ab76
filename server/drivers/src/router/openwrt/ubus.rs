//! `ubus` over HTTP: one call a request.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::OpenWrtError;

/// What the router's server takes.
const LARGEST: usize = 64 << 10;
const NOBODY: &str = "00000000000000000000000000000000";

pub(super) struct Session<'a> {
    agent: &'a ureq::Agent,
    url: &'a str,
    id: String,
}

pub(super) fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_connect(Some(Duration::from_secs(5)))
        .timeout_global(Some(Duration::from_secs(60)))
        // What is not `200` is said by its number; nobody sends us elsewhere.
        .http_status_as_error(true)
        .max_redirects(0)
        .proxy(None)
        .build()
        .into()
}

/// Answers of ubus that are not `0`.
fn status(code: i64) -> &'static str {
    match code {
        1 => "invalid command",
        2 => "invalid argument",
        3 => "method not found",
        4 => "not found",
        5 => "no data",
        6 => "permission denied",
        7 => "timeout",
        8 => "not supported",
        9 => "unknown error",
        10 => "connection failed",
        _ => "an error that has no name",
    }
}

/// The request as it goes over the wire.
pub fn request(session: &str, object: &str, method: &str, arguments: &Json) -> Json {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "call", "params": [session, object, method, arguments] })
}

/// What the answer says. `null`: it was done, and there is nothing to say.
///
/// # Errors
///
/// The router refuses, or what it says is no answer.
pub fn answer(call: &str, reply: &Json) -> Result<Json, OpenWrtError> {
    if let Some(error) = reply.get("error") {
        let code = error.get("code").and_then(Json::as_i64).unwrap_or_default();
        let said = error.get("message").and_then(Json::as_str).unwrap_or_default().chars().take(200).collect();
        return Err(match code {
            -32002 => OpenWrtError::NotAllowed(call.into()),
            _ => OpenWrtError::Answer { call: call.into(), said },
        });
    }
    let result = reply.get("result").and_then(Json::as_array);
    match result.and_then(|result| Some((result.first()?.as_i64()?, result.get(1)))) {
        Some((0, said)) => Ok(said.cloned().unwrap_or(Json::Null)),
        Some((6, _)) => Err(OpenWrtError::NotAllowed(call.into())),
        Some((code, _)) => Err(OpenWrtError::Status { call: call.into(), code, said: status(code) }),
        None => Err(OpenWrtError::Answer { call: call.into(), said: "no result".into() }),
    }
}

impl<'a> Session<'a> {
    pub(super) fn login(
        agent: &'a ureq::Agent,
        url: &'a str,
        user: &str,
        password: &str,
    ) -> Result<Session<'a>, OpenWrtError> {
        let nobody = Session { agent, url, id: NOBODY.into() };
        let arguments = json!({ "username": user, "password": password, "timeout": 120 });
        let said = nobody.call("session", "login", &arguments).map_err(|error| match error {
            OpenWrtError::NotAllowed(_) => OpenWrtError::Login(user.into()),
            other => other,
        })?;
        let id = said.get("ubus_rpc_session").and_then(Json::as_str);
        let id = id.filter(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let answer = || OpenWrtError::Answer { call: "session login".into(), said: "no session".into() };
        Ok(Session { id: id.ok_or_else(answer)?.into(), ..nobody })
    }

    pub(super) fn call(&self, object: &str, method: &str, arguments: &Json) -> Result<Json, OpenWrtError> {
        let call = format!("{object} {method}");
        let body = request(&self.id, object, method, arguments).to_string();
        if body.len() > LARGEST {
            return Err(OpenWrtError::TooLarge { call, bytes: body.len() });
        }
        let unreachable =
            |error: ureq::Error| OpenWrtError::Unreachable { call: call.clone(), error: error.to_string() };
        let sent = self.agent.post(self.url).content_type("application/json").send(body);
        let reply: Json = sent.map_err(unreachable)?.body_mut().read_json().map_err(unreachable)?;
        answer(&call, &reply)
    }

    /// The same, by other connections.
    pub(super) fn by<'b>(&'b self, agent: &'b ureq::Agent) -> Session<'b> {
        Session { agent, url: self.url, id: self.id.clone() }
    }

    /// What was not applied goes with it.
    pub(super) fn end(self) {
        if let Err(error) = self.call("session", "destroy", &json!({})) {
            tracing::debug!(%error, "a session is left to end by itself");
        }
    }
}
