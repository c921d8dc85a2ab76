//! Emptying hosts, and being sure that lost ones are off.

use cascina_core::command::Outcome;
use cascina_core::host::{Host, HostState};
use cascina_core::id::HostId;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::upkeep::{Drain, Fenced, Switch, Workers};

use super::plan::set_upkeep;
use super::{admin, outcome, told};
use crate::tx::Tx;

pub fn drain(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: HostId,
    workers: Workers,
    note: Option<&str>,
) -> Result<Outcome, Refusal> {
    admin(who, "empty hosts")?;
    let row = tx.state().rows.hosts.get(&id).cloned().ok_or_else(|| Refusal::not_found("host", id))?;
    if !matches!(row.state, HostState::Up | HostState::Cordoned | HostState::Draining) {
        let text = "only a host that is up or cordoned is emptied; of a lost one see `host fence`";
        return Err(Refusal::Conflict(format!("host {}: {text}", row.name)));
    }
    let since = tx.now;
    set_upkeep(tx, id, |row| (row.drain, row.again, row.note) = (Some(Drain { workers, since }), None, None));
    tx.put(Host { state: HostState::Draining, note: note.map(String::from), updated: tx.now, ..Host::clone(&row) });
    tx.tell(told("host.draining", &row.name, format!("host {} is being emptied", row.name)));
    Ok(outcome(&row.name))
}

pub fn fence(tx: &mut Tx<'_>, who: &Principal, id: HostId, by: &str) -> Result<Outcome, Refusal> {
    admin(who, "fence hosts")?;
    let row = tx.state().rows.hosts.get(&id).cloned().ok_or_else(|| Refusal::not_found("host", id))?;
    if matches!(row.state, HostState::Up | HostState::Enrolling) {
        return Err(Refusal::Conflict(format!(
            "host {} answers; only one that does not, or that takes no new guests, is fenced: cordon it first",
            row.name
        )));
    }
    let fenced = Fenced { at: tx.now, by: by.chars().take(200).collect() };
    set_upkeep(tx, id, |row| (row.fenced, row.again, row.note) = (Some(fenced), None, None));
    let note = Some(format!("off, as {by} says"));
    tx.put(Host { state: HostState::Down, note, updated: tx.now, ..Host::clone(&row) });
    tx.tell(told("host.fenced", &row.name, format!("host {} is off, as {by} says", row.name)));
    Ok(outcome(&row.name))
}

/// What came of running the program that switches hosts.
pub fn switched(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: HostId,
    switch: Switch,
    error: Option<&str>,
) -> Result<Outcome, Refusal> {
    admin(who, "switch hosts")?;
    let row = tx.state().rows.hosts.get(&id).cloned().ok_or_else(|| Refusal::not_found("host", id))?;
    let word = if switch == Switch::On { "on" } else { "off" };
    let text = match error {
        Some(error) => format!("host {} could not be switched {word}: {error}", row.name),
        None => format!("host {} was switched {word}", row.name),
    };
    let note = error.map(|_| text.clone());
    let again = error.map(|_| tx.now.plus_ms(crate::plans::AGAIN_MS));
    set_upkeep(tx, id, |row| {
        if error.is_none() && row.switch == Some(switch) {
            row.switch = None;
        }
        row.note = note;
        row.again = again;
    });
    tx.tell(told(if error.is_some() { "host.switch-failed" } else { "host.switched" }, &row.name, text));
    Ok(outcome(&row.name))
}
