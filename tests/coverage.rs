//! Walks the description of the API: every operation is tried without a token, with a forged one,
//! with nonsense, and by a stranger. None fails the server, and none shows or changes what it should not.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::approval::user;
use crate::http::Client;
use crate::server::{Server, lines};

struct Operation {
    method: String,
    path: String,
    /// Needs no token.
    open: bool,
    /// Takes bytes rather than JSON.
    bytes: bool,
}

fn operations(server: &Server) -> Vec<Operation> {
    let api = server.admin.get("/v1/openapi.json").good();
    let mut all = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let open = operation["security"].as_array().is_some_and(|all| all.iter().any(|one| one == &json!({})));
            let bytes = operation["requestBody"]["content"].get("application/wasm").is_some();
            all.push(Operation { method: method.to_uppercase(), path: path.clone(), open, bytes });
        }
    }
    assert!(all.len() > 70, "{}", all.len());
    all
}

/// The path with each variable replaced.
fn at(path: &str, value: impl Fn(&str) -> String) -> String {
    let part = |part: &str| match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => value(name),
        None => part.to_owned(),
    };
    path.split('/').map(part).collect::<Vec<_>>().join("/")
}

fn try_it(client: &Client, operation: &Operation, path: &str, body: &[u8]) -> crate::http::Answer {
    let kind = if operation.bytes { "application/wasm" } else { "application/json" };
    let (headers, body): (&[(&str, &str)], &[u8]) = match operation.method.as_str() {
        "GET" => (&[], b""),
        _ => (&[("Content-Type", kind)], body),
    };
    client
        .send(&operation.method, path, headers, body)
        .unwrap_or_else(|| panic!("no answer: {} {path}", operation.method))
}

/// Ids and names of everything that there is, by the variables of paths.
fn things(server: &Server) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    let first = |list: &str| server.admin.list(list)[0].clone();
    let farm = server.admin.get("/v1/farms/alpha").good();
    let user = first("/v1/users");
    let key = first(&format!("/v1/users/{}/access-keys", text(&user["id"])));
    BTreeMap::from([
        ("farm".to_owned(), text(&farm["id"])),
        ("instance".to_owned(), text(&farm["instances"][0]["id"])),
        ("network".to_owned(), text(&farm["network"]["id"])),
        ("router".to_owned(), text(&farm["router"]["id"])),
        ("address".to_owned(), text(&farm["addresses"][0]["id"])),
        ("tenant".to_owned(), text(&farm["tenant"])),
        ("user".to_owned(), text(&user["id"])),
        ("key".to_owned(), text(&key["id"])),
        // There is none: nothing plans here.
        ("plan".to_owned(), "plan-00000000000000001".to_owned()),
        ("operation".to_owned(), text(&first("/v1/operations")["id"])),
        ("decision".to_owned(), text(&first("/v1/decisions")["id"])),
        ("host".to_owned(), "w-1".to_owned()),
        ("share".to_owned(), "theory".to_owned()),
        ("binding".to_owned(), text(&first("/v1/bindings")["id"])),
        ("policy".to_owned(), "placement-pack".to_owned()),
        ("offer".to_owned(), "offer-0".to_owned()),
        ("class".to_owned(), "workers".to_owned()),
        ("flavor".to_owned(), "m1.small".to_owned()),
        ("image".to_owned(), text(&first("/v1/images")["id"])),
    ])
}

fn last(server: &Server) -> Value {
    let text = server.admin.get("/metrics").good();
    text.as_str().unwrap().lines().find(|line| line.starts_with("cascina_events_last ")).unwrap().into()
}

#[test]
fn without_a_token_or_with_a_forged_one() {
    let server = Server::new();
    let before = last(&server);
    for operation in operations(&server).iter().filter(|operation| !operation.open) {
        let path = at(&operation.path, |_| "x".into());
        let strangers = [Client::new(&server.url, None), server.admin.as_token("e30.e30.e30")];
        for client in strangers {
            for body in [&b"{}"[..], b"{{{"] {
                try_it(&client, operation, &path, body).refused(401);
            }
        }
    }
    assert_eq!(last(&server), before);
    server.end();
}

#[test]
fn with_nonsense() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 1));
    let things = things(&server);
    let before = last(&server);
    let long = "9".repeat(5000);
    for operation in operations(&server) {
        for name in ["nothing-such", "%00%ff", "..%2f..%2fetc%2fpasswd", long.as_str()] {
            if operation.path.contains('{') {
                let path = at(&operation.path, |_| name.into());
                let answer = try_it(&server.admin, &operation, &path, b"{}");
                assert!((400..500).contains(&answer.status), "{} {}: {}", operation.method, path, answer.status);
            }
        }
        let path = at(&operation.path, |name| things[name].clone());
        for body in [&b"{\"nonsense\": 1}"[..], b"[1]", b"\"text\"", b"{\"a\":", b"\xff"] {
            if operation.method != "GET" {
                let answer = try_it(&server.admin, &operation, &path, body);
                let status = answer.status;
                answer.refused(status);
                assert!((400..500).contains(&status), "{} {path}: {status}", operation.method);
            }
        }
        if operation.method == "GET" {
            let answer = try_it(&server.admin, &operation, &format!("{path}?limit=x&cursor=%ff"), b"");
            assert!(answer.status < 500, "{path}: {}", answer.status);
        }
    }
    assert_eq!(last(&server), before, "nonsense changed something");
    server.delete_farm("alpha");
    server.end();
}

#[test]
fn as_a_stranger() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 1));
    let things = things(&server);
    server.admin.post("/v1/tenants", json!({"name": "eves"})).good();
    let eve = user(&server, json!({"name": "eve", "role": "tenant-admin", "tenant": "eves"}));
    let before = last(&server);
    // What everybody of the site may see.
    let public = ["policy", "class", "flavor", "image"];
    let secret: Vec<_> = things.iter().filter(|(name, _)| !public.contains(&name.as_str())).map(|(_, id)| id).collect();
    for operation in operations(&server).iter().filter(|operation| !operation.open) {
        let path = at(&operation.path, |name| things[name].clone());
        let answer = try_it(&eve, operation, &path, b"{}");
        let what = format!("{} {path}: {} {}", operation.method, answer.status, answer.body);
        if operation.method == "GET" {
            let shown = answer.body.to_string();
            if answer.status == 200 {
                assert!(!secret.iter().any(|id| shown.contains(id.as_str())), "{what}");
            }
            let private = operation.path.contains('{')
                && !public.iter().any(|name| operation.path.contains(&format!("{{{name}}}")));
            assert!(
                !private || answer.status == 404 || (answer.status == 403 && shown.contains("forbidden")),
                "{what}"
            );
        } else {
            assert!(matches!(answer.status, 403 | 404 | 422 | 400), "{what}");
        }
    }
    assert_eq!(last(&server), before, "a stranger changed something");
    server.delete_farm("alpha");
    server.end();
}

/// What the API offers, as a list that shows every change of it.
#[test]
fn the_operations_are_these() {
    let server = Server::new();
    let mut lines: Vec<_> =
        operations(&server).into_iter().map(|operation| format!("{} {}", operation.method, operation.path)).collect();
    lines.sort_by(|a, b| a.split(' ').rev().cmp(b.split(' ').rev()));
    insta::assert_snapshot!(lines.join("\n"));
    server.end();
}
