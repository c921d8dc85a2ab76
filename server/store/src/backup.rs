//! Copies of a database that can be trusted.

use std::fs::{self, File, OpenOptions};
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::backup::{Backup, StepResult};

use crate::error::StoreError;
use crate::journal::{self, Walk};
use crate::lock::beside;
use crate::open::{readable, sync_folder};
use crate::read::Reader;

impl Reader {
    /// Writes a copy of the database, as it is at one moment, to `to`, while the server goes on. It is
    /// one file, readable by its owner only (it holds secrets), and gets its name when it is whole,
    /// checked, and safe on the disk.
    ///
    /// # Errors
    ///
    /// If `to` exists, the copy does not pass the checks, or the disk fails; nothing is left then.
    pub fn backup(&self, to: &Path) -> Result<(), StoreError> {
        copy(&readable(self.path())?, to, |copy| {
            sound(copy)?;
            journal::check_end(copy, &journal::head(copy)?)
        })
    }
}

/// Makes a database at `to` from the backup at `from`, after checking the backup: every page, and
/// every hash of its event log. `from` is left as it is.
///
/// # Errors
///
/// If there is anything at `to` already, the backup does not pass the checks, or the disk fails;
/// nothing is left at `to` then.
pub fn restore(from: &Path, to: &Path) -> Result<(), StoreError> {
    if let Err(source) = File::open(from) {
        return Err(StoreError::File { doing: "open", path: from.to_path_buf(), source });
    }
    copy(&readable(from)?, to, |copy| {
        sound(copy)?;
        journal::check_end(copy, &journal::head(copy)?)?;
        let mut walk = Walk::after(copy, 0)?;
        while let Some(step) = walk.next()? {
            if let Some(problem) = step.problem {
                return Err(StoreError::damaged(problem));
            }
        }
        Ok(())
    })
}

fn copy(
    from: &Connection,
    to: &Path,
    check: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    // A log that somebody left beside the name would be taken for the new database's.
    for taken in [to.to_path_buf(), beside(to, "-wal"), beside(to, "-shm"), beside(to, "-journal")] {
        if fs::symlink_metadata(&taken).is_ok() {
            return Err(StoreError::Exists { path: taken });
        }
    }
    let partial = Partial(to, beside(to, ".partial"));
    let path = &partial.1;
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(StoreError::file("create", path))?;
    write(from, path)?;
    check(&readable(path)?)?;
    file.sync_all().map_err(StoreError::file("write to", path))?;
    partial.name()
}

/// All pages in one read transaction: one moment, and commits go on meanwhile.
fn write(from: &Connection, path: &Path) -> Result<(), StoreError> {
    let mut copy = Connection::open(path)?;
    copy.pragma_update(None, "journal_mode", "off")?;
    // Synced once, at the end.
    copy.pragma_update(None, "synchronous", "off")?;
    let backup = Backup::new(from, &mut copy)?;
    match backup.step(-1)? {
        StepResult::Done => {}
        other => return Err(StoreError::damaged(format!("a copy could not be ended: {other:?}"))),
    }
    drop(backup);
    // Out of WAL mode, so that it is one file; a server that opens it goes back.
    copy.pragma_update(None, "journal_mode", "delete")?;
    copy.close().map_err(|(_, error)| StoreError::from(error))
}

/// Whether every page and index is what it should be.
pub fn sound(conn: &Connection) -> Result<(), StoreError> {
    match unsound(conn)?.into_iter().next() {
        Some(problem) => Err(StoreError::damaged(problem)),
        None => Ok(()),
    }
}

/// What SQLite's own check says, if not "ok".
pub fn unsound(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let mut statement = conn.prepare("PRAGMA integrity_check")?;
    let lines = statement.query_map([], |row| row.get::<_, String>(0))?;
    let mut problems = lines.collect::<Result<Vec<_>, _>>()?;
    problems.retain(|line| line != "ok");
    Ok(problems)
}

/// A copy that has no name yet. Goes away unless it gets one.
struct Partial<'a>(&'a Path, std::path::PathBuf);

impl Partial<'_> {
    fn name(self) -> Result<(), StoreError> {
        let Partial(to, path) = &self;
        // A link, unlike a rename, does not replace what came there meanwhile.
        match fs::hard_link(path, to) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                return Err(StoreError::Exists { path: to.to_path_buf() });
            }
            // A file system without links.
            Err(_) => fs::rename(path, to).map_err(StoreError::file("create", to))?,
        }
        sync_folder(to)
    }
}

impl Drop for Partial<'_> {
    fn drop(&mut self) {
        for path in [self.1.clone(), beside(&self.1, "-journal"), beside(&self.1, "-wal"), beside(&self.1, "-shm")] {
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    tracing::warn!(path = %path.display(), %error, "a partial copy is left");
                }
                _ => {}
            }
        }
    }
}
