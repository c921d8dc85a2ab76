//! What every driver must do, tried out on a host: each call twice, in order and out of order, with
//! a look at the inventory, or at what is stored, after each.
//!
//! It makes one network, one instance, one router, two volumes and two snapshots and takes them away
//! again. It cannot see inside guests: that a reboot happens once only for an operation, what a
//! firewall lets through and what is on a disk is left to a driver's own tests.

mod guests;
mod images;
mod moves;
mod networks;
mod storage;

pub use images::check_images;
pub use moves::check_moves;

use std::net::Ipv4Addr;
use std::time::Duration;

use cascina_core::id::{FarmId, InstanceId, NetworkId, RouterId, SnapshotId, VolumeId};
use cascina_core::launch::Bytes;
use cascina_core::name::Name;
use cascina_core::network::Mac;
use cascina_core::state::Guest;
use cascina_core::units::Size;
use ipnet::Ipv4Net;

use crate::{DriverError, GuestSpec, GuestState, HostCall, HostRef, Hypervisor, Inventory, NetworkSpec, Place, Reply};

/// What to try it with. None of it may be on the host already, and the host needs room for both
/// guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    pub network: NetworkSpec,
    pub instance: GuestSpec,
    pub instance_image: String,
    pub router: GuestSpec,
    pub router_image: String,
    /// The store of the host's class.
    pub at: Place,
    pub volumes: [VolumeId; 2],
    pub snapshots: [SnapshotId; 2],
    /// How long a call may go on not being answered before that is a violation.
    pub patience: Duration,
}

impl Trial {
    /// Small guests on 10.255.255.0/24 with ids that no engine gives out soon, and a class called
    /// `conformance`.
    pub fn example(instance_image: &str, router_image: &str) -> Trial {
        let (farm, network) = (FarmId(u64::MAX), NetworkId(u64::MAX));
        let name = |text: &str| text.parse::<Name>().unwrap_or_else(|_| unreachable!("a literal that is a name"));
        let spec = |guest, called: &str, last: u8| GuestSpec {
            guest,
            farm,
            network,
            name: name(called),
            size: Size::new(1, 128, 1),
            ip: Ipv4Addr::new(10, 255, 255, last),
            mac: Mac([0x02, 0x00, 0xff, 0xff, 0xff, last]),
            volumes: Vec::new(),
            ssh_keys: vec![
                "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMWPWjVYr1mcL7iM0OXy7Ln9LO2Qfz0mZ0Ck6f8xBtrz trial".into(),
            ],
            user_data: Some(Bytes(b"#!/bin/sh\ntrue\n".as_slice().into())),
        };
        Trial {
            network: NetworkSpec {
                id: network,
                farm,
                segment: 0xffff,
                cidr: Ipv4Net::new_assert(Ipv4Addr::new(10, 255, 255, 0), 24),
                mac_prefix: [0x02, 0x00, 0xff, 0xff],
            },
            instance: spec(Guest::Instance(InstanceId(u64::MAX)), "conformance", 10),
            instance_image: instance_image.into(),
            router: spec(Guest::Router(RouterId(u64::MAX)), "conformance-router", 1),
            router_image: router_image.into(),
            at: Place { farm, class: name("conformance") },
            volumes: [VolumeId(u64::MAX - 1), VolumeId(u64::MAX)],
            snapshots: [SnapshotId(u64::MAX - 1), SnapshotId(u64::MAX)],
            patience: Duration::from_secs(30),
        }
    }
}

/// A rule that the driver broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// What should have been, as a sentence.
    pub rule: &'static str,
    pub found: String,
}

/// Runs the trial. Empty is good. After a violation it goes on, so that one mistake shows others
/// and the host is left clean as far as the driver can.
pub async fn check(driver: &dyn Hypervisor, host: &HostRef, trial: &Trial) -> Vec<Violation> {
    let mut run = Run { driver, host, trial, has_store: true, violations: Vec::new() };
    run.networks().await;
    run.firewalls().await;
    run.volumes().await;
    run.instances().await;
    run.routers().await;
    run.attachments().await;
    run.snapshots().await;
    run.farewell().await;
    run.violations
}

/// As [`check`], on a host that makes routers and has no store: the trial's instance is a router as well,
/// and its volumes and snapshots are not made.
pub async fn check_routers(driver: &dyn Hypervisor, host: &HostRef, trial: &Trial) -> Vec<Violation> {
    let mut run = Run { driver, host, trial, has_store: false, violations: Vec::new() };
    run.networks().await;
    run.firewalls().await;
    run.instances().await;
    run.routers().await;
    run.farewell().await;
    run.violations
}

