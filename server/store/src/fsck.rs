//! Everything that must be true of a database, checked.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cascina_core::decision::Decision;
use cascina_core::event::Change;
use cascina_core::invariant;
use cascina_core::state::{Key, Row, State};
use rusqlite::{Connection, OptionalExtension};

use crate::backup::unsound;
use crate::checkpoint;
use crate::component;
use crate::decisions::outcome;
use crate::error::StoreError;
use crate::journal::{self, Walk};
use crate::open::{current_schema, readable, schema};
use crate::rows;
use crate::text::Text;

/// What was looked at, and what was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    pub events: u64,
    pub decisions: u64,
    /// Of all nouns.
    pub rows: u64,
    pub components: u64,
    pub checkpoints: u64,
    /// One sentence each. Empty: the database is sound.
    pub problems: Vec<String>,
}

/// Checks the database at `path`, which it does not change; a server may have it open. Keeps one
/// state in memory and goes through the log twice.
///
/// # Errors
///
/// Only if the database cannot be opened or read at all; what is wrong inside is in the report.
pub fn fsck(path: &Path) -> Result<Report, StoreError> {
    if let Err(source) = std::fs::File::open(path) {
        return Err(StoreError::File { doing: "open", path: path.to_path_buf(), source });
    }
    let mut conn = readable(path)?;
    // One moment for all that is read.
    let tx = conn.transaction()?;
    let mut report = Report::default();
    report.problems.extend(unsound(&tx)?);
    check(&mut report, |report| check_schema(&tx, report))?;
    let folded = check(&mut report, |report| check_log(&tx, report))?;
    // Without a log that can be read, every row would be called wrong.
    if let Some(folded) = folded {
        check(&mut report, |report| check_rows(&tx, folded, report))?;
    }
    check(&mut report, |report| check_decisions(&tx, report))?;
    check(&mut report, |report| check_components(&tx, report))?;
    Ok(report)
}

/// Damage that stops one check is a problem found, and the others go on.
fn check<T>(
    report: &mut Report,
    part: impl FnOnce(&mut Report) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    match part(report) {
        Ok(result) => Ok(Some(result)),
        Err(StoreError::Damaged { what }) => {
            report.problems.push(what);
            Ok(None)
        }
        Err(other) => Err(other),
    }
}

/// Constraints and triggers that somebody dropped would let wrong things in later.
fn check_schema(conn: &Connection, report: &mut Report) -> Result<(), StoreError> {
    let expected: BTreeMap<String, String> = current_schema()?.into_iter().collect();
    let mut found: BTreeMap<String, String> = schema(conn)?.into_iter().collect();
    for (name, sql) in expected {
        match found.remove(&name) {
            Some(other) if other == sql => {}
            Some(_) => report.problems.push(format!("schema: {name} is not as this version made it")),
            None => report.problems.push(format!("schema: {name} is missing")),
        }
    }
    for name in found.into_keys() {
        report.problems.push(format!("schema: {name} is not ours"));
    }
    Ok(())
}

/// Recomputes every hash, folds the log, and compares checkpoints on the way.
fn check_log(conn: &Connection, report: &mut Report) -> Result<State, StoreError> {
    let head = journal::head(conn)?;
    let mut checkpoints: BTreeSet<u64> = checkpoint::all(conn)?.into_iter().collect();
    let mut state = State::default();
    check_checkpoint(conn, &state, &mut checkpoints, report)?;
    let mut walk = Walk::after(conn, 0)?;
    let mut end = journal::Hash::default();
    while let Some(step) = walk.next()? {
        report.events += 1;
        report.problems.extend(step.problem);
        if let Some(decision) = step.decision {
            let known: bool = conn
                .prepare_cached("SELECT EXISTS (SELECT 1 FROM decision WHERE id = ?)")?
                .query_row([&decision], |row| row.get(0))?;
            if !known {
                report.problems.push(format!("event {} names {decision}, which is not recorded", step.seq));
            }
        }
        if let Err(error) = checkpoint::fold(&mut state, step.seq, step.changes.as_bytes()) {
            report.problems.push(sentence(&error));
        }
        // A row that cannot be read leaves the number behind.
        state.seq = step.seq;
        end = step.hash;
        check_checkpoint(conn, &state, &mut checkpoints, report)?;
    }
    if (state.seq, end) != (head.seq, head.hash) {
        report
            .problems
            .push(format!("the event log ends at {}, it should at {} with another hash", state.seq, head.seq));
    }
    for seq in checkpoints {
        report.problems.push(format!("the checkpoint at {seq} is of an event that is not there"));
    }
    Ok(state)
}

