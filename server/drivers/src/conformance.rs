//! What every driver must do, tried out on a host: each call twice, in order and out of order, with
//! a look at the inventory after each.
//!
//! It makes one network, one instance and one router and takes them away again. It cannot see
//! inside guests: that a reboot happens once only for an operation is left to a driver's own tests.

use std::net::Ipv4Addr;
use std::time::Duration;

use cascina_core::id::{FarmId, InstanceId, NetworkId, OperationId, RouterId};
use cascina_core::network::{Mac, RouterConfig};
use cascina_core::state::Guest;
use cascina_core::units::Size;
use ipnet::Ipv4Net;

use crate::{DriverError, GuestSpec, GuestState, HostCall, HostRef, Hypervisor, Inventory, NetworkSpec, Reply};

/// What to try it with. None of it may be on the host already, and the host needs room for both
/// guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    pub network: NetworkSpec,
    pub instance: GuestSpec,
    pub instance_image: String,
    pub router: GuestSpec,
    pub router_image: String,
    /// How long a call may go on not being answered before that is a violation.
    pub patience: Duration,
}

impl Trial {
    /// Small guests on 10.255.255.0/24 with ids that no engine gives out soon.
    pub fn example(instance_image: &str, router_image: &str) -> Trial {
        let (farm, network) = (FarmId(u64::MAX), NetworkId(u64::MAX));
        let spec = |guest, name: &str, last: u8| GuestSpec {
            guest,
            farm,
            network,
            name: name.parse().unwrap_or_else(|_| unreachable!("a literal that is a name")),
            size: Size::new(1, 128, 1),
            ip: Ipv4Addr::new(10, 255, 255, last),
            mac: Mac([0x02, 0x00, 0xff, 0xff, 0xff, last]),
            volumes: Vec::new(),
            ssh_keys: Vec::new(),
            user_data: None,
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
    let mut run = Run { driver, host, trial, violations: Vec::new() };
    run.networks().await;
    run.instances().await;
    run.routers().await;
    run.farewell().await;
    run.violations
}

struct Run<'a> {
    driver: &'a dyn Hypervisor,
    host: &'a HostRef,
    trial: &'a Trial,
    violations: Vec<Violation>,
}

impl Run<'_> {
    async fn networks(&mut self) {
        self.guest_is("a host begins without the trial's instance", self.trial.instance.guest, None).await;
        self.guest_is("a host begins without the trial's router", self.trial.router.guest, None).await;
        self.network_is("a host begins without the trial's network", false).await;
        self.twice("a network that is not there can be removed", &self.remove_network()).await;
        self.twice("a network can be defined twice", &self.define_network()).await;
        self.network_is("a network that was defined is in the inventory, once, with its farm", true).await;
    }

    async fn instances(&mut self) {
        let trial = self.trial;
        let guest = trial.instance.guest;
        let stage = HostCall::StageDisk { spec: trial.instance.clone(), image: trial.instance_image.clone() };
        let boot = HostCall::Boot { spec: trial.instance.clone() };
        let reboot = |operation| HostCall::Reboot { guest, operation: OperationId(operation) };

        self.twice("a guest that is not there can be destroyed", &HostCall::Destroy { guest }).await;
        self.refused("a guest without a disk does not boot", &boot).await;
        self.refused("a guest that is not there does not reboot", &reboot(1)).await;
        self.guest_is("a refused boot leaves nothing", guest, None).await;
        self.twice("a disk can be staged twice", &stage).await;
        self.guest_is("a staged disk is in the inventory", guest, Some(GuestState::Staged)).await;
        self.twice("a guest can be booted twice", &boot).await;
        self.guest_is("a booted guest runs", guest, Some(GuestState::Running)).await;
        self.twice("a disk that is in use counts as staged", &stage).await;
        self.guest_is("staging again leaves a guest running", guest, Some(GuestState::Running)).await;
        self.refused("a network in use is not removed", &self.remove_network()).await;
        self.network_is("a network in use stays", true).await;
        self.twice("a network in use can be defined again", &self.define_network()).await;
        self.guest_is("defining its network again leaves a guest running", guest, Some(GuestState::Running)).await;
        self.twice("a guest can be rebooted twice for one operation", &reboot(1)).await;
        self.guest_is("a rebooted guest runs", guest, Some(GuestState::Running)).await;
        self.twice("a guest can be stopped twice", &HostCall::Stop { guest }).await;
        self.guest_is("a stopped guest is in the inventory", guest, Some(GuestState::Stopped)).await;
        self.twice("a reboot starts a guest that is stopped", &reboot(2)).await;
        self.guest_is("a guest runs after its reboot", guest, Some(GuestState::Running)).await;
        self.done("a running guest can be stopped", &HostCall::Stop { guest }).await;
        self.done("a stopped guest can be booted", &boot).await;
        self.guest_is("a guest that was started again runs", guest, Some(GuestState::Running)).await;
    }

