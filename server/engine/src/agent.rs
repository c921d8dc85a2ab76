//! Loops without input: they look, compare, and propose. Woken by time; missing a turn does no harm.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use cascina_core::command::Command;
use cascina_core::host::{Host, HostState};
use cascina_core::id::HostId;
use cascina_core::name::Name;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::units::Timestamp;
use cascina_core::upkeep::Switch;
use cascina_drivers::{DriverError, HostCall, HostEvent, Inventory, Reply};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::command::observed;
use crate::engine::{Engine, Request, Shared};
use crate::error::EngineError;
use crate::look::{self, Silences};
use crate::need::unanswered;
use crate::plans;
use crate::power::Power;
use crate::reconcile::{ABREAST, Misses, difference, reference, unowned};
use crate::saga::store_host;
use crate::spread::{Spreader, Task};

/// How long what hosts say is gathered before somebody looks.
const GATHER: Duration = Duration::from_millis(200);
/// A router that takes longer to say how it is does not answer.
const PROBE: Duration = Duration::from_secs(20);

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

/// Looks after images: checks their files, and has them copied to hosts.
pub async fn spread(engine: Engine) {
    let mut spreader = Spreader::default();
    let mut calls = JoinSet::new();
    loop {
        let now = engine.now();
        let next = engine.read(|state| spreader.next(state, now));
        let proposed = !next.commands.is_empty();
        for command in next.commands {
            ask(&engine, command).await;
        }
        for task in next.tasks {
            let shared = engine.shared();
            calls.spawn(async move { (task.chore, perform(&shared, task).await) });
        }
        let pause = match (proposed, spreader.is_idle()) {
            // Something follows from it.
            (true, _) => Duration::from_millis(50),
            (false, false) => Duration::from_secs(1),
            (false, true) => Duration::from_secs(3),
        };
        let answered = tokio::select! {
            Some(done) = calls.join_next() => done,
            () = tokio::time::sleep(pause) => continue,
        };
        // A task does not panic by itself: its driver's call is a task of its own.
        let Ok((chore, reply)) = answered else { continue };
        let now = engine.now();
        if let Some(command) = engine.read(|state| spreader.answered(state, now, chore, reply)) {
            ask(&engine, command).await;
        }
    }
}

/// Carries plans out, empties hosts, and asks for plans when the site says so.
pub async fn plan(engine: Engine) {
    loop {
        tokio::time::sleep(Duration::from_millis(plans::EVERY_MS)).await;
        let now = engine.now();
        for command in engine.read(|state| if plans::idle(state) { Vec::new() } else { plans::due(state, now) }) {
            let request = Request { principal: Principal::system(), command: command.clone(), idempotency: None };
            match engine.submit(request).await {
                Ok(_) | Err(EngineError::Refusal(Refusal::Busy(_))) => {}
                Err(EngineError::Refusal(refusal)) => match plans::skip(&command, &refusal.to_string()) {
                    Some(command) => ask(&engine, command).await,
                    None => tracing::warn!(refusal = %refusal, "a plan's command was refused"),
                },
                Err(error) => tracing::warn!(error = %error, "a plan's command was not taken"),
            }
        }
    }
}

async fn perform(shared: &Arc<Shared>, task: Task) -> Result<Reply, DriverError> {
    let (caller, host, name, call) = (Arc::clone(shared), task.host.clone(), task.call.as_str(), task.call);
    let asked = host.clone();
    let call = tokio::spawn(async move {
        let _permit = caller.calls.acquire().await;
        let reply = caller.hypervisor.call(&asked, call);
        tokio::time::timeout(caller.call_deadline, reply).await
    });
    match call.await {
        Ok(Ok(reply)) => reply,
        Ok(Err(_)) => Err(unanswered(&host, name, shared.call_deadline)),
        Err(error) => {
            Err(DriverError::Unreachable { host: host.name, call: name, why: format!("its driver failed: {error}") })
        }
    }
}

/// Switches hosts on and off, and makes sure that lost ones are off, by the site's programs.
pub async fn switch(engine: Engine, power: Arc<dyn Power>) {
    loop {
        tokio::time::sleep(Duration::from_millis(plans::EVERY_MS)).await;
        let now = engine.now();
        for (host, switch) in engine.read(|state| plans::switches(state, now, &*power)) {
            let name = host.name.clone();
            let error = power.switch(&reference(&host), switch).await.err();
            if let Some(error) = &error {
                tracing::warn!(host.name = %name, error = %error, "a host could not be switched");
            }
            let by = power.by(&host.class).unwrap_or_else(|| "nobody".into());
            let fences = switch == Switch::Off && error.is_none() && host.state == HostState::Down;
            ask(&engine, Command::Switched { host: host.id, switch, error }).await;
            if fences {
                ask(&engine, Command::FenceHost { host: host.id, by }).await;
            }
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
    let mut eyes = Eyes { misses: Misses::default(), silences: Silences::default(), described: BTreeSet::new() };
    let mut events = engine.shared().hypervisor.events();
    // What hosts that have not told what they are can hold is wanted before anything else.
    let real = engine.read(|state| state.rows.hosts.values().filter(|row| !row.is_simulated()).cloned().collect());
    eyes.look(&engine, real, Depth::Hosts).await;
    let mut all = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    all.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = all.tick() => {
                let hosts = engine.read(|state| state.rows.hosts.values().cloned().collect());
                eyes.look(&engine, hosts, Depth::Routers).await;
                for class in engine.read(|state| state.rows.classes.keys().cloned().collect::<Vec<_>>()) {
                    sweep_store(&engine, &class).await;
                }
            }
            some = told(&mut events) => {
                let rows = engine.read(|state| some.iter().filter_map(|id| state.rows.hosts.get(id).cloned()).collect());
                eyes.look(&engine, rows, Depth::Hosts).await;
            }
        }
    }
}

