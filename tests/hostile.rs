//! Hostile policies through the front door: refused at upload with a reason, or contained when they
//! run, while others are served as ever. What a component can do in detail is tried with the sandbox.

use serde_json::{Value, json};

use crate::server::{SITE, Server, Site, lines};

#[path = "../server/policy/tests/fixture/mod.rs"]
pub mod fixture;

use fixture::{LOOP, Parts};

#[test]
fn what_shows_at_upload_is_refused_and_nothing_is_kept() {
    let server = Server::new();
    let known = server.admin.list("/v1/policies").len();
    let import = Parts {
        imports: r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func (param i32)))"#.into(),
        ..Parts::default()
    };
    let module = wat::parse_str("(module)").unwrap();
    let bomb = format!("(module {})", "(func (drop (i32.const 1)))".repeat(60_000));
    let components: [(&str, Vec<u8>); 8] = [
        ("no component", b"not wasm at all".to_vec()),
        ("a bare module", module),
        ("nothing", vec![]),
        ("cut off", Parts::default().build()[..500].to_vec()),
        ("endless loop", Parts::rank(LOOP).build()),
        ("trap", Parts::rank("unreachable").build()),
        (
            "grows without end",
            Parts::rank("(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable")
                .build(),
        ),
        ("compile bomb", wat::parse_str(&bomb).unwrap()),
    ];
    for (what, bytes) in components {
        let problem = server.admin.upload(&bytes).refused(422);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.len() < 2000 && !detail.contains('\u{1b}'), "{what}: {detail}");
        eprintln!("{what}: {detail}");
    }
    // The world that it may see has no clock: it cannot even be encoded as one of ours.
    assert!(std::panic::catch_unwind(|| import.build()).is_err());
    let huge = server.admin.upload(&vec![0; (64 << 20) + 1]);
    assert_eq!(huge.status, 413);
    assert_eq!(server.admin.list("/v1/policies").len(), known);
    server.end();
}

#[test]
fn what_turns_hostile_later_is_contained_put_in_quarantine_and_hurts_nobody_else() {
    let server = Site::new(&SITE.replace("203.0.113.4", "203.0.113.40")).start();
    for tenant in ["eves", "alices"] {
        server.admin.post("/v1/tenants", json!({"name": tenant, "tier": "unlimited"})).good();
    }
    let policy = server.admin.upload(&Parts::rank_when_it_counts(LOOP).build()).good();
    let binding = json!({
        "name": "eves-own", "hook": "placement", "policy": policy["digest"], "tenant": "eves", "on_error": "deny",
    });
    server.admin.post("/v1/bindings", binding).good();
    let ask = |tenant: &str, name: String| json!({"name": name, "tenant": tenant, "instances": lines("m1.small", 1)});

    // Sixteen at a time by the one, while the other goes on.
    std::thread::scope(|scope| {
        let server = &server;
        // As many as a tenant may have at a time.
        for i in 0..3 {
            scope.spawn(move || {
                let accepted = server.admin.post("/v1/farms", ask("eves", format!("eve-{i}"))).good();
                let operation = server.operation(&accepted["operation"]);
                assert_eq!(operation["state"], "failed", "{operation:#}");
                let error = operation["error"].as_str().unwrap();
                assert!(error.contains("eves-own") || error.contains("place-router"), "{error}");
            });
        }
        for i in 0..2 {
            scope.spawn(move || {
                let accepted = server.admin.post("/v1/farms", ask("alices", format!("alice-{i}"))).good();
                assert_eq!(server.operation(&accepted["operation"])["state"], "done");
            });
        }
    });
    for name in ["eve-3", "eve-last"] {
        let accepted = server.admin.post("/v1/farms", ask("eves", name.into())).good();
        assert_eq!(server.operation(&accepted["operation"])["state"], "failed");
    }
    // Five failures in a row are enough.
    let row = crate::server::wait(|| {
        let row = server.admin.get("/v1/bindings/eves-own").good();
        row["quarantined"].is_string().then_some(row)
    });
    assert!(row["quarantined"].as_str().unwrap().contains("fuel"), "{row:#}");
    let explained = |row: &Value| {
        let decision = server.admin.get(&format!("/v1/decisions/{}", row["id"].as_str().unwrap())).good();
        let words = decision["explanation"].to_string();
        words.contains("eves-own") && words.contains("fuel")
    };
    assert!(server.admin.list("/v1/decisions").iter().any(explained));
    // It outlives a restart, and an admin lets it out.
    let (_, site) = server.stop();
    let server = site.start();
    assert!(server.admin.get("/v1/bindings/eves-own").good()["quarantined"].is_string());
    server.admin.patch("/v1/bindings/eves-own", json!({"release": true})).good();
    assert_eq!(server.admin.get("/v1/bindings/eves-own").good()["quarantined"], Value::Null);
    server.delete_farm("alice-0");
    server.delete_farm("alice-1");
    server.nothing_left();
    server.end();
}
