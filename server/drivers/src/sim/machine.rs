//! One simulated host: what is on it, and what it answers.
//!
//! It is stricter than most real ones. What a real host would let pass and pay for later (two
//! networks on one segment, a router configuration changed under the same revision) is refused
//! here, so that tests find it.

use std::collections::{BTreeMap, BTreeSet};

use cascina_core::id::{NetworkId, OperationId};
use cascina_core::network::RouterConfig;
use cascina_core::state::Guest;
use cascina_core::units::Size;
use serde::{Deserialize, Serialize};

use super::change::Effect;
use crate::{FoundGuest, GuestSpec, GuestState, HostCall, Inventory, NetworkSpec, Reply};

/// Operations for which a guest remembers its reboot. Repeats come soon after; the memory must end
/// somewhere.
const REBOOTS_REMEMBERED: usize = 32;

/// A disk, and the guest that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimGuest {
    pub spec: GuestSpec,
    pub image: String,
    pub state: GuestState,
    /// Times that it came up.
    pub boots: u64,
    /// Operations that rebooted it, oldest first.
    pub reboots: Vec<OperationId>,
    /// What it does if it is a router, with the revision.
    pub router: Option<(u64, RouterConfig)>,
}

impl SimGuest {
    pub fn was_rebooted_for(&self, operation: OperationId) -> bool {
        self.reboots.contains(&operation)
    }

