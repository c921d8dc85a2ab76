//! The event log: rows that are only added, each with a hash that covers the one before.
//!
//! The hash of an event is SHA-256 over: the hash of the event before it (32 zero bytes before the
//! first); `seq` and `at`, 8 bytes each, big-endian; then kind, actor, tenant, farm, operation,
//! decision, subject, text and changes as they stand in the table, each as its length in bytes (4
//! bytes, big-endian) and its UTF-8, an absent one as the length `ffffffff` alone. Anybody can
//! recompute it with nothing but the table.

use cascina_core::event::Event;
use rusqlite::{Connection, OptionalExtension, Row, params};
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;
use crate::text::{Json, Text};

pub type Hash = [u8; 32];

/// Where the log ends: whoever notes it elsewhere can later prove that nothing before was altered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Number of the last event, 0 if there is none.
    pub seq: u64,
    /// Its hash; 32 zero bytes if there is none.
    pub hash: Hash,
}

/// The columns of an event that are hashed.
pub const COLUMNS: &str = "seq, at, kind, actor, tenant, farm, operation, decision, subject, text, changes";

const INSERT: &str = "INSERT INTO event (seq, at, kind, actor, tenant, farm, operation, decision, subject, text, \
                      changes, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

/// Appends one event and returns the new end of the log. `changes` is the JSON of the event's changes;
/// `buffer` is room to work in.
pub fn append(
    conn: &Connection,
    head: &Head,
    event: &Event,
    changes: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<Head, StoreError> {
    let tenant = Text::maybe(&event.tenant);
    let farm = Text::maybe(&event.farm);
    let operation = Text::maybe(&event.operation);
    let decision = Text::maybe(&event.decision);
    let hash = hash(
        &head.hash,
        event.seq,
        event.at.0,
        [
            Some(event.kind.as_bytes()),
            Some(event.actor.as_bytes()),
            tenant.as_ref().map(Text::as_bytes),
            farm.as_ref().map(Text::as_bytes),
            operation.as_ref().map(Text::as_bytes),
            decision.as_ref().map(Text::as_bytes),
            Some(event.subject.as_bytes()),
            Some(event.text.as_bytes()),
            Some(changes),
        ],
        buffer,
    );
    conn.prepare_cached(INSERT)?.execute(params![
        event.seq.cast_signed(),
        event.at.0.cast_signed(),
        event.kind,
        event.actor,
        tenant,
        farm,
        operation,
        decision,
        event.subject,
        event.text,
        Json(changes),
        hash,
    ])?;
    Ok(Head { seq: event.seq, hash })
}

fn hash(before: &Hash, seq: u64, at: u64, texts: [Option<&[u8]>; 9], buffer: &mut Vec<u8>) -> Hash {
    buffer.clear();
    buffer.extend_from_slice(before);
    buffer.extend_from_slice(&seq.to_be_bytes());
    buffer.extend_from_slice(&at.to_be_bytes());
    for text in texts {
        match text {
            Some(text) => {
                // SQLite holds no text of 4 GiB.
                let length = u32::try_from(text.len()).unwrap_or(u32::MAX - 1);
                buffer.extend_from_slice(&length.to_be_bytes());
                buffer.extend_from_slice(text);
            }
            None => buffer.extend_from_slice(&u32::MAX.to_be_bytes()),
        }
    }
    Sha256::digest(&buffer).into()
}

/// The hash that a row of the log should have; `row` begins with [`COLUMNS`].
pub fn expected(before: &Hash, row: &Row<'_>, buffer: &mut Vec<u8>) -> Result<Hash, StoreError> {
    let mut texts = [None; 9];
    for (place, text) in texts.iter_mut().enumerate() {
        *text = row.get_ref(place + 2)?.as_bytes_or_null().map_err(rusqlite::Error::from)?;
    }
    let seq: i64 = row.get(0)?;
    let at: i64 = row.get(1)?;
    Ok(hash(before, seq.cast_unsigned(), at.cast_unsigned(), texts, buffer))
}

/// Where the log says that it ends.
pub fn head(conn: &Connection) -> Result<Head, StoreError> {
    let head = conn
        .prepare_cached("SELECT seq, hash FROM head")?
        .query_row([], |row| Ok(Head { seq: row.get::<_, i64>(0)?.cast_unsigned(), hash: row.get(1)? }))
        .optional()?;
    head.ok_or_else(|| StoreError::damaged("nothing says where the event log ends"))
}

pub fn set_head(conn: &Connection, head: &Head) -> Result<(), StoreError> {
    conn.prepare_cached("UPDATE head SET seq = ?, hash = ?")?.execute(params![head.seq.cast_signed(), head.hash])?;
    Ok(())
}

/// Checks that the log does end there: the last event's number and hash. Cheap, so done at every start.
pub fn check_end(conn: &Connection, head: &Head) -> Result<(), StoreError> {
    let last: i64 = conn.query_row("SELECT coalesce(max(seq), 0) FROM event", [], |row| row.get(0))?;
    if last.cast_unsigned() != head.seq {
        return Err(StoreError::damaged(format!("the event log ends at {last}, it should at {}", head.seq)));
    }
    let Some(first) = head.seq.checked_sub(1) else { return Ok(()) };
    let mut end = Walk::after(conn, first)?;
    while let Some(step) = end.next()? {
        if let Some(problem) = step.problem {
            return Err(StoreError::damaged(problem));
        }
        if step.hash != head.hash {
            return Err(StoreError::damaged(format!("event {}: its hash is not the one noted for the end", step.seq)));
        }
    }
    Ok(())
}

/// Goes along the log and recomputes every hash.
pub struct Walk<'c> {
    conn: &'c Connection,
    next: u64,
    before: Hash,
    buffer: Vec<u8>,
}

pub struct Step {
    pub seq: u64,
    /// As stored.
    pub hash: Hash,
    /// JSON.
    pub changes: String,
    pub decision: Option<String>,
    pub problem: Option<String>,
}

impl<'c> Walk<'c> {
    /// Begins with the event that follows `seq`.
    pub fn after(conn: &'c Connection, seq: u64) -> Result<Walk<'c>, StoreError> {
        let stored = conn
            .query_row("SELECT hash FROM event WHERE seq = ?", [seq.cast_signed()], |row| row.get::<_, Hash>(0))
            .optional()?;
        Ok(Walk { conn, next: seq + 1, before: stored.unwrap_or_default(), buffer: Vec::new() })
    }

    /// The next event that is there. A gap is a problem of the one after it.
    pub fn next(&mut self) -> Result<Option<Step>, StoreError> {
        let sql = "SELECT seq, at, kind, actor, tenant, farm, operation, decision, subject, text, changes, hash \
                   FROM event WHERE seq >= ? ORDER BY seq LIMIT 1";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query([self.next.cast_signed()])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let seq = row.get::<_, i64>(0)?.cast_unsigned();
        // Of another length: no hash follows from it, nor it from any.
        let stored: Hash = row.get(11).unwrap_or_default();
        let problem = if seq != self.next {
            Some(match seq - self.next {
                1 => format!("event {} is missing", self.next),
                _ => format!("events {} to {} are missing", self.next, seq - 1),
            })
        } else if expected(&self.before, row, &mut self.buffer)? != stored {
            Some(format!("event {seq}: its hash does not follow from it and the event before"))
        } else {
            None
        };
        let step = Step { seq, hash: stored, changes: row.get(10)?, decision: row.get(7)?, problem };
        self.before = stored;
        self.next = seq + 1;
        Ok(Some(step))
    }
}
