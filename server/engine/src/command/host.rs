//! Hosts, their classes and shares.

use cascina_core::command::Outcome;
use cascina_core::host::{Host, HostClass, HostState, Share};
use cascina_core::id::{HostId, ShareId};
use cascina_core::name::Name;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::Key;
use cascina_core::units::Size;

use super::{admin, outcome, replica, told};
use crate::tx::Tx;

pub fn put_class(tx: &mut Tx<'_>, who: &Principal, class: &HostClass) -> Result<Outcome, Refusal> {
    admin(who, "define host classes")?;
    if !(1000..=16_000).contains(&class.cpu_overcommit_permille) {
        return Err(Refusal::invalid("cpu_overcommit_permille", class.cpu_overcommit_permille, "1000 to 16000"));
    }
    tx.put(class.clone());
    tx.tell(told("class.put", &class.name, format!("host class {}", class.name)));
    Ok(outcome(&class.name))
}

pub fn put_share(tx: &mut Tx<'_>, who: &Principal, name: &Name, group: &Name, lends: bool) -> Result<Outcome, Refusal> {
    admin(who, "define shares")?;
    let old = tx.state().indexes.share_names.get(name).and_then(|id| tx.state().rows.shares.get(id).cloned());
    let id = match &old {
        Some(old) => old.id,
        None => ShareId(tx.state().rows.shares.keys().last().map_or(1, |last| last.0 + 1)),
    };
    tx.put(Share {
        id,
        name: name.clone(),
        group: group.clone(),
        lends,
        recalled: old.as_ref().is_some_and(|old| old.recalled),
        created: old.map_or(tx.now, |old| old.created),
        updated: tx.now,
    });
    tx.tell(told("share.put", name, format!("share {name} of group {group}")));
    Ok(outcome(name))
}

pub fn recall(tx: &mut Tx<'_>, who: &Principal, id: ShareId, recalled: bool) -> Result<Outcome, Refusal> {
    let row = tx.state().rows.shares.get(&id).cloned().ok_or_else(|| Refusal::not_found("share", id))?;
    if !who.owns(&row.group) {
        return Err(Refusal::Forbidden(format!("only the owner of share {} may recall it", row.name)));
    }
    let text = format!("share {} {}", row.name, if recalled { "recalled by its owner" } else { "lent again" });
    let name = row.name.clone();
    tx.put(Share { recalled, updated: tx.now, ..Share::clone(&row) });
    tx.tell(told(if recalled { "share.recalled" } else { "share.returned" }, &name, text));
    Ok(outcome(name))
}

pub fn add(
    tx: &mut Tx<'_>,
    who: &Principal,
    name: &Name,
    class: &Name,
    share: Option<&Name>,
    uri: &str,
    capacity: Size,
) -> Result<Outcome, Refusal> {
    admin(who, "add hosts")?;
    if tx.state().indexes.host_names.contains_key(name) {
        return Err(Refusal::Conflict(format!("host {name} exists already")));
    }
    let Some(class_row) = tx.state().rows.classes.get(class).cloned() else {
        let known: Vec<_> = tx.state().rows.classes.keys().map(Name::to_string).collect();
        return Err(Refusal::invalid("class", class, format!("one of {}", known.join(", "))));
    };
    let share = match share {
        None => ShareId::SITE,
        Some(name) => *tx.state().indexes.share_names.get(name).ok_or_else(|| Refusal::not_found("share", name))?,
    };
    // A real host that nobody gave a capacity tells its own.
    let measured = capacity == Size::ZERO && !uri.starts_with("sim:");
    if !measured && (capacity.vcpus.0 == 0 || capacity.memory.0 == 0) {
        let allowed = "at least 1 vCPU and 1 MiB, or none at all for a real host, which tells its own";
        return Err(Refusal::invalid("capacity", capacity, allowed));
    }
    let id = HostId(tx.state().rows.hosts.keys().last().map_or(1, |last| last.0 + 1));
    tx.put(Host {
        id,
        name: name.clone(),
        class: class.clone(),
        share,
        uri: uri.into(),
        capacity: class_row.offered(capacity),
        measured,
        facts: None,
        state: if measured { HostState::Enrolling } else { HostState::Up },
        note: None,
        created: tx.now,
        updated: tx.now,
    });
    tx.tell(told("host.added", name, format!("host {name} of class {class}")));
    Ok(outcome(name))
}

pub fn set_state(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: HostId,
    state: HostState,
    note: Option<&str>,
) -> Result<Outcome, Refusal> {
    admin(who, "change hosts")?;
    if !matches!(state, HostState::Up | HostState::Cordoned | HostState::Maintenance) {
        return Err(Refusal::Conflict("a host can be set up, cordoned or in maintenance".into()));
    }
    let row = tx.state().rows.hosts.get(&id).cloned().ok_or_else(|| Refusal::not_found("host", id))?;
    let name = row.name.clone();
    tx.put(Host { state, note: note.map(String::from), updated: tx.now, ..Host::clone(&row) });
    // Whatever was to happen with it is over; one that is up is what it was before.
    if tx.state().rows.upkeeps.contains_key(&id) {
        super::plan::set_upkeep(tx, id, |row| {
            (row.drain, row.again, row.note) = (None, None, None);
            if state == HostState::Up {
                (row.fenced, row.off, row.switch) = (None, None, None);
            }
        });
    }
    let (kind, word) = match state {
        HostState::Up => ("host.up", "takes guests again"),
        HostState::Cordoned => ("host.cordoned", "takes no new guests"),
        _ => ("host.maintenance", "is in maintenance"),
    };
    tx.tell(told(kind, &name, format!("host {name} {word}")));
    Ok(outcome(name))
}

pub fn remove(tx: &mut Tx<'_>, who: &Principal, id: HostId) -> Result<Outcome, Refusal> {
    admin(who, "remove hosts")?;
    let row = tx.state().rows.hosts.get(&id).cloned().ok_or_else(|| Refusal::not_found("host", id))?;
    let guests = tx.state().indexes.guests_by_host.of(&id).count();
    if guests > 0 {
        return Err(Refusal::Conflict(format!(
            "host {} still has {guests} guests; cordon and empty it first",
            row.name
        )));
    }
    replica::forget_host(tx, id);
    tx.remove(Key::Upkeep(id));
    tx.remove(Key::Host(id));
    tx.tell(told("host.removed", &row.name, format!("host {} removed", row.name)));
    Ok(outcome(&row.name))
}
