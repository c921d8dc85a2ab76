//! Makes a router anew on another host when its own is lost. Its addresses and what it does stay.

use std::sync::Arc;

use cascina_core::command::Outcome;
use cascina_core::decision::{Decided, Decision, PlacementQuestion, Question};
use cascina_core::farm::{Farm, FarmState};
use cascina_core::host::HostState;
use cascina_core::id::RouterId;
use cascina_core::name::Name;
use cascina_core::network::{RouterState, VRouter};
use cascina_core::operation::SagaKind;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;

use super::{Setback, admin, outcome, told, usable_farm};
use crate::saga::{self, Answer, instance_run};
use crate::tx::{Told, Tx};
use crate::verdict::{self, Party};

/// A router whose host does not answer. On one that does it is repaired in place, and two of a kind would
/// have the same addresses.
fn lost(state: &State, who: &Principal, id: RouterId) -> Result<(Arc<VRouter>, Arc<Farm>), Refusal> {
    admin(who, "rebuild routers")?;
    let row = state.rows.routers.get(&id).cloned().ok_or_else(|| Refusal::not_found("router", id))?;
    let farm = usable_farm(state, who, row.farm)?;
    let host = row.host.and_then(|host| state.rows.hosts.get(&host));
    if let Some(host) = host.filter(|host| host.state != HostState::Down) {
        return Err(Refusal::Conflict(format!(
            "router {id} is on host {}, which answers: it is repaired there; only the router of a host that is down \
             is rebuilt elsewhere",
            host.name
        )));
    }
    if state.indexes.operations_by_farm.of(&farm.id).next().is_some() {
        return Err(Refusal::Busy(format!("farm {} is busy with another operation", farm.name)));
    }
    Ok((row, farm))
}

pub fn questions(
    state: &State,
    who: &Principal,
    id: RouterId,
    to: Option<&Name>,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let (row, farm) = lost(state, who, id)?;
    let only = match to {
        Some(name) => vec![*state.indexes.host_names.get(name).ok_or_else(|| Refusal::not_found("host", name))?],
        None => Vec::new(),
    };
    let party = Party::of_farm(state, farm.id, who).ok_or_else(|| Refusal::not_found("farm", farm.id))?;
    let question = Question::Place(PlacementQuestion {
        router: true,
        flavor: "router".into(),
        image: None,
        class: row.class.clone(),
        size: row.size,
        count: 1,
        cause: "rebuild".into(),
        only,
        avoid: row.host.into_iter().collect(),
        taken: Vec::new(),
        reserved: Vec::new(),
    });
    Ok(vec![(party, question)])
}

pub fn rebuild(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: RouterId,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let (row, farm) = lost(tx.state(), who, id)?;
    let [placed] = decisions else { return Err(Setback::Stale) };
    let Decided::Placed { hosts } = &placed.decided else {
        return Err(verdict::refusal(placed).map_or(Setback::Stale, Setback::Refused));
    };
    let to = *hosts.first().ok_or(Setback::Stale)?;
    if Some(to) == row.host || !instance_run::took(tx.state(), to, row.size) {
        return Err(Setback::Stale);
    }
    let name = tx.state().rows.hosts.get(&to).map_or_else(|| to.to_string(), |host| host.name.to_string());
    let operation = instance_run::operation(tx, SagaKind::RouterApply, &farm, Vec::new(), 0);
    tx.put(VRouter { host: Some(to), state: RouterState::Down, updated: tx.now, ..VRouter::clone(&row) });
    let text = format!("router of farm {} is made anew on host {name}", farm.name);
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        decision: Some(placed.id),
        ..told("router.rebuilding", id, text)
    });
    let note = Some("router: its host is down".into());
    tx.put(Farm { state: FarmState::Degraded, note, updated: tx.now, ..Farm::clone(&farm) });
    let operation = saga::begin(tx, operation, Answer::Nothing);
    Ok(Outcome { operation: Some(operation), decisions: vec![placed.id], ..outcome(id) })
}
