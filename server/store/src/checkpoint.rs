//! The state as it was: a fold over the log, from the nearest state that was kept whole.

use cascina_core::event::Change;
use cascina_core::state::{Row, State};
use rusqlite::{Connection, TransactionBehavior, params};
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;
use crate::journal::{self, Hash};
use crate::open::Store;
use crate::read::Reader;

/// Bytes after which a part ends.
const PART: usize = 1 << 20;

/// So many are kept; when there are more, one in between goes, so that gaps grow with age.
const KEPT: usize = 8;

impl Store {
    /// Keeps `state` whole, so that [`Reader::state_at`] need not read the log from its beginning. It
    /// must be the state as of an event that has been committed. Takes time in proportion to the state
    /// (about a second at 100,000 instances), in which nothing else is committed: do it rarely, for
    /// example every 50,000 events.
    ///
    /// # Errors
    ///
    /// If there is no such event, or the disk fails; nothing is kept then.
    pub fn checkpoint(&mut self, state: &State) -> Result<(), StoreError> {
        if state.seq > self.head.seq {
            return Err(StoreError::NoSuchEvent { seq: state.seq, last: self.head.seq });
        }
        let seq = state.seq.cast_signed();
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // A row without parts first, since these refer to it.
        tx.execute("INSERT OR REPLACE INTO checkpoint (seq, parts, hash) VALUES (?, 0, zeroblob(32))", [seq])?;
        let mut parts = Parts { conn: &tx, seq, part: 0, body: vec![b'['], hash: Sha256::new() };
        for row in state.rows.all() {
            parts.add(&row)?;
        }
        let (count, hash) = parts.finish()?;
        tx.execute("UPDATE checkpoint SET parts = ?, hash = ? WHERE seq = ?", params![count, hash, seq])?;
        thin(&tx)?;
        tx.commit()?;
        Ok(())
    }
}

struct Parts<'c> {
    conn: &'c Connection,
    seq: i64,
    part: i64,
    body: Vec<u8>,
    hash: Sha256,
}

impl Parts<'_> {
    fn add(&mut self, row: &Row) -> Result<(), StoreError> {
        if self.body.len() > PART {
            self.flush()?;
        }
        if self.body.len() > 1 {
            self.body.push(b',');
        }
        serde_json::to_writer(&mut self.body, row).map_err(|source| StoreError::Unwritable { noun: row.noun(), source })
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.body.push(b']');
        self.hash.update(&self.body);
        self.conn
            .prepare_cached("INSERT INTO checkpoint_part (seq, part, body) VALUES (?, ?, ?)")?
            .execute(params![self.seq, self.part, crate::text::Json(&self.body)])?;
        self.part += 1;
        self.body.clear();
        self.body.push(b'[');
        Ok(())
    }

    fn finish(mut self) -> Result<(i64, Hash), StoreError> {
        self.flush()?;
        Ok((self.part, self.hash.finalize().into()))
    }
}

/// Removes the ones in between that are missed least: whose neighbours lie closest together for their age.
fn thin(conn: &Connection) -> Result<(), StoreError> {
    let mut kept = numbers(conn)?;
    while kept.len() > KEPT {
        let last = kept.last().copied().unwrap_or_default();
        let loss = |around: &[i64]| (around[2] - around[0]) as f64 / (last - around[0]).max(1) as f64;
        let least = kept.windows(3).enumerate().min_by(|(_, a), (_, b)| loss(a).total_cmp(&loss(b)));
        let Some((before, _)) = least else { break };
        let gone = kept.remove(before + 1);
        conn.execute("DELETE FROM checkpoint WHERE seq = ?", [gone])?;
    }
    Ok(())
}

fn numbers(conn: &Connection) -> Result<Vec<i64>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq FROM checkpoint ORDER BY seq")?;
    let numbers = statement.query_map([], |row| row.get(0))?;
    Ok(numbers.collect::<Result<_, _>>()?)
}

