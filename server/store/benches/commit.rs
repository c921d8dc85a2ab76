//! Durable instance creates through the store, beside a bare program that writes the same rows with
//! the same group commit: every value made beforehand, no JSON, no hashing, no checks.
//!
//! `cargo bench -p cascina-store` prints criterion's figures for one batch of each kind, then a
//! comparison in which both take turns, so that the machine's moods hit both alike.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so")]

#[path = "../tests/world/mod.rs"]
mod world;

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascina_core::decision::Decision;
use cascina_core::event::{Change, Event};
use cascina_core::network::VirtualNetwork;
use cascina_core::state::Row;
use cascina_store::{Batch, Store};
use criterion::{Criterion, Throughput};
use rusqlite::{Connection, params, params_from_iter};

const FARMS: u32 = 4000;

/// Makes creates without end.
struct Creates {
    networks: Vec<VirtualNetwork>,
    made: u32,
    seed: u64,
    ids: Ids,
}

/// What ids are like. The pages that a commit must write depend on it more than on anything else.
#[derive(Debug, Clone, Copy)]
enum Ids {
    Random,
    /// Later ones are larger, as when ids begin with the time.
    Ordered,
}

impl Creates {
    fn new(seed: u64, ids: Ids) -> Creates {
        let networks = (1..=FARMS).map(|id| world::network(id, id.into(), id.into())).collect();
        Creates { networks, made: 0, seed, ids }
    }

    /// Numbered on from event `head`.
    fn batch(&mut self, head: u64, size: u64) -> (Vec<Event>, Vec<Arc<Decision>>) {
        let (mut events, mut decisions) = (Vec::new(), Vec::new());
        for seq in head + 1..=head + size {
            self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let id = match self.ids {
                Ids::Random => self.seed ^ (self.seed >> 29),
                Ids::Ordered => (seq << 24) + (self.seed >> 50),
            };
            let network = &self.networks[(self.made % FARMS) as usize];
            let (event, told) = world::create(seq, id, network, self.made / FARMS, 1);
            self.made += 1;
            events.push(event);
            decisions.extend(told);
        }
        (events, decisions)
    }
}

/// The same tables, settings and statements, without the store.
struct Bare {
    conn: Connection,
    seq: u64,
}

/// One create's values, ready to bind.
struct Ready {
    event: [String; 9],
    changes: String,
    instance: [String; 5],
    operation: [String; 2],
    decisions: Vec<[String; 7]>,
}

impl Bare {
    /// In a database that a store has made, so that the schema is the same.
    fn open(path: &Path) -> Bare {
        let conn = Connection::open(path).unwrap();
        for (name, value) in [("synchronous", "full"), ("foreign_keys", "on"), ("cache_size", "-65536")] {
            conn.pragma_update(None, name, value).unwrap();
        }
        conn.pragma_update(None, "wal_autocheckpoint", 4096).unwrap();
        conn.set_prepared_statement_cache_capacity(64);
        let seq: i64 = conn.query_row("SELECT seq FROM head", [], |row| row.get(0)).unwrap();
        Bare { conn, seq: seq.cast_unsigned() }
    }

    fn ready(events: &[Event], decisions: &[Arc<Decision>]) -> Vec<Ready> {
        let text = |value: Option<String>| value.unwrap();
        let make = |(event, decisions): (&Event, &[Arc<Decision>])| {
            let rows: Vec<&Row> = event
                .changes
                .iter()
                .map(|change| match change {
                    Change::Put(row) => row,
                    Change::Remove(_) => unreachable!(),
                })
                .collect();
            let (Row::Instance(instance), Row::Operation(operation)) = (rows[0], rows[1]) else { unreachable!() };
            Ready {
                event: [
                    event.kind.clone(),
                    event.actor.clone(),
                    text(event.tenant.map(|id| id.to_string())),
                    text(event.farm.map(|id| id.to_string())),
                    text(event.operation.map(|id| id.to_string())),
                    text(event.decision.map(|id| id.to_string())),
                    event.subject.clone(),
                    event.text.clone(),
                    event.at.0.to_string(),
                ],
                changes: serde_json::to_string(&event.changes).unwrap(),
                instance: [
                    instance.id.to_string(),
                    serde_json::to_string(instance).unwrap(),
                    instance.farm.to_string(),
                    instance.ip.to_string(),
                    instance.mac.to_string(),
                ],
                operation: [operation.id.to_string(), serde_json::to_string(operation).unwrap()],
                decisions: decisions
                    .iter()
                    .map(|decision| {
                        [
                            decision.id.to_string(),
                            decision.hook.to_string(),
                            text(decision.tenant.map(|id| id.to_string())),
                            text(decision.farm.map(|id| id.to_string())),
                            text(decision.operation.map(|id| id.to_string())),
                            "placed".to_string(),
                            serde_json::to_string(decision).unwrap(),
                        ]
                    })
                    .collect(),
            }
        };
        events.iter().zip(decisions.chunks(2)).map(make).collect()
    }