    async fn routers(&mut self) {
        let trial = self.trial;
        let guest = trial.router.guest;
        let stage = HostCall::StageDisk { spec: trial.router.clone(), image: trial.router_image.clone() };
        let apply = |revision, last| HostCall::ApplyRouter {
            guest,
            revision,
            config: RouterConfig { public: Some(Ipv4Addr::new(192, 0, 2, last)), ..RouterConfig::default() },
        };

        self.refused("a router that is not there cannot be configured", &apply(1, 1)).await;
        self.done("a router's disk can be staged", &stage).await;
        self.done("a router can be booted", &HostCall::Boot { spec: trial.router.clone() }).await;
        self.guest_is("a booted router runs", guest, Some(GuestState::Running)).await;
        self.twice("a configuration can be applied twice", &apply(2, 2)).await;
        self.twice("an older configuration that comes late does no harm", &apply(1, 1)).await;
        self.twice("a newer configuration can be applied", &apply(3, 3)).await;
        self.twice("a router with a configuration answers", &HostCall::ProbeRouter { guest }).await;
    }

    async fn farewell(&mut self) {
        let (instance, router) = (self.trial.instance.guest, self.trial.router.guest);
        self.twice("a running guest can be destroyed, twice", &HostCall::Destroy { guest: instance }).await;
        self.guest_is("nothing is left of a destroyed guest", instance, None).await;
        self.guest_is("destroying one guest leaves another running", router, Some(GuestState::Running)).await;
        self.refused("a destroyed guest does not stop", &HostCall::Stop { guest: instance }).await;
        self.twice("a router can be destroyed, twice", &HostCall::Destroy { guest: router }).await;
        self.guest_is("nothing is left of a destroyed router", router, None).await;
        self.twice("a network can be removed twice", &self.remove_network()).await;
        self.network_is("nothing is left of a removed network", false).await;

        let spec = self.trial.instance.clone();
        let stage = HostCall::StageDisk { spec: spec.clone(), image: self.trial.instance_image.clone() };
        self.done("a disk needs no network", &stage).await;
        self.refused("a guest without its network does not boot", &HostCall::Boot { spec }).await;
        self.done("a guest that is only staged can be destroyed", &HostCall::Destroy { guest: instance }).await;
        self.guest_is("nothing is left of a staged disk", instance, None).await;
    }

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

    async fn network_is(&mut self, rule: &'static str, there: bool) {
        let Some(inventory) = self.inventory(rule).await else { return };
        let (id, farm) = (self.trial.network.id, self.trial.network.farm);
        let found: Vec<_> = inventory.networks.iter().filter(|found| found.network == id).collect();
        let right = match &found[..] {
            [] => !there,
            [found] => there && found.farm == farm,
            _ => false,
        };
        if !right {
            self.violation(rule, format!("the inventory has {found:?}"));
        }
    }
}
