//! What there is: hosts, and what they share. Without clock, chance and faults.

use std::collections::BTreeMap;

use cascina_core::name::Name;
use cascina_core::state::Guest;

use super::change::{Change, Effect};
use super::firewalls::Firewalls;
use super::given::Givens;
use super::machine::Machine;
use super::stores::Stores;

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct State {
    pub hosts: BTreeMap<Name, Machine>,
    pub stores: Stores,
    pub firewalls: Firewalls,
    pub givens: Givens,
}

impl State {
    /// # Errors
    ///
    /// The change speaks of what is not there. What a host decided never does; a journal may.
    pub fn apply(&mut self, change: &Change) -> Result<(), String> {
        match (&change.host, change.effect.is_shared()) {
            (Some(host), false) => self.apply_at(host, &change.effect),
            (None, true) => self.apply_shared(&change.effect),
            (Some(_), true) => Err("what hosts share is on no host".into()),
            (None, false) => Err("it does not say on which host".into()),
        }
    }

    fn apply_at(&mut self, name: &Name, effect: &Effect) -> Result<(), String> {
        if let Effect::Moved { guest, to } = effect {
            return self.move_guest(name, *guest, to);
        }
        let Some(machine) = self.hosts.get_mut(name) else {
            let Effect::Host { capacity } = effect else {
                return Err(format!("host {name} has not been there before"));
            };
            self.hosts.insert(name.clone(), Machine::new(*capacity));
            return Ok(());
        };
        match effect {
            Effect::Guest { guest } => {
                if guest.given.is_some_and(|number| self.givens.get(number).is_none()) {
                    return Err(format!("what {} was given has not been said", guest.spec.guest));
                }
                let before = machine.guests.get(&guest.spec.guest);
                self.givens.moved(before.and_then(|before| before.given), guest.given);
                let had = before.map_or(&[][..], |before| &before.spec.volumes);
                self.stores.moved(name, guest.spec.guest, had, &guest.spec.volumes);
            }
            Effect::GuestGone { guest } => {
                if let Some(before) = machine.guests.get(guest) {
                    self.givens.moved(before.given, None);
                    self.stores.moved(name, *guest, &before.spec.volumes, &[]);
                }
            }
            Effect::Enforced { network, revision } => {
                if self.firewalls.get(*network, *revision).is_none() {
                    return Err(format!("revision {revision} of the firewall of {network} has not been said"));
                }
                self.firewalls.moved(*network, machine.firewall(*network), *revision);
            }
            Effect::NetworkGone { network } => self.firewalls.moved(*network, machine.firewall(*network), 0),
            _ => {}
        }
        machine.apply(effect);
        Ok(())
    }

    fn move_guest(&mut self, from: &Name, id: Guest, to: &Name) -> Result<(), String> {
        let there = self.hosts.get(from).and_then(|machine| machine.guests.get(&id));
        // It has moved already.
        let Some(guest) = there.cloned().map(Box::new) else { return Ok(()) };
        self.apply_at(to, &Effect::Guest { guest })?;
        self.apply_at(from, &Effect::GuestGone { guest: id })
    }

    fn apply_shared(&mut self, effect: &Effect) -> Result<(), String> {
        match effect {
            Effect::Firewall { network, revision, since, change, whole } => {
                return self.firewalls.learn(*network, *revision, *since, change, whole.as_ref());
            }
            Effect::Given { number, given } => self.givens.learn(*number, given),
            Effect::Volume { class, volume, is } => self.stores.put_volume(class, *volume, is),
            Effect::VolumeGone { class, volume } => self.stores.remove_volume(class, *volume),
            Effect::Snapshot { class, snapshot, is } => self.stores.put_snapshot(class, *snapshot, is),
            Effect::SnapshotGone { class, snapshot } => self.stores.remove_snapshot(class, *snapshot),
            _ => {}
        }
        Ok(())
    }

    /// Nobody can come to use it any more: what is decided next says it again.
    pub fn forget_unused(&mut self) {
        self.firewalls.forget_unused();
        self.givens.forget_unused();
    }

    /// The shortest list of changes that makes all of it.
    pub fn changes(&self) -> impl Iterator<Item = Change> + '_ {
        let shared = self.givens.effects().chain(self.firewalls.effects()).chain(self.stores.effects());
        let shared = shared.map(|effect| Change { host: None, effect });
        shared.chain(self.hosts.iter().flat_map(|(name, machine)| machine.effects().map(|effect| effect.at(name))))
    }
}
