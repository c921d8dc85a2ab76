//! Two servers must never write one database: each would answer from a state that the other changes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::error::StoreError;

/// Held for as long as the store is open; the system lets go of it when the process ends, however it ends.
///
/// It is a file of its own beside the database: SQLite's own locks are lost by a process that opens
/// and closes the database file a second time.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "held, not read")] File);

impl Lock {
    pub fn take(database: &Path) -> Result<Lock, StoreError> {
        let path = beside(database, ".lock");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(StoreError::file("open", &path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                let read = file.read_to_string(&mut text);
                let process = read.ok().and_then(|_| text.trim().parse().ok());
                return Err(StoreError::InUse { path: database.to_path_buf(), process });
            }
            Err(TryLockError::Error(source)) => return Err(StoreError::File { doing: "lock", path, source }),
        }
        // For the message above only; a lock without it holds as well.
        let noted =
            file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
        if let Err(error) = noted {
            tracing::debug!(path = %path.display(), %error, "cannot note the process in the lock file");
        }
        Ok(Lock(file))
    }
}

/// A file that belongs to the database and lies beside it.
pub fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut path = database.as_os_str().to_os_string();
    path.push(ending);
    PathBuf::from(path)
}
