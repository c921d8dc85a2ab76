//! What guests are given, and whom they can reach, is what the rows say, in moments of rest.
//!
//! What belongs to a farm with a stuck operation waits for a person and is not judged.

use std::net::IpAddr;

use cascina_core::id::FarmId;
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::name::Name;
use cascina_core::security_group::{Direction, Firewall, Packet};
use cascina_core::state::{Guest, State};
use cascina_drivers::sim::{SimGuest, World};

use super::{quiet, verdict};

pub fn check(state: &State, world: &World) -> Result<(), String> {
    let mut found = Vec::new();
    let farms = state.rows.farms.values().filter(|farm| farm.state.is_usable() && quiet(state, farm.id));
    for farm in farms {
        let firewall = state.firewall(farm.id);
        for row in state.indexes.instances_by_farm.with(&farm.id).filter(|row| row.state == InstanceState::Running) {
            let host = row.host.and_then(|id| state.rows.hosts.get(&id)).map(|host| host.name.clone());
            let machine = host.as_ref().and_then(|name| world.hosts().get(name));
            let there = machine.and_then(|machine| machine.guests.get(&Guest::Instance(row.id)));
            // That it is missing is said elsewhere.
            let (Some(host), Some(there)) = (host, there) else { continue };
            let mut say = |text: String| found.push(format!("{} on {host}: {text}", row.id));
            given(state, world, row, there, &mut say);
            reach(world, &host, &firewall, row, &mut say);
        }
        for row in state.indexes.instances_by_farm.with(&farm.id).filter(|row| row.is_live()) {
            if let Some(text) = revision(state, world, farm.id, row) {
                found.push(text);
            }
        }
    }
    verdict(found)
}

/// What it read when it booted.
fn given(state: &State, world: &World, row: &Instance, there: &SimGuest, say: &mut impl FnMut(String)) {
    let given = world.given(there);
    let data = state.rows.user_data.get(&row.id).map(|row| &row.bytes);
    if given.and_then(|given| given.user_data.as_ref()) != data {
        say(format!("its user-data differs from the rows': {given:?}"));
    }
    let user = state.rows.farms.get(&row.farm).and_then(|farm| state.rows.users.get(&farm.user?));
    let keys: Vec<_> = match (&row.key, user) {
        (Some(key), _) => vec![key.public.clone()],
        (None, Some(user)) => user.ssh_key.clone().into_iter().collect(),
        // Nobody knows any more what key they had.
        (None, None) => return,
    };
    if given.map_or(&[][..], |given| &given.ssh_keys) != keys {
        say(format!("its keys differ from the rows': {given:?}, {keys:?}"));
    }
    if there.spec.size != row.size {
        say(format!("it has {} and should have {}", there.spec.size, row.size));
    }
}

/// Its host lets through what its groups do, for packets that tell rules of schedules apart.
fn reach(world: &World, host: &Name, firewall: &Firewall, row: &Instance, say: &mut impl FnMut(String)) {
    let guests = firewall.members.keys().map(|ip| IpAddr::V4(*ip));
    let others = guests.chain([IpAddr::V4([198, 51, 100, 7].into()), IpAddr::V4([203, 0, 113, 1].into())]);
    let ports = (80..=84).flat_map(|port| [Packet::Tcp(port), Packet::Udp(port)]);
    let packets: Vec<_> = ports.chain([Packet::Icmp { kind: 8, code: 0 }, Packet::Other(47)]).collect();
    for other in others {
        for direction in [Direction::Ingress, Direction::Egress] {
            for packet in &packets {
                let wanted = firewall.allows(row.ip, direction, other, *packet);
                if world.reaches(host, row.ip, direction, other, *packet) != wanted {
                    let verb = if wanted { "should" } else { "should not" };
                    return say(format!("{packet:?} {direction:?} with {other} {verb} pass"));
                }
            }
        }
    }
}

/// Its host enforces the newest revision, also for guests that do not run now.
fn revision(state: &State, world: &World, farm: FarmId, row: &Instance) -> Option<String> {
    let network = state.rows.networks.get(&state.indexes.networks_by_farm.of(&farm).next()?)?;
    let host = state.rows.hosts.get(&row.host?)?;
    let machine = world.hosts().get(&host.name)?;
    machine.guests.get(&Guest::Instance(row.id))?;
    let has = machine.firewall(network.id);
    let wanted = network.firewall;
    (has != wanted).then(|| format!("{} enforces revision {has} of {}, not {wanted}", host.name, network.id))
}
