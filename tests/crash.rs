//! The process dies by `kill -9` at every step of making and unmaking a farm, before and after the
//! work, before and after the commit, forward and back; and again while it recovers. After a
//! restart every operation ends, nothing is left on the hosts, and the books are sound.

use std::sync::Mutex;

use serde_json::{Value, json};

use crate::server::{SITE, Server, Site, lines};

const CREATE: [&str; 14] = [
    "create-identity",
    "hold-quota",
    "allocate-network",
    "allocate-address",
    "place-router",
    "isolate-router",
    "stage-router",
    "boot-router",
    "bind-address",
    "probe-router",
    "place-instances",
    "stage-instances",
    "boot-instances",
    "activate",
];
const DELETE: [&str; 8] = [
    "await-others",
    "destroy-instances",
    "remove-volumes",
    "destroy-router",
    "release-addresses",
    "remove-network",
    "remove-identity",
    "finish",
];

/// Steps that do something outside the database when they go forward.
const ACTS: [&str; 11] = [
    "place-router",
    "isolate-router",
    "stage-router",
    "boot-router",
    "bind-address",
    "probe-router",
    "place-instances",
    "stage-instances",
    "boot-instances",
    "destroy-instances",
    "destroy-router",
];
/// … and when they are undone.
const UNDOES: [&str; 6] =
    ["isolate-router", "stage-router", "boot-router", "probe-router", "stage-instances", "boot-instances"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum What {
    Create,
    /// The last step before the end fails, so that all the others are undone.
    Unwind,
    Delete,
}

fn points() -> Vec<(What, String)> {
    let mut points = Vec::new();
    let mut add = |what, saga: &str, step: &str, names: &[&str]| {
        points.extend(names.iter().map(|name| (what, format!("{saga}/{step}/{name}"))));
    };
    for (what, saga, steps) in [(What::Create, "farm-create", &CREATE[..]), (What::Delete, "farm-delete", &DELETE[..])]
    {
        for step in steps {
            if ACTS.contains(step) {
                add(what, saga, step, &["before-act", "after-act"]);
            }
            add(what, saga, step, &["done-before-commit", "done-after-commit"]);
        }
    }
    for step in CREATE.iter().take(13).rev() {
        if UNDOES.contains(step) {
            add(What::Unwind, "farm-create", step, &["before-undo", "after-undo"]);
        }
        add(What::Unwind, "farm-create", step, &["undone-before-commit", "undone-after-commit"]);
    }
    points
}

/// Does what is to be interrupted. The server may die before it answers.
fn ask(server: &Server, what: What) {
    let body = json!({"name": "alpha", "tenant": "alice", "instances": lines("m1.small", 1)}).to_string();
    let kind = [("Content-Type", "application/json")];
    if what == What::Unwind {
        // The router boots first; the instance does not.
        let no = json!({"kind": "refuse", "why": "on purpose"});
        server.faults(json!([{"call": "boot", "after": 1, "fault": no}]));
    }
    let accepted = server.admin.send("POST", "/v1/farms", &kind, body.as_bytes());
    if what == What::Delete {
        let accepted = accepted.expect("an answer to the creation").good();
        assert_eq!(server.operation(&accepted["operation"])["state"], "done");
        server.admin.send("DELETE", "/v1/farms/alpha", &[], b"");
    }
}

/// Ends whatever is left, and looks whether all is as it was before.
fn check(server: Server, what: What, point: &str) {
    for operation in server.admin.list("/v1/operations") {
        let operation = server.operation(&operation["id"]);
        assert!(matches!(operation["state"].as_str(), Some("done" | "failed")), "{point}: {operation:#}");
    }
    let states: Vec<Value> = server.admin.list("/v1/farms").iter().map(|farm| farm["state"].clone()).collect();
    // These steps need nothing from outside, so they are in the same commit as the request: before
    // it, nobody had been told anything, and there is nothing.
    let first = ["create-identity", "hold-quota", "allocate-network", "allocate-address"];
    let unheard = first.iter().any(|step| point.ends_with(&format!("{step}/done-before-commit")));
    match what {
        What::Create if unheard && states.is_empty() => {}
        What::Create => assert_eq!(states, ["active"], "{point}"),
        What::Unwind => assert_eq!(states, ["failed"], "{point}"),
        What::Delete if states == ["active"] => assert!(point.contains("await-others/done-before-commit"), "{point}"),
        What::Delete => assert_eq!(states, ["deleted"], "{point}"),
    }
    if states == ["active"] {
        server.delete_farm("alpha");
    }
    server.nothing_left();
    server.end();
}

fn interrupt(what: What, point: &str) {
    let crash = [("CASCINA_CRASH_AT", point)];
    let server = Site::new(SITE).start_with(&crash);
    ask(&server, what);
    let site = server.wait_for_death();
    // Recovery comes by the same point again, if the work had not been written down: a crash within
    // a crash. Wherever it gets to, the next start ends it.
    let site = match site.try_start_with(&crash) {
        Err(site) => site,
        Ok(server) => server.kill(),
    };
    let server = site.start();
    check(server, what, point);
}

fn each(points: Vec<(What, String)>) {
    let left = Mutex::new(points.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some((what, point)) = next else { return };
                    eprintln!("kill -9 at {point}");
                    interrupt(what, &point);
                }
            });
        }
    });
}

fn of(what: What) -> Vec<(What, String)> {
    points().into_iter().filter(|(of, _)| *of == what).collect()
}

#[test]
fn at_every_step_of_making_a_farm() {
    each(of(What::Create));
}

#[test]
fn at_every_step_of_unwinding_one() {
    each(of(What::Unwind));
}

#[test]
fn at_every_step_of_deleting_one() {
    each(of(What::Delete));
}

/// The lists above are the sagas' own: a new step must be killed at too.
#[test]
fn the_steps_are_all_of_them() {
    let server = Server::new();
    server.farm("alpha", json!([]));
    server.delete_farm("alpha");
    for operation in server.admin.list("/v1/operations") {
        let steps: Vec<_> = operation["steps"].as_array().unwrap().iter().map(|step| step["step"].clone()).collect();
        match operation["saga"].as_str() {
            Some("farm-create") => assert_eq!(steps, CREATE),
            Some("farm-delete") => assert_eq!(steps, DELETE),
            other => panic!("{other:?}"),
        }
    }
    server.end();
}
