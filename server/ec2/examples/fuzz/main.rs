//! A fuzzer for a limited time, on any compiler: seeds are changed at random and given to the parsers, to
//! the checker of signatures, and, well signed, to an edge with an engine and simulated hosts.
//!
//! `cargo run -p cascina-ec2 --release --example fuzz -- --seconds 30 --seed 7`

#![allow(clippy::unwrap_used, dead_code, reason = "what is not as it should be ends the run")]

#[path = "../../tests/edge/client.rs"]
mod client;
mod mutate;
#[path = "../../tests/edge/site.rs"]
mod site;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use cascina_ec2::{Settings, fuzz};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

use crate::client::Client;
use crate::mutate::Mutator;
use crate::site::{Farm, TestSite};

/// The value of `--name value`.
fn argument(name: &str) -> Option<u64> {
    let arguments: Vec<String> = std::env::args().collect();
    let place = arguments.iter().position(|argument| argument == name)?;
    Some(arguments.get(place + 1)?.parse().unwrap_or_else(|_| panic!("{name} takes a number")))
}

fn seeds(kind: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(kind);
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// Seeds that name what there is in a farm, where they named what could be.
async fn at_home(site: &TestSite, farm: &Farm, seeds: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let image = site.engine.read(|state| state.rows.images.keys().next().copied()).unwrap().to_string();
    let run = [("ImageId", image.as_str()), ("MinCount", "1"), ("MaxCount", "1"), ("InstanceType", "m1.small")];
    let instance = farm.client.call("RunInstances", &run).await.element("instanceId");
    let (network, group) = site.engine.read(|state| {
        let network = state.indexes.networks_by_farm.of(&farm.id).next().map(|id| id.to_string());
        (network.unwrap(), state.indexes.groups_by_farm.of(&farm.id).next().map(|id| id.to_string()).unwrap())
    });
    let home = |seed: Vec<u8>| {
        let mut text = String::from_utf8(seed).unwrap();
        for (prefix, there) in [("ami-", &image), ("i-", &instance), ("vpc-", &network), ("sg-", &group)] {
            text = text.replace(&format!("={prefix}00000000000000001"), &format!("={there}"));
        }
        text.into_bytes()
    };
    seeds.into_iter().map(home).collect()
}

/// Gives changed seeds to a target until the time is up; false if it fails.
fn run(name: &str, seeds: Vec<Vec<u8>>, seed: u64, time: Duration, mut target: impl FnMut(&[u8])) -> bool {
    let mut mutator = Mutator::new(seeds, seed);
    let begun = Instant::now();
    let mut count = 0_u64;
    while begun.elapsed() < time {
        let data = mutator.next();
        let tried = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| target(&data)));
        if tried.is_err() {
            eprintln!("{name} failed with --seed {seed}, at input {count}:\n{}", data.escape_ascii());
            return false;
        }
        count += 1;
    }
    println!("{name}: {count} inputs in {:.1} s", begun.elapsed().as_secs_f64());
    true
}

/// Whatever is asked for by somebody who may ask is answered in XML, and never with a fault of the server.
/// Whether it was granted.
async fn ask(client: &Client, data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let (query, body) = text.split_once('\n').unwrap_or(("", &text));
    // All in the body, which is what the client signs.
    let body = if query.is_empty() { body.to_owned() } else { format!("{query}&{body}") };
    let answer = client.post(&body).await;
    assert!(answer.status < 500, "{}", answer.body);
    answer.sound();
    answer.status == 200
}

fn main() -> ExitCode {
    let seconds = argument("--seconds").unwrap_or(10);
    let seed = argument("--seed").unwrap_or_else(|| StdRng::from_os_rng().next_u64());
    let time = Duration::from_secs(seconds) / 3;
    println!("--seed {seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let site = runtime.block_on(TestSite::with(Settings { rate: 0, ..site::settings() }));
    let farm = runtime.block_on(site.farm("alpha"));
    let calls = runtime.block_on(at_home(&site, &farm, seeds("form")));
    let mut granted = 0_u64;
    let fine = run("forms", seeds("form"), seed, time, fuzz::form)
        && run("requests", seeds("request"), seed, time, fuzz::request)
        && run("calls", calls, seed, time, |data| granted += u64::from(runtime.block_on(ask(&farm.client, data))));
    println!("granted: {granted}");
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
