//! The domain of a guest: virtio everywhere, and no device that it does not need.

use std::path::PathBuf;

use cascina_core::id::IdError;
use cascina_core::state::Guest;
use cascina_core::units::{Mib, Vcpus};

use super::disk::Disk;
use super::element::{Element, XmlError};
use super::marks::{self, Marks};
use super::nic::Nic;
use super::uuid::uuid_of;

/// Places for disks that come later, where the bus does not have them by itself.
const SPARE_SLOTS: u8 = 16;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    Kvm,
    /// The processor is emulated.
    Tcg,
}

impl Accelerator {
    /// As libvirt calls domains that have it.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "qemu",
        }
    }

    /// As people call it.
    pub fn name(self) -> &'static str {
        match self {
            Accelerator::Kvm => "kvm",
            Accelerator::Tcg => "tcg",
        }
    }
}

/// How guests share a host's processors when they are busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CpuShares {
    /// Each has as much as it has processors.
    ByVcpus,
    /// The host has no way to do that (no `cpu` controller): as it comes.
    Unsaid,
}

/// Booted without a boot loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    pub kernel: PathBuf,
    pub initrd: Option<PathBuf>,
    pub command_line: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    pub marks: Marks,
    pub vcpus: Vcpus,
    pub memory: Mib,
    pub accelerator: Accelerator,
    /// With its version, so that it means the same on every host: `pc-i440fx-10.0`.
    pub machine: String,
    pub shares: CpuShares,
    pub kernel: Option<Kernel>,
    pub disks: Vec<Disk>,
    pub nics: Vec<Nic>,
    /// Where what it writes to its console is kept.
    pub console: PathBuf,
}

/// As libvirt knows the guest.
#[must_use]
pub fn domain_name(guest: Guest) -> String {
    format!("cascina-{guest}")
}

/// The guest of a domain with this name.
///
/// # Errors
///
/// It is no name of ours.
pub fn guest_of(domain: &str) -> Result<Guest, IdError> {
    marks::guest(domain.strip_prefix("cascina-").unwrap_or_default())
}

impl Domain {
    /// # Errors
    ///
    /// A path or name has a character that XML cannot carry.
    pub fn xml(&self) -> Result<String, XmlError> {
        let uuid = uuid_of(self.marks.guest);
        let text = |name, text: &dyn std::fmt::Display| Element::new(name).text(text);
        let mut domain = Element::new("domain")
            .with("type", self.accelerator.kind())
            .child(text("name", &domain_name(self.marks.guest)))
            .child(text("uuid", &uuid))
            .child(Element::new("metadata").child(self.marks.in_domain()))
            .child(text("memory", &self.memory.0).with("unit", "MiB"))
            .child(text("currentMemory", &self.memory.0).with("unit", "MiB"))
            .child(text("vcpu", &self.vcpus.0).with("placement", "static"));
        if self.shares == CpuShares::ByVcpus {
            // The range is that of both generations of cgroups.
            let shares = self.vcpus.0.saturating_mul(100).clamp(2, 10_000);
            domain = domain.child(Element::new("cputune").child(text("shares", &shares)));
        }
        domain
            .child(sysinfo(&uuid))
            .child(self.os())
            .child(Element::new("features").child(Element::new("acpi")).child(Element::new("apic")))
            .child(cpu(self.accelerator))
            .child(clock())
            .child(text("on_poweroff", &"destroy"))
            .child(text("on_reboot", &"restart"))
            .child(text("on_crash", &"destroy"))
            // A guest that sleeps looks like one that hangs.
            .child(
                Element::new("pm")
                    .child(Element::new("suspend-to-mem").with("enabled", "no"))
                    .child(Element::new("suspend-to-disk").with("enabled", "no")),
            )
            .child(self.devices())
            .document()
    }

    fn os(&self) -> Element {
        let kind = Element::new("type").with("arch", "x86_64").with("machine", &self.machine).text("hvm");
        let os = Element::new("os").child(kind);
        let os = match &self.kernel {
            Some(Kernel { kernel, initrd, command_line }) => os
                .child(Element::new("kernel").path(kernel))
                .children(initrd.iter().map(|initrd| Element::new("initrd").path(initrd)))
                .child(Element::new("cmdline").text(command_line)),
            None => os.child(Element::new("boot").with("dev", "hd")),
        };
        os.child(Element::new("smbios").with("mode", "sysinfo"))
    }

    fn devices(&self) -> Element {
        let mut devices = Element::new("devices")
            .children(self.disks.iter().map(Disk::element))
            .child(Element::new("controller").with("type", "usb").with("index", "0").with("model", "none"));
        if self.machine.contains("q35") {
            devices = devices.child(Element::new("controller").with("type", "pci").with("model", "pcie-root"));
            let port = || Element::new("controller").with("type", "pci").with("model", "pcie-root-port");
            devices = devices.children((0..SPARE_SLOTS).map(|_| port()));
        }
        let log = Element::new("log").with_path("file", &self.console).with("append", "on");
        devices
            .children(self.nics.iter().map(Nic::element))
            .child(
                Element::new("serial")
                    .with("type", "pty")
                    .child(log)
                    .child(Element::new("target").with("type", "isa-serial").with("port", "0")),
            )
            .child(
                Element::new("console")
                    .with("type", "pty")
                    .child(Element::new("target").with("type", "serial").with("port", "0")),
            )
            .child(
                Element::new("channel")
                    .with("type", "unix")
                    .child(Element::new("target").with("type", "virtio").with("name", "org.qemu.guest_agent.0")),
            )
            .child(
                Element::new("rng")
                    .with("model", "virtio")
                    .child(Element::new("backend").with("model", "random").text("/dev/urandom")),
            )
            .child(Element::new("memballoon").with("model", "virtio").child(Element::new("stats").with("period", "10")))
    }
}

/// Under emulation a plain model that every host can do; the host's own otherwise, in the form
/// that libvirt can compare with that of another host.
pub(super) fn cpu(accelerator: Accelerator) -> Element {
    match accelerator {
        Accelerator::Kvm => Element::new("cpu").with("mode", "host-model").with("check", "partial"),
        Accelerator::Tcg => Element::new("cpu")
            .with("mode", "custom")
            .with("match", "exact")
            .with("check", "none")
            .child(Element::new("model").with("fallback", "forbid").text("qemu64")),
    }
}

/// What software for EC2 looks at before it asks for metadata.
fn sysinfo(uuid: &str) -> Element {
    let entry = |name: &'static str, value: &str| Element::new("entry").with("name", name).text(value);
    Element::new("sysinfo").with("type", "smbios").child(
        Element::new("system")
            .child(entry("manufacturer", "Cascina"))
            .child(entry("serial", uuid))
            .child(entry("uuid", uuid)),
    )
}

fn clock() -> Element {
    let timer = |name: &'static str| Element::new("timer").with("name", name);
    Element::new("clock")
        .with("offset", "utc")
        .child(timer("rtc").with("tickpolicy", "catchup"))
        .child(timer("pit").with("tickpolicy", "delay"))
        .child(timer("hpet").with("present", "no"))
}

#[cfg(test)]
mod tests;
