//! The bare program: what a server has written, written once more, with the same tables, settings and
//! group commits, and nothing else. Every value is made beforehand: no policies, no checks, no JSON, no
//! hashing, one thread. This is what the disk and SQLite allow.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, SharedString, Unit};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, TransactionBehavior, params_from_iter};
use serde_json::value::RawValue;

use crate::machine;

/// How much one group commit held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    pub events: u64,
    pub decisions: u64,
}

/// Listens to the writer's own counters: one increment of each a commit.
#[derive(Debug, Clone, Default)]
pub struct Commits {
    events: Arc<Increments>,
    decisions: Arc<Increments>,
}

#[derive(Debug, Default)]
struct Increments {
    each: std::sync::Mutex<Vec<u64>>,
    sum: AtomicU64,
}

impl CounterFn for Increments {
    fn increment(&self, value: u64) {
        self.each.lock().unwrap().push(value);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    fn absolute(&self, _: u64) {}
}

impl metrics::Recorder for Commits {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            "cascina_events_total" => Counter::from_arc(Arc::clone(&self.events)),
            "cascina_decisions_total" => Counter::from_arc(Arc::clone(&self.decisions)),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

impl Commits {
    /// Once for the process, before the engine starts.
    pub fn listen() -> Commits {
        let commits = Commits::default();
        assert!(metrics::set_global_recorder(commits.clone()).is_ok());
        commits
    }

    /// Those since the last time. Nobody may be committing.
    pub fn take(&self) -> Vec<Commit> {
        let mut events = self.events.each.lock().unwrap();
        let mut decisions = self.decisions.each.lock().unwrap();
        let both = std::mem::take(&mut *events).into_iter().zip(std::mem::take(&mut *decisions));
        both.map(|(events, decisions)| Commit { events, decisions }).collect()
    }
}

/// One statement with its values.
struct Step {
    sql: usize,
    values: Vec<Value>,
}

/// Everything that a server wrote in some time, commit by commit.
pub struct Script {
    sql: Vec<String>,
    commits: Vec<Vec<Step>>,
}

/// Where a database stands: its last event, and its last decision.
pub fn position(path: &Path) -> (i64, i64) {
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let last = |sql: &str| conn.query_row(sql, [], |row| row.get(0)).unwrap();
    (last("SELECT coalesce(max(seq), 0) FROM event"), last("SELECT coalesce(max(number), 0) FROM decision"))
}

const EVENT: &str = "seq, at, kind, actor, tenant, farm, operation, decision, subject, text, changes, hash";
const DECISION: &str = "id, hook, at, tenant, farm, operation, revision, decided, body";

fn insert(table: &str, columns: &str) -> String {
    let places = vec!["?"; columns.split(", ").count()].join(", ");
    format!("INSERT INTO {table} ({columns}) VALUES ({places})")
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Change<'a> {
    #[serde(borrow)]
    Put(HashMap<&'a str, &'a RawValue>),
    Remove(HashMap<&'a str, String>),
}

#[derive(serde::Deserialize)]
struct Named {
    id: String,
}

struct Reading<'c> {
    conn: &'c Connection,
    sql: Vec<String>,
    /// The columns of a table beside id and body, by its JSON name.
    columns: HashMap<String, Vec<String>>,
}

impl Reading<'_> {
    fn statement(&mut self, sql: String) -> usize {
        self.sql.iter().position(|known| *known == sql).unwrap_or_else(|| {
            self.sql.push(sql);
            self.sql.len() - 1
        })
    }

    fn columns(&mut self, table: &str) -> Vec<String> {
        let conn = self.conn;
        let read = || {
            let mut info = conn.prepare("SELECT name FROM pragma_table_info(?)").unwrap();
            let names = info.query_map([table], |row| row.get::<_, String>(0)).unwrap();
            names.map(Result::unwrap).filter(|name| name != "id" && name != "body").collect()
        };
        self.columns.entry(table.to_owned()).or_insert_with(read).clone()
    }

