//! Moves instances from host to host while they run.

use std::sync::Arc;

use cascina_core::command::Outcome;
use cascina_core::decision::{Decided, Decision, PlacementQuestion, Question};
use cascina_core::host::Host;
use cascina_core::id::{HostId, InstanceId};
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::name::Name;
use cascina_core::operation::SagaKind;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;

use super::{Setback, admin, instance, outcome, told, usable_farm};
use crate::saga::{self, Answer, instance_run};
use crate::tx::{Told, Tx};
use crate::verdict::{self, Party};

/// An instance that can be moved now, and the host that it is on.
fn movable(state: &State, who: &Principal, id: InstanceId) -> Result<(Arc<Instance>, HostId), Refusal> {
    admin(who, "move instances between hosts")?;
    let row = instance::find(state, who, id)?;
    usable_farm(state, who, row.farm)?;
    if row.state != InstanceState::Running {
        let now = row.state.as_str();
        return Err(Refusal::Conflict(format!("instance {id} is {now}; only one that runs can be moved")));
    }
    if instance::busy(state, &row) {
        return Err(Refusal::Busy(format!("instance {id} is busy with another operation")));
    }
    let host = row.host.ok_or_else(|| Refusal::Conflict(format!("instance {id} is on no host")))?;
    Ok((row, host))
}

/// The host that was asked for, if it will do.
fn named(state: &State, row: &Instance, on: HostId, name: &Name) -> Result<Arc<Host>, Refusal> {
    let id = state.indexes.host_names.get(name).ok_or_else(|| Refusal::not_found("host", name))?;
    let host = state.rows.hosts.get(id).ok_or_else(|| Refusal::not_found("host", name))?;
    if *id == on {
        return Err(Refusal::invalid("to", name, "a host that it is not already on"));
    }
    if host.class != row.class {
        return Err(Refusal::invalid("to", name, format!("a host of class {}, as the instance's own", row.class)));
    }
    Ok(host.clone())
}

pub fn questions(
    state: &State,
    who: &Principal,
    id: InstanceId,
    to: Option<&Name>,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let (row, on) = movable(state, who, id)?;
    let only = to.map(|name| named(state, &row, on, name)).transpose()?;
    let party = Party::of_farm(state, row.farm, who).ok_or_else(|| Refusal::not_found("farm", row.farm))?;
    let question = Question::Place(PlacementQuestion {
        router: false,
        flavor: row.flavor.to_string(),
        image: Some(row.image),
        class: row.class.clone(),
        size: row.size,
        count: 1,
        cause: "migrate".into(),
        only: only.iter().map(|host| host.id).collect(),
        avoid: vec![on],
        taken: Vec::new(),
        reserved: Vec::new(),
    });
    Ok(vec![(party, question)])
}

pub fn migrate(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: InstanceId,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let (row, on) = movable(tx.state(), who, id)?;
    let farm = usable_farm(tx.state(), who, row.farm)?;
    let [placed] = decisions else { return Err(Setback::Stale) };
    let Decided::Placed { hosts } = &placed.decided else {
        return Err(verdict::refusal(placed).map_or(Setback::Stale, Setback::Refused));
    };
    let to = *hosts.first().ok_or(Setback::Stale)?;
    if to == on || !instance_run::took(tx.state(), to, row.size) {
        return Err(Setback::Stale);
    }
    let names = |id: HostId| tx.state().rows.hosts.get(&id).map_or_else(|| id.to_string(), |row| row.name.to_string());
    let text = format!("instance {} goes from host {} to host {}", row.name, names(on), names(to));
    let operation = instance_run::operation(tx, SagaKind::InstanceMigrate, &farm, vec![id], 1);
    tx.put(Instance {
        bound_for: Some(to),
        decision: Some(placed.id),
        operation: Some(operation.id),
        updated: tx.now,
        ..Instance::clone(&row)
    });
    tx.tell(Told {
        tenant: Some(row.tenant),
        farm: Some(row.farm),
        operation: Some(operation.id),
        decision: Some(placed.id),
        ..told("instance.migrating", id, text)
    });
    let operation = saga::begin(tx, operation, Answer::Nothing);
    Ok(Outcome { instances: vec![id], operation: Some(operation), decisions: vec![placed.id], ..outcome(id) })
}
