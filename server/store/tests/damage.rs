//! Damage of every kind, planted by hand, is found.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod world;

use std::path::PathBuf;
use std::sync::Arc;

use cascina_core::instance::InstanceState;
use cascina_core::policy::Hook;
use cascina_store::{Batch, Report, Store, StoreError, fsck, restore};
use rusqlite::Connection;
use tempfile::TempDir;
use world::*;

/// A database with something of everything: 7 events, 2 decisions, 1 component, 1 checkpoint.
fn populated() -> (TempDir, PathBuf) {
    let (folder, mut store) = store();
    let net = network(1, 1, 1);
    let (digest, _) = component();
    commit(&mut store, &[beginning(2, 2)]);
    commit(&mut store, &[event(2, "policy.added", "x", puts([policy(digest, "1.0.0").into()]))]);
    let (created, told) = create(3, 9, &net, 0, 1);
    store.commit(&Batch { events: &[created], decisions: &told }).unwrap();
    let state = store.load().unwrap();
    store.checkpoint(&state).unwrap();
    let rows = [address(1, 7, 1, 1).into(), instance(2, &net, 3, 2, InstanceState::Running).into()];
    commit(&mut store, &[event(4, "address.allocated", "x", puts(rows))]);
    for seq in 5..=7 {
        commit(&mut store, &[event(seq, "x.made", "x", vec![])]);
    }
    let path = store.path().to_path_buf();
    drop(store);
    (folder, path)
}

/// What fsck says after `sql` was done behind the store's back.
fn after(sql: &str) -> Report {
    let (_folder, path) = populated();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("PRAGMA foreign_keys = off; PRAGMA recursive_triggers = off").unwrap();
    // The triggers are put back: they are not what is tested.
    let triggers: Vec<(String, String)> = {
        let mut all = conn.prepare("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'").unwrap();
        all.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
    };
    for (name, _) in &triggers {
        conn.execute_batch(&format!("DROP TRIGGER {name}")).unwrap();
    }
    conn.execute_batch(sql).unwrap();
    for (_, sql) in &triggers {
        conn.execute_batch(sql).unwrap();
    }
    drop(conn);
    fsck(&path).unwrap()
}

fn finds(sql: &str, problem: &str) {
    let report = after(sql);
    assert!(report.problems.iter().any(|found| found.contains(problem)), "{sql}\n{:#?}", report.problems);
}

#[test]
fn a_sound_database_has_no_problems() {
    let report = after("");
    assert_eq!(report.problems, [""; 0]);
    let counted = (report.events, report.decisions, report.rows, report.components, report.checkpoints);
    assert_eq!(counted, (7, 2, 3 + 2 + 2 * 3 + 1 + 2 + 2, 1, 1));
}

#[test]
fn a_tampered_byte_in_the_log_is_found() {
    for column in ["kind", "actor", "subject", "text", "tenant", "farm", "operation", "decision"] {
        finds(
            &format!("UPDATE event SET {column} = coalesce({column}, '') || 'x' WHERE seq = 3"),
            "event 3: its hash does not follow",
        );
    }
    finds("UPDATE event SET at = at + 1 WHERE seq = 5", "event 5: its hash");
    finds("UPDATE event SET changes = replace(changes, '192.0.2.7', '192.0.2.8') WHERE seq = 4", "event 4: its hash");
    finds("UPDATE event SET hash = zeroblob(32) WHERE seq = 4", "event 4: its hash");
    finds("UPDATE event SET hash = x'00' WHERE seq = 7", "event 7");
    // Text that moves from one column to its neighbour.
    finds("UPDATE event SET kind = 'x', actor = '.made' || actor WHERE seq = 5", "event 5: its hash");
}

#[test]
fn missing_and_reordered_events_are_found() {
    finds("DELETE FROM event WHERE seq = 5", "event 5 is missing");
    finds("DELETE FROM event WHERE seq IN (5, 6)", "events 5 to 6 are missing");
    finds("DELETE FROM event WHERE seq = 1", "event 1 is missing");
    finds("DELETE FROM event WHERE seq = 7", "the event log ends at 6");
    finds(
        "UPDATE event SET seq = 100 WHERE seq = 5; UPDATE event SET seq = 5 WHERE seq = 6; \
         UPDATE event SET seq = 6 WHERE seq = 100",
        "event 5: its hash",
    );
    // Also if the end was adjusted: the tables know better.
    finds(
        "DELETE FROM event WHERE seq >= 4; UPDATE head SET seq = 3, hash = (SELECT hash FROM event WHERE seq = 3)",
        "address eipalloc-00000000000000001 is not in the log",
    );
}

