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

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cascina_core::id::HostId;
use cascina_drivers::conformance::{Trial, check};
use cascina_drivers::libvirt::{LibvirtDriver, LibvirtSettings};
use cascina_drivers::{GuestSpec, HostRef};

/// `h1=URI h2=URI`, as `tests/qemu/hosts.sh` says, and where it keeps them.
struct Lab {
    run: PathBuf,
    hosts: Vec<HostRef>,
}

impl Lab {
    fn new() -> Lab {
        let said =
            |name| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see the head of this file"));
        let hosts = said("CASCINA_QEMU_HOSTS");
        let hosts = hosts.split_whitespace().zip(1..).map(|(host, number)| {
            let (name, uri) = host.split_once('=').unwrap();
            let class = "conformance".parse().unwrap();
            HostRef { id: HostId(number), name: name.parse().unwrap(), uri: uri.into(), class }
        });
        Lab { hosts: hosts.collect(), run: said("CASCINA_QEMU_RUN").into() }
    }

    fn images() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/build").canonicalize().expect("make -C images first")
    }

    fn settings(&self) -> LibvirtSettings {
        let images = Lab::images();
        let settings = serde_json::json!({
            "accelerator": "tcg",
            "cpu_shares": false,
            "unsafe_disks": true,
            "images": images.join("micro"),
            "classes": { "conformance": { "pool": self.run.join("shared/pool"), "shared": true } },
            "router_kernel": images.join("router/vmlinuz"),
            "router_initrd": images.join("router/initrd"),
            "router": {
                "public": [{ "cidr": "192.0.2.0/24", "gateway": "192.0.2.254" }],
                "domain_suffix": "cascina.internal",
                "mtu": 1450,
            },
            "stop_grace_seconds": 1,
            "consoles": "/var/log/libvirt/cascina",
            "peers": { "h1": { "migrate": "tcp://10.99.0.11" }, "h2": { "migrate": "tcp://10.99.0.12" } },
        });
        serde_json::from_value(settings).unwrap()
    }

    fn driver(&self) -> LibvirtDriver {
        LibvirtDriver::new(self.settings(), Arc::new(no_seed)).unwrap()
    }
}

/// The micro guest takes a disk without a label for none.
fn no_seed(_: &GuestSpec) -> Result<Vec<u8>, String> {
    Ok(vec![0; 512])
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn the_driver_does_what_drivers_must() {
    let lab = Lab::new();
    let trial = Trial { patience: Duration::from_secs(240), ..Trial::example("micro", "router") };
    let violations = check(&lab.driver(), &lab.hosts[0], &trial).await;
    assert!(violations.is_empty(), "{violations:#?}");
}
