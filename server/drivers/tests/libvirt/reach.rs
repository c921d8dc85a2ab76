//! Hosts that are not as they should be, and libvirt's own test driver: none of it needs a daemon.

use std::sync::Arc;

use cascina_core::id::HostId;
use cascina_drivers::libvirt::{LibvirtDriver, LibvirtSettings};
use cascina_drivers::{DriverError, GuestSpec, HostCall, HostFacts, HostRef, Hypervisor, Inventory, Reply};

fn driver() -> LibvirtDriver {
    let settings = serde_json::json!({
        "images": "/",
        "classes": { "test": { "pool": "/cascina-test", "shared": true } },
        "router_kernel": "/",
        "router_initrd": "/",
        "router": { "public": [], "domain_suffix": "internal", "mtu": 1450 },
        "consoles": "/cascina-test-consoles",
    });
    let settings: LibvirtSettings = serde_json::from_value(settings).unwrap();
    LibvirtDriver::new(settings, Arc::new(|_: &GuestSpec| Ok(Vec::new()))).unwrap()
}

fn host(uri: &str) -> HostRef {
    HostRef { id: HostId(1), name: "h1".parse().unwrap(), uri: uri.into(), class: "test".parse().unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_test_driver_is_a_host() {
    let (driver, host) = (driver(), host("test:///default"));
    let facts = match driver.call(&host, HostCall::Describe).await {
        Ok(Reply::Facts(facts)) => *facts,
        other => panic!("{other:?}"),
    };
    let HostFacts { hypervisor, capacity, nodes, accelerated, acceleration, .. } = facts;
    assert!(hypervisor.starts_with("TEST"), "{hypervisor}");
    assert!(capacity.vcpus.0 > 0 && capacity.memory.0 > 0, "{capacity:?}");
    assert!(!nodes.is_empty() && !accelerated, "{nodes:?}");
    assert!(acceleration.is_some_and(|why| why.starts_with("tcg: ")));
    // It has a domain and a network of its own, which are none of ours.
    let nothing = Inventory { images: Some(Vec::new()), ..Inventory::default() };
    assert_eq!(driver.call(&host, HostCall::Inventory).await, Ok(Reply::Inventory(nothing)));
    let stored = driver.call(&host, HostCall::Stored { class: "test".parse().unwrap() }).await;
    assert!(matches!(stored, Ok(Reply::Stored(stored)) if stored.volumes.is_empty()));
    assert_eq!(driver.call(&host, HostCall::Sample).await, Ok(Reply::Samples(Vec::new())));
}

async fn why_not(uri: &str) -> String {
    match driver().call(&host(uri), HostCall::Describe).await {
        Err(DriverError::Unreachable { why, .. }) => why,
        other => panic!("{uri}: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_libvirt_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("no-socket");
    let uri = format!("qemu+unix:///system?socket={}", socket.display());
    let why = why_not(&uri).await;
    assert!(why.contains(&uri) && why.contains("No such file"), "{why}");
    assert!(why.contains("does a libvirtd listen at that socket"), "{why}");
    // Somebody listens there, and it is not libvirt.
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let closes = std::thread::spawn(move || drop(listener.accept()));
    let why = why_not(&uri).await;
    assert!(why.contains("cannot be reached"), "{why}");
    closes.join().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_does_not_answer_says_what_to_look_at() {
    // Nobody listens on the discard port of this machine.
    let why = why_not("qemu+tls://127.0.0.1:9/system?no_verify=1").await;
    assert!(why.contains("certificates"), "{why}");
    let why = why_not("qemu+ssh://nobody@127.0.0.1:9/system?command=/nowhere/ssh").await;
    assert!(why.contains("does `ssh` log in there"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_uri_of_something_else_is_refused() {
    for uri in ["xen:///system", "http://h1/", ""] {
        match driver().call(&host(uri), HostCall::Inventory).await {
            Err(DriverError::Refused { why, .. }) => assert!(why.contains("qemu+ssh://"), "{why}"),
            other => panic!("{uri}: {other:?}"),
        }
    }
}
