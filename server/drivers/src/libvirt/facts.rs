//! What a host is, as libvirt tells it.

use cascina_core::units::{Gib, Mib, Size, Vcpus};

use super::driver::Site;
use super::trouble::Trouble;
use super::xml::Accelerator;
use crate::{HostFacts, NumaNode};

const GIB: u64 = 1 << 30;

impl Site {
    pub(super) fn facts(&self) -> Result<HostFacts, Trouble> {
        let connect = self.link.quick()?;
        let node = connect.get_node_info()?;
        let store = self.own_store()?;
        let room = store.pool.get_info()?.capacity;
        let version = connect.get_hyp_version()?;
        Ok(HostFacts {
            hypervisor: format!(
                "{} {}.{}.{}",
                connect.get_type()?,
                version / 1_000_000,
                version / 1000 % 1000,
                version % 1000
            ),
            capacity: Size { vcpus: Vcpus(node.cpus), memory: Mib(node.memory >> 10), disk: Gib(room / GIB) },
            nodes: nodes(&connect.get_capabilities()?)?,
            accelerated: self.accelerator(&connect)? == Accelerator::Kvm,
            shared_storage: store.shared,
        })
    }
}

/// The cells of a host's capabilities.
fn nodes(capabilities: &str) -> Result<Vec<NumaNode>, Trouble> {
    let unreadable = |why: String| Trouble::Unreadable { what: "what the host can do".into(), why };
    let document = roxmltree::Document::parse(capabilities).map_err(|error| unreadable(error.to_string()))?;
    let cells = document.descendants().filter(|node| node.has_tag_name("cell"));
    let cell = |cell: roxmltree::Node<'_, '_>| {
        let child = |name| cell.children().find(|child| child.has_tag_name(name));
        let kib = child("memory").and_then(|memory| memory.text()).and_then(|text| text.trim().parse::<u64>().ok())?;
        let vcpus = child("cpus").and_then(|cpus| cpus.attribute("num")).and_then(|num| num.parse().ok())?;
        Some(NumaNode { vcpus, memory: Mib(kib >> 10) })
    };
    Ok(cells.filter_map(cell).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read() {
        let text = "<capabilities><host><topology><cells num='2'>\
            <cell id='0'><memory unit='KiB'>33554432</memory><cpus num='8'><cpu id='0'/></cpus></cell>\
            <cell id='1'><memory unit='KiB'>16777216</memory><cpus num='4'/></cell></cells></topology></host></capabilities>";
        let node = |vcpus, mib| NumaNode { vcpus, memory: Mib(mib) };
        assert_eq!(nodes(text).unwrap(), [node(8, 32_768), node(4, 16_384)]);
        assert_eq!(nodes("<capabilities/>").unwrap(), []);
        assert!(nodes("no XML").is_err());
    }
}
