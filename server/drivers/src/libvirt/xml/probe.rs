//! A machine with nothing in it, whose firmware says on its serial port that there is nothing to boot.

use std::path::Path;

use super::domain::{Accelerator, cpu};
use super::element::{Element, XmlError};

/// No guest is called so.
pub const PROBE: &str = "cascina-probe";
/// What firmware says when it has come to its end: it ran in all modes that a processor has.
pub const PROBED: &str = "No bootable device";

/// Has what guests have of the processor and the machine.
///
/// # Errors
///
/// A path has a character that XML cannot carry.
pub fn probe(accelerator: Accelerator, machine: &str, console: &Path) -> Result<String, XmlError> {
    let text = |name, text: &str| Element::new(name).text(text);
    let os = Element::new("os")
        .child(Element::new("type").with("arch", "x86_64").with("machine", machine).text("hvm"))
        .child(Element::new("bios").with("useserial", "yes"));
    let log = Element::new("log").with_path("file", console).with("append", "off");
    let serial = Element::new("serial")
        .with("type", "pty")
        .child(log)
        .child(Element::new("target").with("type", "isa-serial").with("port", "0"));
    let devices = Element::new("devices")
        .child(Element::new("controller").with("type", "usb").with("index", "0").with("model", "none"))
        .child(serial)
        .child(Element::new("memballoon").with("model", "none"));
    Element::new("domain")
        .with("type", accelerator.kind())
        .child(text("name", PROBE))
        .child(Element::new("memory").with("unit", "MiB").text(64))
        .child(Element::new("vcpu").text(1))
        .child(os)
        .child(Element::new("features").child(Element::new("acpi")).child(Element::new("apic")))
        .child(cpu(accelerator))
        .child(text("on_poweroff", "destroy"))
        .child(text("on_reboot", "destroy"))
        .child(text("on_crash", "destroy"))
        .child(devices)
        .document()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::libvirt::xml::guest_of;

    #[test]
    fn a_probe_is_nobodys_guest() {
        assert!(guest_of(PROBE).is_err());
        insta::assert_snapshot!(probe(Accelerator::Kvm, "pc", Path::new("/log/a&b")).unwrap(), @r#"
        <domain type="kvm">
          <name>cascina-probe</name>
          <memory unit="MiB">64</memory>
          <vcpu>1</vcpu>
          <os>
            <type arch="x86_64" machine="pc">hvm</type>
            <bios useserial="yes"/>
          </os>
          <features>
            <acpi/>
            <apic/>
          </features>
          <cpu mode="host-model" check="partial"/>
          <on_poweroff>destroy</on_poweroff>
          <on_reboot>destroy</on_reboot>
          <on_crash>destroy</on_crash>
          <devices>
            <controller type="usb" index="0" model="none"/>
            <serial type="pty">
              <log file="/log/a&amp;b" append="off"/>
              <target type="isa-serial" port="0"/>
            </serial>
            <memballoon model="none"/>
          </devices>
        </domain>
        "#);
    }
}
