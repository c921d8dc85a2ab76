//! What can go wrong, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use cascina_core::policy::Digest;
use rusqlite::ffi::ErrorCode;

#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    #[error("{} is in use by another server{}: stop that one, or give this one a database of its own", .path.display(), holder(.process))]
    InUse { path: PathBuf, process: Option<u32> },

    #[error(
        "{} was written by a newer Cascina (schema {found}; this one knows up to {known}): install the newer version again, or restore a backup made before the upgrade", .path.display()
    )]
    NewerSchema { path: PathBuf, found: i64, known: usize },

    #[error("{} is not a Cascina database: check the path; nothing in it was touched", .path.display())]
    NotOurs { path: PathBuf },

    #[error("{} already exists: name a path where there is nothing yet, or move that file away", .path.display())]
    Exists { path: PathBuf },

    #[error("cannot {doing} {}: {source}", .path.display())]
    File { doing: &'static str, path: PathBuf, source: io::Error },

    #[error("the disk is full: nothing of this was kept; free some space and try again")]
    Full(#[source] rusqlite::Error),

    #[error("the disk failed: nothing of this was answered as done; look at the system's log, then try again: {0}")]
    Disk(#[source] rusqlite::Error),

    #[error("the database is damaged ({what}): keep a copy of it, run `cascina fsck`, and restore the newest backup")]
    Damaged { what: String },

    /// The engine asked for what must never be. A fault of the program, which the database stopped.
    #[error("refused, nothing kept: {rule} ({columns})")]
    Taken { rule: &'static str, columns: String },

    #[error("events must follow each other: {given} was given, {expected} comes next")]
    OutOfOrder { expected: u64, given: u64 },

    #[error("there is no event {seq}: the last one is {last}")]
    NoSuchEvent { seq: u64, last: u64 },

    #[error("the bytes have the digest {actual}, not {claimed}: send them again")]
    WrongDigest { claimed: Digest, actual: Digest },

    #[error("a {noun} cannot be written as JSON: {source}")]
    Unwritable { noun: &'static str, source: serde_json::Error },

    #[error("the database said: {0}")]
    Sqlite(#[source] rusqlite::Error),
}

fn holder(process: &Option<u32>) -> String {
    process.map(|id| format!(" (process {id})")).unwrap_or_default()
}

impl StoreError {
    pub(crate) fn file(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError {
        move |source| StoreError::File { doing, path: path.to_path_buf(), source }
    }

    pub(crate) fn damaged(what: impl Into<String>) -> StoreError {
        StoreError::Damaged { what: what.into() }
    }
}

/// What each constraint stands for, by the columns that SQLite names when it is broken.
const RULES: &[(&str, &str)] = &[
    ("address.ip", "an elastic IP has one owner"),
    ("network.segment", "a segment has one network"),
    ("network.cidr", "a subnet has one network"),
    ("instance.farm, instance.ip", "an address has one guest"),
    ("instance.mac", "a MAC has one owner"),
    ("tenant.name", "a tenant's name is its own"),
    ("user.owner, user.name", "a user's name is its own within the tenant"),
    ("access_key.public", "an access key has one user"),
    ("quota.tenant, quota.class", "a tenant has one quota a class"),
    ("farm.tenant, farm.name", "a farm's name is its own within the tenant"),
    ("host.name", "a host's name is its own"),
    ("share.name", "a share's name is its own"),
    ("policy.label", "a policy's name and version mean one component"),
    ("binding.name", "a binding's name is its own"),
    ("decision.id", "a decision is recorded once"),
    ("event.seq", "an event is recorded once"),
];

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> StoreError {
        let rusqlite::Error::SqliteFailure(code, message) = &error else {
            return StoreError::Sqlite(error);
        };
        match code.code {
            ErrorCode::DiskFull => StoreError::Full(error),
            ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::ReadOnly => StoreError::Disk(error),
            ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => StoreError::damaged(error.to_string()),
            ErrorCode::ConstraintViolation => {
                let message = message.as_deref().unwrap_or_default();
                if message.starts_with("FOREIGN KEY") {
                    return StoreError::Taken {
                        rule: "a policy's component is put before its row",
                        columns: "policy.id".into(),
                    };
                }
                let columns = message.rsplit_once("failed: ").map_or(message, |(_, columns)| columns);
                match RULES.iter().find(|(of, _)| *of == columns) {
                    Some((_, rule)) => StoreError::Taken { rule, columns: columns.into() },
                    None => StoreError::Sqlite(error),
                }
            }
            _ => StoreError::Sqlite(error),
        }
    }
}
