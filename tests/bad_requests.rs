//! Requests that make no sense: each gets a problem that names what is wrong, and nothing is changed.

use serde_json::{Value, json};

use crate::approval::user;
use crate::http::Client;
use crate::server::{SITE, Server, Site, lines};

/// Number of the last thing that happened.
fn last(server: &Server) -> String {
    let text = server.admin.get("/metrics").good();
    let line = text.as_str().unwrap().lines().find(|line| line.starts_with("cascina_events_last "));
    line.unwrap().to_owned()
}

const JSON: [(&str, &str); 1] = [("Content-Type", "application/json")];

#[test]
fn each_names_the_field() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 1));
    let before = last(&server);
    let farm = |change: &str, value: Value| {
        let mut body = json!({"name": "beta", "tenant": "bob", "instances": lines("m1.small", 1)});
        *body.pointer_mut(change).unwrap_or_else(|| panic!("{change}")) = value;
        body
    };
    let long = "a".repeat(64);
    let cases = [
        ("name", farm("/name", json!("Not A Name")), "name"),
        ("long name", farm("/name", json!(long)), "name"),
        ("empty name", farm("/name", json!("")), "name"),
        ("name of another kind", farm("/name", json!(7)), "name"),
        ("tenant", farm("/tenant", json!("../../etc")), "tenant"),
        ("flavor", farm("/instances/0/flavor", json!("m9.huge")), "instances[0].flavor"),
        ("image", farm("/instances/0/image", json!("no-such")), "instances[0].image"),
        ("count of none", farm("/instances/0/max_count", json!(0)), "instances[0].max_count"),
        ("count of too many", farm("/instances/0/max_count", json!(1001)), "instances[0].max_count"),
        ("negative count", farm("/instances/0/max_count", json!(-1)), "instances[0].max_count"),
        ("half a count", farm("/instances/0/max_count", json!(1.5)), "instances[0].max_count"),
        ("a count beyond all", farm("/instances/0/max_count", json!(1e30)), "instances[0].max_count"),
        ("no list", farm("/instances", json!({})), "instances"),
    ];
    for (what, body, field) in cases {
        let problem = server.admin.post("/v1/farms", body).refused(422);
        assert_eq!(problem["field"], field, "{what}: {problem:#}");
    }
    let unknown = json!({"name": "beta", "tenant": "bob", "owner": "eve"});
    let problem = server.admin.post("/v1/farms", unknown).refused(422);
    assert_eq!(problem["field"], "owner", "{problem:#}");
    assert!(problem["allowed"].as_str().unwrap().contains("tenant"), "{problem:#}");
    let problem = server.admin.post("/v1/farms", json!({"name": "beta"})).refused(422);
    assert_eq!(problem["field"], "tenant", "{problem:#}");
    let problem = server.admin.get("/v1/farms?limit=0").refused(422);
    assert_eq!(problem["field"], "limit");
    let problem = server.admin.get("/v1/farms?colour=red").refused(422);
    assert_eq!(problem["field"], "colour");
    let problem = server.admin.post("/v1/addresses", json!({"farm": "gamma"})).refused(404);
    assert_eq!((&problem["field"], &problem["value"]), (&json!("farm"), &json!("gamma")));
    let forward = json!({"forwards": [{"protocol": "tcp", "public_port": 0, "to": "10.64.1.10", "to_port": 22}]});
    let router = server.admin.list("/v1/routers")[0]["id"].as_str().unwrap().to_owned();
    server.admin.put(&format!("/v1/routers/{router}/forwards"), forward).refused(422);
    let stranger = json!({"forwards": [{"protocol": "tcp", "public_port": 22, "to": "8.8.8.8", "to_port": 22}]});
    server.admin.put(&format!("/v1/routers/{router}/forwards"), stranger).refused(422);
    assert_eq!(last(&server), before, "something was changed");
    server.delete_farm("alpha");
    server.end();
}

