//! What exists on simulated hosts and in their stores, to be shown and compared.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::ops::AddAssign;

use cascina_core::id::{FarmId, NetworkId};
use cascina_core::name::Name;
use cascina_core::state::Guest;
use cascina_core::units::Size;
use serde::{Deserialize, Serialize};

use super::machine::{Machine, SimGuest};
use super::stores::Store;
use super::world::World;
use crate::{GuestState, VolumeAt};

/// Numbers of things. Copies of images are not among them: they are the host's, not a farm's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Defined guests; a guest that is only staged is just a disk.
    pub guests: u64,
    pub running: u64,
    pub crashed: u64,
    pub disks: u64,
    pub networks: u64,
    /// In volume stores, as snapshots are: no host has any.
    #[serde(default)]
    pub volumes: u64,
    #[serde(default)]
    pub snapshots: u64,
}

impl Totals {
    /// Nothing is left of anybody's farm.
    pub fn is_empty(&self) -> bool {
        *self == Totals::default()
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Totals) {
        self.guests += other.guests;
        self.running += other.running;
        self.crashed += other.crashed;
        self.disks += other.disks;
        self.networks += other.networks;
        self.volumes += other.volumes;
        self.snapshots += other.snapshots;
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuestSnapshot {
    #[serde(flatten)]
    pub guest: Guest,
    pub farm: FarmId,
    pub name: Name,
    pub network: NetworkId,
    pub ip: Ipv4Addr,
    pub size: Size,
    pub state: GuestState,
    /// Times that it came up.
    pub boots: u64,
    /// Revision of a router's configuration.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub revision: Option<u64>,
    /// That it has now.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub volumes: Vec<VolumeAt>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostSnapshot {
    pub capacity: Size,
    /// vCPUs and memory of running guests, and every guest's disk.
    pub used: Size,
    pub lost: bool,
    pub totals: Totals,
    pub guests: Vec<GuestSnapshot>,
    pub networks: Vec<(NetworkId, FarmId)>,
    /// Images of which it has a copy.
    pub images: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    pub totals: Totals,
    pub hosts: BTreeMap<Name, HostSnapshot>,
    /// By class; empty ones are left out.
    #[serde(default)]
    pub stores: BTreeMap<Name, Store>,
}

impl World {
    /// Everything, copied. With 100,000 guests this takes a while; [`totals`](World::totals) does
    /// not copy.
    pub fn snapshot(&self) -> Snapshot {
        let hosts = self.hosts().iter().map(|(name, machine)| (name.clone(), HostSnapshot::from(machine)));
        Snapshot { totals: self.totals(), hosts: hosts.collect(), stores: self.stores().clone() }
    }

    /// Over all stores and all hosts, lost ones too.
    pub fn totals(&self) -> Totals {
        let mut sum = Totals::default();
        for machine in self.hosts().values() {
            sum += totals(machine);
        }
        for store in self.stores().values() {
            sum.volumes += store.volumes.len() as u64;
            sum.snapshots += store.snapshots.len() as u64;
        }
        sum
    }
}

fn totals(machine: &Machine) -> Totals {
    let mut totals = Totals { networks: machine.networks.len() as u64, ..Totals::default() };
    for guest in machine.guests.values() {
        totals += Totals {
            guests: u64::from(guest.state != GuestState::Staged),
            running: u64::from(guest.state == GuestState::Running),
            crashed: u64::from(guest.state == GuestState::Crashed),
            disks: 1,
            ..Totals::default()
        };
    }
    totals
}

impl From<&Machine> for HostSnapshot {
    fn from(machine: &Machine) -> HostSnapshot {
        HostSnapshot {
            capacity: machine.capacity,
            used: machine.used(),
            lost: machine.lost,
            totals: totals(machine),
            guests: machine.guests.values().map(GuestSnapshot::from).collect(),
            networks: machine.networks.values().map(|network| (network.id, network.farm)).collect(),
            images: machine.images.iter().cloned().collect(),
        }
    }
}

impl From<&SimGuest> for GuestSnapshot {
    fn from(guest: &SimGuest) -> GuestSnapshot {
        GuestSnapshot {
            guest: guest.spec.guest,
            farm: guest.spec.farm,
            name: guest.spec.name.clone(),
            network: guest.spec.network,
            ip: guest.spec.ip,
            size: guest.spec.size,
            state: guest.state,
            boots: guest.boots,
            revision: guest.router.as_ref().map(|(revision, _)| *revision),
            volumes: guest.spec.volumes.clone(),
        }
    }
}