    /// What it keeps from others: a disk always, the rest while it runs.
    pub fn used(&self) -> Size {
        match self.state {
            GuestState::Running => self.spec.size,
            GuestState::Staged | GuestState::Stopped | GuestState::Crashed => {
                Size { disk: self.spec.size.disk, ..Size::ZERO }
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    pub capacity: Size,
    /// It answers nobody. Its guests go on.
    pub lost: bool,
    pub images: BTreeSet<String>,
    pub networks: BTreeMap<NetworkId, NetworkSpec>,
    pub guests: BTreeMap<Guest, SimGuest>,
}

/// Why a host does not do what it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum No {
    Never(String),
    /// It may work later.
    NotNow(String),
}

type Answer = Result<(Vec<Effect>, Reply), No>;

fn never<T>(why: impl Into<String>) -> Result<T, No> {
    Err(No::Never(why.into()))
}

fn done(effects: Vec<Effect>) -> Answer {
    Ok((effects, Reply::Done))
}

fn put(guest: SimGuest) -> Answer {
    done(vec![Effect::Guest { guest: Box::new(guest) }])
}

impl Machine {
    pub fn new(capacity: Size) -> Machine {
        Machine { capacity, lost: false, images: BTreeSet::new(), networks: BTreeMap::new(), guests: BTreeMap::new() }
    }

    /// vCPUs and memory of running guests, and every guest's disk.
    pub fn used(&self) -> Size {
        self.guests.values().fold(Size::ZERO, |sum, guest| sum + guest.used())
    }

    /// What the call would do and answer now. Changes nothing.
    pub(super) fn decide(&self, call: &HostCall) -> Answer {
        match call {
            HostCall::DefineNetwork { network } => self.define_network(network),
            HostCall::RemoveNetwork { network } => self.remove_network(*network),
            HostCall::StageDisk { spec, image } => self.stage_disk(spec, image),
            HostCall::Boot { spec } => self.boot(spec),
            HostCall::Stop { guest } => self.stop(*guest),
            HostCall::Reboot { guest, operation } => self.reboot(*guest, *operation),
            HostCall::Destroy { guest } => match self.guests.contains_key(guest) {
                true => done(vec![Effect::GuestGone { guest: *guest }]),
                false => done(Vec::new()),
            },
            HostCall::ApplyRouter { guest, revision, config } => self.apply_router(*guest, *revision, config),
            HostCall::ProbeRouter { guest } => self.probe_router(*guest),
            HostCall::Inventory => Ok((Vec::new(), Reply::Inventory(self.inventory()))),
        }
    }

    fn define_network(&self, network: &NetworkSpec) -> Answer {
        if let Some(there) = self.networks.get(&network.id) {
            if there == network {
                return done(Vec::new());
            }
            if there.farm != network.farm {
                return never(format!("{} belongs to {}", network.id, there.farm));
            }
        }
        let same_segment = |other: &&NetworkSpec| other.segment == network.segment && other.id != network.id;
        if let Some(other) = self.networks.values().find(same_segment) {
            return never(format!("segment {} is used by {} of {}", network.segment, other.id, other.farm));
        }
        done(vec![Effect::Network { network: network.clone() }])
    }

    fn remove_network(&self, network: NetworkId) -> Answer {
        if let Some(guest) = self.guests.values().find(|guest| guest.spec.network == network) {
            return never(format!("{network} is used by {}", guest.spec.guest));
        }
        match self.networks.contains_key(&network) {
            true => done(vec![Effect::NetworkGone { network }]),
            false => done(Vec::new()),
        }
    }

    fn stage_disk(&self, spec: &GuestSpec, image: &str) -> Answer {
        if let Some(there) = self.guests.get(&spec.guest) {
            same_farm(there, spec)?;
            if there.image != image {
                return never(format!("the disk of {} is made from {}, not {image}", spec.guest, there.image));
            }
            // Never a fresh disk under a guest that has written to it.
            return done(Vec::new());
        }
        let disk = Size { disk: spec.size.disk, ..Size::ZERO };
        self.room_for(disk, Size::ZERO)?;
        put(SimGuest {
            spec: spec.clone(),
            image: image.to_owned(),
            state: GuestState::Staged,
            boots: 0,
            reboots: Vec::new(),
            router: None,
        })
    }

    fn boot(&self, spec: &GuestSpec) -> Answer {
        let Some(there) = self.guests.get(&spec.guest) else {
            return never(format!("{} has no disk here", spec.guest));
        };
        same_farm(there, spec)?;
        if there.state == GuestState::Running {
            return done(Vec::new());
        }
        self.may_run(spec, there)?;
        put(SimGuest { spec: spec.clone(), state: GuestState::Running, boots: there.boots + 1, ..there.clone() })
    }

    fn stop(&self, guest: Guest) -> Answer {
        let there = self.guest(guest)?;
        match there.state {
            GuestState::Stopped => done(Vec::new()),
            GuestState::Staged | GuestState::Running | GuestState::Crashed => {
                put(SimGuest { state: GuestState::Stopped, ..there.clone() })
            }
        }
    }

    fn reboot(&self, guest: Guest, operation: OperationId) -> Answer {
        let there = self.guest(guest)?;
        let again = there.was_rebooted_for(operation);
        match there.state {
            GuestState::Running if again => return done(Vec::new()),
            GuestState::Running => {}
            GuestState::Staged => return never(format!("{guest} was never booted")),
            // The call says that it runs afterwards.
            GuestState::Stopped | GuestState::Crashed => self.may_run(&there.spec, there)?,
        }
        let mut guest = SimGuest { state: GuestState::Running, boots: there.boots + 1, ..there.clone() };
        if !again {
            guest.reboots.push(operation);
            let excess = guest.reboots.len().saturating_sub(REBOOTS_REMEMBERED);
            guest.reboots.drain(..excess);
        }
        put(guest)
    }

    /// A router that does not run gets the configuration on its disk, and has it when it boots.
    fn apply_router(&self, guest: Guest, revision: u64, config: &RouterConfig) -> Answer {
        let there = self.router(guest)?;
        match &there.router {
            // A late older one must not undo a newer one.
            Some((has, _)) if *has > revision => done(Vec::new()),
            Some((has, old)) if *has == revision && old == config => done(Vec::new()),
            Some((has, _)) if *has == revision => {
                never(format!("{guest} has another configuration of revision {revision}"))
            }
            _ => put(SimGuest { router: Some((revision, config.clone())), ..there.clone() }),
        }
    }

    fn probe_router(&self, guest: Guest) -> Answer {
        let there = self.router(guest)?;
        if there.state != GuestState::Running {
            return Err(No::NotNow(format!("{guest} does not run")));
        }
        match there.router {
            Some(_) => done(Vec::new()),
            None => never(format!("{guest} has no configuration")),
        }
    }

    fn inventory(&self) -> Inventory {
        let found =
            |guest: &SimGuest| FoundGuest { guest: guest.spec.guest, farm: guest.spec.farm, state: guest.state };
        Inventory {
            guests: self.guests.values().map(found).collect(),
            networks: self.networks.values().map(|network| (network.id, network.farm)).collect(),
        }
    }

    fn guest(&self, guest: Guest) -> Result<&SimGuest, No> {
        self.guests.get(&guest).ok_or_else(|| No::Never(format!("{guest} is not here")))
    }

    fn router(&self, guest: Guest) -> Result<&SimGuest, No> {
        match guest {
            Guest::Router(_) => self.guest(guest),
            Guest::Instance(_) => never(format!("{guest} is not a router")),
        }
    }

    /// Its network is here, nobody else runs with its address, and there is room.
    fn may_run(&self, spec: &GuestSpec, there: &SimGuest) -> Result<(), No> {
        match self.networks.get(&spec.network) {
            None => return never(format!("{} is not defined here", spec.network)),
            Some(network) if network.farm != spec.farm => {
                return never(format!("{} belongs to {}", spec.network, network.farm));
            }
            Some(network) if !network.cidr.contains(&spec.ip) => {
                return never(format!("{} is not in {} of {}", spec.ip, network.cidr, network.id));
            }
            Some(_) => {}
        }
        let clash = |other: &&SimGuest| {
            other.state == GuestState::Running
                && other.spec.guest != spec.guest
                && other.spec.network == spec.network
                && (other.spec.ip == spec.ip || other.spec.mac == spec.mac)
        };
        if let Some(other) = self.guests.values().find(clash) {
            return never(format!("{} already has the address {} or {}", other.spec.guest, spec.ip, spec.mac));
        }
        self.room_for(spec.size, there.used())
    }

    /// Room for `wanted` once `instead` is given back?
    fn room_for(&self, wanted: Size, instead: Size) -> Result<(), No> {
        let free = self.capacity.saturating_sub(self.used().saturating_sub(instead));
        match wanted.fits_in(free) {
            true => Ok(()),
            false => never(format!("{wanted} wanted, {free} free")),
        }
    }

    pub(super) fn apply(&mut self, effect: &Effect) {
        match effect {
            Effect::Host { capacity } => self.capacity = *capacity,
            Effect::Lost { lost } => self.lost = *lost,
            Effect::Image { image } => {
                self.images.insert(image.clone());
            }
            Effect::Network { network } => {
                self.networks.insert(network.id, network.clone());
            }
            Effect::NetworkGone { network } => {
                self.networks.remove(network);
            }
            Effect::Guest { guest } => {
                if !self.images.contains(&guest.image) {
                    self.images.insert(guest.image.clone());
                }
                self.guests.insert(guest.spec.guest, (**guest).clone());
            }
            Effect::GuestGone { guest } => {
                self.guests.remove(guest);
            }
        }
    }

    /// The shortest list of changes that makes this host.
    pub(super) fn effects(&self) -> impl Iterator<Item = Effect> + '_ {
        std::iter::once(Effect::Host { capacity: self.capacity })
            .chain(self.lost.then_some(Effect::Lost { lost: true }))
            .chain(self.images.iter().map(|image| Effect::Image { image: image.clone() }))
            .chain(self.networks.values().map(|network| Effect::Network { network: network.clone() }))
            .chain(self.guests.values().map(|guest| Effect::Guest { guest: Box::new(guest.clone()) }))
    }
}

fn same_farm(there: &SimGuest, spec: &GuestSpec) -> Result<(), No> {
    match there.spec.farm == spec.farm {
        true => Ok(()),
        false => never(format!("{} belongs to {}", spec.guest, there.spec.farm)),
    }
}
