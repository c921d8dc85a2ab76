//! What a host is, as libvirt tells it.

use cascina_core::units::{Gib, Mib, Size, Vcpus};

use super::driver::Site;
use super::trouble::Trouble;
use super::xml::{Accelerator, Capabilities};
use crate::{HostFacts, NumaNode};

const GIB: u64 = 1 << 30;
const TEST: &str = "TEST";

impl Site {
    pub(super) fn facts(&self) -> Result<HostFacts, Trouble> {
        let connect = self.link.quick()?;
        let node = connect.get_node_info()?;
        let store = self.own_store()?;
        let room = store.pool.get_info()?.capacity;
        let version = connect.get_hyp_version()?;
        let kind = connect.get_type()?;
        let capabilities = Capabilities::read(&connect.get_capabilities()?)?;
        // Nothing runs in libvirt's own test driver, by whatever name.
        let capabilities = if kind == TEST { capabilities } else { capabilities.with_qemu()? };
        let verdict = self.acceleration()?;
        Ok(HostFacts {
            hypervisor: format!("{} {}.{}.{}", kind, version / 1_000_000, version / 1000 % 1000, version % 1000),
            capacity: Size { vcpus: Vcpus(node.cpus), memory: Mib(node.memory >> 10), disk: Gib(room / GIB) },
            nodes: capabilities.cells.iter().map(|cell| NumaNode { vcpus: cell.cpus.0, memory: cell.memory }).collect(),
            accelerated: verdict.accelerator == Accelerator::Kvm,
            acceleration: Some(format!("{}: {}", verdict.accelerator.name(), verdict.why)),
            shared_storage: store.shared,
        })
    }
}
