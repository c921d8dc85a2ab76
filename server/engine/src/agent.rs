//! Loops without input: they look, compare, and propose. Woken by time; missing a turn does no harm.

use std::sync::Arc;
use std::time::Duration;

use cascina_core::command::Command;
use cascina_core::host::Host;
use cascina_core::name::Name;
use cascina_core::principal::Principal;
use cascina_core::units::Timestamp;
use cascina_drivers::{HostCall, Inventory, Reply};

use crate::command::observed;
use crate::engine::{Engine, Request, Shared};
use crate::reconcile::{ABREAST, Misses, difference, reference, unowned};
use crate::saga::store_host;

/// Frees what has expired and forgets what is over.
pub async fn sweep(engine: Engine) {
    loop {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let now = engine.now();
        if engine.read(|state| observed::due(state, now)) {
            ask(&engine, Command::Sweep).await;
        }
    }
}

async fn ask(engine: &Engine, command: Command) {
    let request = Request { principal: Principal::system(), command, idempotency: None };
    if let Err(error) = engine.submit(request).await {
        tracing::warn!(error = %error, "an agent's proposal was not taken");
    }
}

/// Compares every host with the rows: reports what differs, sweeps what nobody owns.
pub async fn reconcile(engine: Engine, every: Duration) {
    let mut misses = Misses::default();
    loop {
        tokio::time::sleep(every).await;
        let hosts: Vec<Arc<Host>> = engine.read(|state| state.rows.hosts.values().cloned().collect());
        for group in hosts.chunks(ABREAST) {
            let asked: Vec<_> = group
                .iter()
                .map(|host| {
                    let (shared, host) = (engine.shared(), Arc::clone(host));
                    tokio::spawn(async move {
                        let asked = shared.clock.now();
                        let found = inventory(&shared, &host).await;
                        (host, asked, found)
                    })
                })
                .collect();
            for task in asked {
                let Ok((host, asked, found)) = task.await else { continue };
                let report = match &found {
                    Some(_) => misses.answered(&host),
                    None => misses.missed(&host),
                };
                if let Some(command) = report {
                    ask(&engine, command).await;
                }
                if let Some(found) = found {
                    compare(&engine, &host, asked, found).await;
                }
            }
        }
        for class in engine.read(|state| state.rows.classes.keys().cloned().collect::<Vec<_>>()) {
            sweep_store(&engine, &class).await;
        }
    }
}

async fn inventory(shared: &Shared, host: &Host) -> Option<Inventory> {
    let reference = reference(host);
    let call = shared.hypervisor.call(&reference, HostCall::Inventory);
    match tokio::time::timeout(shared.call_deadline, call).await {
        Ok(Ok(Reply::Inventory(found))) => Some(found),
        Ok(Ok(_) | Err(_)) | Err(_) => None,
    }
}

/// Removes from the volume store of a class what nobody owns.
async fn sweep_store(engine: &Engine, class: &Name) {
    let shared = engine.shared();
    let host = engine.read(|state| store_host(state, class, shared.clock.now().0).ok());
    let Some(host) = host else { return };
    let ask = |call: HostCall| tokio::time::timeout(shared.call_deadline, shared.hypervisor.call(&host, call));
    let Ok(Ok(Reply::Stored(found))) = ask(HostCall::Stored { class: class.clone() }).await else { return };
    for call in engine.read(|state| unowned(state, class, &found)) {
        let name = call.as_str();
        tracing::info!(class = %class, call = name, "sweeping what nobody owns");
        if !matches!(ask(call).await, Ok(Ok(_))) {
            tracing::warn!(class = %class, call = name, "could not sweep; it is tried again next time");
        }
    }
}

async fn compare(engine: &Engine, host: &Host, asked: Timestamp, found: Inventory) {
    let differs = engine.read(|state| difference(state, host, asked, &found));
    for command in differs.commands {
        ask(engine, command).await;
    }
    let shared = engine.shared();
    for call in differs.calls {
        // The commands and calls before this one took their time.
        if !engine.read(|state| difference(state, host, asked, &found)).calls.contains(&call) {
            continue;
        }
        let name = call.as_str();
        tracing::info!(host.name = %host.name, call = name, "making a host as the rows say");
        let reference = reference(host);
        let swept = tokio::time::timeout(shared.call_deadline, shared.hypervisor.call(&reference, call)).await;
        if !matches!(swept, Ok(Ok(_))) {
            tracing::warn!(host.name = %host.name, call = name, "could not be made; it is tried again next time");
        }
    }
}