#[test]
fn what_is_no_request_at_all() {
    let server = Server::new();
    let before = last(&server);
    let send = |headers: &[(&str, &str)], body: &[u8]| server.admin.send("POST", "/v1/farms", headers, body).unwrap();
    for body in [
        &b"{"[..],
        b"[1, 2",
        b"\xff\xfe",
        b"{\"name\": \"a\x00b\"}",
        b"nonsense",
        br#"{"name": "a", "tenant": "b"} {}"#,
    ] {
        send(&JSON, body).refused(400);
    }
    let deep = [b"{\"labels\":".to_vec(), b"[".repeat(100_000)].concat();
    let answer = send(&JSON, &deep);
    assert!(matches!(answer.status, 400 | 422), "{}", answer.status);
    send(&[], b"{\"name\": \"a\", \"tenant\": \"b\"}").refused(415);
    send(&[("Content-Type", "text/xml")], b"<a/>").refused(415);
    let answer = server.admin.send("POST", "/v1/farms", &JSON, &vec![b' '; (1 << 20) + 1]);
    answer.expect("an answer to a long body").refused(413);
    for key in ["", " ", "ключ", &"k".repeat(65)] {
        let body = br#"{"name": "a", "tenant": "b"}"#;
        let headers = [("Content-Type", "application/json"), ("Idempotency-Key", key)];
        let problem = server.admin.send("POST", "/v1/farms", &headers, body).unwrap().refused(422);
        assert_eq!(problem["field"], "Idempotency-Key");
    }
    server.admin.get("/v1/nothing").refused(404);
    server.admin.patch("/v1/farms", json!({})).refused(405);
    assert_eq!(last(&server), before, "something was changed");
    server.end();
}

#[test]
fn a_key_that_was_used_for_something_else() {
    let server = Server::new();
    let first = server.admin.post_once("/v1/tenants", "k1", json!({"name": "alice"})).good();
    let again = server.admin.post_once("/v1/tenants", "k1", json!({"name": "alice"})).good();
    assert_eq!(first["id"], again["id"]);
    let problem = server.admin.post_once("/v1/tenants", "k1", json!({"name": "bob"})).refused(422);
    assert_eq!(problem["field"], "Idempotency-Key");
    // A restart does not forget it.
    let (_, site) = server.stop();
    let server = site.start();
    let again = server.admin.post_once("/v1/tenants", "k1", json!({"name": "alice"})).good();
    assert_eq!(first["id"], again["id"]);
    assert_eq!(server.admin.list("/v1/tenants").len(), 1);
    server.end();
}

#[test]
fn tokens_that_are_forged_or_have_expired() {
    let server = Site::new(&SITE.replace("[server]", "[server]\ntoken_ttl_s = 1")).start();
    let reader = user(&server, json!({"name": "paul", "role": "policy-author"}));
    assert_eq!(reader.get("/v1/whoami").good()["role"], "policy-author");
    let good = server.token().to_owned();
    let mut parts: Vec<String> = good.split('.').map(ToOwned::to_owned).collect();
    parts[1].pop();
    let cut = good[..good.len() - 2].to_owned();
    for token in ["", "a.b.c", "Bearer", &cut, &parts.join("."), &good.replace('.', "")] {
        server.admin.as_token(token).get("/v1/farms").refused(401);
    }
    Client::new(&server.url, None).get("/v1/farms").refused(401);
    let basic = [("Authorization", "Basic YWRtaW46YWRtaW4=")];
    Client::new(&server.url, None).send("GET", "/v1/farms", &basic, b"").unwrap().refused(401);
    crate::server::wait(|| (reader.get("/v1/whoami").status == 401).then_some(()));
    let problem = reader.get("/v1/whoami").refused(401);
    assert!(problem["detail"].as_str().unwrap().contains("expired"), "{problem:#}");
    let wrong = json!({"access_key": "AKIA0000", "secret": "guess"});
    Client::new(&server.url, None).post("/v1/tokens", wrong).refused(401);
    server.end();
}
