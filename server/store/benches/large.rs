//! The largest site: 10,000 hosts and 100,000 instances. Prints how long each thing takes that grows
//! with the site: start, checkpoint, an old state, backup, fsck, restore.
//!
//! `cargo bench -p cascina-store --bench large`; a smaller one with `INSTANCES=1000`.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so")]

#[path = "../tests/world/mod.rs"]
mod world;

use std::time::Instant;

use cascina_store::{Batch, Store, fsck, restore};

fn timed<T>(what: &str, act: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = act();
    println!("{what:32} {:8.3} s", start.elapsed().as_secs_f64());
    result
}

fn main() {
    // `cargo test --benches` only wants to know that it runs.
    let measured = std::env::args().any(|arg| arg == "--bench");
    let ordinary = if measured { 100_000 } else { 500 };
    let instances: u32 = std::env::var("INSTANCES").ok().and_then(|text| text.parse().ok()).unwrap_or(ordinary);
    let hosts = instances / 10;
    let farms = instances.div_ceil(200);
    let (folder, mut store) = world::store();
    let path = store.path().to_path_buf();
    world::commit(&mut store, &[world::beginning(hosts, farms)]);
    timed(&format!("{instances} creates, 100 a commit"), || {
        let mut made = 0;
        while made < instances {
            let created: Vec<_> = (made..instances.min(made + 100))
                .map(|n| {
                    let farm = n % farms + 1;
                    let network = world::network(farm, farm.into(), farm.into());
                    // Spread, as the engine's ids are.
                    let id = u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
                    world::create(u64::from(n) + 2, id | 1 << 63, &network, n / farms, n % hosts + 1)
                })
                .collect();
            made += created.len() as u32;
            let (events, decisions): (Vec<_>, Vec<_>) = created.into_iter().unzip();
            store.commit(&Batch { events: &events, decisions: &decisions.concat() }).unwrap();
        }
    });
    drop(store);
    println!("{:32} {:8.1} MiB", "the database", std::fs::metadata(&path).unwrap().len() as f64 / f64::from(1 << 20));

    let mut store = timed("open", || Store::open(&path).unwrap());
    let state = timed("load", || store.load().unwrap());
    assert_eq!(state.rows.instances.len(), instances as usize);
    let last = state.seq;
    timed("state_at the end, from nothing", || store.reader().state_at(last).unwrap());
    timed("checkpoint", || store.checkpoint(&state).unwrap());
    timed("state_at the end, checkpoint", || store.reader().state_at(last).unwrap());
    let copy = folder.path().join("backup.db");
    timed("backup", || store.reader().backup(&copy).unwrap());
    let report = timed("fsck", || fsck(&path).unwrap());
    // Operations under way whose instances are scheduled: nothing that fsck minds.
    assert_eq!(report.problems.len(), 0, "{:?}", &report.problems[..3.min(report.problems.len())]);
    timed("restore", || restore(&copy, &folder.path().join("restored.db")).unwrap());
}
