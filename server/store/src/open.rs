//! Opening: files, settings of the connection, the schema.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use rusqlite_migration::{M, Migrations};

use crate::commit::Scratch;
use crate::error::StoreError;
use crate::journal::{self, Head};
use crate::lock::Lock;
use crate::read::Reader;

/// Every change of the schema, oldest first. Released ones are never edited: a change is a new file.
const MIGRATIONS: &[M<'static>] = &[
    M::up(include_str!("../migrations/0001-beginning.sql")),
    M::up(include_str!("../migrations/0002-security-and-volumes.sql")),
    M::up(include_str!("../migrations/0003-image-replicas.sql")),
    M::up(include_str!("../migrations/0004-plans.sql")),
];

/// "Casc", in the file's header.
const APPLICATION: i64 = 0x4361_7363;

/// The one writer.
///
/// Keeps the database locked against other servers until it is dropped.
pub struct Store {
    pub(crate) conn: Connection,
    pub(crate) path: PathBuf,
    pub(crate) head: Head,
    pub(crate) scratch: Scratch,
    reader: Reader,
    // After the connection, so that the lock outlives it.
    _lock: Lock,
}

impl Store {
    /// Opens the database at `path`, or makes it (readable by its owner only) if there is none. The
    /// folder must exist. An older schema is brought up to date in one transaction.
    ///
    /// # Errors
    ///
    /// If another server has it open, a newer version wrote it, it is no Cascina database, its log
    /// does not end where it should, or the disk fails.
    pub fn open(path: &Path) -> Result<Store, StoreError> {
        let lock = Lock::take(path)?;
        create(path)?;
        let mut conn = writable(path)?;
        migrate(&mut conn, path)?;
        let head = journal::head(&conn)?;
        journal::check_end(&conn, &head)?;
        let reader = Reader::new(path);
        Ok(Store { conn, path: path.to_path_buf(), head, scratch: Scratch::default(), reader, _lock: lock })
    }

    /// For other threads; clones share a few connections.
    pub fn reader(&self) -> Reader {
        self.reader.clone()
    }

    /// Where the event log ends.
    pub fn head(&self) -> Head {
        self.head
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Copies the write-ahead log into the database, as before a stop: the file is then whole by itself.
    ///
    /// # Errors
    ///
    /// If the disk fails, or a reader holds on to an older moment.
    pub fn settle(&self) -> Result<(), StoreError> {
        self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(())
    }
}

fn create(path: &Path) -> Result<(), StoreError> {
    // SQLite gives its other files the mode of this one.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Ok(_) => sync_folder(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(StoreError::File { doing: "create", path: path.to_path_buf(), source }),
    }
}

/// A new name is only safe on the disk when its folder is.
pub fn sync_folder(path: &Path) -> Result<(), StoreError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(StoreError::file("write to", folder))
}

fn writable(path: &Path) -> Result<Connection, StoreError> {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Before anything is written: a file of somebody else's must stay as it is.
    belongs_to_us(&conn, path)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    // Rows and their indexes of a batch land on fewer, larger pages.
    conn.pragma_update(None, "page_size", 8192)?;
    conn.pragma_update(None, "journal_mode", "wal")?;
    // FULL: a commit that was answered survives the loss of power.
    conn.pragma_update(None, "synchronous", "full")?;
    conn.pragma_update(None, "foreign_keys", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    // 64 MiB: a page that many commits touch is read once.
    conn.pragma_update(None, "cache_size", -65_536)?;
    // Pages: 32 MiB of log before it is copied into the database.
    conn.pragma_update(None, "wal_autocheckpoint", 4096)?;
    conn.pragma_update(None, "journal_size_limit", 67_108_864)?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(conn)
}

/// A connection that cannot write.
pub fn readable(path: &Path) -> Result<Connection, StoreError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)?;
    belongs_to_us(&conn, path)?;
    conn.busy_timeout(Duration::from_secs(5))?;
    conn.pragma_update(None, "query_only", true)?;
    conn.pragma_update(None, "trusted_schema", false)?;
    conn.pragma_update(None, "temp_store", "memory")?;
    conn.pragma_update(None, "cache_size", -8192)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

fn belongs_to_us(conn: &Connection, path: &Path) -> Result<(), StoreError> {
    let not_ours = || StoreError::NotOurs { path: path.to_path_buf() };
    let application: i64 = match conn.pragma_query_value(None, "application_id", |row| row.get(0)) {
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ffi::ErrorCode::NotADatabase) => {
            return Err(not_ours());
        }
        other => other?,
    };
    let empty: bool = conn.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?;
    if application != APPLICATION && !empty {
        return Err(not_ours());
    }
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let known = MIGRATIONS.len();
    if usize::try_from(found).is_ok_and(|found| found <= known) {
        Ok(())
    } else {
        Err(StoreError::NewerSchema { path: path.to_path_buf(), found, known })
    }
}

pub fn migrate(conn: &mut Connection, path: &Path) -> Result<(), StoreError> {
    conn.pragma_update(None, "application_id", APPLICATION)?;
    Migrations::from_slice(MIGRATIONS).to_latest(conn).map_err(|error| match error {
        rusqlite_migration::Error::RusqliteError { err, .. } => StoreError::from(err),
        other => StoreError::damaged(format!("{}: its schema cannot be brought up to date: {other}", path.display())),
    })
}

/// The schema as text, one statement a line group, in the order of names.
pub fn schema(conn: &Connection) -> Result<Vec<(String, String)>, StoreError> {
    let mut statement = conn.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The schema that this version works with.
pub fn current_schema() -> Result<Vec<(String, String)>, StoreError> {
    let mut conn = Connection::open_in_memory()?;
    migrate(&mut conn, Path::new(":memory:"))?;
    schema(&conn)
}
