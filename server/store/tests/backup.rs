//! Backups taken while the server works, and databases made from them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod world;

use std::sync::atomic::{AtomicBool, Ordering};

use cascina_store::{Store, StoreError, fsck, restore};
use world::*;

#[test]
fn a_backup_under_load_is_one_moment_and_can_be_restored() {
    let (folder, mut store) = store();
    commit(&mut store, &[beginning(5, 50)]);
    let reader = store.reader();
    let done = AtomicBool::new(false);
    let copies = std::thread::scope(|scope| {
        let backups = scope.spawn(|| {
            let mut copies = Vec::new();
            for number in 0..5 {
                let to = folder.path().join(format!("backup-{number}.db"));
                let before = reader.head().unwrap().seq;
                reader.backup(&to).unwrap();
                copies.push((to, before, reader.head().unwrap().seq));
            }
            done.store(true, Ordering::Release);
            copies
        });
        let mut seq = 1;
        while !done.load(Ordering::Acquire) {
            let created: Vec<_> = (seq + 1..=seq + 20)
                .map(|seq| {
                    let farm = u32::try_from(seq % 50).unwrap() + 1;
                    let nth = u32::try_from(seq / 50).unwrap();
                    create(seq, seq, &network(farm, farm.into(), farm.into()), nth % 240, 1 + nth / 240)
                })
                .collect();
            // Enough to keep the writer busy, without filling the subnets.
            if seq < 10_000 {
                let (events, decisions): (Vec<_>, Vec<_>) = created.into_iter().unzip();
                let decisions = decisions.concat();
                store.commit(&cascina_store::Batch { events: &events, decisions: &decisions }).unwrap();
                seq += 20;
            }
        }
        backups.join().unwrap()
    });
    for (copy, before, after) in copies {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        let report = fsck(&copy).unwrap();
        assert_eq!(report.problems.len(), 0, "{:#?}", &report.problems[..1]);
        assert!((before..=after).contains(&report.events), "{before} {} {after}", report.events);
        let restored = copy.with_extension("restored");
        restore(&copy, &restored).unwrap();
        let mut again = Store::open(&restored).unwrap();
        let state = again.load().unwrap();
        assert!(state.rows == store.reader().state_at(report.events).unwrap().rows);
        commit(&mut again, &[event(state.seq + 1, "x.made", "x", vec![])]);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("partial"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[test]
fn nothing_is_overwritten() {
    let (folder, mut store) = store();
    commit(&mut store, &[beginning(1, 1)]);
    let to = folder.path().join("backup.db");
    std::fs::write(&to, "precious").unwrap();
    assert!(matches!(store.reader().backup(&to), Err(StoreError::Exists { .. })));
    assert!(matches!(restore(store.path(), &to), Err(StoreError::Exists { .. })));
    assert_eq!(std::fs::read(&to).unwrap(), b"precious");
    std::fs::remove_file(&to).unwrap();

    // A log that an older database left there would be taken for the new one's.
    let log = folder.path().join("backup.db-wal");
    std::fs::write(&log, "old").unwrap();
    assert!(matches!(restore(store.path(), &to), Err(StoreError::Exists { path }) if path == log));
    std::fs::remove_file(&log).unwrap();

    assert!(matches!(restore(&folder.path().join("none"), &to), Err(StoreError::File { .. })));
    assert!(!to.exists());
    // A database in use is as good a source as any.
    restore(store.path(), &to).unwrap();
    assert!(Store::open(&to).unwrap().load().unwrap().rows == store.load().unwrap().rows);
}

#[test]
fn a_tampered_backup_is_not_restored() {
    let (folder, mut store) = store();
    commit(&mut store, &[beginning(1, 1), event(2, "x.made", "x", vec![]), event(3, "x.made", "x", vec![])]);
    let copy = folder.path().join("backup.db");
    store.reader().backup(&copy).unwrap();
    let conn = rusqlite::Connection::open(&copy).unwrap();
    conn.execute_batch("DROP TRIGGER event_is_never_changed; UPDATE event SET actor = 'somebody else' WHERE seq = 2")
        .unwrap();
    drop(conn);
    let to = folder.path().join("restored.db");
    let error = restore(&copy, &to).unwrap_err();
    assert!(error.to_string().contains("event 2: its hash does not follow"), "{error}");
    assert!(!to.exists() && !folder.path().join("restored.db.partial").exists());
}
