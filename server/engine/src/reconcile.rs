//! What is compared when hosts are looked at, and what follows. Pure: the agent and the simulator
//! both call it.

use std::collections::{BTreeMap, BTreeSet};

use cascina_core::command::{Command, RouterFound};
use cascina_core::host::{Host, HostState};
use cascina_core::id::{FarmId, HostId, VolumeId};
use cascina_core::instance::InstanceState;
use cascina_core::name::Name;
use cascina_core::network::RouterState;
use cascina_core::replica::{ReplicaId, ReplicaSeen, ReplicaState};
use cascina_core::state::{Guest, State};
use cascina_core::units::Timestamp;
use cascina_drivers::{FoundGuest, FoundNetwork, GuestState, HostCall, HostRef, Inventory, Place, Stored, VolumeAt};

use crate::saga::site_calls;

/// Hosts asked at the same time.
pub const ABREAST: usize = 16;
/// Misses in a row before a host counts as down.
const MISSES: u32 = 3;

/// Who did not answer, and how often in a row.
#[derive(Debug, Default)]
pub struct Misses(BTreeMap<HostId, u32>);

impl Misses {
    /// What to propose about a host that answered. One that is to tell its own capacity is up when it has.
    pub fn answered(&mut self, host: &Host) -> Option<Command> {
        self.0.remove(&host.id);
        (host.state == HostState::Down && !is_unmeasured(host)).then_some(Command::HostSeen {
            host: host.id,
            up: true,
            note: None,
        })
    }

    /// What to propose about a host that did not.
    pub fn missed(&mut self, host: &Host, why: &str) -> Option<Command> {
        let missed = self.0.entry(host.id).or_default();
        *missed += 1;
        // One that never answered was not counted on yet.
        let (enough, note) = match host.state {
            HostState::Enrolling => (*missed == 1, why.to_owned()),
            _ => (*missed == MISSES, format!("no answer to {MISSES} inventories in a row: {why}")),
        };
        enough.then_some(Command::HostSeen { host: host.id, up: false, note: Some(note) })
    }
}

/// Nobody knows yet what it can hold.
pub fn is_unmeasured(host: &Host) -> bool {
    host.measured && host.facts.is_none()
}

pub fn reference(host: &Host) -> HostRef {
    HostRef { id: host.id, name: host.name.clone(), uri: host.uri.clone(), class: host.class.clone() }
}

/// What the rows say should be done about a host that looks like this.
#[derive(Debug, Default)]
pub struct Difference {
    /// To be proposed …
    pub commands: Vec<Command>,
    /// … and then to be made: they remove what nobody owns, and put volumes where they should be.
    pub calls: Vec<HostCall>,
}

/// What changed since the host was asked is not judged by its answer.
pub fn difference(state: &State, host: &Host, asked: Timestamp, found: &Inventory) -> Difference {
    let mut difference = Difference::default();
    let quiet = |farm: &FarmId| state.indexes.operations_by_farm.of(farm).next().is_none();
    let mut seen = BTreeSet::new();
    for guest in &found.guests {
        seen.insert(guest.guest);
        let row = match guest.guest {
            Guest::Instance(id) => state.rows.instances.get(&id).filter(|row| row.is_live()).map(|row| row.host),
            Guest::Router(id) => state.rows.routers.get(&id).map(|row| row.host),
        };
        match row {
            // Rows come before guests and go after them, so nothing will ever want this one.
            None => difference.calls.push(HostCall::Destroy { guest: guest.guest }),
            Some(_) if !quiet(&guest.farm) => {}
            Some(on) if on == Some(host.id) => {
                same_host(state, asked, guest, &mut difference);
                difference.calls.extend(volumes(state, host, asked, guest));
            }
            Some(_) => difference.calls.push(home(state, guest)),
        }
    }
    for guest in state.indexes.guests_by_host.of(&host.id).filter(|guest| !seen.contains(guest)) {
        let note = "its host does not have it".to_string();
        match guest {
            Guest::Instance(id) => {
                let gone = state.rows.instances.get(&id).is_some_and(|row| {
                    let settled = matches!(row.state, InstanceState::Running | InstanceState::Stopped);
                    quiet(&row.farm) && settled && row.updated < asked
                });
                if gone {
                    let state = InstanceState::Error;
                    difference.commands.push(Command::InstanceSeen { instance: id, state, note });
                }
            }
            Guest::Router(id) => {
                let gone = state.rows.routers.get(&id).is_some_and(|row| {
                    let settled = matches!(row.state, RouterState::Running | RouterState::Down);
                    quiet(&row.farm) && settled && row.updated < asked
                });
                if gone {
                    difference.commands.push(Command::RouterSeen { router: id, found: RouterFound::Gone, note });
                }
            }
        }
    }
    for FoundNetwork { network, farm, firewall } in &found.networks {
        let needed = state.indexes.guests_by_host.of(&host.id).any(|guest| match guest {
            Guest::Instance(id) => state.rows.instances.get(&id).is_some_and(|row| row.farm == *farm),
            Guest::Router(id) => state.rows.routers.get(&id).is_some_and(|row| row.farm == *farm),
        });
        if !needed && quiet(farm) {
            difference.calls.push(HostCall::RemoveNetwork { network: *network });
        }
        let wanted = state.rows.networks.get(network).map_or(0, |row| row.firewall);
        let guests = instances_on(state, host.id, *farm);
        if needed && guests && *firewall < wanted && quiet(farm) {
            difference.commands.push(Command::FirewallSeen { network: *network });
        }
    }
    images(state, host, asked, found, &mut difference);
    difference
}

