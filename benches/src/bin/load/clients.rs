//! Clients that ask for one thing after the other, each as soon as the one before is answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cascina_benches::samples::Samples;
use cascina_benches::site;
use cascina_core::command::Command;
use cascina_core::id::FarmId;
use cascina_engine::Engine;

async fn ask(
    engine: &Engine,
    count: usize,
    clients: usize,
    command: impl Fn(usize) -> Command + Send + Sync + 'static,
) -> (usize, Samples) {
    let next = Arc::new(AtomicUsize::new(0));
    let command = Arc::new(command);
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let (engine, next, command) = (engine.clone(), Arc::clone(&next), Arc::clone(&command));
            tokio::spawn(async move {
                let mut latency = Samples::default();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return latency;
                    }
                    let start = Instant::now();
                    site::submit(&engine, command(number)).await.unwrap();
                    latency.push(start.elapsed());
                }
            })
        })
        .collect();
    let mut all = Samples::default();
    for task in tasks {
        all.append(task.await.unwrap());
    }
    (all.len(), all)
}

/// One instance a request, in these farms in turn.
pub async fn instances(engine: &Engine, farms: &[FarmId], count: usize, clients: usize) -> (usize, Samples) {
    let farms = farms.to_vec();
    let command = move |number: usize| Command::RunInstances { farm: farms[number % farms.len()], ask: site::small(1) };
    ask(engine, count, clients, command).await
}

/// Farms of two instances, each with a tenant of its own, named from `first` on.
pub async fn farms(engine: &Engine, first: usize, count: usize, clients: usize) -> (usize, Samples) {
    ask(engine, count, clients, move |number| Command::CreateFarm(site::new_farm(first + number, 2))).await
}
