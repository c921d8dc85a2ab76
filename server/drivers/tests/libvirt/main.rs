//! The libvirt driver against real libvirt daemons and guests.
//!
//! ```sh
//! make -C images
//! eval "$(tests/qemu/hosts.sh up /tmp/cascina-hosts)"
//! cargo test -p cascina-drivers --features libvirt --test libvirt -- --ignored --test-threads 1
//! tests/qemu/hosts.sh down /tmp/cascina-hosts
//! ```
#![cfg(feature = "libvirt")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod lab;
mod moves;
mod probe;
mod reach;
mod snapshots;

use cascina_core::id::RouterId;
use cascina_core::state::Guest;
use cascina_drivers::conformance::{Trial, check, check_moves, check_routers};

use self::lab::{LOCAL, Lab, SHARED};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn the_driver_does_what_drivers_must() {
    let lab = Lab::new();
    let violations = check(&lab.driver(), &lab.hosts(SHARED)[0], &lab.trial()).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

/// Which has no volumes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn it_does_so_where_disks_are_a_hosts_own() {
    let lab = Lab::new();
    let violations = check_routers(&lab.driver(), &lab.hosts(LOCAL)[0], &lab.trial()).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn it_makes_routers() {
    let lab = Lab::new();
    let mut trial: Trial = lab.trial();
    trial.instance.guest = Guest::Router(RouterId(u64::MAX - 1));
    trial.instance_image = "router".into();
    let violations = check_routers(&lab.driver(), &lab.hosts(SHARED)[0], &trial).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn it_moves_guests_between_hosts_that_share_disks() {
    let lab = Lab::new();
    let [one, two] = lab.hosts(SHARED);
    let violations = check_moves(&lab.driver(), [&one, &two], &lab.trial()).await;
    assert!(violations.is_empty(), "{violations:#?}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn it_moves_guests_with_their_disks() {
    let lab = Lab::new();
    let [one, two] = lab.hosts(LOCAL);
    let violations = check_moves(&lab.driver(), [&one, &two], &lab.trial()).await;
    assert!(violations.is_empty(), "{violations:#?}");
}
