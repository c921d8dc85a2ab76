//! One transaction a batch.

use std::ops::Range;
use std::sync::Arc;

use cascina_core::decision::Decision;
use cascina_core::event::{Change, Event};
use rusqlite::{Connection, TransactionBehavior};

use crate::error::StoreError;
use crate::journal::{self, Head};
use crate::open::Store;
use crate::{decisions, rows};

/// What is kept, or not, as one.
#[derive(Debug, Clone, Copy, Default)]
pub struct Batch<'a> {
    /// Numbered on from the last one committed.
    pub events: &'a [Event],
    pub decisions: &'a [Arc<Decision>],
}

/// Room that commits work in, kept from one to the next.
#[derive(Default)]
pub struct Scratch {
    changes: Vec<u8>,
    /// Where in `changes` each row's own JSON lies, in the order of the event's puts.
    bodies: Vec<Range<usize>>,
    buffer: Vec<u8>,
}

impl Store {
    /// Keeps a batch. When this returns, it is on the disk and survives the loss of power.
    ///
    /// # Errors
    ///
    /// Nothing of the batch is kept then, and the store can be used on: the next commit may well
    /// succeed, for example when the disk has room again.
    /// (If the disk itself fails in the last write and the machine goes down before the next commit,
    /// the batch may be found after all: refused is not a promise, answered is.)
    pub fn commit(&mut self, batch: &Batch<'_>) -> Result<(), StoreError> {
        for (expected, event) in (self.head.seq + 1..).zip(batch.events) {
            if event.seq != expected {
                return Err(StoreError::OutOfOrder { expected, given: event.seq });
            }
        }
        if batch.events.is_empty() && batch.decisions.is_empty() {
            return Ok(());
        }
        // Rolls back when dropped.
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        for decision in batch.decisions {
            decisions::record(&tx, decision, &mut self.scratch.buffer)?;
        }
        let mut head = self.head;
        for event in batch.events {
            head = apply(&tx, &head, event, &mut self.scratch)?;
        }
        if head != self.head {
            journal::set_head(&tx, &head)?;
        }
        tx.commit()?;
        self.head = head;
        Ok(())
    }
}

/// Writes an event, and its changes into the row tables. Each row is turned into JSON once, for both.
fn apply(conn: &Connection, head: &Head, event: &Event, scratch: &mut Scratch) -> Result<Head, StoreError> {
    let Scratch { changes, bodies, buffer } = scratch;
    write_changes(&event.changes, changes, bodies)?;
    let head = journal::append(conn, head, event, changes, buffer)?;
    let mut bodies = bodies.iter();
    for change in &event.changes {
        match change {
            Change::Put(row) => {
                let body = bodies.next().cloned().unwrap_or_default();
                rows::put(conn, row, &changes[body])?;
            }
            Change::Remove(key) => rows::remove(conn, key)?,
        }
    }
    Ok(head)
}

/// The JSON of a list of changes, as serde would write it, and where in it the rows' own JSON lies.
fn write_changes(list: &[Change], json: &mut Vec<u8>, bodies: &mut Vec<Range<usize>>) -> Result<(), StoreError> {
    json.clear();
    bodies.clear();
    json.push(b'[');
    for (place, change) in list.iter().enumerate() {
        if place > 0 {
            json.push(b',');
        }
        let noun = match change {
            Change::Put(row) => row.noun(),
            Change::Remove(key) => key.noun(),
        };
        let start = json.len();
        serde_json::to_writer(&mut *json, change).map_err(|source| StoreError::Unwritable { noun, source })?;
        if let Change::Put(_) = change {
            // {"put":{"<noun>":<row>}}
            let before = br#"{"put":{""#.len() + noun.len() + br#"":"#.len();
            bodies.push(start + before..json.len() - 2);
        }
    }
    json.push(b']');
    Ok(())
}

#[cfg(test)]
mod tests {
    use cascina_core::id::{AccessKeyId, UserId};
    use cascina_core::site::Site;
    use cascina_core::state::{Key, Row};
    use cascina_core::tenant::AccessKey;
    use cascina_core::units::Timestamp;

    use super::*;

    #[test]
    fn rows_are_found_within_the_changes() {
        let key = AccessKey {
            id: AccessKeyId(1),
            user: UserId(2),
            public: "AK\"1}}".into(),
            farm: None,
            sealed: "s\\}".into(),
            shown: true,
            disabled: false,
            last_used: None,
            created: Timestamp(3),
        };
        let list = [
            Change::Put(Row::from(Site::default())),
            Change::Remove(Key::Site(())),
            Change::Put(Row::from(key.clone())),
        ];
        let (mut json, mut bodies) = (b"old".to_vec(), Vec::new());
        write_changes(&list, &mut json, &mut bodies).unwrap();
        assert_eq!(json, serde_json::to_vec(&list).unwrap());
        let bodies: Vec<&[u8]> = bodies.into_iter().map(|range| &json[range]).collect();
        assert_eq!(bodies, [serde_json::to_vec(&Site::default()).unwrap(), serde_json::to_vec(&key).unwrap()]);
        write_changes(&[], &mut json, &mut Vec::new()).unwrap();
        assert_eq!(json, b"[]");
    }

    fn long(seq: u64) -> Event {
        let tenant = cascina_core::id::TenantId(seq);
        Event {
            seq,
            at: Timestamp(seq),
            kind: "x.made".into(),
            actor: "system".into(),
            tenant: Some(tenant),
            farm: None,
            operation: None,
            decision: None,
            subject: "x".into(),
            text: "long ".repeat(10_000),
            changes: vec![Change::Put(Row::from(Site { retention_ms: seq, ..Site::default() }))],
        }
    }

    #[test]
    fn a_full_disk_keeps_nothing_of_a_batch_and_is_survived() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cascina.db");
        let mut store = Store::open(&path).unwrap();
        store.commit(&Batch { events: &[long(1)], decisions: &[] }).unwrap();
        let before = store.load().unwrap();
        let pages: i64 = store.conn.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let room = |store: &Store, pages: i64| {
            store.conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).unwrap();
        };
        for allowed in pages..pages + 11 {
            room(&store, allowed);
            let error = store.commit(&Batch { events: &[long(2), long(3)], decisions: &[] }).unwrap_err();
            assert!(matches!(error, StoreError::Full(_)), "{error}");
            assert!(error.to_string().contains("free some space"), "{error}");
            assert_eq!(store.head().seq, 1);
            assert!(store.load().unwrap().rows == before.rows);
        }
        room(&store, 1 << 30);
        store.commit(&Batch { events: &[long(2), long(3)], decisions: &[] }).unwrap();
        drop(store);
        assert_eq!(crate::fsck(&path).unwrap().problems, [""; 0]);
        assert_eq!(Store::open(&path).unwrap().load().unwrap().site().retention_ms, 3);
    }

    #[test]
    fn a_writer_who_holds_the_database_is_waited_for_and_then_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cascina.db");
        let mut store = Store::open(&path).unwrap();
        store.conn.busy_timeout(std::time::Duration::from_millis(20)).unwrap();
        let other = Connection::open(&path).unwrap();
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        store.commit(&Batch { events: &[long(1)], decisions: &[] }).unwrap_err();
        other.execute_batch("ROLLBACK").unwrap();
        store.commit(&Batch { events: &[long(1)], decisions: &[] }).unwrap();
    }
}
