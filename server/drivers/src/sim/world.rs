//! All simulated hosts, and what becomes of a call to one of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use cascina_core::id::FarmId;
use cascina_core::name::Name;
use cascina_core::network::RouterConfig;
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;
use cascina_core::units::Size;

use super::answer::No;
use super::change::{Change, Effect};
use super::fault::{ArmedRule, CallKind, Fault, Faults, Rule, Subject};
use super::images::Sizes;
use super::incident::{Incident, NothingThere};
use super::latency::Latencies;
use super::machine::{Machine, SimGuest};
use super::rng::Rng;
use super::state::State;
use crate::{DriverError, GuestState, HostCall, HostRef, Reply};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// All chance follows from it.
    pub seed: u64,
    /// Of hosts that are called without having been added. Without limit unless said otherwise: a
    /// model that guesses would refuse where the site has more.
    pub default_capacity: Size,
    pub latencies: Latencies,
    /// How large images are; others have a GiB.
    pub image_sizes: Sizes,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            seed: 0,
            default_capacity: Size::new(u32::MAX, u64::MAX, u64::MAX),
            latencies: Latencies::default(),
            image_sizes: Sizes::new(),
        }
    }
}

/// How a call will end, unless its host is lost meanwhile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// The host does what it is asked, or says why not.
    Answer,
    /// It says no and does nothing, for no reason of its own.
    Refuse { why: String },
    /// There will be no answer, whether or not the work is done.
    Hang { effect: bool },
    /// The connection breaks after the work is done, or before.
    Crash { effect: bool },
}

#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a call that has begun is to be finished"]
pub struct Planned {
    /// Until the call ends, in milliseconds of the hosts' time.
    pub latency_ms: u64,
    pub fate: Fate,
}

/// Hosts by name, as they are, with the faults in force.
///
/// A call has two ends. [`begin`](World::begin) chooses how long it takes and what becomes of it;
/// [`finish`](World::finish) makes it so at the end of that time. Between the two, other calls may
/// begin and finish: what a call finds is what is there when it finishes.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    settings: Settings,
    rng: Rng,
    faults: Faults,
    state: State,
}

impl World {
    pub fn new(settings: Settings) -> World {
        World { rng: Rng::new(settings.seed), settings, faults: Faults::default(), state: State::default() }
    }

    /// What there is under other settings.
    pub(super) fn with_state(settings: Settings, state: State) -> World {
        World { state, ..World::new(settings) }
    }

    pub fn hosts(&self) -> &BTreeMap<Name, Machine> {
        &self.state.hosts
    }

