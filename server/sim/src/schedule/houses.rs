//! What the people of the site do with hosts, shares, flavors and images.

use cascina_core::command::Command;
use cascina_core::host::HostState;
use cascina_core::instance::InstanceState;
use cascina_core::state::State;
use cascina_core::units::{Gib, Size};
use cascina_drivers::sim::Incident;

use super::play::Play;
use super::site::name;

pub fn host_state(play: &mut Play) {
    let Some(host) = play.pick(|state| state.rows.hosts.keys().copied().collect()) else { return };
    let states = [HostState::Up, HostState::Up, HostState::Cordoned, HostState::Maintenance];
    let state = play.chance.pick(&states).unwrap_or(HostState::Up);
    play.ask(Command::SetHostState { host, state, note: None });
}

/// A new worker, or one that goes.
pub fn enlist(play: &mut Play) {
    if play.chance.permille(400) {
        // What the site file names would come back at the next start.
        let added = |text: &str| text.starts_with("x-");
        let host = play
            .pick(|state| state.rows.hosts.values().filter(|row| added(row.name.as_str())).map(|row| row.id).collect());
        if let Some(host) = host {
            play.ask(Command::RemoveHost { host });
        }
        return;
    }
    let (host, capacity) = (play.name("x-"), Size::new(8, 16_384, 100));
    // It is there before anybody speaks of it, so this cannot fail.
    if play.sim.world.strike(&Incident::AddHost { host: host.clone(), capacity }).is_ok() {
        play.ask(Command::AddHost { name: host, class: name("workers"), share: None, uri: "sim:".into(), capacity });
    }
}

/// An instance goes to a host that somebody names, or to any.
pub fn migrate(play: &mut Play) {
    let running = |state: &State| {
        let rows = state.rows.instances.values().filter(|row| row.state == InstanceState::Running);
        rows.map(|row| row.id).collect()
    };
    let Some(instance) = play.pick(running) else { return };
    let hosts = play.state().rows.hosts.values().map(|row| row.name.clone()).collect::<Vec<_>>();
    let which = play.chance.below(hosts.len().max(1) as u64) as usize;
    let to = if play.chance.permille(500) { hosts.get(which).cloned() } else { None };
    play.ask(Command::MigrateInstance { instance, to });
}

pub fn recall(play: &mut Play) {
    let share = play.pick(|state| state.rows.shares.values().map(|row| (row.id, row.recalled)).collect());
    if let Some((share, recalled)) = share {
        play.ask(Command::RecallShare { share, recalled: !recalled });
    }
}

pub fn catalog(play: &mut Play) {
    let command = match play.chance.below(4) {
        0 => Command::PutFlavor { name: play.name("f"), size: Size::new(1, 1024, 5), deprecated: false },
        1 => Command::DeleteFlavor { name: name("m1.medium") },
        2 => {
            let tenant = play.pick(|state| state.rows.tenants.keys().copied().collect());
            let min_disk = Gib(play.chance.below(8));
            Command::RegisterImage {
                name: play.name("image-"),
                tenant,
                source: "own.qcow2".into(),
                min_disk,
                sha256: None,
            }
        }
        _ => match play.pick(|state| state.rows.images.keys().copied().collect()) {
            Some(image) => Command::DeregisterImage { image },
            None => return,
        },
    };
    play.ask(command);
}
