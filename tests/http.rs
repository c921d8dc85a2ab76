//! A client with a token, and what it gets.

use serde_json::Value;
use ureq::Agent;
use ureq::http::Request;

#[derive(Clone)]
pub struct Client {
    agent: Agent,
    url: String,
    token: Option<String>,
}

pub struct Answer {
    pub what: String,
    pub status: u16,
    pub kind: String,
    pub body: Value,
}

impl Client {
    pub fn new(url: &str, token: Option<&str>) -> Client {
        let config = Agent::config_builder().http_status_as_error(false);
        let config = config.timeout_global(Some(std::time::Duration::from_secs(60)));
        Client { agent: config.build().into(), url: url.to_owned(), token: token.map(ToOwned::to_owned) }
    }

    pub fn as_token(&self, token: &str) -> Client {
        Client { token: Some(token.to_owned()), ..self.clone() }
    }

    /// Sends anything; None if the server broke off.
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Option<Answer> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = if body.is_empty() {
            self.agent.run(request.body(()).unwrap())
        } else {
            self.agent.run(request.body(body.to_vec()).unwrap())
        };
        let mut answer = answer.ok()?;
        let kind = answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().into();
        // Components are no text; that they are bytes is enough here.
        let bytes = answer.body_mut().with_config().limit(256 << 20).read_to_vec().ok()?;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Some(Answer { what: format!("{method} {path}"), status: answer.status().as_u16(), kind, body })
    }

    fn json(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Answer {
        let text = body.map(ToString::to_string).unwrap_or_default();
        let mut all = vec![];
        if body.is_some() {
            all.push(("Content-Type", "application/json"));
        }
        all.extend_from_slice(headers);
        self.send(method, path, &all, text.as_bytes()).unwrap_or_else(|| panic!("no answer to {method} {path}"))
    }

    pub fn get(&self, path: &str) -> Answer {
        self.json("GET", path, &[], None)
    }

    pub fn post(&self, path: &str, body: Value) -> Answer {
        self.json("POST", path, &[], Some(&body))
    }

    pub fn post_once(&self, path: &str, key: &str, body: Value) -> Answer {
        self.json("POST", path, &[("Idempotency-Key", key)], Some(&body))
    }

    pub fn put(&self, path: &str, body: Value) -> Answer {
        self.json("PUT", path, &[], Some(&body))
    }

    pub fn patch(&self, path: &str, body: Value) -> Answer {
        self.json("PATCH", path, &[], Some(&body))
    }

    pub fn delete(&self, path: &str) -> Answer {
        self.json("DELETE", path, &[], None)
    }

    pub fn upload(&self, component: &[u8]) -> Answer {
        let kind = [("Content-Type", "application/wasm")];
        self.send("POST", "/v1/policies", &kind, component).expect("an answer to an upload")
    }

    /// All items of a list.
    pub fn list(&self, path: &str) -> Vec<Value> {
        let joint = if path.contains('?') { '&' } else { '?' };
        let mut items = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.get(&format!("{path}{joint}limit=1000{cursor}")).good();
            items.extend(page["items"].as_array().unwrap().iter().cloned());
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return items,
            }
        }
    }
}

impl Answer {
    #[track_caller]
    pub fn good(self) -> Value {
        assert!((200..300).contains(&self.status), "{}: {} {:#}", self.what, self.status, self.body);
        self.body
    }

    /// A problem, in the standard's form, with this status.
    #[track_caller]
    pub fn refused(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}: {:#}", self.what, self.body);
        assert_eq!(self.kind, "application/problem+json", "{}", self.what);
        assert_eq!(self.body["status"], status, "{}", self.what);
        for field in ["type", "title", "detail"] {
            assert!(self.body[field].as_str().is_some_and(|text| !text.is_empty()), "{}: {:#}", self.what, self.body);
        }
        self.body
    }
}
