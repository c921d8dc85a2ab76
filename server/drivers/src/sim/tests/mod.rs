//! Tests of the simulated hosts, and the small site that they share.

mod conformance;
mod driver;
mod firewalls;
mod given;
mod journal;
mod properties;
mod rules;
mod storage;

use std::net::Ipv4Addr;

use cascina_core::id::{FarmId, HostId, InstanceId, NetworkId, RouterId, SnapshotId, VolumeId};
use cascina_core::network::{Mac, RouterConfig};
use cascina_core::security_group::Firewall;
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;
use cascina_core::units::{Gib, Size};
use ipnet::Ipv4Net;

use super::{Fate, Incident, Latencies, Settings, World};
use crate::{DriverError, GuestSpec, HostCall, HostRef, NetworkSpec, Place, Reply, VolumeAt};

/// Farm `n` has network `n` with segment `n`, instances `n*10 + k` and router `n`.
fn network(farm: u8) -> NetworkSpec {
    NetworkSpec {
        id: NetworkId(farm.into()),
        farm: FarmId(farm.into()),
        segment: farm.into(),
        cidr: Ipv4Net::new_assert(Ipv4Addr::new(10, 64, farm, 0), 24),
        mac_prefix: [2, 0, 0, farm],
    }
}

fn spec(guest: Guest, farm: u8, last: u8, size: Size) -> GuestSpec {
    GuestSpec {
        guest,
        farm: FarmId(farm.into()),
        network: NetworkId(farm.into()),
        name: "guest".parse().unwrap(),
        size,
        ip: Ipv4Addr::new(10, 64, farm, last),
        mac: Mac([2, 0, 0, farm, farm, last]),
        volumes: Vec::new(),
        ssh_keys: Vec::new(),
        user_data: None,
    }
}

fn instance(farm: u8, k: u8) -> GuestSpec {
    spec(Guest::Instance(InstanceId(u64::from(farm * 10 + k))), farm, 10 + k, Size::new(4, 4096, 20))
}

fn router(farm: u8) -> GuestSpec {
    spec(Guest::Router(RouterId(farm.into())), farm, 1, Size::new(1, 150, 1))
}

fn config(last: u8) -> RouterConfig {
    RouterConfig { public: Some(Ipv4Addr::new(192, 0, 2, last)), ..RouterConfig::default() }
}

fn host(name: &str) -> HostRef {
    HostRef { id: HostId(1), name: name.parse().unwrap(), uri: "sim:".into(), class: "services".parse().unwrap() }
}

fn define(farm: u8) -> HostCall {
    HostCall::DefineNetwork { network: network(farm) }
}

fn stage(spec: &GuestSpec) -> HostCall {
    HostCall::StageDisk { spec: spec.clone(), image: "image".into(), sha256: None }
}

fn boot(spec: &GuestSpec) -> HostCall {
    HostCall::Boot { spec: spec.clone() }
}

/// The farm's things in the store of class `c`.
fn place(farm: u8) -> Place {
    Place { farm: FarmId(farm.into()), class: "c".parse().unwrap() }
}

fn volume_at(id: u64, device: &str) -> VolumeAt {
    VolumeAt { volume: VolumeId(id), device: device.into() }
}

fn make(id: u64, farm: u8, gib: u64, from: Option<u64>) -> HostCall {
    HostCall::MakeVolume { volume: VolumeId(id), at: place(farm), size: Gib(gib), from: from.map(SnapshotId) }
}

fn resize(id: u64, farm: u8, gib: u64) -> HostCall {
    HostCall::ResizeVolume { volume: VolumeId(id), at: place(farm), size: Gib(gib) }
}

fn remove(id: u64, farm: u8) -> HostCall {
    HostCall::RemoveVolume { volume: VolumeId(id), at: place(farm) }
}

fn attach(spec: &GuestSpec, farm: u8, id: u64, device: &str) -> HostCall {
    HostCall::AttachVolume { guest: spec.guest, volume: volume_at(id, device), at: place(farm) }
}

fn detach(spec: &GuestSpec, farm: u8, id: u64) -> HostCall {
    HostCall::DetachVolume { guest: spec.guest, volume: VolumeId(id), at: place(farm) }
}

fn take(id: u64, farm: u8, of: Disk) -> HostCall {
    HostCall::MakeSnapshot { snapshot: SnapshotId(id), at: place(farm), of }
}

fn stage_from(spec: &GuestSpec, snapshot: u64) -> HostCall {
    HostCall::StageDisk { spec: spec.clone(), image: format!("snapshot:{}", SnapshotId(snapshot)), sha256: None }
}

fn protect(farm: u8, revision: u64, firewall: Firewall) -> HostCall {
    HostCall::ApplyFirewall { network: network(farm).id, revision, firewall: firewall.into() }
}

fn settings(seed: u64) -> Settings {
    Settings { seed, latencies: Latencies::none(), ..Settings::default() }
}

/// Hosts `w1` and `w2`, of 16 vCPU and 64 GiB.
fn world(seed: u64) -> World {
    let mut world = World::new(settings(seed));
    for name in ["w1", "w2"] {
        let capacity = Size::new(16, 65_536, 500);
        world.strike(&Incident::AddHost { host: name.parse().unwrap(), capacity }).unwrap();
    }
    world
}

/// Begins and finishes at once.
fn ask(world: &mut World, host: &HostRef, call: &HostCall) -> Result<Reply, DriverError> {
    let fate = world.begin(host, call).fate;
    world.finish(host, call, &fate)
}

/// All of them must be done, in this order.
fn all(world: &mut World, host: &HostRef, calls: &[HostCall]) {
    for call in calls {
        assert_eq!(ask(world, host, call), Ok(Reply::Done), "{call:?}");
    }
}

/// Why a call is refused.
fn why(answer: Result<Reply, DriverError>) -> String {
    match answer {
        Err(DriverError::Refused { why, .. }) => why,
        other => panic!("not refused: {other:?}"),
    }
}

fn finish(world: &mut World, host: &HostRef, call: &HostCall, fate: Fate) -> Result<Reply, DriverError> {
    world.finish(host, call, &fate)
}
