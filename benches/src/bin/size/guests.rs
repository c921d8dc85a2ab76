//! As many simulated guests in their journal.

use std::path::Path;
use std::time::Instant;

use cascina_benches::samples::short;
use cascina_benches::{machine, site};
use cascina_core::id::{FarmId, HostId, InstanceId, NetworkId};
use cascina_core::network::Mac;
use cascina_core::state::Guest;
use cascina_core::units::Size;
use cascina_drivers::sim::{Latencies, Settings, SimDriver};
use cascina_drivers::{GuestSpec, HostCall, HostRef, Hypervisor, NetworkSpec};

use super::row;

fn settings() -> Settings {
    Settings { latencies: Latencies::none(), ..Settings::default() }
}

/// Stages and boots them, one after the other.
pub async fn build(folder: &Path, hosts: u32, guests: u32) {
    let driver = SimDriver::open(&folder.join("hosts.journal"), settings(), 0.0).unwrap();
    let network = NetworkSpec {
        id: NetworkId(1),
        farm: FarmId(1),
        segment: 1,
        cidr: "10.0.0.0/8".parse().unwrap(),
        mac_prefix: [2, 0, 0, 1],
    };
    let start = Instant::now();
    for number in 0..guests {
        let id = HostId(number % hosts + 1);
        let host = HostRef { id, name: site::name(&format!("workers-{:05}", id.0)), uri: "sim:".into() };
        let [_, a, b, c] = number.to_be_bytes();
        let spec = GuestSpec {
            guest: Guest::Instance(InstanceId(number.into())),
            farm: FarmId(1),
            network: network.id,
            name: site::name(&format!("small-{number}")),
            size: Size::new(1, 512, 1),
            ip: [10, a, b, c].into(),
            mac: Mac([2, 0, 0, a, b, c]),
            volumes: Vec::new(),
            ssh_keys: Vec::new(),
            user_data: None,
        };
        for call in [
            HostCall::DefineNetwork { network: network.clone() },
            HostCall::StageDisk { spec: spec.clone(), image: "debian.qcow2".into() },
            HostCall::Boot { spec },
        ] {
            driver.call(&host, call).await.unwrap();
        }
    }
    row("staging and booting all simulated guests, each", short(start.elapsed() / guests));
}

/// The first time it is also made as short as it can be.
pub fn open(folder: &Path) {
    let path = folder.join("hosts.journal");
    let before = std::fs::metadata(&path).unwrap().len();
    let start = Instant::now();
    let driver = SimDriver::open(&path, settings(), 0.0).unwrap();
    let took = start.elapsed();
    let after = std::fs::metadata(&path).unwrap().len();
    let what = if after < before { "opening their journal, shortening it" } else { "**opening their journal**" };
    row(what, format!("{} ({} MiB)", short(took), before >> 20));
    let memory = machine::memory().0;
    row("memory of the simulated hosts", format!("{memory} MiB"));
    drop(driver);
}