    /// What is there, without settings, chance and faults: two worlds are in the same state when
    /// these are equal.
    pub(super) fn state(&self) -> &State {
        &self.state
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Replaces all rules; their counts begin at zero.
    pub fn set_faults(&mut self, rules: Vec<Rule>) {
        self.faults = Faults::new(rules);
    }

    /// Rules in force and how often each has fired, in their order.
    pub fn faults(&self) -> &[ArmedRule] {
        self.faults.armed()
    }

    /// A call arrives at a host. Changes nothing on it; draws chance and counts faults.
    pub fn begin(&mut self, host: &HostRef, call: &HostCall) -> Planned {
        let machine = self.state.hosts.get(&host.name);
        let mut latency_ms = self.settings.latencies.choose(&self.state, machine, call, &mut self.rng);
        let fault = if self.faults.is_empty() {
            None
        } else {
            let (guest, farm) = subject(machine, call);
            let subject = Subject { host: &host.name, call: CallKind::from(call), guest, farm };
            self.faults.strike(&subject, &mut self.rng)
        };
        let fate = match fault {
            None => Fate::Answer,
            Some(Fault::Slow { ms }) => {
                latency_ms = latency_ms.saturating_add(ms);
                Fate::Answer
            }
            Some(Fault::Refuse { why }) => Fate::Refuse { why },
            Some(Fault::Hang { effect }) => Fate::Hang { effect },
            Some(Fault::Crash { effect }) => Fate::Crash { effect },
        };
        Planned { latency_ms, fate }
    }

    /// The call ends as planned.
    ///
    /// # Errors
    ///
    /// What the host refuses, and `Unreachable` for a lost host and for [`Fate::Crash`]. For
    /// [`Fate::Hang`] too, but there the caller is not to be told before its patience ends.
    pub fn finish(&mut self, host: &HostRef, call: &HostCall, fate: &Fate) -> Result<Reply, DriverError> {
        let (changes, reply) = self.outcome(host, call, fate);
        for change in &changes {
            self.apply(change);
        }
        reply
    }

    /// What `finish` would change and answer. The driver writes it down before it comes true.
    pub(super) fn outcome(
        &self,
        host: &HostRef,
        call: &HostCall,
        fate: &Fate,
    ) -> (Vec<Change>, Result<Reply, DriverError>) {
        let unreachable = |why: &str| {
            Err(DriverError::Unreachable { host: host.name.clone(), call: call.as_str(), why: why.to_owned() })
        };
        let refused = |why: String| Err(DriverError::Refused { host: host.name.clone(), call: call.as_str(), why });
        let known = self.state.hosts.get(&host.name);
        if known.is_some_and(|machine| machine.lost) {
            return (Vec::new(), unreachable("the host is lost"));
        }
        let machine = known.map_or_else(|| Cow::Owned(Machine::new(self.settings.default_capacity)), Cow::Borrowed);
        let joins = known.is_none().then_some(Effect::Host { capacity: machine.capacity });
        let changes =
            |effects: Vec<Effect>| joins.into_iter().chain(effects).map(|effect| effect.at(&host.name)).collect();
        match fate {
            Fate::Refuse { why } => (changes(Vec::new()), refused(why.clone())),
            Fate::Hang { effect: false } => (changes(Vec::new()), unreachable("it hangs")),
            Fate::Crash { effect: false } => (changes(Vec::new()), unreachable("the connection broke")),
            Fate::Hang { effect: true } => (
                changes(
                    machine
                        .decide(&self.state, &self.settings.image_sizes, call)
                        .map(|(effects, _)| effects)
                        .unwrap_or_default(),
                ),
                unreachable("it hangs"),
            ),
            Fate::Crash { effect: true } => (
                changes(
                    machine
                        .decide(&self.state, &self.settings.image_sizes, call)
                        .map(|(effects, _)| effects)
                        .unwrap_or_default(),
                ),
                unreachable("the connection broke"),
            ),
            Fate::Answer => match machine.decide(&self.state, &self.settings.image_sizes, call) {
                Ok((effects, reply)) => (changes(effects), Ok(reply)),
                Err(No::Never(why)) => (changes(Vec::new()), refused(why)),
                Err(No::NotNow(why)) => (changes(Vec::new()), unreachable(&why)),
            },
        }
    }

    /// Something happens without a call.
    ///
    /// # Errors
    ///
    /// There is no such host, or the guest does not run; then nothing happens.
    pub fn strike(&mut self, incident: &Incident) -> Result<(), NothingThere> {
        for change in &self.consequences(incident)? {
            self.apply(change);
        }
        Ok(())
    }

    /// What `strike` would change.
    pub(super) fn consequences(&self, incident: &Incident) -> Result<Vec<Change>, NothingThere> {
        let machine = |host: &Name| self.state.hosts.get(host).ok_or_else(|| NothingThere::Host(host.clone()));
        let lost = |host: &Name, lost: bool| {
            machine(host)?;
            Ok(vec![Effect::Lost { lost }.at(host)])
        };
        match incident {
            Incident::AddHost { host, capacity } => {
                if self.state.hosts.get(host).is_some_and(|machine| machine.capacity == *capacity) {
                    return Ok(Vec::new());
                }
                Ok(vec![Effect::Host { capacity: *capacity }.at(host)])
            }
            Incident::Lose { host } => lost(host, true),
            Incident::Restore { host } => lost(host, false),
            Incident::PowerCycle { host } => {
                let running = machine(host)?.guests.values().filter(|guest| guest.state == GuestState::Running);
                Ok(running.map(|guest| crashed(host, guest)).collect())
            }
            Incident::CrashGuest { guest } => {
                let running = |(host, machine): (&Name, &Machine)| {
                    let found = machine.guests.get(guest).filter(|guest| guest.state == GuestState::Running)?;
                    Some(crashed(host, found))
                };
                self.state.hosts.iter().find_map(running).map(|change| vec![change]).ok_or(NothingThere::Guest(*guest))
            }
            Incident::ForgetRouter { guest } => {
                let told = |(host, machine): (&Name, &Machine)| {
                    let found = machine.guests.get(guest).filter(|guest| guest.state == GuestState::Running)?;
                    let router = found.router.is_some().then(|| Some((0, RouterConfig::default())))?;
                    let guest = Box::new(SimGuest { router, ..found.clone() });
                    Some(Effect::Guest { guest }.at(host))
                };
                self.state.hosts.iter().find_map(told).map(|change| vec![change]).ok_or(NothingThere::Guest(*guest))
            }
        }
    }

    pub(super) fn apply(&mut self, change: &Change) {
        self.state.apply(change).unwrap_or_else(|why| unreachable!("a host decided what cannot be: {why}"));
    }
}

fn crashed(host: &Name, guest: &SimGuest) -> Change {
    let guest = Box::new(SimGuest { state: GuestState::Crashed, ..guest.clone() });
    Effect::Guest { guest }.at(host)
}

/// The guest and the farm that a call is about. Calls that name only a guest or a network are
/// looked up on the host.
fn subject(machine: Option<&Machine>, call: &HostCall) -> (Option<Guest>, Option<FarmId>) {
    let of_guest = |guest: Guest| machine.and_then(|machine| machine.guests.get(&guest)).map(|guest| guest.spec.farm);
    let of_network = |id| machine.and_then(|machine| machine.networks.get(&id)).map(|network| network.farm);
    match call {
        HostCall::DefineNetwork { network } => (None, Some(network.farm)),
        HostCall::RemoveNetwork { network } | HostCall::ApplyFirewall { network, .. } => (None, of_network(*network)),
        HostCall::StageDisk { spec, .. } | HostCall::Boot { spec } | HostCall::Migrate { spec, .. } => {
            (Some(spec.guest), Some(spec.farm))
        }
        HostCall::Stop { guest }
        | HostCall::Reboot { guest, .. }
        | HostCall::Destroy { guest }
        | HostCall::Evict { guest }
        | HostCall::ApplyRouter { guest, .. }
        | HostCall::ProbeRouter { guest }
        | HostCall::Console { guest } => (Some(*guest), of_guest(*guest)),
        HostCall::AttachVolume { guest, at, .. } | HostCall::DetachVolume { guest, at, .. } => {
            (Some(*guest), Some(at.farm))
        }
        HostCall::MakeSnapshot { of: Disk::Root(instance), at, .. } => {
            (Some(Guest::Instance(*instance)), Some(at.farm))
        }
        HostCall::MakeSnapshot { of: Disk::Volume(_) | Disk::Copy(_), at, .. }
        | HostCall::RemoveSnapshot { at, .. }
        | HostCall::MakeVolume { at, .. }
        | HostCall::ResizeVolume { at, .. }
        | HostCall::RemoveVolume { at, .. } => (None, Some(at.farm)),
        HostCall::CheckImage { .. }
        | HostCall::CopyImage { .. }
        | HostCall::DropImage { .. }
        | HostCall::Stored { .. }
        | HostCall::Inventory
        | HostCall::Describe
        | HostCall::Sample => (None, None),
    }
}
