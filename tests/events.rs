//! What happens, as it happens; and what watches the server.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use ureq::http::Request;

use crate::approval::user;
use crate::server::{Server, lines};

/// Events of a stream as they come, until one is of this kind.
fn follow(server: &Server, token: &str, headers: &[(&str, &str)], until: &str) -> Vec<Value> {
    let mut request = Request::builder().uri(format!("{}/v1/events", server.url));
    request = request.header("Authorization", format!("Bearer {token}")).header("Accept", "text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = ureq::Agent::new_with_defaults().run(request.body(()).unwrap()).unwrap();
    let mut events = Vec::new();
    let mut id = String::new();
    for line in BufReader::new(response.into_body().into_reader()).lines().map(Result::unwrap) {
        if let Some(text) = line.strip_prefix("id:") {
            id = text.trim().to_owned();
        }
        if let Some(text) = line.strip_prefix("data:") {
            let event: Value = serde_json::from_str(text).unwrap();
            assert_eq!(event["seq"].to_string(), id);
            let last = event["kind"] == until;
            events.push(event);
            if last {
                break;
            }
        }
    }
    events
}

#[test]
fn a_stream_tells_what_happens_and_goes_on_where_it_broke_off() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 1));
    let token = server.token().to_owned();
    let all = follow(&server, &token, &[("Last-Event-ID", "0")], "operation.done");
    let numbers: Vec<_> = all.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let middle = numbers[numbers.len() / 2].to_string();
    let rest = follow(&server, &token, &[("Last-Event-ID", &middle)], "operation.done");
    assert_eq!(rest, all[numbers.len() / 2 + 1..]);
    // The same as pages.
    let pages = server.admin.list("/v1/events");
    assert_eq!(pages[..all.len()], all);

    // Live: it begins now, and the deletion is yet to come.
    std::thread::scope(|scope| {
        let (server, token) = (&server, &token);
        let follower = scope.spawn(move || follow(server, token, &[], "operation.done"));
        std::thread::sleep(std::time::Duration::from_millis(200));
        server.delete_farm("alpha");
        let live = follower.join().unwrap();
        assert!(live.iter().any(|event| event["kind"] == "farm.deleting"), "{live:#?}");
        assert!(live[0]["seq"].as_u64() > numbers.last().copied());
    });
    server.end();
}

#[test]
fn a_tenant_hears_of_its_own_things_only() {
    let server = Server::new();
    server.farm("alpha", json!([]));
    server.farm("beta", json!([]));
    let eve = user(&server, json!({"name": "eve", "role": "viewer", "tenant": "beta-tenant"}));
    let tenant = server.admin.get("/v1/tenants/beta-tenant").good()["id"].clone();
    let events = eve.list("/v1/events");
    assert!(!events.is_empty() && events.iter().all(|event| event["tenant"] == tenant), "{events:#?}");
    server.delete_farm("alpha");
    server.delete_farm("beta");
    server.end();
}

#[test]
fn the_command_line_follows_too() {
    let server = Server::new();
    let mut child = Command::new(env!("CARGO_BIN_EXE_cascina"))
        .args(["event", "follow", "-o", "json"])
        .env_clear()
        .env("CASCINA_SERVER", &server.url)
        .env("CASCINA_TOKEN", server.token())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    // It may not be listening yet: one of these it will hear.
    let mut line = String::new();
    let heard = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (server, heard) = (&server, &heard);
        scope.spawn(move || {
            let mut number = 0;
            while !heard.load(std::sync::atomic::Ordering::Relaxed) {
                number += 1;
                server.admin.post("/v1/tenants", json!({"name": format!("tenant-{number}")})).good();
                std::thread::sleep(std::time::Duration::from_millis(100));
            }
        });
        out.read_line(&mut line).unwrap();
        heard.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    let event: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(event["kind"], "tenant.created");
    child.kill().unwrap();
    child.wait().unwrap();
    server.end();
}

#[test]
fn the_server_is_watched() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 1));
    let open = crate::http::Client::new(&server.url, None);
    assert_eq!(open.get("/healthz").good(), "ok\n");
    assert_eq!(open.get("/readyz").good(), "ready\n");
    let text = open.get("/metrics").good();
    let text = text.as_str().unwrap();
    for line in
        ["cascina_hosts{state=\"up\"} 6", "cascina_farms{state=\"active\"} 1", "cascina_instances{state=\"running\"} 1"]
    {
        assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
    }
    let page = open.get("/docs/");
    assert_eq!((page.status, page.kind.split(';').next()), (200, Some("text/html")));
    let api = open.get("/v1/openapi.json").good();
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"), "{}", api["openapi"]);
    server.delete_farm("alpha");
    server.end();
}
