//! What the driver takes beside what libvirt takes: the same guest defined and started by the driver and by
//! `virsh`, by turns; and how long a router's new configuration takes. It prints, and compares nothing with a clock.
//!
//! Run as said in `libvirt.rs`, with `--test overhead`.
#![cfg(feature = "libvirt")]
#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascina_core::id::HostId;
use cascina_core::network::RouterConfig;
use cascina_core::security_group::Firewall;
use cascina_drivers::conformance::Trial;
use cascina_drivers::libvirt::LibvirtDriver;
use cascina_drivers::{GuestSpec, HostCall, HostRef, Hypervisor, Reply};

const TURNS: usize = 15;

fn said(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see the head of libvirt.rs"))
}

fn driver(run: &Path) -> LibvirtDriver {
    let images = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/build").canonicalize().expect("make images");
    let settings = serde_json::json!({
        "accelerator": "tcg",
        "cpu_shares": false,
        "unsafe_disks": true,
        "images": images.join("micro"),
        "classes": { "conformance": { "pool": run.join("shared/overhead"), "shared": true } },
        "router_kernel": images.join("router/vmlinuz"),
        "router_initrd": images.join("router/initrd"),
        "router": {
            "public": [{ "cidr": "192.0.2.0/24", "gateway": "192.0.2.254" }],
            "domain_suffix": "cascina.internal",
            "mtu": 1450,
        },
        "stop_grace_seconds": 1,
        "consoles": "/var/log/libvirt/cascina",
    });
    let seed = |_: &GuestSpec| Ok(vec![0; 1 << 20]);
    LibvirtDriver::new(serde_json::from_value(settings).unwrap(), Arc::new(seed)).unwrap()
}

/// Tells what `virsh` said, and how long it took.
fn virsh(uri: &str, words: &str) -> (String, Duration) {
    let start = Instant::now();
    let done = Command::new("virsh").args(["-q", "-c", uri, words]).output().unwrap();
    let took = start.elapsed();
    assert!(done.status.success(), "virsh {words}: {}", String::from_utf8_lossy(&done.stderr));
    (String::from_utf8(done.stdout).unwrap(), took)
}

struct Bench {
    driver: LibvirtDriver,
    host: HostRef,
}

impl Bench {
    async fn call(&self, call: HostCall) -> Duration {
        let start = Instant::now();
        let name = call.as_str();
        loop {
            match self.driver.call(&self.host, call.clone()).await {
                Ok(Reply::Done) => return start.elapsed(),
                Ok(other) => panic!("{name}: {other:?}"),
                Err(error) if error.is_passing() && start.elapsed() < Duration::from_secs(240) => {}
                Err(error) => panic!("{name}: {error}"),
            }
        }
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of this file"]
async fn beside_virsh() {
    let run = PathBuf::from(said("CASCINA_QEMU_RUN"));
    let (name, uri) = said("CASCINA_QEMU_HOSTS").split_whitespace().next().unwrap().split_once('=').map(own).unwrap();
    let class = "conformance".parse().unwrap();
    let host = HostRef { id: HostId(1), name: name.parse().unwrap(), uri: uri.clone(), class };
    let bench = Bench { driver: driver(&run), host };
    let trial = Trial::example("micro", "router");
    bench.call(HostCall::DefineNetwork { network: trial.network.clone() }).await;
    let firewall = Arc::new(Firewall::default());
    bench.call(HostCall::ApplyFirewall { network: trial.network.id, revision: 1, firewall }).await;

    let (guest, spec) = (trial.instance.guest, trial.instance);
    let domain = format!("cascina-{guest}");
    let (mut ours, mut theirs, mut disks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        disks.push(
            bench
                .call(HostCall::StageDisk { spec: spec.clone(), image: trial.instance_image.clone(), sha256: None })
                .await,
        );
        ours.push(bench.call(HostCall::Boot { spec: spec.clone() }).await);
        let (document, _) = virsh(&uri, &format!("dumpxml --inactive {domain}"));
        let file = run.join("overhead.xml");
        std::fs::write(&file, document).unwrap();
        virsh(&uri, &format!("destroy {domain}; undefine {domain}"));
        theirs.push(virsh(&uri, &format!("define {}; start {domain}", file.display())).1);
        bench.call(HostCall::Destroy { guest }).await;
    }
    let (disk, ours, theirs) = (median(disks), median(ours), median(theirs));
    println!("make a disk and what describes it: {disk:?}");
    println!("define and start, by the driver: {ours:?}; by virsh: {theirs:?}");
    println!("ratio: {:.2}", ours.as_secs_f64() / theirs.as_secs_f64());

    let (guest, spec) = (trial.router.guest, trial.router);
    bench.call(HostCall::StageDisk { spec: spec.clone(), image: trial.router_image, sha256: None }).await;
    bench.call(HostCall::Boot { spec: spec.clone() }).await;
    let config = |revision: u64| RouterConfig {
        public: Some("192.0.2.7".parse().unwrap()),
        mapped: vec![(
            "192.0.2.8".parse().unwrap(),
            std::net::Ipv4Addr::new(10, 255, 255, 10 + (revision % 100) as u8),
        )],
        ..RouterConfig::default()
    };
    let up = bench.call(HostCall::ApplyRouter { guest, revision: 1, config: config(1) }).await;
    let mut updates = Vec::new();
    for revision in 2..2 + TURNS as u64 {
        updates.push(bench.call(HostCall::ApplyRouter { guest, revision, config: config(revision) }).await);
    }
    println!("a router's first configuration, from its boot: {up:?}; each later one: {:?}", median(updates));
    bench.call(HostCall::Destroy { guest }).await;
    bench.call(HostCall::RemoveNetwork { network: trial.network.id }).await;
}

fn own((name, uri): (&str, &str)) -> (String, String) {
    (name.into(), uri.into())
}
