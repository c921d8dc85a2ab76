//! Truths about hosts that no single host can see, for tests and simulations to check.

use std::collections::BTreeMap;

use cascina_core::state::Guest;

use super::machine::SimGuest;
use super::world::World;
use crate::GuestState;

impl World {
    /// What must not be, one sentence each; empty is good. Meant for moments of rest: a guest that
    /// is being moved away from a lost host may well be in two places.
    pub fn violations(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut places: BTreeMap<Guest, Vec<&str>> = BTreeMap::new();
        let mut addresses: BTreeMap<_, Vec<Guest>> = BTreeMap::new();
        for (name, machine) in self.hosts() {
            if !machine.used().fits_in(machine.capacity) {
                found.push(format!("{name} has {} and gives {}", machine.capacity, machine.used()));
            }
            let running = |guest: &&SimGuest| guest.state == GuestState::Running;
            for SimGuest { spec, .. } in machine.guests.values().filter(running) {
                places.entry(spec.guest).or_default().push(name.as_str());
                addresses.entry((spec.network, spec.ip)).or_default().push(spec.guest);
                if !machine.networks.contains_key(&spec.network) {
                    found.push(format!("{} runs on {name} without its network {}", spec.guest, spec.network));
                }
            }
        }
        for (guest, hosts) in places.iter().filter(|(_, hosts)| hosts.len() > 1) {
            found.push(format!("{guest} runs on {}", hosts.join(" and ")));
        }
        for ((network, ip), mut guests) in addresses {
            // The same guest in two places has been said already.
            guests.sort_unstable();
            guests.dedup();
            if guests.len() > 1 {
                let guests: Vec<String> = guests.iter().map(Guest::to_string).collect();
                found.push(format!("{ip} on {network} is used by {}", guests.join(" and ")));
            }
        }
        for (volume, holders) in self.state().stores.held() {
            if self.state().stores.volume(volume).is_none() {
                found.push(format!("{} has {volume}, which is in no store", holders[0].1));
            }
            // Whether a guest is in two places has been said already.
            if holders.iter().any(|(_, guest)| *guest != holders[0].1) {
                let holders: Vec<String> = holders.iter().map(|(host, guest)| format!("{guest} on {host}")).collect();
                found.push(format!("{volume} is had by {}", holders.join(" and ")));
            }
        }
        found
    }
}
