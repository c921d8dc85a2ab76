//! One simulated host: what is on it, and what it answers.
//!
//! It is stricter than most real ones. What a real host would let pass and pay for later (two
//! networks on one segment, a router configuration changed under the same revision) is refused
//! here, so that tests find it.

use std::collections::{BTreeMap, BTreeSet};

use cascina_core::id::{NetworkId, OperationId, VolumeId};
use cascina_core::network::RouterConfig;
use cascina_core::state::Guest;
use cascina_core::units::Size;
use serde::{Deserialize, Serialize};

use super::answer::{Answer, No, done, never, put};
use super::attach::may_have_all;
use super::change::Effect;
use super::console;
use super::images::{self, Sizes};
use super::state::State;
use super::volumes::FROM_SNAPSHOT;
use crate::{
    FoundGuest, FoundNetwork, GuestSpec, GuestState, HostCall, HostFacts, Inventory, NetworkSpec, Reply, VolumeAt,
};

/// Operations for which a guest remembers its reboot. Repeats come soon after; the memory must end
/// somewhere.
const REBOOTS_REMEMBERED: usize = 32;

/// A disk, and the guest that it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SimGuest {
    /// `volumes` are those that it has now. `ssh_keys` and `user_data` are empty: see
    /// [`World::given`](super::World::given).
    pub spec: GuestSpec,
    pub image: String,
    pub state: GuestState,
    /// Times that it came up.
    pub boots: u64,
    /// Operations that rebooted it, oldest first.
    pub reboots: Vec<OperationId>,
    /// What it does if it is a router, with the revision.
    pub router: Option<(u64, RouterConfig)>,
    /// Number of what it was given to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<u64>,
}

impl SimGuest {
    pub fn was_rebooted_for(&self, operation: OperationId) -> bool {
        self.reboots.contains(&operation)
    }

    pub fn has(&self, volume: VolumeId) -> bool {
        self.spec.volumes.iter().any(|at| at.volume == volume)
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
    /// Bytes of images that are not all here.
    pub parts: BTreeMap<String, u64>,
    pub networks: BTreeMap<NetworkId, NetworkSpec>,
    pub guests: BTreeMap<Guest, SimGuest>,
    /// Revisions of the firewalls that it enforces.
    pub firewalls: BTreeMap<NetworkId, u64>,
}

impl Machine {
    pub fn new(capacity: Size) -> Machine {
        Machine {
            capacity,
            lost: false,
            images: BTreeSet::new(),
            parts: BTreeMap::new(),
            networks: BTreeMap::new(),
            guests: BTreeMap::new(),
            firewalls: BTreeMap::new(),
        }
    }

    /// vCPUs and memory of running guests, and every guest's disk.
    pub fn used(&self) -> Size {
        self.guests.values().fold(Size::ZERO, |sum, guest| sum + guest.used())
    }

