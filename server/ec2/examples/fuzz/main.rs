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

/// Gives changed seeds to a target until the time is up; false if it fails.
fn run(name: &str, kind: &str, seed: u64, time: Duration, mut target: impl FnMut(&[u8])) -> bool {
    let mut mutator = Mutator::new(seeds(kind), seed);
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
async fn ask(client: &Client, data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (query, body) = text.split_once('\n').unwrap_or(("", &text));
    // All in the body, which is what the client signs.
    let body = if query.is_empty() { body.to_owned() } else { format!("{query}&{body}") };
    let answer = client.post(&body).await;
    assert!(answer.status < 500, "{}", answer.body);
    answer.sound();
}

fn main() -> ExitCode {
    let seconds = argument("--seconds").unwrap_or(10);
    let seed = argument("--seed").unwrap_or_else(|| StdRng::from_os_rng().next_u64());
    let time = Duration::from_secs(seconds) / 3;
    println!("--seed {seed}");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let site = runtime.block_on(site::TestSite::with(Settings { rate: 0, ..site::settings() }));
    let farm = runtime.block_on(site.farm("alpha"));
    let fine = run("forms", "form", seed, time, fuzz::form)
        && run("requests", "request", seed, time, fuzz::request)
        && run("calls", "form", seed, time, |data| runtime.block_on(ask(&farm.client, data)));
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
