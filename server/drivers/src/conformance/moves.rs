//! Guests that go from one host to another.

use super::{Run, Trial, Violation};
use crate::{GuestState, HostCall, HostRef, Hypervisor};

/// Like [`check`](super::check), between two hosts of a class: a guest goes to the other one and comes
/// back while it runs, and what a host has of a guest that runs elsewhere goes.
pub async fn check_moves(driver: &dyn Hypervisor, hosts: [&HostRef; 2], trial: &Trial) -> Vec<Violation> {
    let [mut one, mut two] = hosts.map(|host| Run { driver, host, trial, has_store: false, violations: Vec::new() });
    let (spec, guest) = (&trial.instance, trial.instance.guest);
    let migrate = |to: &HostRef| HostCall::Migrate { spec: spec.clone(), to: to.clone() };

    let define = one.define_network();
    one.done("a network can be defined", &define).await;
    let stage = HostCall::StageDisk { spec: spec.clone(), image: trial.instance_image.clone(), sha256: None };
    one.done("a disk can be staged", &stage).await;
    one.twice("a guest that was not booted yet can be moved, twice", &migrate(hosts[1])).await;
    one.guest_is("nothing is left of a disk that went", guest, None).await;
    two.guest_is("a disk that came is staged", guest, Some(GuestState::Staged)).await;
    two.done("it can go back", &migrate(hosts[0])).await;
    one.done("a guest can be booted", &HostCall::Boot { spec: spec.clone() }).await;
    one.refused("a guest does not go where its network is not", &migrate(hosts[1])).await;
    one.guest_is("a guest that could not go goes on", guest, Some(GuestState::Running)).await;
    two.done("its network can be defined where it goes", &define).await;
    one.twice("a guest can be moved, twice", &migrate(hosts[1])).await;
    one.guest_is("nothing is left of a guest that went", guest, None).await;
    two.guest_is("a guest that came runs", guest, Some(GuestState::Running)).await;
    one.done("its network goes from where nobody needs it", &one.remove_network()).await;
    one.done("its network can come back", &define).await;
    two.done("a guest can come back", &migrate(hosts[0])).await;
    one.guest_is("a guest that came back runs", guest, Some(GuestState::Running)).await;
    two.guest_is("nothing is left where it was meanwhile", guest, None).await;
    two.twice("a guest that is not there can be evicted", &HostCall::Evict { guest }).await;
    one.guest_is("evicting what is not there leaves a guest running", guest, Some(GuestState::Running)).await;
    one.twice("a guest can be evicted, twice", &HostCall::Evict { guest }).await;
    one.guest_is("nothing is left of a guest that was evicted", guest, None).await;
    one.done("nothing is left to destroy", &HostCall::Destroy { guest }).await;
    let remove = one.remove_network();
    one.done("its network can be removed", &remove).await;
    two.done("its network can be removed there too", &remove).await;
    one.violations.append(&mut two.violations);
    one.violations
}
