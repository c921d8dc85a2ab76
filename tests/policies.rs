//! How a candidate comes to decide, from the front door: replayed, in the shadow, as a canary, promoted and
//! rolled back; whose signature counts; what is offered in place of what was refused.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::approval::user;
use crate::hostile::fixture::{LOOP, Parts};
use crate::server::{SITE, Server, Site, lines, wait};

/// One that leaves no host: it excludes all of them.
fn refuses() -> Vec<u8> {
    // Row after row with code 0, whose reason lies behind the answer.
    let body = r#"
        (local.set $at (call $alloc (i32.const 64)))
        (i32.store8 (i32.const 256) (i32.const 0))
        (i32.store8 (i32.const 260) (i32.const 1))
        (i32.store (i32.const 264) (local.get $at))
        (i32.store (i32.const 268) (i32.const 1))
        (i32.store8 (local.get $at) (i32.const 2))
        (i32.store offset=4 (local.get $at) (i32.const 64))
        (i32.store offset=8 (local.get $at) (i32.const 7))
        (i32.store offset=12 (local.get $at) (i32.const 64))
        (i32.store offset=16 (local.get $at) (i32.const 7))
        (i32.const 256)"#;
    Parts::rank(body).build()
}

/// A server with farms, so that there is something to replay.
fn server(more: &str) -> Server {
    let server = Site::new(&format!("{SITE}\n{more}")).start();
    server.farm("alpha", lines("m1.small", 2));
    server
}