fn check_checkpoint(
    conn: &Connection,
    state: &State,
    left: &mut BTreeSet<u64>,
    report: &mut Report,
) -> Result<(), StoreError> {
    if !left.remove(&state.seq) {
        return Ok(());
    }
    report.checkpoints += 1;
    match checkpoint::restore(conn, state.seq) {
        Ok(kept) if kept.rows == state.rows => {}
        Ok(_) => report.problems.push(format!("the checkpoint at {} is not what the log says", state.seq)),
        Err(error) => report.problems.push(sentence(&error)),
    }
    Ok(())
}

/// The tables against the fold of the log, row for row, and against the list of truths.
fn check_rows(conn: &Connection, folded: State, report: &mut Report) -> Result<(), StoreError> {
    let mut expected: BTreeMap<Key, Row> = folded.rows.all().map(|row| (row.key(), row)).collect();
    let mut stored = State { seq: folded.seq, ..State::default() };
    drop(folded);
    rows::scan(conn, |row| {
        report.rows += 1;
        let (noun, id) = (row.noun, row.id()?);
        let parsed = match row.parsed() {
            Ok(parsed) => parsed,
            Err(error) => {
                report.problems.push(sentence(&error));
                // Said already; not also as missing.
                expected.retain(|key, _| key.noun() != noun || rows::id(key).as_bytes() != id.as_bytes());
                return Ok(());
            }
        };
        if let Some(column) = row.deviant(&parsed)? {
            report.problems.push(format!("{noun} {id}: its column {column} is not what its JSON says"));
        }
        match expected.remove(&parsed.key()) {
            Some(said) if said == parsed => {}
            Some(_) => report.problems.push(format!("{noun} {id} is not as the log left it")),
            None => report.problems.push(format!("{noun} {id} is not in the log")),
        }
        stored.apply(&Change::Put(parsed));
        Ok(())
    })?;
    for key in expected.into_keys() {
        report.problems.push(format!("{} {} is in the log, not in its table", key.noun(), name(&key)));
    }
    for violation in invariant::check(&stored) {
        report.problems.push(format!("{}: {}", violation.rule, violation.text));
    }
    for policy in stored.rows.policies.keys() {
        let known: bool = conn
            .prepare_cached("SELECT EXISTS (SELECT 1 FROM component WHERE digest = ?)")?
            .query_row([Text::of(policy)], |row| row.get(0))?;
        if !known {
            report.problems.push(format!("policy {policy} has no component"));
        }
    }
    Ok(())
}

fn name(key: &Key) -> String {
    String::from_utf8_lossy(rows::id(key).as_bytes()).into_owned()
}

fn check_decisions(conn: &Connection, report: &mut Report) -> Result<(), StoreError> {
    let head = journal::head(conn)?;
    let mut statement = conn.prepare(
        "SELECT id, hook, at, tenant, farm, operation, revision, decided, body FROM decision ORDER BY number",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.decisions += 1;
        let id: String = row.get(0)?;
        let body = row.get_ref(8)?.as_bytes().map_err(rusqlite::Error::from)?;
        let decision: Decision = match serde_json::from_slice(body) {
            Ok(decision) => decision,
            Err(error) => {
                report.problems.push(format!("{id}: {error}"));
                continue;
            }
        };
        let same = id == decision.id.to_string()
            && row.get::<_, String>(1)? == decision.hook.as_str()
            && row.get::<_, i64>(2)?.cast_unsigned() == decision.at.0
            && row.get::<_, Option<String>>(3)? == decision.tenant.map(|id| id.to_string())
            && row.get::<_, Option<String>>(4)? == decision.farm.map(|id| id.to_string())
            && row.get::<_, Option<String>>(5)? == decision.operation.map(|id| id.to_string())
            && row.get::<_, i64>(6)?.cast_unsigned() == decision.revision
            && row.get::<_, String>(7)? == outcome(&decision.decided);
        if !same {
            report.problems.push(format!("{id}: a column is not what its JSON says"));
        }
        if decision.revision > head.seq {
            report.problems.push(format!("{id} stands at event {}, which is not there", decision.revision));
        }
        for opinion in &decision.opinions {
            let known = conn
                .prepare_cached("SELECT 1 FROM component WHERE digest = ?")?
                .query_row([Text::of(&opinion.digest)], |_| Ok(()))
                .optional()?;
            if known.is_none() {
                report.problems.push(format!("{id}: {} has no component any more", opinion.policy));
            }
        }
    }
    Ok(())
}

fn check_components(conn: &Connection, report: &mut Report) -> Result<(), StoreError> {
    let mut statement = conn.prepare("SELECT digest, bytes FROM component ORDER BY digest")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        report.components += 1;
        let digest: String = row.get(0)?;
        let bytes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        if component::digest(bytes).to_string() != digest {
            report.problems.push(format!("component {digest} has other bytes"));
        }
    }
    Ok(())
}

/// What is damaged, without the advice that stands in the error: the report is part of following it.
fn sentence(error: &StoreError) -> String {
    match error {
        StoreError::Damaged { what } => what.clone(),
        other => other.to_string(),
    }
}
