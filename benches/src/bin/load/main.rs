//! Creates through the whole engine, with policies, sagas and simulated hosts that take no time, beside
//! a bare program that writes the same with the same group commits.
//!
//! `load [CREATES] [FARMS] [CLIENTS,…] [CLIENTS,…]`: how many instances and farms a round makes, and how
//! many clients ask for instances and for farms.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so")]

mod clients;
mod probe;

use std::path::Path;
use std::time::{Duration, Instant};

use cascina_benches::commits::{Commits, Script, position};
use cascina_benches::samples::{Samples, short};
use cascina_benches::{machine, site};
use cascina_core::command::Command;
use cascina_core::decision::Amounts;
use cascina_core::id::FarmId;
use cascina_core::units::Size;
use cascina_engine::Engine;

use crate::probe::Probe;

/// What one round came to.
struct Round {
    made: usize,
    /// Until the last client was answered, and until the last operation was done.
    answered: Duration,
    done: Duration,
    latency: Samples,
    cpu: Duration,
    commits: usize,
    bare: Duration,
    bare_cpu: Duration,
    decisions: Samples,
}

/// Runs `work` on the engine, waits until all its operations are over, and lets the bare program write
/// the same.
async fn round<F: Future<Output = (usize, Samples)>>(
    engine: &Engine,
    commits: &Commits,
    folder: &Path,
    probe: &Probe,
    work: F,
) -> Round {
    let (source, copy) = (folder.join("cascina.db"), folder.join("bare.db"));
    let from = position(&source);
    engine.reader().backup(&copy).unwrap();
    commits.take();
    probe.begin();
    let (start, busy) = (Instant::now(), machine::cpu());
    let (made, latency) = work.await;
    let answered = start.elapsed();
    while !engine.read(|state| state.indexes.unfinished.is_empty()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let (done, cpu) = (start.elapsed(), machine::cpu() - busy);
    let decisions = probe.end();
    let made_of = commits.take();
    let (bare, bare_cpu) = tokio::task::spawn_blocking({
        let (made_of, copy) = (made_of.clone(), copy.clone());
        move || Script::read(&source, from, &made_of).write(&copy)
    })
    .await
    .unwrap();
    for ending in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("bare.db{ending}")));
    }
    Round { made, answered, done, latency, cpu, commits: made_of.len(), bare, bare_cpu, decisions }
}

fn print(what: &str, clients: usize, rounds: &[Round]) {
    let sum = |of: fn(&Round) -> Duration| rounds.iter().map(of).sum::<Duration>();
    let made: usize = rounds.iter().map(|round| round.made).sum();
    let commits: usize = rounds.iter().map(|round| round.commits).sum();
    let rate = |time: Duration| made as f64 / time.as_secs_f64();
    let each = |time: Duration| time.as_secs_f64() * 1e6 / made as f64;
    let (mut latency, mut decisions) = (Samples::default(), Samples::default());
    for round in rounds {
        latency.append(round.latency.clone());
        decisions.append(round.decisions.clone());
    }
    let ratios: Vec<f64> = rounds.iter().map(|round| round.bare.as_secs_f64() / round.done.as_secs_f64()).collect();
    let (least, most) = ratios.iter().fold((f64::MAX, 0f64), |(a, b), ratio| (a.min(*ratio), b.max(*ratio)));
    println!(
        "| {what} | {clients} | {:.0} | {:.0} | {} | {} | {:.0} | {:.1} | {:.0} | {:.0} | {:.0} % ({:.0}–{:.0}) | {} | {} |",
        rate(sum(|round| round.answered)),
        rate(sum(|round| round.done)),
        short(latency.p50()),
        short(latency.p99()),
        each(sum(|round| round.cpu)),
        made as f64 / commits as f64,
        rate(sum(|round| round.bare)),
        each(sum(|round| round.bare_cpu)),
        100.0 * sum(|round| round.bare).as_secs_f64() / sum(|round| round.done).as_secs_f64(),
        100.0 * least,
        100.0 * most,
        short(decisions.p50()),
        short(decisions.p99()),
    );
}

/// Tenants without limits: this is not about refusals.
async fn lift_quotas(engine: &Engine) {
    let tenants: Vec<_> = engine.read(|state| state.rows.tenants.keys().copied().collect());
    for tenant in tenants {
        for class in [None, Some(site::name(site::WORKERS)), Some(site::name(site::SERVICES))] {
            site::submit(engine, Command::SetQuota { tenant, class, limit: Amounts::UNLIMITED }).await.unwrap();
        }
    }
}

/// Numbers of clients, as the arguments say or as usual.
fn numbers(at: usize, usual: &[usize]) -> Vec<usize> {
    let given = std::env::args().nth(at);
    given.map_or_else(|| usual.to_vec(), |text| text.split(',').filter_map(|number| number.parse().ok()).collect())
}

async fn run(creates: usize, farms: usize) {
    println!("\n### Creates through the engine\n\n{}\n", machine::describe());
    let commits = Commits::listen();
    let folder = machine::folder();
    let hosts = site::hosts();
    let sandbox = site::sandbox(folder.path());
    let capacity = Size::new(256, 1_048_576, 100_000);
    let engine =
        site::start(folder.path(), site::spec(40, 400, capacity), sandbox.clone(), std::sync::Arc::new(hosts)).await;
    let probe = Probe::start(engine.clone(), sandbox);
    println!(
        "| what | clients | answered/s | done/s | p50 | p99 | CPU µs each | a commit | bare/s | bare CPU µs each | \
         done/bare | decision p50 | p99 |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    );
    let mut names = 0;
    for clients in numbers(4, &[16, 128]) {
        let mut rounds = Vec::new();
        for _ in 0..3 {
            let work = clients::farms(&engine, names, farms, clients);
            names += farms;
            rounds.push(round(&engine, &commits, folder.path(), &probe, work).await);
        }
        print("farm of 2 instances", clients, &rounds);
    }
    lift_quotas(&engine).await;
    let ids: Vec<FarmId> = engine.read(|state| state.rows.farms.keys().copied().collect());
    for clients in numbers(3, &[1, 16, 64, 256]) {
        let mut rounds = Vec::new();
        for _ in 0..3 {
            let creates = if clients == 1 { creates / 8 } else { creates };
            let work = clients::instances(&engine, &ids, creates, clients);
            rounds.push(round(&engine, &commits, folder.path(), &probe, work).await);
        }
        print("instance", clients, &rounds);
    }
    probe.stop();
    let violations = engine.read(cascina_core::invariant::check);
    assert!(violations.is_empty(), "{violations:?}");
    engine.shutdown().await;
}

fn main() {
    let argument =
        |at: usize, ordinary: usize| std::env::args().nth(at).and_then(|text| text.parse().ok()).unwrap_or(ordinary);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run(argument(1, 6_000), argument(2, 200)));
    runtime.shutdown_timeout(Duration::from_secs(5));
}