fn said(server: &Server, arguments: &[&str]) -> (i32, String) {
    let output = server.cli(arguments);
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

fn binding(server: &Server, name: &str) -> Value {
    server.admin.get(&format!("/v1/bindings/{name}")).good()
}

fn placement(server: &Server) -> String {
    let all = server.admin.list("/v1/bindings");
    let row = all.iter().find(|row| row["hook"] == "placement").unwrap();
    row["name"].as_str().unwrap().to_owned()
}

#[test]
fn a_replay_shows_what_would_change_and_gates_ask_for_it() {
    let server = server("[[gate]]\nhook = \"placement\"\ntenants = \"alpha*\"\nmax_new_denials = 0\nsince_days = 1\n");
    let at = placement(&server);
    let strict = server.admin.upload(&refuses()).good();
    let strict = strict["id"].as_str().unwrap();

    // The same policy changes nothing.
    let (code, text) = said(&server, &["policy", "replay", "placement-pack", "--binding", &at, "--since", "1d"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("0 would change"), "{text}");

    let promote = json!({"policy": strict, "settings": {}});
    let problem = server.admin.patch(&format!("/v1/bindings/{at}"), promote.clone()).refused(409);
    assert!(problem["detail"].as_str().unwrap().contains("policy replay"), "{problem}");
    let (code, text) =
        said(&server, &["policy", "replay", strict, "--binding", &at, "--since", "1d", "--settings", "{}"]);
    assert_eq!(code, 0, "{text}");
    assert!(text.contains("alpha-tenant") && !text.contains(" 0 new denials"), "{text}");
    let problem = server.admin.patch(&format!("/v1/bindings/{at}"), promote).refused(409);
    assert!(problem["detail"].as_str().unwrap().contains("would be denied"), "{problem}");

    // What was replayed and changes nothing may come.
    let (code, text) = said(&server, &["policy", "replay", "placement-spread", "--binding", &at, "--since", "1d"]);
    assert_eq!(code, 0, "{text}");
    server.admin.patch(&format!("/v1/bindings/{at}"), json!({"policy": "placement-spread"})).good();
    assert_eq!(binding(&server, &at)["policy"], "placement-spread@1.0.0");

    let eve = user(&server, json!({"name": "eve", "role": "tenant-admin", "tenant": "alpha-tenant"}));
    eve.post(&format!("/v1/policies/{strict}/replay"), json!({"binding": at})).refused(404);
    server.delete_farm("alpha");
    server.end();
}

#[test]
fn shadow_canary_promote_and_back() {
    let server = server("");
    let at = placement(&server);
    let strict = server.admin.upload(&refuses()).good();
    let strict = strict["id"].as_str().unwrap();
    let author = user(&server, json!({"name": "paul", "role": "policy-author"}));
    let trial = format!("/v1/bindings/{at}/trial");

    // An author may shadow, and no more.
    author.put(&trial, json!({"policy": strict, "settings": {}, "stage": "shadow"})).good();
    author.put(&trial, json!({"stage": "canary", "percent": 100})).refused(403);
    author.post(&format!("/v1/bindings/{at}/promote"), json!({})).refused(403);
    server.farm("beta", lines("m1.small", 1));
    let seen = author.get(&trial).good();
    assert!(seen["asked"].as_u64().unwrap() >= 2 && seen["decided"] == 0, "{seen}");
    assert_eq!(seen["asked"], seen["disagreed"], "{seen}");
    let row = &seen["disagreements"][0];
    assert!(row["tenant"].as_str().unwrap().starts_with("tenant-"), "an author sees no names: {row}");
    let admins = server.admin.get(&trial).good();
    assert_eq!(admins["disagreements"][0]["tenant"], "beta-tenant");

    // As a canary it decides for whom it is for, and for nobody else.
    server.admin.put(&trial, json!({"stage": "canary", "tenants": ["alpha-*"]})).good();
    let more = lines("m1.small", 1)[0].clone();
    server.admin.post("/v1/farms/alpha/instances", more.clone()).refused(409);
    let outcome = server.admin.post("/v1/farms/beta/instances", more.clone()).good();
    server.operation(&outcome["operation"]);

    server.admin.post(&format!("/v1/bindings/{at}/promote"), json!({})).good();
    assert_eq!(binding(&server, &at)["policy"], strict);
    server.admin.get(&trial).refused(404);
    server.admin.post("/v1/farms/beta/instances", more.clone()).refused(409);
    let (code, text) = said(&server, &["policy", "rollback", &at]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(binding(&server, &at)["policy"], "placement-pack@1.0.0");
    let outcome = server.admin.post("/v1/farms/beta/instances", more.clone()).good();
    server.operation(&outcome["operation"]);

    // And the audit has all of it.
    let (code, text) = said(&server, &["policy", "audit"]);
    assert_eq!(code, 0, "{text}");
    for kind in ["policy.added", "trial.begun", "trial.staged", "trial.promoted", "binding.rolled-back"] {
        assert!(text.contains(kind), "{kind}: {text}");
    }
    let use_ = server.admin.get("/v1/policy-use").good();
    assert!(use_["items"].as_array().unwrap().iter().any(|row| row["fuel"].as_u64().unwrap() > 0), "{use_}");
    let metrics = server.admin.get("/metrics").good();
    assert!(metrics.as_str().unwrap().contains("cascina_policy_fuel_total{owner=\"site\",hook=\"placement\"}"));
    server.delete_farm("alpha");
    server.delete_farm("beta");
    server.end();
}

#[test]
fn a_candidate_that_traps_goes_by_itself_and_panic_clears_the_table() {
    let server = server("");
    let at = placement(&server);
    let bad = server.admin.upload(&Parts::rank_when_it_counts(LOOP).build()).good();
    let trial = format!("/v1/bindings/{at}/trial");
    // In the shadow it is told so, and behaves; deciding, it does not.
    let begin = json!({"policy": bad["id"], "settings": {}, "stage": "canary", "percent": 100});
    server.admin.put(&trial, begin).good();
    // What is bound to stand aside when it fails does so; the trial is over.
    let outcome = server.admin.post("/v1/farms/alpha/instances", lines("m1.small", 1)[0].clone()).good();
    server.operation(&outcome["operation"]);
    wait(|| (server.admin.get(&trial).status == 404).then_some(()));
    let outcome = server.admin.post("/v1/farms/alpha/instances", lines("m1.small", 1)[0].clone()).good();
    server.operation(&outcome["operation"]);
    assert_eq!(binding(&server, &at)["quarantined"], Value::Null, "the active one is not to blame");

    server.admin.patch(&format!("/v1/bindings/{at}"), json!({"policy": bad["id"], "settings": {}})).good();
    let own = json!({"name": "own", "hook": "quota", "policy": "quota-tiers", "tenant": "alpha-tenant"});
    server.admin.post("/v1/bindings", own).good();
    let (code, text) = said(&server, &["policy", "panic"]);
    assert_eq!(code, 0, "{text}");
    assert_eq!(binding(&server, &at)["mode"], "off");
    assert_eq!(binding(&server, "panic-placement")["policy"], "placement-pack@1.0.0");
    assert_eq!(binding(&server, "own")["mode"], "enforce", "what ships stays");
    let outcome = server.admin.post("/v1/farms/alpha/instances", lines("m1.small", 1)[0].clone()).good();
    server.operation(&outcome["operation"]);
    server.delete_farm("alpha");
    server.end();
}

#[test]
fn what_decides_is_signed_and_comes_through_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (key, public, component) = (file("release.key"), file("release.pub"), file("p.wasm"));
    let tool = |arguments: &[&str]| {
        let output = crate::server::run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    tool(&["policy", "keygen", &key]);
    std::fs::write(&component, Parts::default().build()).unwrap();
    tool(&["policy", "sign", &component, "--key", &key]);
    tool(&["policy", "verify", &component, "--key", &public]);
    let pem = std::fs::read_to_string(&public).unwrap();
    let server = Site::new(&format!("{SITE}\n[[signer]]\nname = \"release\"\nkey = \"\"\"{pem}\"\"\"\n")).start();

    let unsigned = std::fs::read(&component).unwrap();
    let id = server.admin.upload(&unsigned).good()["id"].as_str().unwrap().to_owned();
    let bind = json!({"name": "mine", "hook": "placement", "policy": id});
    let problem = server.admin.post("/v1/bindings", bind.clone()).refused(403);
    assert!(problem["detail"].as_str().unwrap().contains("signed by release"), "{problem}");
    let shadow = json!({"policy": id, "settings": {}, "stage": "shadow"});
    server.admin.put(&format!("/v1/bindings/{}/trial", placement(&server)), shadow).good();

    // By way of a registry, if there is one to be had.
    if Path::new("/usr/bin/docker-registry").exists() {
        let registry = Registry::start(folder.path());
        let place = format!("oci://127.0.0.1:{}/policies/fixture:1.2.3", registry.port);
        tool(&["policy", "push", &component, "--to", &place]);
        let copy = file("copy.wasm");
        tool(&["policy", "pull", &place, "--file", &copy]);
        assert_eq!(std::fs::read(&copy).unwrap(), unsigned);
        tool(&["policy", "verify", &copy, "--key", &public]);
        let (code, text) = said(&server, &["policy", "push", "--from", &place]);
        assert_eq!(code, 0, "{text}");
    } else {
        eprintln!("docker-registry is not installed: the signature goes straight to the server");
        let (code, text) = said(&server, &["policy", "push", &component]);
        assert_eq!(code, 0, "{text}");
    }
    assert_eq!(server.admin.get(&format!("/v1/policies/{id}")).good()["signed_by"], json!(["release"]));
    server.admin.post("/v1/bindings", bind).good();

    // A signature of other bytes is refused, and so is one by nobody known.
    let other = file("q.wasm");
    std::fs::write(&other, refuses()).unwrap();
    std::fs::copy(format!("{component}.sig"), format!("{other}.sig")).unwrap();
    let (code, text) = said(&server, &["policy", "push", &other]);
    assert_eq!(code, 1, "{text}");
    assert!(text.contains("signature"), "{text}");
    server.end();
}

struct Registry {
    child: std::process::Child,
    port: u16,
}

impl Registry {
    fn start(folder: &Path) -> Registry {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = folder.join("registry.yml");
        let storage = folder.join("registry");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\nstorage:\n  filesystem:\n    rootdirectory: {}\nhttp:\n  addr: 127.0.0.1:{port}\n",
            storage.display()
        );
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new("/usr/bin/docker-registry");
        let child = command.arg("serve").arg(&config).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let registry = Registry { child, port };
        wait(|| std::net::TcpStream::connect(("127.0.0.1", port)).ok());
        registry
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_refusal_offers_the_nearest_and_holds_it() {
    let server = server("");
    let tenant = server.admin.get("/v1/farms/alpha").good()["tenant"].clone();
    let tenant = tenant.as_str().unwrap();
    // Four workers of 16 cores, of which two small ones are used.
    let ask = || json!({"flavor": "m1.large", "image": "debian", "min_count": 40, "max_count": 40});
    let problem = server.admin.post("/v1/farms/alpha/instances", ask()).refused(409);
    let grants = problem["grants"].as_array().unwrap();
    let fewer = grants.iter().find(|grant| grant["kind"] == "fewer").unwrap();
    let count = fewer["instances"][0]["count"].as_u64().unwrap();
    assert!((1..40).contains(&count), "{problem}");
    let smaller = grants.iter().find(|grant| grant["kind"] == "smaller").unwrap();
    assert_eq!(smaller["instances"], json!([{"flavor": "m1.small", "count": 40}]), "{problem}");
    let token = fewer["token"].as_str().unwrap();

    // While it is held, it is nobody else's.
    let held = server.admin.get(&format!("/v1/quotas?tenant={tenant}")).good();
    assert!(held.to_string().contains("\"held\""), "{held}");
    server.farm("beta", json!([]));
    let rest = json!({"flavor": "m1.large", "image": "debian", "max_count": 8, "min_count": 8});
    let other = user(&server, json!({"name": "boris", "role": "tenant-admin", "tenant": "beta-tenant"}));
    other.post("/v1/farms/beta/instances", rest).refused(409);
    other.post(&format!("/v1/offers/{token}/accept"), json!({})).refused(404);

    let outcome = server.admin.post(&format!("/v1/offers/{token}/accept"), json!({})).good();
    let operation = server.operation(&outcome["operation"]);
    assert_eq!(operation["state"], "done", "{operation}");
    let instances = server.admin.get("/v1/farms/alpha").good()["instances"].as_array().unwrap().len() as u64;
    assert_eq!(instances, 2 + count);
    server.admin.post(&format!("/v1/offers/{token}/accept"), json!({})).refused(404);
    server.delete_farm("alpha");
    server.delete_farm("beta");
    server.end();
}

#[test]
fn a_decision_goes_home_as_a_case() {
    let server = server("");
    let decisions = server.admin.list("/v1/decisions?hook=placement");
    let id = decisions[0]["id"].as_str().unwrap();
    let at = placement(&server);
    let case = server.admin.get(&format!("/v1/decisions/{id}/case?binding={at}")).good();
    assert!(!case["rank"]["hosts"].as_array().unwrap().is_empty(), "{case}");
    let component = concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/dist/placement-pack.wasm");
    let run = || {
        let output = server.cli(&["policy", "run", component, "--decision", id, "--binding", &at, "-o", "json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let (first, again) = (run(), run());
    assert_eq!(first, again);
    assert_eq!(first["verdict"], "ranked");
    assert_eq!(first["scores"].as_array().unwrap().len(), case["rank"]["hosts"].as_array().unwrap().len());
    // The same fuel as on the server: the same question, to the last byte.
    let recorded = server.admin.get(&format!("/v1/decisions/{id}")).good();
    assert_eq!(recorded["opinions"][0]["fuel"], first["fuel"], "{recorded}");
    server.delete_farm("alpha");
    server.end();
}