/// Images that are on the host and not in the rows, or in the rows and not on the host.
fn images(state: &State, host: &Host, asked: Timestamp, found: &Inventory, difference: &mut Difference) {
    let Some(there) = &found.images else { return };
    for image in state.rows.images.values() {
        let Some(content) = image.content.as_ref().filter(|_| image.is_file()) else { continue };
        let row = state.rows.replicas.get(&ReplicaId { image: image.id, host: host.id });
        if row.is_some_and(|row| row.updated >= asked) {
            continue;
        }
        let seen = match (row.map(|row| &row.state), there.contains(&content.digest)) {
            (Some(ReplicaState::Ready), false) => ReplicaSeen::Gone,
            // A guest needed it.
            (None | Some(ReplicaState::Waiting | ReplicaState::Failed { .. } | ReplicaState::Evicted), true) => {
                ReplicaSeen::Ready
            }
            _ => continue,
        };
        difference.commands.push(Command::ReplicaSeen { image: image.id, host: host.id, seen });
    }
}

/// A guest is where it should not be. It may be the only one there is, if a move that was given up came to
/// its end after all: it goes where its row says, unless it is there already. Of a router nothing is lost.
fn home(state: &State, found: &FoundGuest) -> HostCall {
    let evict = HostCall::Evict { guest: found.guest };
    let Guest::Instance(id) = found.guest else { return evict };
    let Some(row) = state.rows.instances.get(&id) else { return evict };
    let Some(host) = row.host.and_then(|host| state.rows.hosts.get(&host)) else { return evict };
    match site_calls::instance_spec(state, row) {
        Ok(spec) => HostCall::Migrate { spec, to: reference(host) },
        Err(_) => evict,
    }
}

/// Whether a host has settled instances of a farm, which its firewall is for.
fn instances_on(state: &State, host: HostId, farm: FarmId) -> bool {
    state.indexes.instances_by_farm.with(&farm).any(|row| row.is_live() && row.host == Some(host))
}

/// What lies in a class's volume store and has no owner any more. Rows come before what they stand for
/// and go after it, so nothing will ever want these.
pub fn unowned(state: &State, class: &Name, found: &Stored) -> Vec<HostCall> {
    let at = |farm: FarmId| Place { farm, class: class.clone() };
    let volumes = found.volumes.iter().filter(|(id, _)| !state.rows.volumes.contains_key(id));
    let snapshots = found.snapshots.iter().filter(|(id, _)| !state.rows.snapshots.contains_key(id));
    let volumes = volumes.map(|(id, farm)| HostCall::RemoveVolume { volume: *id, at: at(*farm) });
    let snapshots = snapshots.map(|(id, farm)| HostCall::RemoveSnapshot { snapshot: *id, at: at(*farm) });
    volumes.chain(snapshots).collect()
}

/// What takes volumes off a guest that are not its own, and gives it those that it should have. Calls
/// that were given up long ago may have come to an end.
fn volumes(state: &State, host: &Host, asked: Timestamp, found: &FoundGuest) -> Vec<HostCall> {
    let Guest::Instance(id) = found.guest else { return Vec::new() };
    let at = || Place { farm: found.farm, class: host.class.clone() };
    let guest = found.guest;
    let own: BTreeSet<VolumeId> = state.indexes.volumes_by_instance.of(&id).collect();
    let settled = |id: &VolumeId| state.rows.volumes.get(id).is_none_or(|row| row.updated < asked);
    let strange = found.volumes.iter().filter(|id| !own.contains(id) && settled(id));
    let mut calls: Vec<_> = strange.map(|id| HostCall::DetachVolume { guest, volume: *id, at: at() }).collect();
    // One that does not run gets them when it boots.
    if found.state == GuestState::Running {
        for row in own.iter().filter(|id| !found.volumes.contains(id) && settled(id)) {
            let row = state.rows.volumes.get(row).filter(|row| row.is_settled());
            let Some((volume, held)) = row.and_then(|row| Some((row.id, row.attachment.as_ref()?))) else { continue };
            let volume = VolumeAt { volume, device: held.device.clone() };
            calls.push(HostCall::AttachVolume { guest, volume, at: at() });
        }
    }
    calls
}

/// A guest that is where its row says, with nothing under way.
fn same_host(state: &State, asked: Timestamp, found: &FoundGuest, difference: &mut Difference) {
    let runs = found.state == GuestState::Running;
    match found.guest {
        Guest::Instance(id) => {
            let Some(row) = state.rows.instances.get(&id).filter(|row| row.updated < asked) else { return };
            match (row.state, runs) {
                (InstanceState::Running, false) => {
                    let (state, note) = (InstanceState::Stopped, "it ended by itself".into());
                    difference.commands.push(Command::InstanceSeen { instance: id, state, note });
                }
                // A late call brought it up, or somebody by hand. Nothing is claimed for it.
                (InstanceState::Stopped, true) => difference.calls.push(HostCall::Stop { guest: found.guest }),
                _ => {}
            }
        }
        Guest::Router(id) => {
            let Some(row) = state.rows.routers.get(&id).filter(|row| row.updated < asked) else { return };
            let (found, note) = match row.state {
                RouterState::Pending | RouterState::Staging => return,
                RouterState::Running | RouterState::Down if !runs => (RouterFound::Gone, "it ended by itself".into()),
                RouterState::Down => (RouterFound::Gone, "it was down".into()),
                RouterState::Running if row.applied_revision == row.desired_revision => return,
                RouterState::Running => {
                    let revision = Some(row.applied_revision);
                    (RouterFound::Other { revision }, format!("it does not have revision {}", row.desired_revision))
                }
            };
            difference.commands.push(Command::RouterSeen { router: id, found, note });
        }
    }
}
