//! What sagas ask of hosts, made from the rows as they are.

use std::collections::BTreeSet;
use std::sync::Arc;

use cascina_core::address::Target;
use cascina_core::host::{Host, HostState};
use cascina_core::id::{FarmId, HostId, InstanceId};
use cascina_core::instance::Instance;
use cascina_core::name::Name;
use cascina_core::network::{RouterConfig, VRouter, VirtualNetwork};
use cascina_core::state::{Guest, State};
use cascina_core::volume::VolumeState;
use cascina_drivers::{GuestSpec, HostCall, HostRef, NetworkSpec, Place, VolumeAt};

use super::{Errand, StepError, Work, instance_run};
use crate::reconcile;

pub fn host(state: &State, id: HostId) -> Result<HostRef, StepError> {
    let row = state.rows.hosts.get(&id).ok_or_else(|| StepError::Final(format!("host {id} is gone")))?;
    Ok(reconcile::reference(row))
}

/// A host that reaches the volume store of a class; another one for another number, so that they share
/// the work. One that takes guests if there is any, but a store is reached through others too: what lies
/// in it must be able to go when all hosts of its class are cordoned.
pub fn store_host(state: &State, class: &Name, number: u64) -> Result<HostRef, StepError> {
    let rank = |host: &Host| match host.state {
        HostState::Up => 0,
        HostState::Cordoned | HostState::Draining => 1,
        HostState::Maintenance | HostState::Enrolling => 2,
        HostState::Down => 3,
    };
    let all = || state.rows.hosts.values().filter(|host| host.class == *class);
    let best = all().map(|host| rank(host)).min();
    let hosts: Vec<_> = all().filter(|host| Some(rank(host)) == best).collect();
    let row = hosts.get((number % hosts.len().max(1) as u64) as usize);
    let row = row.ok_or_else(|| StepError::Passing(format!("class {class} has no host to reach its volumes")))?;
    Ok(reconcile::reference(row))
}

pub fn place(farm: FarmId, class: &Name) -> Place {
    Place { farm, class: class.clone() }
}

/// The farm's whole firewall as it should be now.
pub fn apply_firewall(state: &State, network: &VirtualNetwork) -> HostCall {
    let firewall = Arc::new(state.firewall(network.farm));
    HostCall::ApplyFirewall { network: network.id, revision: network.firewall, firewall }
}

pub fn network(state: &State, farm: FarmId) -> Result<&VirtualNetwork, StepError> {
    let id = state.indexes.networks_by_farm.of(&farm).next();
    id.and_then(|id| state.rows.networks.get(&id))
        .map(|row| &**row)
        .ok_or_else(|| StepError::Final(format!("{farm} has no network")))
}

pub fn router(state: &State, farm: FarmId) -> Result<&VRouter, StepError> {
    let id = state.indexes.routers_by_farm.of(&farm).next();
    id.and_then(|id| state.rows.routers.get(&id))
        .map(|row| &**row)
        .ok_or_else(|| StepError::Final(format!("{farm} has no router")))
}

pub fn define_network(network: &VirtualNetwork) -> HostCall {
    HostCall::DefineNetwork {
        network: NetworkSpec {
            id: network.id,
            farm: network.farm,
            segment: network.segment,
            cidr: network.cidr,
            mac_prefix: network.mac_prefix(),
        },
    }
}

pub fn router_spec(state: &State, router: &VRouter) -> Result<GuestSpec, StepError> {
    let network = network(state, router.farm)?;
    Ok(GuestSpec {
        guest: Guest::Router(router.id),
        farm: router.farm,
        network: network.id,
        name: "router".parse().unwrap_or_else(|_| unreachable!("a literal that is a name")),
        size: router.size,
        ip: network.gateway(),
        mac: network.mac(network.gateway()),
        volumes: Vec::new(),
        ssh_keys: Vec::new(),
        user_data: None,
    })
}

