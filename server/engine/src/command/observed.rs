//! What was found to be true: by the reconciler, and by the passing of time.

use cascina_core::command::{Outcome, RouterFound};
use cascina_core::farm::{Farm, FarmState};
use cascina_core::host::{Host, HostFacts, HostState};
use cascina_core::id::{HostId, InstanceId, NetworkId, ReceiptId, RouterId, VolumeId};
use cascina_core::instance::InstanceState;
use cascina_core::launch::OnShutdown;
use cascina_core::network::{RouterState, VRouter};
use cascina_core::operation::SagaKind;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::{Key, Receipt, State};
use cascina_core::tag::{InterfaceNumber, Resource};
use cascina_core::units::{Gib, Timestamp};

use super::{admin, outcome, tag, told};
use crate::saga::{self, Answer, firewall_apply, instance_run};
use crate::tx::{Told, Tx};

/// Things ended or forgotten in one sweep, so that no commit becomes long.
const SWEEP: usize = 500;

pub fn host(tx: &mut Tx<'_>, who: &Principal, id: HostId, up: bool, note: Option<&str>) -> Result<Outcome, Refusal> {
    admin(who, "report hosts")?;
    let row = tx.state().rows.hosts.get(&id).cloned().ok_or_else(|| Refusal::not_found("host", id))?;
    let upkeep = tx.state().rows.upkeeps.get(&id).cloned();
    let fenced = upkeep.as_ref().is_some_and(|upkeep| upkeep.fenced.is_some());
    let state = match (row.state, up) {
        // What was started elsewhere is taken off it first, and a person says when it is good again.
        (HostState::Down, true) if fenced => HostState::Cordoned,
        (HostState::Down, true) if upkeep.is_some_and(|upkeep| upkeep.drain.is_some()) => HostState::Draining,
        (HostState::Down | HostState::Enrolling, true) => HostState::Up,
        (HostState::Up | HostState::Enrolling | HostState::Draining, false) => HostState::Down,
        _ => return Ok(outcome(&row.name)),
    };
    if fenced {
        super::plan::set_upkeep(tx, id, |row| row.fenced = None);
    }
    let note = if state == HostState::Cordoned { Some("it was fenced, and answers again; uncordon it") } else { note };
    tx.put(Host { state, note: note.map(String::from), updated: tx.now, ..Host::clone(&row) });
    let (kind, word) = if up { ("host.up", "answers again") } else { ("host.down", "does not answer") };
    tx.tell(told(kind, &row.name, format!("host {} {word}", row.name)));
    Ok(outcome(&row.name))
}

/// A host told what it is. From now on it offers that, if nobody else said what it may.
pub fn described(tx: &mut Tx<'_>, who: &Principal, id: HostId, facts: &HostFacts) -> Result<Outcome, Refusal> {
    admin(who, "report hosts")?;
    let row = tx.state().rows.hosts.get(&id).cloned().ok_or_else(|| Refusal::not_found("host", id))?;
    let state = match row.state {
        HostState::Enrolling | HostState::Down => HostState::Up,
        state => state,
    };
    if row.facts.as_ref() == Some(facts) && row.state == state {
        return Ok(outcome(&row.name));
    }
    let mut capacity = row.capacity;
    if let Some(class) = tx.state().rows.classes.get(&row.class).filter(|_| row.measured) {
        let mut real = facts.capacity;
        if facts.shared_storage {
            // Each may fill its part of what they share.
            let sharers = tx.state().rows.hosts.values().filter(|host| host.class == row.class).count();
            real.disk = Gib(real.disk.0 / sharers.max(1) as u64);
        }
        // What its guests have been promised stays promised.
        capacity = class.offered(real).at_least(tx.state().used_on(id));
    }
    let note = if row.state == state { row.note.clone() } else { None };
    tx.put(Host { state, note, capacity, facts: Some(facts.clone()), updated: tx.now, ..Host::clone(&row) });
    let text = format!("host {} is {} with {}", row.name, facts.hypervisor, facts.capacity);
    tx.tell(told("host.described", &row.name, text));
    Ok(outcome(&row.name))
}

pub fn instance(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: InstanceId,
    state: InstanceState,
    note: &str,
) -> Result<Outcome, Refusal> {
    admin(who, "report instances")?;
    let row = tx.state().rows.instances.get(&id).cloned().ok_or_else(|| Refusal::not_found("instance", id))?;
    // Only a settled instance can differ from reality; one on the way has an operation to tell.
    let settled = matches!(row.state, InstanceState::Running | InstanceState::Stopped | InstanceState::Error);
    if !settled || row.state == state || busy(tx.state(), &row.farm, id) {
        return Ok(outcome(id));
    }
    instance_run::set(tx, id, state, Some(note.into()));
    // Its guest shut down, which its owner wants to be its end.
    let farm = tx.state().rows.farms.get(&row.farm).cloned();
    let ends = state == InstanceState::Stopped && row.on_shutdown == OnShutdown::Terminate;
    if let Some(farm) = farm.filter(|farm| ends && farm.state.is_usable()) {
        let operation = instance_run::operation(tx, SagaKind::InstanceTerminate, &farm, vec![id], 1);
        tx.tell(Told {
            tenant: Some(row.tenant),
            farm: Some(row.farm),
            operation: Some(operation.id),
            ..told("instance.terminating", id, format!("instance {}: {note}", row.name))
        });
        let operation = saga::begin(tx, operation, Answer::Nothing);
        return Ok(Outcome { operation: Some(operation), ..outcome(id) });
    }
    tx.tell(Told {
        tenant: Some(row.tenant),
        farm: Some(row.farm),
        ..told("instance.seen", id, format!("instance {} is {}: {note}", row.name, state.as_str()))
    });
    Ok(outcome(id))
}

