//! What is written stays written: restarts, `kill -9` under load, backups, damage.

use std::collections::BTreeSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::server::{SITE, Server, Site, lines, run};

#[test]
fn a_restart_forgets_nothing() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 2));
    let before = server.admin.get("/v1/farms/alpha").good();
    let decisions = server.admin.list("/v1/decisions");
    let (status, site) = server.stop();
    assert!(status.success());
    let server = site.start();
    assert_eq!(server.admin.get("/v1/farms/alpha").good(), before);
    assert_eq!(server.admin.list("/v1/decisions"), decisions);
    // Decisions of the former process are made again to the letter.
    for decision in decisions {
        let path = format!("/v1/decisions/{}/replay", decision["id"].as_str().unwrap());
        assert_eq!(server.admin.post(&path, json!({})).good()["same"], true, "{decision:#}");
    }
    server.delete_farm("alpha");
    server.end();
}

/// Four clients make and unmake things; the process dies under them. What had been answered is there.
#[test]
fn what_was_answered_survives_kill_9_under_load() {
    let mut site = Site::new(SITE);
    for round in 0..5_u64 {
        let server = site.start();
        if round == 0 {
            server.farm("alpha", json!([]));
            server.farm("beta", json!([]));
        }
        let answered: Mutex<BTreeSet<String>> = Mutex::default();
        let (clients, url, token) = (4, server.url.clone(), server.token().to_owned());
        let site_after = std::thread::scope(|scope| {
            for i in 0..clients {
                let (answered, url, token) = (&answered, &url, &token);
                scope.spawn(move || {
                    let client = crate::http::Client::new(url, Some(token));
                    let farm = ["alpha", "beta"][i % 2];
                    let ask = lines("m1.small", 1)[0].to_string();
                    let kind = [("Content-Type", "application/json")];
                    while let Some(answer) =
                        client.send("POST", &format!("/v1/farms/{farm}/instances"), &kind, ask.as_bytes())
                    {
                        if answer.status == 202 {
                            let id = answer.body["instances"][0].as_str().unwrap().to_owned();
                            answered.lock().unwrap().insert(id.clone());
                            client.send("DELETE", &format!("/v1/instances/{id}"), &[], b"");
                        }
                    }
                });
            }
            std::thread::sleep(Duration::from_millis(150 + round * 130));
            server.kill()
        });
        site_after.sound();
        let server = site_after.start();
        for operation in server.admin.list("/v1/operations?state=running") {
            // One that waits for room may find none.
            let operation = server.operation(&operation["id"]);
            assert!(matches!(operation["state"].as_str(), Some("done" | "failed")), "{operation:#}");
        }
        let known: BTreeSet<String> =
            server.admin.list("/v1/instances").iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
        let answered = answered.into_inner().unwrap();
        assert!(!answered.is_empty());
        assert_eq!(answered.difference(&known).collect::<Vec<_>>(), Vec::<&String>::new());
        let (_, stopped) = server.stop();
        stopped.sound();
        site = stopped;
    }
    let server = site.start();
    server.delete_farm("alpha");
    server.delete_farm("beta");
    // Of two that went at the same time each may have taken the other for one that stays: then the
    // network is the reconciler's to sweep.
    crate::server::wait(|| (server.totals()["networks"] == 0).then_some(()));
    server.nothing_left();
    server.end();
}

#[test]
fn a_backup_is_taken_while_the_server_works_and_restored_whole() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 2));
    let copy = server.site().path("copy.db");
    let database = server.site().database();
    let (copy_text, database_text) = (copy.to_str().unwrap(), database.to_str().unwrap());
    let output = run(&["backup", database_text, copy_text]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let again = run(&["backup", database_text, copy_text]);
    assert!(!again.status.success(), "an existing file must not be overwritten");
    server.farm("beta", json!([]));
    let (_, site) = server.stop();

    for ending in ["", "-wal", "-shm"] {
        let mut path = database.clone().into_os_string();
        path.push(ending);
        // An orderly stop may have left only the database.
        let _ = std::fs::rename(&path, site.path(&format!("before{ending}")));
    }
    let output = run(&["restore", copy_text, database_text]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site.sound();
    // The hosts have beta's router, which the restored books do not know: it is swept.
    let server = site.start();
    assert_eq!(server.admin.list("/v1/farms").len(), 1);
    crate::server::wait(|| (server.totals()["running"] == 3).then_some(()));
    server.delete_farm("alpha");
    server.nothing_left();
    server.end();
}

#[test]
fn fsck_finds_what_was_changed_behind_the_servers_back() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 1));
    let (_, site) = server.stop();
    let mut bytes = std::fs::read(site.database()).unwrap();
    // A word of an event, changed in place: pages are whole, but the chain is not.
    let word = b"farm alpha for tenant";
    let at = bytes.windows(word.len()).position(|window| window == word).expect("the event is in the file");
    bytes[at + 5] = b'o';
    std::fs::write(site.database(), bytes).unwrap();
    let output = site.fsck();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success() && text.contains("event"), "{text}");
}

#[test]
fn two_servers_never_share_a_folder() {
    let server = Server::new();
    let config = server.site().path("cascina.toml");
    let data = server.site().path("data");
    let second = std::process::Command::new(env!("CARGO_BIN_EXE_cascina"))
        .args(["serve", "--config", config.to_str().unwrap()])
        .env_clear()
        .env("CASCINA_SERVER_DATA", &data)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success() && said.contains("in use by another server"), "{said}");
    assert_eq!(server.admin.get("/v1/farms").good()["items"], Value::Array(vec![]));
    server.end();
}