    fn commit(&mut self, creates: &[Ready]) {
        let tx = self.conn.transaction().unwrap();
        {
            let mut event = tx.prepare_cached("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)").unwrap();
            let mut instance = tx
                .prepare_cached("INSERT INTO instance (id, body, farm, ip, mac, live) VALUES (?, ?, ?, ?, ?, 1)")
                .unwrap();
            let mut operation = tx.prepare_cached("INSERT INTO operation VALUES (?, ?)").unwrap();
            let mut decision = tx
                .prepare_cached(
                    "INSERT INTO decision (id, hook, at, tenant, farm, operation, revision, decided, body) \
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )
                .unwrap();
            for create in creates {
                for [id, hook, tenant, farm, saga, decided, body] in &create.decisions {
                    decision
                        .execute(params![id, hook, 1_790_000_000_000i64, tenant, farm, saga, 1i64, decided, body])
                        .unwrap();
                }
                self.seq += 1;
                let [kind, actor, tenant, farm, saga, decided, subject, text, _] = &create.event;
                event
                    .execute(params![
                        self.seq.cast_signed(),
                        1_790_000_000_000i64,
                        kind,
                        actor,
                        tenant,
                        farm,
                        saga,
                        decided,
                        subject,
                        text,
                        create.changes,
                        [7u8; 32],
                    ])
                    .unwrap();
                instance.execute(params_from_iter(&create.instance)).unwrap();
                operation.execute(params_from_iter(&create.operation)).unwrap();
            }
        }
        tx.commit().unwrap();
    }
}

/// Time that this thread was on a processor.
fn on_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|ns| ns.parse().ok()).unwrap_or(0))
}

fn begun() -> (tempfile::TempDir, Store) {
    let (folder, mut store) = world::store();
    world::commit(&mut store, &[world::beginning(1, FARMS)]);
    (folder, store)
}

fn begun_bare() -> (tempfile::TempDir, Bare) {
    let (folder, store) = begun();
    drop(store);
    let bare = Bare::open(&folder.path().join("cascina.db"));
    (folder, bare)
}

fn criterion(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20).measurement_time(Duration::from_secs(4));
    for size in [1, 64, 512] {
        group.throughput(Throughput::Elements(size));
        group.bench_function(format!("store/{size}"), |bencher| {
            let (_folder, mut store) = begun();
            let mut creates = Creates::new(1, Ids::Random);
            bencher.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    let (events, decisions) = creates.batch(store.head().seq, size);
                    let start = Instant::now();
                    store.commit(&Batch { events: &events, decisions: &decisions }).unwrap();
                    spent += start.elapsed();
                }
                spent
            });
        });
        group.bench_function(format!("bare/{size}"), |bencher| {
            let (_folder, mut bare) = begun_bare();
            let mut creates = Creates::new(2, Ids::Random);
            bencher.iter_custom(|times| {
                let mut spent = Duration::ZERO;
                for _ in 0..times {
                    let (events, decisions) = creates.batch(bare.seq, size);
                    let ready = Bare::ready(&events, &decisions);
                    let start = Instant::now();
                    bare.commit(black_box(&ready));
                    spent += start.elapsed();
                }
                spent
            });
        });
    }
    group.finish();
}

/// Both take turns on two databases that grow alike.
fn side_by_side(ids: Ids, size: u64, rounds: u64) {
    let (_one, mut store) = begun();
    let (_two, mut bare) = begun_bare();
    let (mut ours, mut theirs) = (Creates::new(3, ids), Creates::new(3, ids));
    let mut wall = [Duration::ZERO; 2];
    let mut cpu = [Duration::ZERO; 2];
    for _ in 0..rounds {
        let (events, decisions) = ours.batch(store.head().seq, size);
        let (start, busy) = (Instant::now(), on_cpu());
        store.commit(&Batch { events: &events, decisions: &decisions }).unwrap();
        cpu[0] += on_cpu().saturating_sub(busy);
        wall[0] += start.elapsed();

        let (events, decisions) = theirs.batch(bare.seq, size);
        let ready = Bare::ready(&events, &decisions);
        let (start, busy) = (Instant::now(), on_cpu());
        bare.commit(black_box(&ready));
        cpu[1] += on_cpu().saturating_sub(busy);
        wall[1] += start.elapsed();
    }
    let creates = (size * rounds) as f64;
    let rate = |spent: Duration| creates / spent.as_secs_f64();
    let micros = |spent: Duration| spent.as_secs_f64() * 1e6 / creates;
    println!(
        "{ids:?} ids, {creates:5} creates, {size:3} a commit: store {:6.0}/s, {:5.1} us CPU each; bare {:6.0}/s, {:5.1} us CPU each; \
         store/bare rate {:.2}, CPU {:.2}",
        rate(wall[0]),
        micros(cpu[0]),
        rate(wall[1]),
        micros(cpu[1]),
        rate(wall[0]) / rate(wall[1]),
        cpu[0].as_secs_f64() / cpu[1].as_secs_f64(),
    );
}

fn main() {
    let mut group = Criterion::default().configure_from_args();
    criterion(&mut group);
    group.final_summary();
    // Under `cargo test --benches` only a taste.
    let scale = if std::env::args().any(|arg| arg == "--bench") { 1 } else { 100 };
    for ids in [Ids::Random, Ids::Ordered] {
        side_by_side(ids, 1, 500 / scale);
        side_by_side(ids, 64, 400 / scale);
        side_by_side(ids, 512, 100 / scale);
    }
}
