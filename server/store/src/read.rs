//! Readers: a few connections that cannot write, lent to whoever asks.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

use crate::error::StoreError;
use crate::journal::{self, Head};
use crate::open::readable;

/// Connections at once; further readers wait for one to come back. SQLite's readers do not hold up the
/// writer, but each has a cache and open files.
const CONNECTIONS: usize = 8;

/// Reads, from any thread. Its calls block: use it from threads that may.
///
/// Each call sees one moment; what a commit answered before the call is part of it.
#[derive(Clone)]
pub struct Reader(Arc<Pool>);

struct Pool {
    path: PathBuf,
    connections: Mutex<Connections>,
    returned: Condvar,
}

#[derive(Default)]
struct Connections {
    idle: Vec<Connection>,
    lent: usize,
}

impl Reader {
    /// Reads a database that may be another process's to write.
    pub fn new(path: &Path) -> Reader {
        Reader(Arc::new(Pool { path: path.to_path_buf(), connections: Mutex::default(), returned: Condvar::new() }))
    }

    /// Where the event log ends.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn head(&self) -> Result<Head, StoreError> {
        journal::head(&*self.connection()?)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0.path
    }

    pub(crate) fn connection(&self) -> Result<Lent<'_>, StoreError> {
        let pool = &*self.0;
        let idle = {
            let mut connections = pool.connections();
            while connections.lent >= CONNECTIONS {
                connections = pool.returned.wait(connections).unwrap_or_else(PoisonError::into_inner);
            }
            connections.lent += 1;
            connections.idle.pop()
        };
        // From here on, dropping `lent` gives the place back, also if opening fails.
        let mut lent = Lent { pool, conn: idle };
        if lent.conn.is_none() {
            lent.conn = Some(readable(&pool.path)?);
        }
        Ok(lent)
    }
}

impl Pool {
    fn connections(&self) -> MutexGuard<'_, Connections> {
        // Nothing is left half done by a panic while this is locked.
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub struct Lent<'p> {
    pool: &'p Pool,
    conn: Option<Connection>,
}

impl Deref for Lent<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        match &self.conn {
            Some(conn) => conn,
            None => unreachable!("only given out with a connection"),
        }
    }
}

impl Drop for Lent<'_> {
    fn drop(&mut self) {
        let mut connections = self.pool.connections();
        connections.lent -= 1;
        connections.idle.extend(self.conn.take());
        drop(connections);
        self.pool.returned.notify_one();
    }
}