/// What the farm's router should do now.
pub fn router_config(state: &State, router: &VRouter) -> RouterConfig {
    let mut config = RouterConfig { forwards: router.forwards.clone(), ..RouterConfig::default() };
    for id in state.indexes.addresses_by_farm.of(&router.farm) {
        let Some(address) = state.rows.addresses.get(&id) else { continue };
        match address.target() {
            Some(Target::Router) => config.public = Some(address.ip),
            Some(Target::Instance(id)) => {
                if let Some(instance) = state.rows.instances.get(&id).filter(|row| row.is_live()) {
                    config.mapped.push((address.ip, instance.ip));
                }
            }
            None => {}
        }
    }
    let live = state.indexes.instances_by_farm.with(&router.farm).filter(|row| row.is_live());
    config.names = live.map(|row| (row.ip, row.name.clone())).collect();
    config
}

pub fn instance_spec(state: &State, instance: &Instance) -> Result<GuestSpec, StepError> {
    Ok(GuestSpec {
        guest: Guest::Instance(instance.id),
        farm: instance.farm,
        network: network(state, instance.farm)?.id,
        name: instance.name.clone(),
        size: instance.size,
        ip: instance.ip,
        mac: instance.mac,
        volumes: volumes(state, instance.id),
        ssh_keys: ssh_keys(state, instance),
        user_data: state.rows.user_data.get(&instance.id).map(|row| row.bytes.clone()),
    })
}

/// Volumes that the instance has when it boots.
fn volumes(state: &State, id: InstanceId) -> Vec<VolumeAt> {
    let rows = state.indexes.volumes_by_instance.of(&id).filter_map(|id| state.rows.volumes.get(&id));
    let held = rows.filter_map(|row| row.attachment.as_ref().map(|held| (row.id, held)));
    held.map(|(volume, held)| VolumeAt { volume, device: held.device.clone() }).collect()
}

/// The key that it was launched with, or else that of the farm's user.
fn ssh_keys(state: &State, instance: &Instance) -> Vec<String> {
    if let Some(key) = &instance.key {
        return vec![key.public.clone()];
    }
    let user = state.rows.farms.get(&instance.farm).and_then(|farm| farm.user);
    user.and_then(|id| state.rows.users.get(&id)).and_then(|user| user.ssh_key.clone()).into_iter().collect()
}

/// The farm's instances, whatever operation made them or is about to end them.
pub fn live(state: &State, farm: FarmId) -> Vec<InstanceId> {
    let all = state.indexes.instances_by_farm.of(&farm);
    all.filter(|id| state.rows.instances.get(id).is_some_and(|row| row.is_live())).collect()
}

/// One errand an instance that has a host, with the calls that `calls` gives for it.
pub fn for_instances(
    state: &State,
    ids: &[InstanceId],
    calls: impl Fn(&Instance) -> Result<Vec<HostCall>, StepError>,
) -> Result<Work, StepError> {
    let mut errands = Vec::new();
    for id in ids {
        let Some(instance) = state.rows.instances.get(id).filter(|row| row.is_live()) else { continue };
        let Some(on) = instance.host else { continue };
        errands.push(Errand { host: host(state, on)?, guest: Some(Guest::Instance(*id)), calls: calls(instance)? });
    }
    Ok(if errands.is_empty() { Work::Nothing } else { Work::Errands(errands) })
}

pub fn stage(state: &State, instance: &Instance) -> Result<Vec<HostCall>, StepError> {
    let (source, sha256) = state
        .rows
        .images
        .get(&instance.image)
        .map(|image| (image.source.clone(), image.sha256))
        .ok_or_else(|| StepError::Final(format!("image {} is gone", instance.image)))?;
    let mut calls = vec![define_network(network(state, instance.farm)?)];
    // Volumes that come with it.
    for id in state.indexes.volumes_by_instance.of(&instance.id) {
        if let Some(volume) = state.rows.volumes.get(&id).filter(|row| row.state == VolumeState::Creating) {
            calls.push(super::volume::make(volume));
        }
    }
    calls.push(HostCall::StageDisk { spec: instance_spec(state, instance)?, image: source, sha256 });
    Ok(calls)
}

/// Boots instances. The network is named again: since staging, the last guest beside may have gone and
/// taken it along. Their hosts let nothing through before the firewall says what.
pub fn boot(state: &State, farm: FarmId, ids: &[InstanceId]) -> Result<Work, StepError> {
    let network = network(state, farm)?;
    let (define, apply) = (define_network(network), apply_firewall(state, network));
    for_instances(state, ids, |row| {
        Ok(vec![define.clone(), apply.clone(), HostCall::Boot { spec: instance_spec(state, row)? }])
    })
}

