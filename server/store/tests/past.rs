//! The state at any event is what folding the log by hand gives.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

mod world;

use cascina_core::event::{Change, Event};
use cascina_core::farm::FarmState;
use cascina_core::id::*;
use cascina_core::instance::InstanceState;
use cascina_core::operation::OperationState;
use cascina_core::state::{Key, State};
use cascina_store::{Batch, StoreError};
use proptest::prelude::*;
use world::*;

/// Changes that keep the database's constraints, each id having what is unique of its own.
fn change() -> impl Strategy<Value = Change> {
    let state = prop_oneof![
        Just(InstanceState::Scheduled),
        Just(InstanceState::Running),
        Just(InstanceState::Stopped),
        Just(InstanceState::Terminated),
    ];
    prop_oneof![
        3 => (0..12u32, state, 1..4u32).prop_map(|(nth, state, host)| {
            Change::Put(instance(u64::from(nth) << 60 | 5, &network(1, 1, 1), nth, host, state).into())
        }),
        1 => (0..12u32).prop_map(|nth| Change::Remove(Key::Instance(InstanceId(u64::from(nth) << 60 | 5)))),
        2 => (1..9u64, any::<bool>()).prop_map(|(id, over)| {
            let about = instance(id, &network(1, 1, 1), 1, 1, InstanceState::Running);
            let state = if over { OperationState::Done } else { OperationState::Running };
            Change::Put(operation(id, &about, state).into())
        }),
        1 => (1..9u64).prop_map(|id| Change::Remove(Key::Operation(OperationId(id)))),
        1 => (1..6u64, any::<bool>()).prop_map(|(id, over)| {
            Change::Put(farm(id, 1, if over { FarmState::Deleted } else { FarmState::Active }).into())
        }),
        1 => (1..20u8).prop_map(|last| Change::Put(address(last.into(), last, 1, 1).into())),
        1 => (1..20u64).prop_map(|id| Change::Remove(Key::Address(AddressId(id)))),
        1 => (1..9u32).prop_map(|id| Change::Put(host(id).into())),
        1 => (1..9u32).prop_map(|id| Change::Remove(Key::Host(HostId(id)))),
    ]
}

fn same(a: &State, b: &State) {
    assert_eq!(a.seq, b.seq);
    assert!(a.rows == b.rows && a.indexes == b.indexes, "states differ at {}", a.seq);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_state_at_any_event_is_the_fold(
        log in prop::collection::vec(prop::collection::vec(change(), 0..5), 1..40),
        batch in 1..9usize,
        checkpoints in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
        asked in prop::collection::vec(any::<prop::sample::Index>(), 6),
    ) {
        let (_folder, mut store) = store();
        let mut events = vec![beginning(3, 2)];
        events.extend(log.into_iter().zip(2..).map(|(changes, seq)| event(seq, "x.changed", "x", changes)));
        for batch in events.chunks(batch) {
            store.commit(&Batch { events: batch, decisions: &[] }).unwrap();
        }
        let at = |seq: usize| folded(&events[..seq]);
        for index in checkpoints {
            store.checkpoint(&at(index.index(events.len() + 1))).unwrap();
        }
        let reader = store.reader();
        for seq in asked.iter().map(|index| index.index(events.len() + 1)).chain([0, events.len()]) {
            same(&reader.state_at(seq as u64).unwrap(), &at(seq));
        }
        same(&store.load().unwrap(), &at(events.len()));
        let problems = cascina_store::fsck(store.path()).unwrap().problems;
        // Random changes break truths about owners, but never the agreement of log and tables.
        prop_assert!(!problems.iter().any(|problem| problem.contains("log")), "{problems:#?}");
    }
}

#[test]
fn there_is_no_state_of_the_future() {
    let (_folder, mut store) = store();
    commit(&mut store, &[beginning(1, 1)]);
    let error = store.reader().state_at(2).err().unwrap();
    assert!(matches!(error, StoreError::NoSuchEvent { seq: 2, last: 1 }), "{error}");
    let future = State { seq: 2, ..State::default() };
    assert!(matches!(store.checkpoint(&future), Err(StoreError::NoSuchEvent { .. })));
}

#[test]
fn few_checkpoints_are_kept_and_the_newest_are_denser() {
    let (_folder, mut store) = store();
    let events: Vec<Event> =
        std::iter::once(beginning(1, 1)).chain((2..=64).map(|seq| event(seq, "x.made", "x", vec![]))).collect();
    for event in &events {
        commit(&mut store, std::slice::from_ref(event));
        let state = store.load().unwrap();
        store.checkpoint(&state).unwrap();
    }
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    let mut statement = conn.prepare("SELECT seq FROM checkpoint ORDER BY seq").unwrap();
    let kept: Vec<i64> = statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap();
    assert_eq!(kept.len(), 8);
    assert_eq!((kept[0], kept[7]), (1, 64));
    assert!(kept[7] - kept[6] < kept[1] - kept[0], "{kept:?}");
    let orphans: i64 = conn
        .query_row("SELECT count(*) FROM checkpoint_part WHERE seq NOT IN (SELECT seq FROM checkpoint)", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(orphans, 0);
    same(&store.reader().state_at(33).unwrap(), &folded(&events[..33]));
}
