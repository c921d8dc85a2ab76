//! Sixty-four clients, one thing left: exactly one gets it, and the others are told why not.

use serde_json::{Value, json};

use crate::http::Answer;
use crate::server::{Server, lines};

/// All at once, each with a connection of its own.
fn race(server: &Server, ask: impl Fn(usize) -> (String, Value) + Sync) -> (usize, Vec<Answer>) {
    let line = std::sync::Barrier::new(64);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let (line, ask) = (&line, &ask);
        let clients: Vec<_> = (0..64)
            .map(|i| {
                let client = crate::http::Client::new(&server.url, None);
                let client = client.as_token(server.token());
                scope.spawn(move || {
                    let (path, body) = ask(i);
                    line.wait();
                    client.post(&path, body)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status < 300);
    (won.len(), lost)
}

#[test]
fn the_last_elastic_ip() {
    let server = Server::new();
    server.farm("alpha", json!([]));
    // Four in the pool; the farm has one.
    for _ in 0..2 {
        server.admin.post("/v1/addresses", json!({"farm": "alpha"})).good();
    }
    let (won, lost) = race(&server, |_| ("/v1/addresses".into(), json!({"farm": "alpha"})));
    assert_eq!(won, 1);
    for answer in lost {
        assert_eq!(answer.refused(409)["type"], "urn:cascina:problem:exhausted");
    }
    let mut ips: Vec<_> = server.admin.list("/v1/addresses").iter().map(|row| row["ip"].to_string()).collect();
    ips.dedup();
    assert_eq!(ips.len(), 4);
    server.delete_farm("alpha");
    server.end();
}

#[test]
fn the_last_unit_of_quota() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 2));
    server.admin.put("/v1/quotas/alpha-tenant", json!({"limit": {"instances": 3}})).good();
    let (won, lost) = race(&server, |_| ("/v1/farms/alpha/instances".into(), lines("m1.small", 1)[0].clone()));
    assert_eq!(won, 1);
    for answer in lost {
        let problem = answer.refused(403);
        assert_eq!(
            (&problem["type"], &problem["field"]),
            (&json!("urn:cascina:problem:quota-exceeded"), &json!("instances"))
        );
    }
    server.delete_farm("alpha");
    server.end();
}

#[test]
fn the_last_slot_of_a_host() {
    let server = Server::new();
    // Four workers of 16 vCPUs take sixteen large ones; fifteen are there.
    server.farm("alpha", lines("m1.large", 15));
    let (won, lost) = race(&server, |_| ("/v1/farms/alpha/instances".into(), lines("m1.large", 1)[0].clone()));
    assert_eq!(won, 1);
    for answer in lost {
        assert_eq!(answer.refused(409)["type"], "urn:cascina:problem:no-host");
    }
    server.delete_farm("alpha");
    server.nothing_left();
    server.end();
}

#[test]
fn one_key_is_one_request_however_often_it_is_sent() {
    let server = Server::new();
    server.farm("alpha", json!([]));
    let line = std::sync::Barrier::new(16);
    let ids: Vec<Value> = std::thread::scope(|scope| {
        let (line, server) = (&line, &server);
        let clients: Vec<_> = (0..16)
            .map(|_| {
                scope.spawn(move || {
                    line.wait();
                    let ask = lines("m1.small", 1)[0].clone();
                    server.admin.post_once("/v1/farms/alpha/instances", "the-same", ask).good()["instances"].clone()
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(server.admin.list("/v1/instances").len(), 1);
    server.delete_farm("alpha");
    server.end();
}
