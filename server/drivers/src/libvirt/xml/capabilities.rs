//! What a host is, as libvirt says.

use std::collections::BTreeMap;

use cascina_core::units::{Mib, Vcpus};

/// Of x86_64 guests, the only ones that there are.
const ARCH: &str = "x86_64";

/// Memory and the processors that are near to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    pub id: u32,
    pub cpus: Vcpus,
    pub memory: Mib,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// libvirt's test driver has none.
    pub uuid: Option<String>,
    pub cells: Vec<Cell>,
    /// Versions that names like `pc` and `q35` stand for here.
    pub machines: BTreeMap<String, String>,
    /// There is a QEMU for guests.
    pub qemu: bool,
    /// That KVM is offered does not prove that guests run with it.
    pub kvm: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CapabilitiesError {
    #[error("what the host says of itself is not XML: {0}")]
    Xml(String),
    #[error("the host does not say its {0}: is its libvirt older than 1.0?")]
    Missing(&'static str),
    #[error("the host has no QEMU for {ARCH}: install qemu-system-x86 there")]
    NoQemu,
}

impl Capabilities {
    /// # Errors
    ///
    /// It is not what libvirt says of a host.
    pub fn read(xml: &str) -> Result<Capabilities, CapabilitiesError> {
        let document = roxmltree::Document::parse(xml).map_err(|error| CapabilitiesError::Xml(error.to_string()))?;
        let root = document.root_element();
        let host = child(root, "host").ok_or(CapabilitiesError::Missing("host"))?;
        let uuid = child(host, "uuid").and_then(|uuid| uuid.text());
        let cells = child(host, "topology").and_then(|topology| child(topology, "cells"));
        let cells = cells.ok_or(CapabilitiesError::Missing("topology"))?;
        let cells: Option<Vec<Cell>> = cells.children().filter(|node| node.has_tag_name("cell")).map(cell).collect();
        let cells = cells.filter(|cells| !cells.is_empty()).ok_or(CapabilitiesError::Missing("NUMA cells"))?;
        let guests = root.children().filter(|node| node.has_tag_name("guest"));
        let arch = guests
            .filter(|guest| child(*guest, "os_type").and_then(|kind| kind.text()) == Some("hvm"))
            .filter_map(|guest| child(guest, "arch"))
            .find(|arch| arch.attribute("name") == Some(ARCH));
        let qemu = arch.is_some();
        let arch = || arch.into_iter().flat_map(|arch| arch.children());
        let machines = arch().filter(|node| node.has_tag_name("machine"));
        let machines = machines.filter_map(|node| Some((node.text()?.into(), node.attribute("canonical")?.into())));
        let kvm = arch().any(|node| node.has_tag_name("domain") && node.attribute("type") == Some("kvm"));
        Ok(Capabilities { uuid: uuid.map(Into::into), cells, machines: machines.collect(), qemu, kvm })
    }

    /// # Errors
    ///
    /// The host cannot run guests.
    pub fn with_qemu(self) -> Result<Capabilities, CapabilitiesError> {
        if self.qemu { Ok(self) } else { Err(CapabilitiesError::NoQemu) }
    }

    pub fn cpus(&self) -> Vcpus {
        self.cells.iter().fold(Vcpus::ZERO, |sum, cell| sum + cell.cpus)
    }

    pub fn memory(&self) -> Mib {
        self.cells.iter().fold(Mib::ZERO, |sum, cell| sum + cell.memory)
    }

    /// With its version, so that a guest's machine is the same wherever it goes.
    pub fn machine<'a>(&'a self, name: &'a str) -> &'a str {
        self.machines.get(name).map_or(name, String::as_str)
    }
}

fn child<'a, 'input>(node: roxmltree::Node<'a, 'input>, name: &str) -> Option<roxmltree::Node<'a, 'input>> {
    node.children().find(|child| child.has_tag_name(name))
}

fn cell(node: roxmltree::Node<'_, '_>) -> Option<Cell> {
    let memory = child(node, "memory")?;
    let amount: u64 = memory.text()?.parse().ok()?;
    let memory = match memory.attribute("unit") {
        None | Some("KiB") => Mib(amount / 1024),
        Some(_) => return None,
    };
    let cpus = child(node, "cpus")?.children().filter(|cpu| cpu.has_tag_name("cpu")).count();
    Some(Cell { id: node.attribute("id")?.parse().ok()?, cpus: Vcpus(u32::try_from(cpus).ok()?), memory })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "<capabilities><host><uuid>bf98</uuid><topology><cells num='2'>\
        <cell id='0'><memory unit='KiB'>12282060</memory><pages unit='KiB' size='4'>1</pages>\
        <cpus num='2'><cpu id='0'/><cpu id='1'/></cpus></cell>\
        <cell id='1'><memory unit='KiB'>2048</memory><cpus num='0'/></cell>\
        </cells></topology></host>\
        <guest><os_type>hvm</os_type><arch name='i686'><machine canonical='old'>pc</machine></arch></guest>\
        <guest><os_type>hvm</os_type><arch name='x86_64'><machine>pc-i440fx-10.0</machine>\
        <machine canonical='pc-i440fx-10.0' maxCpus='255'>pc</machine><domain type='qemu'/></arch></guest>\
        </capabilities>";

    #[test]
    fn a_host_is_counted() {
        let read = Capabilities::read(HOST).unwrap();
        assert_eq!((read.cpus(), read.memory(), read.kvm), (Vcpus(2), Mib(11_994 + 2), false));
        assert_eq!((read.machine("pc"), read.machine("pc-q35-9.0")), ("pc-i440fx-10.0", "pc-q35-9.0"));
        assert!(Capabilities::read(&HOST.replace("type='qemu'", "type='kvm'")).unwrap().kvm);
    }

    #[test]
    fn what_is_missing_is_said() {
        let without = |what: &str, with: &str| Capabilities::read(&HOST.replace(what, with));
        assert_eq!(without("x86_64", "s390x").unwrap().with_qemu(), Err(CapabilitiesError::NoQemu));
        assert_eq!(without("12282060", "-1"), Err(CapabilitiesError::Missing("NUMA cells")));
        assert_eq!(without("topology", "topologies"), Err(CapabilitiesError::Missing("topology")));
        assert!(matches!(Capabilities::read("<a"), Err(CapabilitiesError::Xml(_))));
    }
}
