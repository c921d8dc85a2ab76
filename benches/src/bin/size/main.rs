//! The largest site: 10,000 hosts and 100,000 instances. How long a server takes to start on it, what
//! memory it needs, how long lists take; and the same of as many simulated guests.
//!
//! `size [INSTANCES]`. Each measurement is a process of its own, so that memory is what a server has.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so")]

mod build;
mod guests;
mod lists;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use cascina_benches::samples::short;
use cascina_benches::{machine, site};
use cascina_core::site::SiteSpec;
use cascina_core::units::Size;
use cascina_store::Store;

/// A hundredth of them run routers.
fn spec(hosts: u32) -> SiteSpec {
    site::spec(hosts / 100, hosts - hosts / 100, Size::new(64, 262_144, 4_000))
}

pub fn row(what: &str, value: impl std::fmt::Display) {
    println!("| {what} | {value} |");
}

/// The database's pages leave the memory, as after a reboot.
fn forget(path: &Path) {
    let file = std::fs::File::open(path).unwrap();
    file.sync_all().unwrap();
    rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed).unwrap();
}

/// The parts of a start.
fn parts(folder: &Path) {
    let path = folder.join("cascina.db");
    let took = |what: &str, start: Instant| row(what, short(start.elapsed()));
    let start = Instant::now();
    let store = Store::open(&path).unwrap();
    took("opening the store", start);
    let start = Instant::now();
    let state = store.load().unwrap();
    took("loading the state", start);
    let start = Instant::now();
    let view = state.view();
    took("making the view", start);
    let start = Instant::now();
    let copy = state.clone();
    took("copying the state", start);
    assert_eq!(view.len(), copy.rows.hosts.len());
}

/// A whole start, and what can be asked then.
async fn whole(folder: &Path, hosts: u32, cold: bool) {
    if cold {
        forget(&folder.join("cascina.db"));
    }
    let start = Instant::now();
    let sandbox = site::sandbox(folder);
    let engine = site::start(folder, spec(hosts), sandbox, std::sync::Arc::new(site::hosts())).await;
    let took = short(start.elapsed());
    if cold {
        row("**start, database not in memory**", took);
    } else {
        row("**start, all of it**", took);
        row(
            "**memory after the start (highest until then)**",
            format!("{} MiB ({} MiB)", machine::memory().0, machine::memory().1),
        );
        lists::measure(&engine).await;
        row("memory after the lists", format!("{} MiB", machine::memory().0));
    }
    engine.shutdown().await;
}

fn child(part: &str, folder: &Path, hosts: u32) {
    let this = std::env::current_exe().unwrap();
    assert!(Command::new(this).arg(part).arg(folder).arg(hosts.to_string()).status().unwrap().success());
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse::<u32>().ok());
    let folder = || Path::new(&arguments[2]);
    match arguments.get(1).map(String::as_str) {
        Some("parts") => parts(folder()),
        Some("start") => runtime.block_on(whole(folder(), number(3).unwrap(), false)),
        Some("cold") => runtime.block_on(whole(folder(), number(3).unwrap(), true)),
        Some("guests") => guests::open(folder()),
        _ => {
            let instances = number(1).unwrap_or(100_000);
            let hosts = instances / 10;
            println!("\n### {hosts} hosts and {instances} instances\n\n{}\n", machine::describe());
            let folder = machine::folder();
            runtime.block_on(build::site(folder.path(), hosts, instances));
            println!("| | |\n|---|---|");
            let size = std::fs::metadata(folder.path().join("cascina.db")).unwrap().len();
            row("the database", format!("{} MiB", size >> 20));
            child("parts", folder.path(), hosts);
            child("start", folder.path(), hosts);
            child("cold", folder.path(), hosts);
            runtime.block_on(guests::build(folder.path(), hosts, instances));
            child("guests", folder.path(), hosts);
            child("guests", folder.path(), hosts);
        }
    }
    runtime.shutdown_timeout(Duration::from_secs(5));
}
