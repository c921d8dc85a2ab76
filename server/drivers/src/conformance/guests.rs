//! Guests: disks, power, routers.

use std::net::Ipv4Addr;

use cascina_core::id::OperationId;
use cascina_core::network::RouterConfig;
use cascina_core::state::Guest;

use super::Run;
use crate::{GuestState, HostCall, Reply};

impl Run<'_> {
    pub(super) async fn instances(&mut self) {
        let trial = self.trial;
        let guest = trial.instance.guest;
        let stage =
            HostCall::StageDisk { spec: trial.instance.clone(), image: trial.instance_image.clone(), sha256: None };
        let boot = HostCall::Boot { spec: trial.instance.clone() };
        let reboot = |operation| HostCall::Reboot { guest, operation: OperationId(operation) };

        self.twice("a guest that is not there can be destroyed", &HostCall::Destroy { guest }).await;
        self.refused("a guest without a disk does not boot", &boot).await;
        self.refused("a guest that is not there does not reboot", &reboot(1)).await;
        self.refused("a guest that is not there has no console", &HostCall::Console { guest }).await;
        self.guest_is("a refused boot leaves nothing", guest, None).await;
        let unmade = HostCall::StageDisk {
            spec: trial.instance.clone(),
            image: self.image_of(trial.snapshots[0]),
            sha256: None,
        };
        self.refused("no disk is made from a snapshot that is not there", &unmade).await;
        self.guest_is("a disk that was refused is not there", guest, None).await;
        self.twice("a disk can be staged twice", &stage).await;
        self.guest_is("a staged disk is in the inventory", guest, Some(GuestState::Staged)).await;
        self.twice("a guest can be booted twice", &boot).await;
        self.guest_is("a booted guest runs", guest, Some(GuestState::Running)).await;
        self.console_is("a guest that runs has a console").await;
        self.twice("a disk that is in use counts as staged", &stage).await;
        self.guest_is("staging again leaves a guest running", guest, Some(GuestState::Running)).await;
        self.refused("a network in use is not removed", &self.remove_network()).await;
        self.network_is("a network in use stays, with its firewall", Some(3)).await;
        self.twice("a network in use can be defined again", &self.define_network()).await;
        self.guest_is("defining its network again leaves a guest running", guest, Some(GuestState::Running)).await;
        self.twice("a guest can be rebooted twice for one operation", &reboot(1)).await;
        self.guest_is("a rebooted guest runs", guest, Some(GuestState::Running)).await;
        self.twice("a guest can be stopped twice", &HostCall::Stop { guest }).await;
        self.guest_is("a stopped guest is in the inventory", guest, Some(GuestState::Stopped)).await;
        self.console_is("a stopped guest keeps its console").await;
        self.twice("a reboot starts a guest that is stopped", &reboot(2)).await;
        self.guest_is("a guest runs after its reboot", guest, Some(GuestState::Running)).await;
        self.done("a running guest can be stopped", &HostCall::Stop { guest }).await;
        self.done("a stopped guest can be booted", &boot).await;
        self.guest_is("a guest that was started again runs", guest, Some(GuestState::Running)).await;
    }

    pub(super) async fn routers(&mut self) {
        let trial = self.trial;
        let guest = trial.router.guest;
        let stage = HostCall::StageDisk { spec: trial.router.clone(), image: trial.router_image.clone(), sha256: None };
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
        self.has_revision("a router tells which configuration it has", guest, 3).await;
    }

    /// Twice, since looking changes nothing.
    async fn has_revision(&mut self, rule: &'static str, guest: Guest, revision: u64) {
        for _ in 0..2 {
            match self.ask(&HostCall::ProbeRouter { guest }).await {
                Ok(Reply::Revision(has)) if has == revision => {}
                Ok(other) => self.violation(rule, format!("the answer was {other:?}")),
                Err(error) => self.violation(rule, error.to_string()),
            }
        }
    }

    pub(super) async fn farewell(&mut self) {
        let (instance, router) = (self.trial.instance.guest, self.trial.router.guest);
        self.twice("a running guest can be destroyed, twice", &HostCall::Destroy { guest: instance }).await;
        self.guest_is("nothing is left of a destroyed guest", instance, None).await;
        self.guest_is("destroying one guest leaves another running", router, Some(GuestState::Running)).await;
        self.refused("a destroyed guest does not stop", &HostCall::Stop { guest: instance }).await;
        self.twice("a router can be destroyed, twice", &HostCall::Destroy { guest: router }).await;
        self.guest_is("nothing is left of a destroyed router", router, None).await;
        if self.has_store {
            self.volumes_without_guests().await;
        }
        self.twice("a network can be removed twice", &self.remove_network()).await;
        self.network_is("nothing is left of a removed network", None).await;
        self.done("a network that was removed can be defined again", &self.define_network()).await;
        self.network_is("a removed network takes its firewall with it", Some(0)).await;
        self.done("a network that is there again can be removed", &self.remove_network()).await;

        let spec = self.trial.instance.clone();
        let stage = HostCall::StageDisk { spec: spec.clone(), image: self.trial.instance_image.clone(), sha256: None };
        self.done("a disk needs no network", &stage).await;
        self.refused("a guest without its network does not boot", &HostCall::Boot { spec }).await;
        self.done("a guest that is only staged can be destroyed", &HostCall::Destroy { guest: instance }).await;
        self.guest_is("nothing is left of a staged disk", instance, None).await;
    }

    /// Twice, since looking changes nothing.
    async fn console_is(&mut self, rule: &'static str) {
        for _ in 0..2 {
            match self.ask(&HostCall::Console { guest: self.trial.instance.guest }).await {
                Ok(Reply::Console(log)) if log.len() <= 64 << 10 => {}
                Ok(Reply::Console(log)) => self.violation(rule, format!("it gave {} bytes", log.len())),
                Ok(other) => self.violation(rule, format!("the answer was {other:?}")),
                Err(error) => self.violation(rule, error.to_string()),
            }
        }
    }
}