/// Destroys guests, and takes the network off hosts where the farm has nobody else.
pub fn destroy_instances(state: &State, farm: FarmId, ids: &[InstanceId]) -> Work {
    let leaving: BTreeSet<Guest> = ids.iter().map(|id| Guest::Instance(*id)).collect();
    let mut by_host: std::collections::BTreeMap<HostId, Vec<HostCall>> = std::collections::BTreeMap::new();
    for id in ids {
        let Some(instance) = state.rows.instances.get(id).filter(|row| row.is_live()) else { continue };
        // One whose move was given up half-way may be on either.
        for on in instance.host.into_iter().chain(instance.bound_for) {
            let calls = by_host.entry(on).or_default();
            calls.push(HostCall::Destroy { guest: Guest::Instance(*id) });
            calls.extend(instance_run::ending_with(state, *id).iter().map(super::volume::remove));
        }
    }
    let mut errands = Vec::new();
    for (on, mut calls) in by_host {
        // A host that is no longer in the books has nothing of ours to destroy.
        let Ok(host) = host(state, on) else { continue };
        let stays = farm_guests_on(state, farm, on).any(|guest| !leaving.contains(&guest));
        if let (Ok(network), false) = (network(state, farm), stays) {
            calls.push(HostCall::RemoveNetwork { network: network.id });
        }
        errands.push(Errand { host, guest: None, calls });
    }
    if errands.is_empty() { Work::Nothing } else { Work::Errands(errands) }
}

/// Destroys the router, and takes the network off its host unless instances need it.
pub fn destroy_router(state: &State, farm: FarmId) -> Work {
    let Ok(router) = router(state, farm) else { return Work::Nothing };
    let guest = Guest::Router(router.id);
    // One whose move was given up half-way may be on either.
    let hosts = router.host.into_iter().chain(router.bound_for).filter_map(|on| host(state, on).ok());
    let errands: Vec<_> = hosts
        .map(|host| {
            let mut calls = vec![HostCall::Destroy { guest }];
            let stays = farm_guests_on(state, farm, host.id).any(|other| other != guest);
            if !stays {
                calls.push(HostCall::RemoveNetwork { network: router.network });
            }
            Errand { host, guest: Some(guest), calls }
        })
        .collect();
    if errands.is_empty() { Work::Nothing } else { Work::Errands(errands) }
}

pub fn farm_guests_on(state: &State, farm: FarmId, host: HostId) -> impl Iterator<Item = Guest> + '_ {
    let guests: Vec<Guest> = state.indexes.guests_by_host.of(&host).collect();
    guests.into_iter().filter(move |guest| match guest {
        Guest::Instance(id) => state.rows.instances.get(id).is_some_and(|row| row.farm == farm),
        Guest::Router(id) => state.rows.routers.get(id).is_some_and(|row| row.farm == farm),
    })
}

/// Everything that makes the farm's router be there, run, and do what it should.
pub fn ensure_router(state: &State, farm: FarmId) -> Result<Work, StepError> {
    let on = router(state, farm)?.host.ok_or_else(|| StepError::Final(format!("router of {farm} has no host")))?;
    ensure_router_on(state, farm, on)
}

/// … on this host.
pub fn ensure_router_on(state: &State, farm: FarmId, on: HostId) -> Result<Work, StepError> {
    let row = router(state, farm)?;
    let spec = router_spec(state, row)?;
    let guest = spec.guest;
    Ok(Work::Errands(vec![Errand {
        host: host(state, on)?,
        guest: Some(guest),
        calls: vec![
            define_network(network(state, farm)?),
            HostCall::StageDisk { spec: spec.clone(), image: ROUTER_IMAGE.into(), sha256: None },
            HostCall::Boot { spec },
            HostCall::ApplyRouter { guest, revision: row.desired_revision, config: router_config(state, row) },
            HostCall::ProbeRouter { guest },
        ],
    }]))
}

/// The image that routers boot from.
pub const ROUTER_IMAGE: &str = "cascina:router";