#[test]
fn rows_that_differ_from_the_log_are_found() {
    finds("UPDATE address SET body = replace(body, 'false', 'true')", "is not as the log left it");
    finds("DELETE FROM host WHERE id = '2'", "host 2 is in the log, not in its table");
    finds("UPDATE instance SET live = 0", "its column live is not what its JSON says");
    finds("UPDATE address SET ip = '192.0.2.8'", "its column ip is not what its JSON says");
    finds("UPDATE tenant SET body = '{' WHERE name = 'tenant-1'", "tenant tenant-00000000000000001: EOF");
    finds("UPDATE host SET id = '7' WHERE id = '2'", "its JSON has another id");
    let stranger = "INSERT INTO flavor VALUES ('x', '{\"name\":\"x\",\"size\":{\"vcpus\":1,\"memory\":1,\"disk\":1},\
                    \"deprecated\":false,\"created\":0,\"updated\":0}')";
    finds(stranger, "flavor x is not in the log");
}

#[test]
fn broken_truths_are_found() {
    finds(
        "UPDATE host SET body = replace(body, '\"vcpus\":1600', '\"vcpus\":0') WHERE id = '1'",
        "usage within capacity",
    );
    finds("DELETE FROM farm WHERE live", "nothing is without its owner");
}

#[test]
fn lost_and_altered_decisions_are_found() {
    finds("DELETE FROM decision", "event 3 names decision-00000000000000009, which is not recorded");
    finds("UPDATE decision SET decided = 'denied'", "a column is not what its JSON says");
    finds("UPDATE decision SET body = 'x'", "decision-00000000000000009: expected value");
    finds(
        "UPDATE decision SET revision = 99, body = replace(body, '\"revision\":2', '\"revision\":99')",
        "stands at event 99, which is not there",
    );
}

#[test]
fn lost_and_altered_components_are_found() {
    finds("DELETE FROM component", "has no component");
    finds("DELETE FROM component", "has no component any more");
    finds("UPDATE component SET bytes = x'00'", "has other bytes");
}

#[test]
fn a_wrong_checkpoint_is_found_and_not_used() {
    finds(
        "UPDATE checkpoint_part SET body = replace(body, 'worker-', 'wurker-')",
        "the checkpoint at 3: parts are missing",
    );
    finds("DELETE FROM checkpoint_part", "the checkpoint at 3: parts are missing");
    finds(
        "UPDATE checkpoint SET seq = 2; UPDATE checkpoint_part SET seq = 2",
        "the checkpoint at 2 is not what the log",
    );
    finds("UPDATE checkpoint SET seq = 50", "the checkpoint at 50 is of an event that is not there");

    let (_folder, path) = populated();
    Connection::open(&path).unwrap().execute_batch("UPDATE checkpoint_part SET body = '[]'").unwrap();
    let store = Store::open(&path).unwrap();
    assert!(store.reader().state_at(7).unwrap().rows == store.load().unwrap().rows);
}

#[test]
fn a_changed_schema_is_found() {
    finds("DROP INDEX instance_mac", "schema: instance_mac is missing");
    finds("CREATE TABLE mine (x)", "schema: mine is not ours");
    let (_folder, path) = populated();
    Connection::open(&path).unwrap().execute_batch("DROP TRIGGER event_is_never_changed").unwrap();
    assert_eq!(fsck(&path).unwrap().problems, ["schema: event_is_never_changed is missing"]);
}

#[test]
fn the_log_cannot_be_changed_by_accident() {
    let (_folder, path) = populated();
    let conn = Connection::open(&path).unwrap();
    for sql in ["UPDATE event SET text = ''", "DELETE FROM event", "UPDATE decision SET at = 0", "DELETE FROM decision"]
    {
        assert!(conn.execute_batch(sql).unwrap_err().to_string().contains("append-only"), "{sql}");
    }
}

#[test]
fn bytes_spoilt_on_the_disk_are_found() {
    let (folder, path) = populated();
    let clean = std::fs::read(&path).unwrap();
    let mut found = 0;
    let pages = clean.len() / 8192;
    for page in 1..pages {
        let mut spoilt = clean.clone();
        spoilt[page * 8192..page * 8192 + 64].fill(0xa5);
        let at = folder.path().join(format!("spoilt-{page}.db"));
        std::fs::write(&at, spoilt).unwrap();
        found += match fsck(&at) {
            Ok(report) => usize::from(!report.problems.is_empty()),
            Err(_) => 1,
        };
        assert!(restore(&at, &folder.path().join("restored.db")).is_err(), "page {page}");
    }
    assert_eq!(found, pages - 1);
}

#[test]
fn a_log_without_its_end_is_not_opened() {
    let (_folder, path) = populated();
    let conn = Connection::open(&path).unwrap();
    conn.execute_batch("DROP TRIGGER event_is_never_deleted; DELETE FROM event WHERE seq = 7").unwrap();
    drop(conn);
    match Store::open(&path) {
        Err(StoreError::Damaged { what }) => assert_eq!(what, "the event log ends at 6, it should at 7"),
        other => panic!("{:?}", other.err()),
    }
}

#[test]
fn decisions_of_the_future_are_found() {
    let (_folder, path) = populated();
    let mut store = Store::open(&path).unwrap();
    let told = [Arc::new(decision(77, 1, 1, 1, Hook::Quota, 8))];
    store.commit(&Batch { events: &[], decisions: &told }).unwrap();
    let problems = fsck(&path).unwrap().problems;
    assert_eq!(problems, [format!("{} stands at event 8, which is not there", told[0].id)]);
}