struct Run<'a> {
    driver: &'a dyn Hypervisor,
    host: &'a HostRef,
    trial: &'a Trial,
    has_store: bool,
    violations: Vec<Violation>,
}

impl Run<'_> {
    fn define_network(&self) -> HostCall {
        HostCall::DefineNetwork { network: self.trial.network.clone() }
    }

    fn remove_network(&self) -> HostCall {
        HostCall::RemoveNetwork { network: self.trial.network.id }
    }

    fn violation(&mut self, rule: &'static str, found: String) {
        self.violations.push(Violation { rule, found });
    }

    /// Asks until there is an answer or patience ends.
    async fn ask(&self, call: &HostCall) -> Result<Reply, DriverError> {
        let asking = async {
            loop {
                match self.driver.call(self.host, call.clone()).await {
                    Err(error) if error.is_passing() => tokio::time::sleep(Duration::from_millis(100)).await,
                    answer => return answer,
                }
            }
        };
        tokio::time::timeout(self.trial.patience, asking).await.unwrap_or_else(|_| {
            let why = format!("no answer within {:?}", self.trial.patience);
            Err(DriverError::Unreachable { host: self.host.name.clone(), call: call.as_str(), why })
        })
    }

    async fn done(&mut self, rule: &'static str, call: &HostCall) {
        match self.ask(call).await {
            Ok(Reply::Done) => {}
            Ok(other) => self.violation(rule, format!("the answer was {other:?}")),
            Err(error) => self.violation(rule, error.to_string()),
        }
    }

    async fn twice(&mut self, rule: &'static str, call: &HostCall) {
        self.done(rule, call).await;
        self.done(rule, call).await;
    }

    async fn refused(&mut self, rule: &'static str, call: &HostCall) {
        match self.ask(call).await {
            Err(DriverError::Refused { .. }) => {}
            other => self.violation(rule, format!("the answer was {other:?}")),
        }
    }

    async fn inventory(&mut self, rule: &'static str) -> Option<Inventory> {
        match self.ask(&HostCall::Inventory).await {
            Ok(Reply::Inventory(inventory)) => return Some(inventory),
            Ok(other) => self.violation(rule, format!("the answer was {other:?}")),
            Err(error) => self.violation(rule, error.to_string()),
        }
        None
    }

    async fn guest_is(&mut self, rule: &'static str, guest: Guest, state: Option<GuestState>) {
        let Some(inventory) = self.inventory(rule).await else { return };
        let farm = self.trial.network.farm;
        let found: Vec<_> = inventory.guests.iter().filter(|found| found.guest == guest).collect();
        let right = match (&found[..], state) {
            ([], None) => true,
            ([one], Some(state)) => one.state == state && one.farm == farm,
            _ => false,
        };
        if !right {
            self.violation(rule, format!("{guest} should be {state:?} of {farm}; the inventory has {found:?}"));
        }
    }

    /// With which firewall, if it is to be there at all.
    async fn network_is(&mut self, rule: &'static str, firewall: Option<u64>) {
        let Some(inventory) = self.inventory(rule).await else { return };
        let (id, farm) = (self.trial.network.id, self.trial.network.farm);
        let found: Vec<_> = inventory.networks.iter().filter(|found| found.network == id).collect();
        let right = match &found[..] {
            [] => firewall.is_none(),
            [found] => firewall == Some(found.firewall) && found.farm == farm,
            _ => false,
        };
        if !right {
            self.violation(rule, format!("the inventory has {found:?}"));
        }
    }

    /// Those of the trial's volumes and snapshots that exist, and no others.
    async fn stored_are(&mut self, rule: &'static str, volumes: &[VolumeId], snapshots: &[SnapshotId]) {
        let found = match self.ask(&HostCall::Stored { class: self.trial.at.class.clone() }).await {
            Ok(Reply::Stored(stored)) => stored,
            Ok(other) => return self.violation(rule, format!("the answer was {other:?}")),
            Err(error) => return self.violation(rule, error.to_string()),
        };
        let farm = self.trial.at.farm;
        let mut ours: Vec<_> = found.volumes.iter().filter(|(id, _)| self.trial.volumes.contains(id)).collect();
        ours.sort_unstable();
        let right = ours.iter().copied().copied().eq(volumes.iter().map(|id| (*id, farm)));
        let mut ours: Vec<_> = found.snapshots.iter().filter(|(id, _)| self.trial.snapshots.contains(id)).collect();
        ours.sort_unstable();
        let right = right && ours.iter().copied().copied().eq(snapshots.iter().map(|id| (*id, farm)));
        if !right {
            self.violation(rule, format!("{volumes:?} and {snapshots:?} of {farm} should exist; there are {found:?}"));
        }
    }
}
