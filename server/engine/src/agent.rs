//! Loops without input: they look, compare, and propose. Woken by time; missing a turn does no harm.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cascina_core::command::Command;
use cascina_core::host::{Host, HostState};
use cascina_core::id::FarmId;
use cascina_core::instance::InstanceState;
use cascina_core::network::RouterState;
use cascina_core::principal::Principal;
use cascina_core::state::{Guest, State};
use cascina_core::units::Timestamp;
use cascina_drivers::{GuestState, HostCall, HostRef, Inventory, Reply};

use crate::command::observed;
use crate::engine::{Engine, Request, Shared};

/// Hosts asked at the same time.
const ABREAST: usize = 16;
/// Misses in a row before a host counts as down.
const MISSES: u32 = 3;

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
    let mut misses: std::collections::BTreeMap<cascina_core::id::HostId, u32> = std::collections::BTreeMap::new();
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
                match found {
                    Some(found) => {
                        misses.remove(&host.id);
                        if host.state == HostState::Down {
                            ask(&engine, Command::HostSeen { host: host.id, up: true, note: None }).await;
                        }
                        compare(&engine, &host, asked, found).await;
                    }
                    None => {
                        let missed = misses.entry(host.id).or_default();
                        *missed += 1;
                        if *missed == MISSES {
                            let note = Some(format!("no answer to {MISSES} inventories in a row"));
                            ask(&engine, Command::HostSeen { host: host.id, up: false, note }).await;
                        }
                    }
                }
            }
        }
    }
}

fn reference(host: &Host) -> HostRef {
    HostRef { id: host.id, name: host.name.clone(), uri: host.uri.clone() }
}

async fn inventory(shared: &Shared, host: &Host) -> Option<Inventory> {
    let reference = reference(host);
    let call = shared.hypervisor.call(&reference, HostCall::Inventory);
    match tokio::time::timeout(shared.call_deadline, call).await {
        Ok(Ok(Reply::Inventory(found))) => Some(found),
        Ok(Ok(Reply::Done) | Err(_)) | Err(_) => None,
    }
}

/// What the rows say should be done about a host that looks like this.
struct Difference {
    commands: Vec<Command>,
    calls: Vec<HostCall>,
}

/// What changed since the host was asked is not judged by its answer.
fn difference(state: &State, host: &Host, asked: Timestamp, found: &Inventory) -> Difference {
    let mut difference = Difference { commands: Vec::new(), calls: Vec::new() };
    let quiet = |farm: &FarmId| state.indexes.operations_by_farm.of(farm).next().is_none();
    let mut seen = BTreeSet::new();
    for guest in &found.guests {
        seen.insert(guest.guest);
        if !quiet(&guest.farm) {
            continue;
        }
        match guest.guest {
            Guest::Instance(id) => match state.rows.instances.get(&id).filter(|row| row.is_live()) {
                Some(row) if row.host == Some(host.id) => {
                    let real = match guest.state {
                        GuestState::Running => InstanceState::Running,
                        GuestState::Stopped | GuestState::Staged | GuestState::Crashed => InstanceState::Stopped,
                    };
                    let settled = matches!(row.state, InstanceState::Running | InstanceState::Stopped);
                    let comparable = settled && row.updated < asked;
                    // One that runs though it should be stopped is not claimed for: a person must look.
                    let claimed = real != InstanceState::Running;
                    if comparable && row.state != real && claimed {
                        let note = "it ended by itself".to_string();
                        difference.commands.push(Command::InstanceSeen { instance: id, state: real, note });
                    }
                }
                Some(_) | None => difference.calls.push(HostCall::Destroy { guest: guest.guest }),
            },
            Guest::Router(id) => match state.rows.routers.get(&id) {
                Some(row) if row.host == Some(host.id) => {
                    let settled = row.state == RouterState::Running && row.updated < asked;
                    if settled && guest.state != GuestState::Running {
                        let note = "it ended by itself".to_string();
                        difference.commands.push(Command::RouterSeen { router: id, up: false, note });
                    }
                }
                Some(_) | None => difference.calls.push(HostCall::Destroy { guest: guest.guest }),
            },
        }
    }
    for guest in state.indexes.guests_by_host.of(&host.id).filter(|guest| !seen.contains(guest)) {
        let note = "its host does not have it".to_string();
        match guest {
            Guest::Instance(id) => {
                let gone = state.rows.instances.get(&id).is_some_and(|row| {
                    let settled = matches!(row.state, InstanceState::Running | InstanceState::Stopped);
                    quiet(&row.farm) && settled && row.updated < asked
                });
                if gone {
                    let state = InstanceState::Error;
                    difference.commands.push(Command::InstanceSeen { instance: id, state, note });
                }
            }
            Guest::Router(id) => {
                if state.rows.routers.get(&id).is_some_and(|row| quiet(&row.farm) && row.state == RouterState::Running)
                {
                    difference.commands.push(Command::RouterSeen { router: id, up: false, note });
                }
            }
        }
    }
    for (network, farm) in &found.networks {
        let needed = state.indexes.guests_by_host.of(&host.id).any(|guest| match guest {
            Guest::Instance(id) => state.rows.instances.get(&id).is_some_and(|row| row.farm == *farm),
            Guest::Router(id) => state.rows.routers.get(&id).is_some_and(|row| row.farm == *farm),
        });
        if !needed && quiet(farm) {
            difference.calls.push(HostCall::RemoveNetwork { network: *network });
        }
    }
    difference
}

async fn compare(engine: &Engine, host: &Host, asked: Timestamp, found: Inventory) {
    let difference = engine.read(|state| difference(state, host, asked, &found));
    for command in difference.commands {
        ask(engine, command).await;
    }
    let shared = engine.shared();
    for call in difference.calls {
        let name = call.as_str();
        tracing::info!(host.name = %host.name, call = name, "sweeping what nobody owns");
        let reference = reference(host);
        let swept = tokio::time::timeout(shared.call_deadline, shared.hypervisor.call(&reference, call)).await;
        if !matches!(swept, Ok(Ok(_))) {
            tracing::warn!(host.name = %host.name, call = name, "could not sweep; it is tried again next time");
        }
    }
}
