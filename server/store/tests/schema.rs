//! The schema, as text, so that a change of it is seen, and released migrations stay as they were.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so")]

use std::fmt::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

/// SHA-256 of each migration that was ever released. Only ever add to this: a database out there was
/// made by these very texts.
const RELEASED: &[(&str, &str)] = &[];

#[test]
fn released_migrations_are_never_edited() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    for (name, digest) in RELEASED {
        let text = std::fs::read(folder.join(name)).unwrap();
        assert_eq!(hex::encode(Sha256::digest(text)), *digest, "{name}: add a migration instead of editing one");
    }
    let opened = include_str!("../src/open.rs");
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(opened.contains(&name), "{name} is not in the list of migrations");
    }
}

#[test]
fn the_schema_is_the_one_reviewed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cascina.db");
    drop(cascina_store::Store::open(&path).unwrap());
    let conn = rusqlite::Connection::open(&path).unwrap();
    let mut statement = conn.prepare("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
    let mut schema = String::new();
    for sql in statement.query_map([], |row| row.get::<_, String>(0)).unwrap() {
        writeln!(schema, "{};\n", sql.unwrap()).unwrap();
    }
    let snapshot = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schema.sql");
    if std::env::var_os("UPDATE_SCHEMA").is_some() {
        std::fs::write(&snapshot, &schema).unwrap();
    }
    let reviewed = std::fs::read_to_string(&snapshot).unwrap_or_default();
    assert!(
        schema == reviewed,
        "the schema changed; if it should, run this test with UPDATE_SCHEMA=1 and review\n{schema}"
    );
}
