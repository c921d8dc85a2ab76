//! Which traffic reaches simulated guests, and leaves them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use cascina_core::id::NetworkId;
use cascina_core::name::Name;
use cascina_core::security_group::{Direction, Firewall, FirewallChange, Packet};

use super::answer::{Answer, done, never};
use super::change::Effect;
use super::machine::Machine;
use super::world::World;
use crate::GuestState;

/// All firewalls that a host enforces, each kept once: a farm's is the same on all of its hosts.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Firewalls(BTreeMap<(NetworkId, u64), Kept>);

#[derive(Debug, Clone, PartialEq)]
struct Kept {
    firewall: Firewall,
    /// Hosts that enforce it; it goes with the last.
    hosts: u32,
}

impl Firewalls {
    pub fn get(&self, network: NetworkId, revision: u64) -> Option<&Firewall> {
        self.0.get(&(network, revision)).map(|kept| &kept.firewall)
    }

    /// The newest that hosts enforce, if any.
    fn newest(&self, network: NetworkId) -> Option<(u64, &Firewall)> {
        let (key, kept) = self.0.range((network, 0)..=(network, u64::MAX)).next_back()?;
        Some((key.1, &kept.firewall))
    }

    /// # Errors
    ///
    /// The revision that it follows is not known.
    pub fn learn(
        &mut self,
        network: NetworkId,
        revision: u64,
        since: Option<u64>,
        change: &FirewallChange,
        whole: Option<&Firewall>,
    ) -> Result<(), String> {
        let unknown = |since| format!("revision {since} of the firewall of {network} has not been said");
        let firewall = match (whole, since) {
            (Some(whole), _) => whole.clone(),
            (None, Some(since)) => self.get(network, since).ok_or_else(|| unknown(since))?.changed(change),
            (None, None) => Firewall::default().changed(change),
        };
        self.0.entry((network, revision)).or_insert_with(|| Kept { firewall, hosts: 0 });
        Ok(())
    }

    /// A host enforces another one than before; 0: none.
    pub fn moved(&mut self, network: NetworkId, before: u64, now: u64) {
        if before == now {
            return;
        }
        if let Some(kept) = self.0.get_mut(&(network, now)) {
            kept.hosts += 1;
        }
        if let Some(kept) = self.0.get_mut(&(network, before)) {
            kept.hosts = kept.hosts.saturating_sub(1);
            if kept.hosts == 0 {
                self.0.remove(&(network, before));
            }
        }
    }

    /// Of a write that was cut off before its host.
    pub fn forget_unused(&mut self) {
        self.0.retain(|_, kept| kept.hosts > 0);
    }

    pub fn effects(&self) -> impl Iterator<Item = Effect> + '_ {
        self.0.iter().map(|((network, revision), kept)| Effect::Firewall {
            network: *network,
            revision: *revision,
            since: None,
            change: kept.firewall.since(&Firewall::default()),
            whole: None,
        })
    }
}

impl Machine {
    /// Revision of the firewall that it enforces for the network; 0: none yet, nothing passes.
    pub fn firewall(&self, network: NetworkId) -> u64 {
        self.firewalls.get(&network).copied().unwrap_or(0)
    }

    pub(super) fn apply_firewall(
        &self,
        known: &Firewalls,
        network: NetworkId,
        revision: u64,
        firewall: &Firewall,
    ) -> Answer {
        if !self.networks.contains_key(&network) {
            return never(format!("{network} is not defined here"));
        }
        if revision == 0 {
            return never("revision 0 is that of no firewall");
        }
        let has = self.firewall(network);
        // A late older one must not undo a newer one.
        if has > revision {
            return done(Vec::new());
        }
        let mut effects = Vec::new();
        match known.get(network, revision) {
            // Real hosts would not notice that they enforce different things.
            Some(other) if other != firewall => {
                return never(format!("{network} has another firewall of revision {revision}"));
            }
            Some(_) if has == revision => return done(Vec::new()),
            Some(_) => {}
            None => {
                let newest = known.newest(network);
                let (since, before) = newest.map(|(revision, before)| (revision, before.clone())).unzip();
                let change = firewall.since(&before.unwrap_or_default());
                effects.push(Effect::Firewall { network, revision, since, change, whole: Some(firewall.clone()) });
            }
        }
        effects.push(Effect::Enforced { network, revision });
        done(effects)
    }
}

impl World {
    /// Whether a guest with this address runs on the host and the firewall there lets it begin a
    /// conversation with the other side ([`Direction::Egress`]), or the other side one with it.
    pub fn reaches(
        &self,
        host: &Name,
        guest: Ipv4Addr,
        direction: Direction,
        other: impl Into<IpAddr>,
        packet: Packet,
    ) -> bool {
        let Some(machine) = self.hosts().get(host) else { return false };
        let other = other.into();
        let here = machine.guests.values().filter(|at| at.spec.ip == guest && at.state == GuestState::Running);
        here.map(|at| at.spec.network).any(|network| {
            let enforced = self.state().firewalls.get(network, machine.firewall(network));
            enforced.is_some_and(|firewall| firewall.allows(guest, direction, other, packet))
        })
    }
}
