//! What is committed is kept, whole; what is refused leaves nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod world;

use std::path::Path;
use std::sync::Arc;

use cascina_core::decision::Decision;
use cascina_core::event::{Change, Event};
use cascina_core::farm::FarmState;
use cascina_core::id::*;
use cascina_core::instance::InstanceState;
use cascina_core::policy::{Digest, Hook};
use cascina_core::state::{Key, Row, State};
use cascina_store::{Batch, DecisionFilter, EventFilter, Store, StoreError};
use world::*;

fn same(a: &State, b: &State) {
    assert_eq!(a.seq, b.seq);
    assert!(a.rows == b.rows, "rows differ");
    assert!(a.indexes == b.indexes, "indexes differ");
}

fn path(store: &Store) -> std::path::PathBuf {
    store.path().to_path_buf()
}

#[test]
fn a_new_database_is_empty_private_and_sound() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, store) = store();
    same(&store.load().unwrap(), &State::default());
    assert_eq!(store.head().seq, 0);
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{:?}", entry.file_name());
    }
    assert_eq!(cascina_store::fsck(store.path()).unwrap().problems, [""; 0]);
}

#[test]
fn what_is_committed_is_there_after_a_restart() {
    let (_folder, mut store) = store();
    let mut events = vec![beginning(3, 2)];
    let mut decisions = Vec::new();
    let net = network(1, 1, 1);
    for nth in 0..5 {
        let (event, told) = create(2 + u64::from(nth), 0xf000_0000_0000_0001 + u64::from(nth), &net, nth, 1);
        events.push(event);
        decisions.extend(told);
    }
    let (digest, _) = component();
    let gone = Key::Host(HostId(3));
    events.push(event(7, "policy.added", "x", puts([policy(digest, "1.0.0").into(), key(1, "AK1").into()])));
    events.push(event(8, "host.removed", "3", vec![Change::Remove(gone), Change::Put(host(2).into())]));
    store.commit(&Batch { events: &events[..3], decisions: &decisions[..4] }).unwrap();
    store.commit(&Batch { events: &events[3..], decisions: &decisions[4..] }).unwrap();
    store.commit(&Batch::default()).unwrap();

    let expected = folded(&events);
    same(&store.load().unwrap(), &expected);
    let path = path(&store);
    let head = store.head();
    drop(store);
    let store = Store::open(&path).unwrap();
    assert_eq!(store.head(), head);
    same(&store.load().unwrap(), &expected);

    let reader = store.reader();
    assert_eq!(reader.head().unwrap(), head);
    let all = EventFilter { limit: u32::MAX, ..EventFilter::default() };
    assert_eq!(reader.events_with_changes(&all).unwrap(), events);
    for decision in &decisions {
        assert_eq!(reader.decision(decision.id).unwrap().as_ref(), Some(&**decision));
    }
    assert_eq!(reader.decision(DecisionId(0)).unwrap(), None);
}

