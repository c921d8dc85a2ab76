use cascina_core::id::{FarmId, InstanceId, NetworkId, OperationId, RouterId, VolumeId};
use proptest::prelude::*;

use super::super::{FilterRef, Format, Layer, MarksError, Media, NAMESPACE, Port, Serial, Target, Throttle};
use super::*;

fn marks(guest: Guest) -> Marks {
    Marks {
        guest,
        farm: FarmId(3),
        network: NetworkId(4),
        name: "web-1".parse().unwrap(),
        ip: "10.64.7.20".parse().unwrap(),
        mac: "02:00:00:0c:07:14".parse().unwrap(),
        rebooted: None,
        revision: None,
        arriving: false,
    }
}

fn instance() -> Domain {
    let guest = Guest::Instance(InstanceId(0x20));
    let base = Layer { media: Media::File("/var/lib/cascina/base/ab.qcow2".into()), format: Format::Qcow2 };
    Domain {
        marks: marks(guest),
        vcpus: Vcpus(2),
        memory: Mib(512),
        accelerator: Accelerator::Kvm,
        machine: "pc-i440fx-10.0".into(),
        shares: CpuShares::ByVcpus,
        kernel: None,
        disks: vec![
            Disk {
                backing: vec![base],
                serial: Some(Serial::of_root(InstanceId(0x20))),
                throttle: Throttle { bytes: Some(100 << 20), operations: Some(1000) },
                ..Disk::new(Target::ROOT, Media::File("/var/lib/cascina/i.qcow2".into()), Format::Qcow2)
            },
            Disk {
                serial: Some(Serial::of_volume(VolumeId(9))),
                ..Disk::new("/dev/sdb".parse().unwrap(), Media::Block("/dev/vg/v".into()), Format::Raw)
            },
            Disk { readonly: true, ..Disk::new(Target::CONFIG, Media::File("/c/seed".into()), Format::Raw) },
        ],
        nics: vec![Nic {
            bridge: "cb12".into(),
            mac: "02:00:00:0c:07:14".parse().unwrap(),
            mtu: 1450,
            port: Port::inside(guest),
            filter: Some(FilterRef { name: "cascina-x".into(), parameters: vec![("IP".into(), "10.64.7.20".into())] }),
        }],
        console: "/var/log/cascina/i.log".into(),
    }
}

fn router() -> Domain {
    Domain {
        marks: Marks { rebooted: Some(OperationId(5)), revision: Some(7), ..marks(Guest::Router(RouterId(0x10))) },
        vcpus: Vcpus(1),
        memory: Mib(150),
        accelerator: Accelerator::Tcg,
        machine: "pc-q35-10.0".into(),
        shares: CpuShares::Unsaid,
        kernel: Some(Kernel {
            kernel: "/r/vmlinuz".into(),
            initrd: Some("/r/initrd".into()),
            command_line: "console=ttyS0 quiet panic=-1".into(),
        }),
        disks: Vec::new(),
        nics: Vec::new(),
        console: "/r/log".into(),
    }
}

#[test]
fn an_instance() {
    insta::assert_snapshot!(instance().xml().unwrap());
}

#[test]
fn a_router() {
    insta::assert_snapshot!(router().xml().unwrap());
}

#[test]
fn a_disk_alone() {
    insta::assert_snapshot!(instance().disks[0].xml().unwrap());
}

#[test]
fn names_lead_back_to_guests() {
    for guest in [Guest::Instance(InstanceId(1)), Guest::Router(RouterId(u64::MAX))] {
        assert_eq!(guest_of(&domain_name(guest)), Ok(guest));
    }
    for other in ["cascina-", "cascina-vm", "i-00000000000000001", "cascina-farm-00000000000000001"] {
        assert!(guest_of(other).is_err(), "{other}");
    }
}

#[test]
fn marks_lead_back_from_a_domain_and_alone() {
    for domain in [instance(), router()] {
        assert_eq!(Marks::read(&domain.xml().unwrap()), Ok(domain.marks.clone()));
        assert_eq!(Marks::read(&domain.marks.xml().unwrap()), Ok(domain.marks.clone()));
    }
}

#[test]
fn marks_of_others_are_told_from_wrong_ones() {
    let alien = "<domain><metadata><marks guest='i-00000000000000001'/></metadata></domain>";
    assert_eq!(Marks::read(alien), Err(MarksError::Absent));
    assert_eq!(Marks::read("<domain/>"), Err(MarksError::Absent));
    assert!(matches!(Marks::read("<domain>"), Err(MarksError::Xml(_))));
    let half = format!("<a:marks xmlns:a='{NAMESPACE}' guest='i-00000000000000001'/>");
    assert_eq!(Marks::read(&half), Err(MarksError::Wrong { mark: "farm", given: None }));
    let right = instance().marks.xml().unwrap();
    for (good, bad) in [("10.64.7.20", "10.64.7.20&apos;"), ("web-1", "web 1"), ("02:00", "2:0")] {
        assert!(matches!(Marks::read(&right.replace(good, bad)), Err(MarksError::Wrong { .. })), "{bad}");
    }
}

#[test]
fn what_xml_cannot_carry_makes_no_domain() {
    let mut domain = instance();
    domain.console = "/log\0".into();
    let place = "log/@file".into();
    assert_eq!(domain.xml(), Err(XmlError::Character { code: 0, place }));
    let mut domain = router();
    domain.kernel = Some(Kernel { kernel: "/k\u{1b}".into(), initrd: None, command_line: String::new() });
    assert!(domain.xml().is_err());
}

proptest! {
    /// Whatever stands in texts, the document has the same elements, and the texts in their places.
    #[test]
    fn no_text_becomes_markup(evil in r#"["'<>&\]\[!/a-z\n\t-]{0,40}"#) {
        let shape = |xml: &str| {
            let document = roxmltree::Document::parse(xml).unwrap();
            let names = document.descendants().filter(|node| node.is_element());
            names.map(|node| (node.tag_name().name().to_string(), node.attributes().len())).collect::<Vec<_>>()
        };
        let mut domain = router();
        domain.disks = instance().disks;
        domain.nics = instance().nics;
        let plain = shape(&domain.xml().unwrap());
        let path = PathBuf::from(format!("/x{evil}"));
        domain.console = path.clone();
        domain.disks[0].media = Media::File(path.clone());
        domain.disks[0].backing[0].media = Media::File(path.clone());
        domain.nics[0].bridge = evil.clone();
        domain.nics[0].filter = Some(FilterRef { name: evil.clone(), parameters: vec![(evil.clone(), evil.clone())] });
        domain.kernel = Some(Kernel { kernel: path.clone(), initrd: Some(path), command_line: evil.clone() });
        let xml = domain.xml().unwrap();
        prop_assert_eq!(shape(&xml), plain);
        let document = roxmltree::Document::parse(&xml).unwrap();
        let line = document.descendants().find(|node| node.has_tag_name("cmdline")).unwrap();
        prop_assert_eq!(line.text().unwrap_or_default(), evil.as_str());
        let bridge = document.descendants().find_map(|node| node.attribute("bridge"));
        prop_assert_eq!(bridge, Some(evil.as_str()));
    }
}