    /// What the call would do and answer now. Changes nothing.
    pub(super) fn decide(&self, state: &State, sizes: &Sizes, call: &HostCall) -> Answer {
        let stores = &state.stores;
        match call {
            HostCall::DefineNetwork { network } => self.define_network(network),
            HostCall::RemoveNetwork { network } => self.remove_network(*network),
            HostCall::StageDisk { spec, image, sha256 } => {
                images::has_digest(image, *sha256)?;
                self.stage_disk(state, spec, image)
            }
            HostCall::Boot { spec } => self.boot(state, spec),
            HostCall::Stop { guest } => self.stop(*guest),
            HostCall::Reboot { guest, operation } => self.reboot(state, *guest, *operation),
            // Disks of simulated guests are on their hosts.
            HostCall::Destroy { guest } | HostCall::Evict { guest } => match self.guests.contains_key(guest) {
                true => done(vec![Effect::GuestGone { guest: *guest }]),
                false => done(Vec::new()),
            },
            HostCall::Migrate { spec, to } => self.migrate(state, spec, to),
            HostCall::ApplyRouter { guest, revision, config } => self.apply_router(*guest, *revision, config),
            HostCall::ProbeRouter { guest } => self.probe_router(*guest),
            HostCall::ApplyFirewall { network, revision, firewall } => {
                self.apply_firewall(&state.firewalls, *network, *revision, firewall)
            }
            HostCall::MakeVolume { volume, at, size, from } => stores.make_volume(*volume, at, *size, *from),
            HostCall::ResizeVolume { volume, at, size } => stores.resize_volume(*volume, at, *size),
            HostCall::RemoveVolume { volume, at } => stores.remove_volume_of(*volume, at),
            HostCall::AttachVolume { guest, volume, at } => self.attach_volume(stores, *guest, volume, at),
            HostCall::DetachVolume { guest, volume, at: _ } => self.detach_volume(*guest, *volume),
            HostCall::MakeSnapshot { snapshot, at, of } => self.make_snapshot(stores, *snapshot, at, *of),
            HostCall::RemoveSnapshot { snapshot, at } => stores.remove_snapshot_of(*snapshot, at),
            HostCall::CheckImage { image, sha256 } => images::check(sizes, image, *sha256),
            HostCall::CopyImage { image, content, from } => self.copy_image(state, image, content, from.as_ref()),
            HostCall::DropImage { image, content: _ } => self.drop_image(image),
            HostCall::Console { guest } => {
                let there = self.guest(*guest)?;
                let given = there.given.and_then(|number| state.givens.get(number));
                Ok((Vec::new(), Reply::Console(console::log(there, given.map(|given| &**given)))))
            }
            HostCall::Stored { class } => stores.stored(class),
            HostCall::Inventory => Ok((Vec::new(), Reply::Inventory(self.inventory()))),
            HostCall::Describe => Ok((Vec::new(), Reply::Facts(Box::new(self.facts())))),
            // Simulated guests do nothing that could be counted.
            HostCall::Sample => Ok((Vec::new(), Reply::Samples(Vec::new()))),
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

    fn stage_disk(&self, state: &State, spec: &GuestSpec, image: &str) -> Answer {
        if let Some(there) = self.guests.get(&spec.guest) {
            same_farm(there, spec)?;
            if there.image != image {
                return never(format!("the disk of {} is made from {}, not {image}", spec.guest, there.image));
            }
            // Never a fresh disk under a guest that has written to it.
            return done(Vec::new());
        }
        if let Some(snapshot) = image.strip_prefix(FROM_SNAPSHOT) {
            let snapshot = snapshot.parse().map_err(|error| No::Never(format!("{image}: {error}")))?;
            state.stores.holds(snapshot, spec.size.disk)?;
        }
        let disk = Size { disk: spec.size.disk, ..Size::ZERO };
        self.room_for(disk, Size::ZERO)?;
        let new = SimGuest {
            // It has its volumes when it boots.
            spec: bare(spec, &[]),
            image: image.to_owned(),
            state: GuestState::Staged,
            boots: 0,
            reboots: Vec::new(),
            router: None,
            given: None,
        };
        give(state, spec, new)
    }

    fn boot(&self, state: &State, spec: &GuestSpec) -> Answer {
        let Some(there) = self.guests.get(&spec.guest) else {
            return never(format!("{} has no disk here", spec.guest));
        };
        same_farm(there, spec)?;
        if there.state == GuestState::Running {
            // Its volumes too stay as they are: it may have been given others since this was asked.
            return done(Vec::new());
        }
        self.may_run(state, spec, there.used())?;
        let spec_now = bare(spec, &spec.volumes);
        let up = SimGuest { spec: spec_now, state: GuestState::Running, boots: there.boots + 1, ..there.clone() };
        give(state, spec, up)
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

    fn reboot(&self, state: &State, guest: Guest, operation: OperationId) -> Answer {
        let there = self.guest(guest)?;
        let again = there.was_rebooted_for(operation);
        match there.state {
            GuestState::Running if again => return done(Vec::new()),
            GuestState::Running => {}
            GuestState::Staged => return never(format!("{guest} was never booted")),
            // The call says that it runs afterwards.
            GuestState::Stopped | GuestState::Crashed => self.may_run(state, &there.spec, there.used())?,
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
            Some((revision, _)) => Ok((Vec::new(), Reply::Revision(revision))),
            None => never(format!("{guest} has no configuration")),
        }
    }

    fn inventory(&self) -> Inventory {
        let found = |guest: &SimGuest| FoundGuest {
            guest: guest.spec.guest,
            farm: guest.spec.farm,
            state: guest.state,
            volumes: guest.spec.volumes.iter().map(|at| at.volume).collect(),
        };
        let network = |network: &NetworkSpec| FoundNetwork {
            network: network.id,
            farm: network.farm,
            firewall: self.firewall(network.id),
        };
        Inventory {
            guests: self.guests.values().map(found).collect(),
            networks: self.networks.values().map(network).collect(),
            images: Some(self.images.iter().map(|image| images::digest(image)).collect()),
        }
    }

    fn facts(&self) -> HostFacts {
        HostFacts {
            hypervisor: "simulated".into(),
            capacity: self.capacity,
            nodes: Vec::new(),
            accelerated: false,
            acceleration: None,
            shared_storage: false,
        }
    }

    pub(super) fn guest(&self, guest: Guest) -> Result<&SimGuest, No> {
        self.guests.get(&guest).ok_or_else(|| No::Never(format!("{guest} is not here")))
    }

    fn router(&self, guest: Guest) -> Result<&SimGuest, No> {
        match guest {
            Guest::Router(_) => self.guest(guest),
            Guest::Instance(_) => never(format!("{guest} is not a router")),
        }
    }

    /// Its network is here, nobody else runs with its address or has its volumes, and there is room.
    pub(super) fn may_run(&self, state: &State, spec: &GuestSpec, instead: Size) -> Result<(), No> {
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
        may_have_all(&state.stores, spec)?;
        self.room_for(spec.size, instead)
    }

    /// Room for `wanted` once `instead` is given back?
    pub(super) fn room_for(&self, wanted: Size, instead: Size) -> Result<(), No> {
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
                self.parts.remove(image);
                self.images.insert(image.clone());
            }
            Effect::ImagePart { image, bytes } => {
                self.parts.insert(image.clone(), *bytes);
            }
            Effect::ImageGone { image } => {
                self.parts.remove(image);
                self.images.remove(image);
            }
            Effect::Network { network } => {
                self.networks.insert(network.id, network.clone());
            }
            Effect::NetworkGone { network } => {
                self.networks.remove(network);
                self.firewalls.remove(network);
            }
            Effect::Enforced { network, revision } => {
                self.firewalls.insert(*network, *revision);
            }
            Effect::Guest { guest } => {
                // A snapshot stays in its store: nothing is copied for the next guest.
                if !guest.image.starts_with(FROM_SNAPSHOT) && !self.images.contains(&guest.image) {
                    self.parts.remove(&guest.image);
                    self.images.insert(guest.image.clone());
                }
                self.guests.insert(guest.spec.guest, (**guest).clone());
            }
            Effect::GuestGone { guest } => {
                self.guests.remove(guest);
            }
            // Not of one host alone.
            Effect::Moved { .. }
            | Effect::Firewall { .. }
            | Effect::Given { .. }
            | Effect::Volume { .. }
            | Effect::VolumeGone { .. }
            | Effect::Snapshot { .. }
            | Effect::SnapshotGone { .. } => {}
        }
    }

    /// The shortest list of changes that makes this host.
    pub(super) fn effects(&self) -> impl Iterator<Item = Effect> + '_ {
        std::iter::once(Effect::Host { capacity: self.capacity })
            .chain(self.lost.then_some(Effect::Lost { lost: true }))
            .chain(self.images.iter().map(|image| Effect::Image { image: image.clone() }))
            .chain(self.parts.iter().map(|(image, bytes)| Effect::ImagePart { image: image.clone(), bytes: *bytes }))
            .chain(self.networks.values().map(|network| Effect::Network { network: network.clone() }))
            .chain(
                self.firewalls
                    .iter()
                    .map(|(network, revision)| Effect::Enforced { network: *network, revision: *revision }),
            )
            .chain(self.guests.values().map(|guest| Effect::Guest { guest: Box::new(guest.clone()) }))
    }
}

fn same_farm(there: &SimGuest, spec: &GuestSpec) -> Result<(), No> {
    match there.spec.farm == spec.farm {
        true => Ok(()),
        false => never(format!("{} belongs to {}", spec.guest, there.spec.farm)),
    }
}

/// The spec as guests keep it: with the volumes that it has now, and without what is shared.
fn bare(spec: &GuestSpec, volumes: &[VolumeAt]) -> GuestSpec {
    GuestSpec {
        guest: spec.guest,
        farm: spec.farm,
        network: spec.network,
        name: spec.name.clone(),
        size: spec.size,
        ip: spec.ip,
        mac: spec.mac,
        volumes: volumes.to_vec(),
        ssh_keys: Vec::new(),
        user_data: None,
    }
}

/// The guest as it is, and with what it is given to read.
fn give(state: &State, spec: &GuestSpec, guest: SimGuest) -> Answer {
    let (given, said) = state.givens.number(spec);
    let guest = Box::new(SimGuest { given, ..guest });
    done(said.into_iter().chain([Effect::Guest { guest }]).collect())
}