#[test]
fn events_are_found_oldest_first_from_a_cursor() {
    let (_folder, mut store) = store();
    let mut events = vec![beginning(1, 2)];
    for nth in 0..6 {
        let net = network(1 + nth % 2, 1 + u64::from(nth % 2), 1 + u64::from(nth % 2));
        events.push(create(2 + u64::from(nth), 100 + u64::from(nth), &net, nth, 1).0);
    }
    commit(&mut store, &events);
    let reader = store.reader();
    let found = |filter: EventFilter| -> Vec<u64> {
        reader
            .events(&filter)
            .unwrap()
            .iter()
            .inspect(|event| assert!(event.changes.is_empty()))
            .map(|e| e.seq)
            .collect()
    };
    let any = EventFilter::default;
    assert_eq!(found(any()), [1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(found(EventFilter { after: 2, limit: 3, ..any() }), [3, 4, 5]);
    assert_eq!(found(EventFilter { tenant: Some(TenantId(2)), ..any() }), [3, 5, 7]);
    assert_eq!(found(EventFilter { farm: Some(FarmId(1)), after: 2, ..any() }), [4, 6]);
    assert_eq!(found(EventFilter { operation: Some(OperationId(104)), ..any() }), [6]);
    assert_eq!(found(EventFilter { subject: Some(InstanceId(101).to_string()), ..any() }), [3]);
    assert_eq!(found(EventFilter { kind: Some("site.applied".into()), ..any() }), [1]);
    assert_eq!(found(EventFilter { subject: Some("' OR 1 --".into()), ..any() }), [0; 0]);
    assert_eq!(found(EventFilter { after: u64::MAX, ..any() }), [0; 0]);
}

#[test]
fn decisions_are_found_newest_first_in_pages() {
    let (_folder, mut store) = store();
    let made: Vec<Arc<Decision>> = (1..=6)
        .map(|id| {
            let hook = if id % 3 == 0 { Hook::Quota } else { Hook::Placement };
            // Ids say nothing about time.
            Arc::new(decision(1000 - id * 7, 1 + id % 2, id % 3, 50 + id, hook, 0))
        })
        .collect();
    // Decisions that nothing came of are kept too.
    store.commit(&Batch { events: &[], decisions: &made }).unwrap();
    let reader = store.reader();
    let found = |filter: DecisionFilter| -> Vec<u64> {
        reader.decisions(&filter).unwrap().iter().map(|decision| (1000 - decision.id.0) / 7).collect()
    };
    let any = DecisionFilter::default;
    assert_eq!(found(any()), [6, 5, 4, 3, 2, 1]);
    assert_eq!(found(DecisionFilter { limit: 2, ..any() }), [6, 5]);
    assert_eq!(found(DecisionFilter { limit: 2, before: Some(made[4].id), ..any() }), [4, 3]);
    assert_eq!(found(DecisionFilter { after: Some(made[3].id), ..any() }), [6, 5]);
    assert_eq!(found(DecisionFilter { before: Some(DecisionId(1)), ..any() }), [0; 0]);
    assert_eq!(found(DecisionFilter { tenant: Some(TenantId(1)), ..any() }), [6, 4, 2]);
    assert_eq!(found(DecisionFilter { tenant: Some(TenantId(1)), hook: Some(Hook::Quota), ..any() }), [6]);
    assert_eq!(found(DecisionFilter { farm: Some(FarmId(1)), ..any() }), [4, 1]);
    assert_eq!(found(DecisionFilter { operation: Some(OperationId(52)), ..any() }), [2]);
}

/// The batch must be refused for `rule`, and leave nothing; then the store must go on.
fn refused(store: &mut Store, rule: &str, rows: Vec<Row>) {
    let before = store.load().unwrap();
    let head = store.head();
    let told = Arc::new(decision(head.seq + 1_000_000, 1, 1, 1, Hook::Quota, 0));
    let good = event(head.seq + 1, "host.added", "x", puts([host(900).into()]));
    let bad = event(head.seq + 2, "bad.one", "x", puts(rows));
    let batch = Batch { events: &[good.clone(), bad], decisions: std::slice::from_ref(&told) };
    let error = store.commit(&batch).unwrap_err();
    match &error {
        StoreError::Taken { rule: broken, .. } => assert_eq!(*broken, rule),
        other => panic!("{rule}: {other}"),
    }
    assert!(error.to_string().contains(rule), "{error}");
    same(&store.load().unwrap(), &before);
    assert_eq!(store.head(), head);
    assert_eq!(store.reader().head().unwrap(), head);
    assert_eq!(store.reader().decision(told.id).unwrap(), None);
    let back = event(head.seq + 2, "host.removed", "x", vec![Change::Remove(Key::Host(HostId(900)))]);
    commit(store, &[good, back]);
}

#[test]
fn nothing_is_given_twice_whatever_the_engine_thinks() {
    let (_folder, mut store) = store();
    let net = network(1, 1, 1);
    let (digest, _) = component();
    let first = instance(1, &net, 0, 1, InstanceState::Running);
    let rows: Vec<Row> = vec![
        first.clone().into(),
        instance(2, &net, 1, 1, InstanceState::Terminated).into(),
        address(1, 7, 1, 1).into(),
        key(1, "AK1").into(),
        policy(digest, "1.0.0").into(),
    ];
    commit(&mut store, &[beginning(2, 2), event(2, "x.made", "x", puts(rows))]);

    refused(&mut store, "an elastic IP has one owner", vec![address(2, 7, 2, 2).into()]);
    let mut other = network(3, 2, 2);
    (other.segment, other.cidr) = (net.segment, "10.79.0.0/24".parse().unwrap());
    refused(&mut store, "a segment has one network", vec![other.clone().into()]);
    (other.segment, other.cidr) = (77, net.cidr);
    refused(&mut store, "a subnet has one network", vec![other.into()]);
    let mut twin = instance(3, &net, 0, 2, InstanceState::Scheduled);
    twin.mac = network(2, 2, 2).mac(twin.ip);
    refused(&mut store, "an address has one guest", vec![twin.into()]);
    let mut twin = instance(4, &network(2, 2, 2), 0, 2, InstanceState::Scheduled);
    twin.mac = first.mac;
    refused(&mut store, "a MAC has one owner", vec![twin.into()]);
    let mut namesake = tenant(9);
    namesake.name = tenant(1).name;
    refused(&mut store, "a tenant's name is its own", vec![namesake.into()]);
    refused(&mut store, "an access key has one user", vec![key(2, "AK1").into()]);
    let mut namesake = host(9);
    namesake.name = host(1).name;
    refused(&mut store, "a host's name is its own", vec![namesake.into()]);
    let mut namesake = farm(9, 1, FarmState::Provisioning);
    namesake.name = farm(1, 1, FarmState::Active).name;
    refused(&mut store, "a farm's name is its own within the tenant", vec![namesake.into()]);
    refused(&mut store, "a policy's component is put before its row", vec![policy(Digest([1; 32]), "2.0.0").into()]);

    // A terminated guest's address may go to another, also in the same event, and a name when its farm is over.
    let mut over = first;
    over.state = InstanceState::Terminated;
    let rows: Vec<Row> = vec![
        over.into(),
        instance(3, &net, 0, 2, InstanceState::Scheduled).into(),
        instance(5, &net, 1, 2, InstanceState::Scheduled).into(),
    ];
    let seq = store.head().seq;
    commit(&mut store, &[event(seq + 1, "x.moved", "x", puts(rows))]);
}

#[test]
fn events_must_follow_each_other() {
    let (_folder, mut store) = store();
    commit(&mut store, &[beginning(1, 1)]);
    for (given, numbers) in [(1, vec![1]), (3, vec![3]), (4, vec![2, 4]), (2, vec![2, 2])] {
        let events: Vec<Event> = numbers.iter().map(|seq| event(*seq, "x.made", "x", vec![])).collect();
        match store.commit(&Batch { events: &events, decisions: &[] }) {
            Err(StoreError::OutOfOrder { given: named, .. }) => assert_eq!(named, given),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.head().seq, 1);
    commit(&mut store, &[event(2, "x.made", "x", vec![])]);
}

#[test]
fn a_decision_is_recorded_once() {
    let (_folder, mut store) = store();
    let told = [Arc::new(decision(1, 1, 1, 1, Hook::Quota, 0)), Arc::new(decision(1, 1, 1, 1, Hook::Quota, 0))];
    let error = store.commit(&Batch { events: &[], decisions: &told }).unwrap_err();
    assert!(matches!(error, StoreError::Taken { rule: "a decision is recorded once", .. }), "{error}");
    assert_eq!(store.reader().decision(DecisionId(1)).unwrap(), None);
}

#[test]
fn components_are_kept_under_their_digest_only() {
    let (_folder, mut store) = store();
    let (digest, bytes) = component();
    store.put_component(digest, &bytes).unwrap();
    assert_eq!(store.reader().component(&digest).unwrap(), Some(bytes.clone()));
    assert_eq!(store.reader().component(&Digest([0; 32])).unwrap(), None);
    let error = store.put_component(Digest([0; 32]), &bytes).unwrap_err();
    assert!(matches!(error, StoreError::WrongDigest { .. }), "{error}");
}

#[test]
fn a_second_server_is_refused_until_the_first_is_gone() {
    let (_folder, store) = store();
    let path = path(&store);
    let Err(error) = Store::open(&path) else { panic!("opened twice") };
    assert!(matches!(&error, StoreError::InUse { process: Some(id), .. } if *id == std::process::id()), "{error}");
    drop(store);
    Store::open(&path).unwrap();
}

fn refusal(path: &Path) -> StoreError {
    match Store::open(path) {
        Err(error) => error,
        Ok(_) => panic!("opened"),
    }
}

#[test]
fn a_newer_schema_and_strange_files_are_left_alone() {
    let (folder, store) = store();
    let path = path(&store);
    drop(store);
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.pragma_update(None, "user_version", 999).unwrap();
    drop(conn);
    let error = refusal(&path);
    assert!(matches!(error, StoreError::NewerSchema { found: 999, .. }), "{error}");
    assert!(error.to_string().contains("newer Cascina"), "{error}");
    assert!(cascina_store::fsck(&path).is_err());

    let strange = folder.path().join("strange.db");
    let conn = rusqlite::Connection::open(&strange).unwrap();
    conn.execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (1)").unwrap();
    drop(conn);
    let before = std::fs::read(&strange).unwrap();
    assert!(matches!(refusal(&strange), StoreError::NotOurs { .. }));
    assert_eq!(std::fs::read(&strange).unwrap(), before);

    let text = folder.path().join("text");
    std::fs::write(&text, "not a database, but long enough to be looked at as if it were one".repeat(20)).unwrap();
    assert!(matches!(refusal(&text), StoreError::NotOurs { .. }));

    assert!(matches!(refusal(&folder.path().join("no/such/folder.db")), StoreError::File { .. }));
}

#[test]
fn readers_do_not_wait_for_the_writer_nor_for_each_other_forever() {
    let (_folder, mut store) = store();
    commit(&mut store, &[beginning(1, 1)]);
    let reader = store.reader();
    std::thread::scope(|scope| {
        for _ in 0..24 {
            let reader = reader.clone();
            scope.spawn(move || {
                for _ in 0..50 {
                    let head = reader.head().unwrap().seq;
                    let events = reader.events(&EventFilter { limit: u32::MAX, ..EventFilter::default() }).unwrap();
                    assert!(events.len() as u64 >= head);
                    assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
                }
            });
        }
        for seq in 2..100 {
            commit(&mut store, &[event(seq, "x.made", "x", vec![])]);
        }
    });
}