    /// A row as the event left it. Its other columns are read off the row as it is now: they do not
    /// change in what is measured here.
    fn put(&mut self, noun: &str, body: &str) -> Step {
        let table = noun.replace('-', "_");
        let columns = self.columns(&table);
        let id = serde_json::from_str::<Named>(body).unwrap().id;
        let mut values = vec![Value::Text(id.clone()), Value::Text(body.to_owned())];
        let mut sql =
            insert(&table, &["id, body".to_owned()].into_iter().chain(columns.clone()).collect::<Vec<_>>().join(", "));
        sql.push_str(" ON CONFLICT (id) DO UPDATE SET body = excluded.body");
        for column in &columns {
            sql.push_str(&format!(", {column} = excluded.{column}"));
        }
        if !columns.is_empty() {
            let query = format!("SELECT {} FROM {table} WHERE id = ?", columns.join(", "));
            let mut row = self.conn.prepare_cached(&query).unwrap();
            let read =
                |row: &rusqlite::Row<'_>| (0..columns.len()).map(|at| row.get(at)).collect::<Result<Vec<_>, _>>();
            values.extend(row.query_row([&id], read).unwrap());
        }
        Step { sql: self.statement(sql), values }
    }

    fn changes(&mut self, json: &str, steps: &mut Vec<Step>) {
        for change in serde_json::from_str::<Vec<Change<'_>>>(json).unwrap() {
            match change {
                Change::Put(row) => row.into_iter().for_each(|(noun, body)| steps.push(self.put(noun, body.get()))),
                Change::Remove(key) => key.into_iter().for_each(|(noun, id)| {
                    let sql = format!("DELETE FROM {} WHERE id = ?", noun.replace('-', "_"));
                    steps.push(Step { sql: self.statement(sql), values: vec![Value::Text(id)] });
                }),
            }
        }
    }
}

impl Script {
    /// What has been written after `from`, in these commits.
    pub fn read(path: &Path, from: (i64, i64), commits: &[Commit]) -> Script {
        let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
        conn.set_prepared_statement_cache_capacity(64);
        let mut reading = Reading { conn: &conn, sql: Vec::new(), columns: HashMap::new() };
        let event = reading.statement(insert("event", EVENT));
        let decision = reading.statement(insert("decision", DECISION));
        let head = reading.statement("UPDATE head SET seq = ?, hash = ?".into());
        let mut events = conn.prepare(&format!("SELECT {EVENT} FROM event WHERE seq > ? ORDER BY seq")).unwrap();
        let sql = format!("SELECT {DECISION} FROM decision WHERE number > ? ORDER BY number");
        let mut decisions = conn.prepare(&sql).unwrap();
        let (mut events, mut decisions) = (events.query([from.0]).unwrap(), decisions.query([from.1]).unwrap());
        let values = |row: &rusqlite::Row<'_>, count: usize| -> Vec<Value> {
            (0..count).map(|at| row.get(at).unwrap()).collect()
        };
        let mut script = Script { sql: Vec::new(), commits: Vec::new() };
        for commit in commits {
            let mut steps = Vec::new();
            for _ in 0..commit.decisions {
                steps.push(Step { sql: decision, values: values(decisions.next().unwrap().unwrap(), 9) });
            }
            let mut end = None;
            for _ in 0..commit.events {
                let row = values(events.next().unwrap().unwrap(), 12);
                let Value::Text(changes) = row[10].clone() else { panic!("changes are text") };
                end = Some(vec![row[0].clone(), row[11].clone()]);
                steps.push(Step { sql: event, values: row });
                reading.changes(&changes, &mut steps);
            }
            steps.extend(end.map(|values| Step { sql: head, values }));
            script.commits.push(steps);
        }
        assert!(events.next().unwrap().is_none(), "an event that no commit accounts for");
        script.sql = reading.sql;
        script
    }

    /// Writes it all into a copy of the database as it was before. How long it took, by the clock and
    /// of the processor.
    pub fn write(&self, path: &Path) -> (Duration, Duration) {
        let mut conn = Connection::open(path).unwrap();
        for (name, value) in [
            ("journal_mode", "wal"),
            ("synchronous", "full"),
            ("foreign_keys", "on"),
            ("temp_store", "memory"),
            ("cache_size", "-65536"),
            ("wal_autocheckpoint", "4096"),
            ("journal_size_limit", "67108864"),
        ] {
            conn.pragma_update(None, name, value).unwrap();
        }
        conn.set_prepared_statement_cache_capacity(128);
        let (start, busy) = (Instant::now(), machine::cpu());
        for commit in &self.commits {
            let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            for step in commit {
                tx.prepare_cached(&self.sql[step.sql]).unwrap().execute(params_from_iter(&step.values)).unwrap();
            }
            tx.commit().unwrap();
        }
        (start.elapsed(), machine::cpu() - busy)
    }
}
