//! Hosts and rows say the same, in moments of rest: nothing is on a host that no row owns, and no row
//! claims to have what is not there.
//!
//! What belongs to a farm with a stuck operation waits for a person and is not judged.

use cascina_core::address::Target;
use cascina_core::id::HostId;
use cascina_core::instance::InstanceState;
use cascina_core::network::{RouterConfig, RouterState, VRouter};
use cascina_core::state::{Guest, State};
use cascina_drivers::GuestState;
use cascina_drivers::sim::{Machine, World};

use super::{quiet, verdict};

pub fn check(state: &State, world: &World) -> Result<(), String> {
    let mut found = world.violations();
    for host in state.rows.hosts.values() {
        let Some(machine) = world.hosts().get(&host.name) else { continue };
        let mut say = |text: String| found.push(format!("{}: {text}", host.name));
        leftovers(state, host.id, machine, &mut say);
        missing(state, host.id, machine, &mut say);
    }
    verdict(found)
}

/// Nobody's guests and networks.
fn leftovers(state: &State, host: HostId, machine: &Machine, say: &mut impl FnMut(String)) {
    for (guest, there) in machine.guests.iter().filter(|(_, there)| quiet(state, there.spec.farm)) {
        let on = match guest {
            Guest::Instance(id) => state.rows.instances.get(id).filter(|row| row.is_live()).and_then(|row| row.host),
            Guest::Router(id) => state.rows.routers.get(id).and_then(|row| row.host),
        };
        if on != Some(host) {
            say(format!("{guest} of {} is {:?} here and belongs to nobody", there.spec.farm, there.state));
        }
    }
    for network in machine.networks.values().filter(|network| quiet(state, network.farm)) {
        let needed = state.indexes.guests_by_host.of(&host).any(|guest| match guest {
            Guest::Instance(id) => state.rows.instances.get(&id).is_some_and(|row| row.farm == network.farm),
            Guest::Router(id) => state.rows.routers.get(&id).is_some_and(|row| row.farm == network.farm),
        });
        if !needed {
            say(format!("{} of {} is here and nobody needs it", network.id, network.farm));
        }
    }
}

/// Guests that the rows say are here.
fn missing(state: &State, host: HostId, machine: &Machine, say: &mut impl FnMut(String)) {
    for guest in state.indexes.guests_by_host.of(&host) {
        let there = machine.guests.get(&guest).map(|there| there.state);
        match guest {
            Guest::Instance(id) => {
                let Some(row) = state.rows.instances.get(&id).filter(|row| quiet(state, row.farm)) else { continue };
                let agrees = match row.state {
                    InstanceState::Running => there == Some(GuestState::Running),
                    InstanceState::Stopped => there.is_some_and(|there| there != GuestState::Running),
                    InstanceState::Error => true,
                    // With nothing that moves it, it can be in no other state.
                    _ => false,
                };
                if !agrees {
                    say(format!("{id} of {} should be {}, but is {there:?}", row.farm, row.state.as_str()));
                }
            }
            Guest::Router(id) => {
                let Some(row) = state.rows.routers.get(&id).filter(|row| quiet(state, row.farm)) else { continue };
                let config = machine.guests.get(&guest).and_then(|there| there.router.as_ref());
                if row.state != RouterState::Running || there != Some(GuestState::Running) {
                    say(format!("{id} of {} is {:?} in the rows and {there:?} here", row.farm, row.state));
                } else if row.applied_revision != row.desired_revision {
                    say(format!("{id} of {} has revision {}", row.farm, row.applied_revision));
                } else if config.is_none_or(|(_, config)| *config != wanted(state, row)) {
                    say(format!("{id} of {} does {config:?}, but should do {:?}", row.farm, wanted(state, row)));
                }
            }
        }
    }
}

/// What a router should do, worked out from the rows.
fn wanted(state: &State, router: &VRouter) -> RouterConfig {
    let mut config = RouterConfig { forwards: router.forwards.clone(), ..RouterConfig::default() };
    for row in state.rows.addresses.values().filter(|row| row.is_held() && row.farm == router.farm) {
        match row.target() {
            Some(Target::Router) => config.public = Some(row.ip),
            Some(Target::Instance(id)) => {
                config.mapped.extend(state.rows.instances.get(&id).map(|instance| (row.ip, instance.ip)));
            }
            None => {}
        }
    }
    let live = state.rows.instances.values().filter(|row| row.farm == router.farm && row.is_live());
    config.names = live.map(|row| (row.ip, row.name.clone())).collect();
    config
}