/// The checkpoint at `seq`, if it is whole.
pub fn restore(conn: &Connection, seq: u64) -> Result<State, StoreError> {
    let damaged = |why: String| StoreError::damaged(format!("the checkpoint at {seq}: {why}"));
    let (parts, noted): (i64, Hash) = conn
        .prepare_cached("SELECT parts, hash FROM checkpoint WHERE seq = ?")?
        .query_row([seq.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut state = State { seq, ..State::default() };
    let mut hash = Sha256::new();
    let mut found = 0;
    let mut statement = conn.prepare_cached("SELECT body FROM checkpoint_part WHERE seq = ? ORDER BY part")?;
    let mut rows = statement.query([seq.cast_signed()])?;
    while let Some(row) = rows.next()? {
        let body = row.get_ref(0)?.as_bytes().map_err(rusqlite::Error::from)?;
        hash.update(body);
        found += 1;
        for row in serde_json::from_slice::<Vec<Row>>(body).map_err(|error| damaged(error.to_string()))? {
            state.apply(&Change::Put(row));
        }
    }
    let hash: Hash = hash.finalize().into();
    if found != parts || hash != noted {
        return Err(damaged("parts are missing or altered".into()));
    }
    Ok(state)
}

/// Numbers of all checkpoints, oldest first.
pub fn all(conn: &Connection) -> Result<Vec<u64>, StoreError> {
    Ok(numbers(conn)?.into_iter().map(i64::cast_unsigned).collect())
}

impl Reader {
    /// Everything as it was right after event `seq`; 0 is before the first. Takes time in proportion to
    /// the state, and to the events since the nearest checkpoint.
    ///
    /// # Errors
    ///
    /// If there is no such event, one on the way cannot be read, or the disk fails.
    pub fn state_at(&self, seq: u64) -> Result<State, StoreError> {
        let mut conn = crate::open::readable(self.path())?;
        // One moment for all that is read.
        let tx = conn.transaction()?;
        let last = journal::head(&tx)?.seq;
        if seq > last {
            return Err(StoreError::NoSuchEvent { seq, last });
        }
        let mut state = State::default();
        for near in all(&tx)?.into_iter().rev().filter(|near| *near <= seq) {
            match restore(&tx, near) {
                Ok(kept) => {
                    state = kept;
                    break;
                }
                // The log has all of it, only more slowly.
                Err(error @ StoreError::Damaged { .. }) => tracing::warn!(%error, "an older checkpoint is used"),
                Err(other) => return Err(other),
            }
        }
        let mut statement = tx.prepare("SELECT seq, changes FROM event WHERE seq > ? AND seq <= ? ORDER BY seq")?;
        let mut rows = statement.query([state.seq.cast_signed(), seq.cast_signed()])?;
        while let Some(row) = rows.next()? {
            let number = row.get::<_, i64>(0)?.cast_unsigned();
            if number != state.seq + 1 {
                return Err(StoreError::damaged(format!("event {} is missing", state.seq + 1)));
            }
            let changes = row.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?;
            fold(&mut state, number, changes)?;
        }
        if state.seq != seq {
            return Err(StoreError::damaged(format!("event {} is missing", state.seq + 1)));
        }
        Ok(state)
    }
}

/// Goes along the log and stops where it is told: the state at one event after the other.
pub struct Past {
    conn: Connection,
    pub state: State,
    /// Events read ahead: number, changes.
    ahead: std::collections::VecDeque<(u64, Vec<u8>)>,
}

impl Reader {
    /// Begins right after event `seq`.
    ///
    /// # Errors
    ///
    /// As [`state_at`](Self::state_at).
    pub fn past(&self, seq: u64) -> Result<Past, StoreError> {
        let state = self.state_at(seq)?;
        Ok(Past { conn: crate::open::readable(self.path())?, state, ahead: std::collections::VecDeque::new() })
    }
}

impl Past {
    /// Goes on until right after event `seq`; back it cannot go.
    ///
    /// # Errors
    ///
    /// If an event is missing or cannot be read, or the disk fails.
    pub fn advance(&mut self, seq: u64) -> Result<&mut State, StoreError> {
        while self.state.seq < seq {
            if self.ahead.is_empty() {
                self.read_ahead()?;
            }
            let next = self.state.seq + 1;
            match self.ahead.pop_front() {
                Some((number, changes)) if number == next => fold(&mut self.state, number, &changes)?,
                _ => return Err(StoreError::damaged(format!("event {next} is missing"))),
            }
        }
        Ok(&mut self.state)
    }

    fn read_ahead(&mut self) -> Result<(), StoreError> {
        let sql = "SELECT seq, changes FROM event WHERE seq > ? ORDER BY seq LIMIT 1000";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([self.state.seq.cast_signed()])?;
        while let Some(row) = rows.next()? {
            let number = row.get::<_, i64>(0)?.cast_unsigned();
            let changes = row.get_ref(1)?.as_bytes().map_err(rusqlite::Error::from)?;
            self.ahead.push_back((number, changes.to_vec()));
        }
        Ok(())
    }
}

/// Takes one event, as it stands in the log, into `state`.
pub fn fold(state: &mut State, seq: u64, changes: &[u8]) -> Result<(), StoreError> {
    let changes: Vec<Change> =
        serde_json::from_slice(changes).map_err(|error| StoreError::damaged(format!("event {seq}: {error}")))?;
    for change in &changes {
        state.apply(change);
    }
    state.seq = seq;
    Ok(())
}