fn busy(state: &State, farm: &cascina_core::id::FarmId, id: InstanceId) -> bool {
    state
        .indexes
        .operations_by_farm
        .of(farm)
        .any(|operation| state.rows.operations.get(&operation).is_some_and(|row| row.instances.contains(&id)))
}

pub fn router(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: RouterId,
    found: RouterFound,
    note: &str,
) -> Result<Outcome, Refusal> {
    admin(who, "report routers")?;
    let row = tx.state().rows.routers.get(&id).cloned().ok_or_else(|| Refusal::not_found("router", id))?;
    let farm = tx.state().rows.farms.get(&row.farm).map(|farm| Farm::clone(farm));
    let Some(mut farm) = farm.filter(|farm| farm.state.is_usable()) else { return Ok(outcome(id)) };
    if tx.state().indexes.operations_by_farm.of(&farm.id).any(|_| true) {
        return Ok(outcome(id));
    }
    let mut router = VRouter { updated: tx.now, ..VRouter::clone(&row) };
    let (saga, kind) = match found {
        RouterFound::Gone => (SagaKind::RouterApply, "router.down"),
        RouterFound::Other { .. } => (SagaKind::RouterApply, "router.drifted"),
        RouterFound::Silent => (SagaKind::RouterRestart, "router.silent"),
    };
    match found {
        RouterFound::Gone | RouterFound::Silent => router.state = RouterState::Down,
        RouterFound::Other { revision } => {
            // A newer one than was ever wanted is of a time before these rows were put back from a copy. It
            // takes none that is older.
            let has = revision.unwrap_or(0);
            router.desired_revision = router.desired_revision.max(has.saturating_add(u64::from(has > 0)));
            router.applied_revision = has;
        }
    }
    let operation = instance_run::operation(tx, saga, &farm, Vec::new(), 0);
    farm.state = FarmState::Degraded;
    farm.note = Some(format!("router: {note}"));
    farm.updated = tx.now;
    let told = Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        ..told(kind, id, format!("router of farm {}: {note}", farm.name))
    };
    tx.put(router);
    tx.put(farm);
    tx.tell(told);
    let operation = saga::begin(tx, operation, Answer::Nothing);
    Ok(Outcome { operation: Some(operation), ..outcome(id) })
}

/// Some host of a farm does not enforce what its security groups say.
pub fn firewall(tx: &mut Tx<'_>, who: &Principal, id: NetworkId) -> Result<Outcome, Refusal> {
    admin(who, "report networks")?;
    let farm =
        tx.state().rows.networks.get(&id).map(|row| row.farm).ok_or_else(|| Refusal::not_found("network", id))?;
    let farm = tx.state().rows.farms.get(&farm).filter(|farm| farm.state.is_usable()).cloned();
    let operation = farm.and_then(|farm| firewall_apply::begin(tx, &farm));
    Ok(Outcome { operation, ..outcome(id) })
}

/// A client may repeat its request as long as what came of it lives.
fn prolonged(tx: &mut Tx<'_>, id: ReceiptId) -> bool {
    let Some(receipt) = tx.state().rows.receipts.get(&id).cloned() else { return false };
    let live = |id: &InstanceId| tx.state().rows.instances.get(id).is_some_and(|row| row.is_live());
    if !receipt.outcome.instances.iter().any(live) {
        return false;
    }
    let expires = tx.now.plus_ms(tx.state().site().receipt_ms);
    tx.put(Receipt { expires, ..Receipt::clone(&receipt) });
    true
}

/// When there is something for a sweep to do.
pub fn next_due(state: &State) -> Option<Timestamp> {
    let expires = state.indexes.expiries.first().map(|(at, _)| *at);
    let forgotten = state.indexes.over.first().map(|(at, _)| at.plus_ms(state.site().retention_ms + 1));
    expires.into_iter().chain(forgotten).min()
}

/// Is there anything for a sweep to do?
pub fn due(state: &State, now: Timestamp) -> bool {
    next_due(state).is_some_and(|at| at <= now)
}

pub fn sweep(tx: &mut Tx<'_>, who: &Principal) -> Result<Outcome, Refusal> {
    admin(who, "sweep")?;
    let now = tx.now;
    let before = Timestamp(now.0.saturating_sub(tx.state().site().retention_ms));
    let expired: Vec<Key> = tx
        .state()
        .indexes
        .expiries
        .iter()
        .take_while(|(at, _)| *at <= now)
        .take(SWEEP)
        .map(|(_, key)| key.clone())
        .collect();
    let over: Vec<Key> = tx
        .state()
        .indexes
        .over
        .iter()
        .take_while(|(at, _)| *at < before)
        .take(SWEEP)
        .map(|(_, key)| key.clone())
        .collect();
    let mut count = 0;
    for key in expired.into_iter().chain(over) {
        if let Key::Receipt(id) = key
            && prolonged(tx, id)
        {
            count += 1;
            continue;
        }
        if let Key::Instance(id) = key
            && let Some(farm) = tx.state().rows.instances.get(&id).map(|row| row.farm)
        {
            tag::forget(tx, farm, Resource::Instance(id));
            tag::forget(tx, farm, Resource::Volume(VolumeId(id.0)));
            tag::forget(tx, farm, Resource::Interface(InterfaceNumber(id.0)));
        }
        // A farm whose instances can still be seen is kept with them.
        if let Key::Farm(farm) = &key
            && tx.state().indexes.instances_by_farm.of(farm).any(|_| true)
        {
            continue;
        }
        tx.remove(key);
        count += 1;
    }
    if count > 0 {
        tx.tell(told("site.swept", "site", format!("{count} things expired or were forgotten")));
    }
    Ok(outcome("site"))
}