/// Hosts that said something, together with those that do soon after: one change is often several events.
async fn told(events: &mut Option<broadcast::Receiver<HostEvent>>) -> BTreeSet<HostId> {
    let Some(from) = events else { return std::future::pending().await };
    let mut some = BTreeSet::new();
    match from.recv().await {
        Ok(event) => some.insert(event.host),
        // The next turn looks at all hosts.
        Err(broadcast::error::RecvError::Lagged(_)) => return some,
        Err(broadcast::error::RecvError::Closed) => {
            *events = None;
            return some;
        }
    };
    tokio::time::sleep(GATHER).await;
    while let Ok(event) = from.try_recv() {
        some.insert(event.host);
    }
    some
}

/// What is remembered between looks.
struct Eyes {
    misses: Misses,
    silences: Silences,
    /// Who told what it is since it was last out of sight.
    described: BTreeSet<HostId>,
}

/// How closely hosts are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Depth {
    Hosts,
    /// Each router that should be at rest is asked, too.
    Routers,
}

impl Eyes {
    async fn look(&mut self, engine: &Engine, hosts: Vec<Arc<Host>>, depth: Depth) {
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
                    Ok(_) => self.misses.answered(&host),
                    Err(why) => self.misses.missed(&host, why),
                };
                if let Some(command) = report {
                    ask(engine, command).await;
                }
                let Ok(found) = found else {
                    self.described.remove(&host.id);
                    continue;
                };
                if !host.is_simulated() && !self.described.contains(&host.id) {
                    self.describe(engine, &host).await;
                }
                compare(engine, &host, asked, found).await;
                if depth == Depth::Routers {
                    self.routers(engine, &host).await;
                }
            }
        }
    }

    async fn routers(&mut self, engine: &Engine, host: &Arc<Host>) {
        let settled = engine.read(|state| look::settled(state, host.id));
        for group in settled.chunks(ABREAST) {
            let asked: Vec<_> = group
                .iter()
                .map(|router| {
                    let (shared, host, router) = (engine.shared(), Arc::clone(host), *router);
                    tokio::spawn(async move {
                        let asked = shared.clock.now();
                        let answer = probe(&shared, &host, look::question(router)).await;
                        (router, asked, answer)
                    })
                })
                .collect();
            for task in asked {
                let Ok((router, asked, answer)) = task.await else { continue };
                let report = engine.read(|state| self.silences.judge(state, host, router, asked, &answer));
                if let Some(command) = report {
                    ask(engine, command).await;
                }
            }
        }
    }

    async fn describe(&mut self, engine: &Engine, host: &Host) {
        let shared = engine.shared();
        let reference = reference(host);
        let call = shared.hypervisor.call(&reference, HostCall::Describe);
        match tokio::time::timeout(shared.call_deadline, call).await {
            Ok(Ok(Reply::Facts(facts))) => {
                self.described.insert(host.id);
                ask(engine, Command::HostDescribed { host: host.id, facts }).await;
            }
            Ok(Ok(_)) | Err(_) => tracing::warn!(host.name = %host.name, "it did not tell what it is"),
            Ok(Err(error)) => tracing::warn!(host.name = %host.name, error = %error, "it did not tell what it is"),
        }
    }
}

async fn probe(shared: &Shared, host: &Host, call: HostCall) -> Result<Reply, DriverError> {
    let (reference, name, patience) = (reference(host), call.as_str(), PROBE.min(shared.call_deadline));
    let answer = tokio::time::timeout(patience, shared.hypervisor.call(&reference, call)).await;
    answer.unwrap_or_else(|_| Err(unanswered(&reference, name, patience)))
}

async fn inventory(shared: &Shared, host: &Host) -> Result<Inventory, String> {
    let reference = reference(host);
    let call = shared.hypervisor.call(&reference, HostCall::Inventory);
    match tokio::time::timeout(shared.call_deadline, call).await {
        Ok(Ok(Reply::Inventory(found))) => Ok(found),
        Ok(Ok(_)) => Err("its driver answered something else".into()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {:?}", shared.call_deadline)),
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
