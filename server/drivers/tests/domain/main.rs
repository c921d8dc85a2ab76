//! Documents of domains, given to a real libvirt:
//!
//! ```sh
//! make -C images micro
//! eval "$(tests/qemu/hosts.sh up /tmp/hosts)"
//! cargo test -p cascina-drivers --test domain -- --ignored --nocapture
//! tests/qemu/hosts.sh down /tmp/hosts
//! ```
//!
//! `CASCINA_MICRO` names another folder with `vmlinuz` and `initrd` of the quick guest.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests wait in real time, and fail by panicking")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use cascina_core::id::{FarmId, InstanceId, NetworkId, VolumeId};
use cascina_core::security_group::Firewall;
use cascina_core::state::Guest;
use cascina_core::units::{Mib, Vcpus};
use cascina_drivers::NetworkSpec;
use cascina_drivers::libvirt::filters::{FilterName, filters, stale};
use cascina_drivers::libvirt::xml::{
    Accelerator, Capabilities, CpuShares, Disk, Domain, FilterRef, Format, Kernel, Layer, Marks, Media, NAMESPACE, Nic,
    PREFIX, PROBE, PROBED, Port, Serial, Target, Throttle, domain_name, probe, uuid_of,
};

const SEGMENT: u8 = 210;
/// Emulated guests on a busy machine start slowly.
const PATIENCE: Duration = Duration::from_secs(180);

struct Host {
    uri: String,
    namespace: String,
    folder: tempfile::TempDir,
    guest: Guest,
    network: NetworkSpec,
}

impl Host {
    fn new() -> Host {
        let setting = |name| std::env::var(name).expect("hosts are up: eval \"$(tests/qemu/hosts.sh up /tmp/hosts)\"");
        let hosts = setting("CASCINA_QEMU_HOSTS");
        let (host, uri) = hosts.split_whitespace().next().and_then(|host| host.split_once('=')).expect("NAME=URI");
        Host {
            uri: uri.into(),
            namespace: format!("{}-{host}", setting("CASCINA_QEMU_PREFIX")),
            folder: tempfile::tempdir().unwrap(),
            guest: Guest::Instance(InstanceId(0xd0)),
            network: NetworkSpec {
                id: NetworkId(SEGMENT.into()),
                farm: FarmId(1),
                segment: SEGMENT.into(),
                cidr: format!("10.64.{SEGMENT}.0/24").parse().unwrap(),
                mac_prefix: [2, 0, 0, SEGMENT],
            },
        }
    }

    fn try_virsh(&self, arguments: &[&str]) -> Result<String, String> {
        let output = Command::new("virsh").args(["-q", "-c", &self.uri]).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    fn virsh(&self, arguments: &[&str]) -> String {
        self.try_virsh(arguments).unwrap_or_else(|error| panic!("virsh {arguments:?}: {error}"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn written(&self, name: &str, xml: &str) -> String {
        fs::write(self.path(name), xml).unwrap();
        self.path(name).to_str().unwrap().to_owned()
    }

    fn image(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let path = self.path(name);
        let status = Command::new("qemu-img").args(["create", "-q"]).args(arguments).arg(&path).arg("16M").status();
        assert!(status.unwrap().success());
        path
    }

    fn ip(&self, arguments: &[&str]) {
        assert!(Command::new("ip").args(["-n", &self.namespace]).args(arguments).status().unwrap().success());
    }

    /// With every kind of disk, and names that would be markup if they could.
    fn domain(&self, machine: &str) -> Domain {
        let micro = std::env::var("CASCINA_MICRO")
            .unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/../../images/build/micro").into());
        let [a, b, c, d] = self.network.mac_prefix;
        let mac = cascina_core::network::Mac([a, b, c, d, SEGMENT, 20]);
        let ip = format!("10.64.{SEGMENT}.20").parse().unwrap();
        let base = self.image("base's <&\">.qcow2", &["-f", "qcow2"]);
        let root = self.path("root.qcow2");
        let over = ["create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", base.to_str().unwrap(), root.to_str().unwrap()];
        assert!(Command::new("qemu-img").args(over).status().unwrap().success());
        let backing = vec![Layer { media: Media::File(base), format: Format::Qcow2 }];
        Domain {
            marks: Marks {
                guest: self.guest,
                farm: self.network.farm,
                network: self.network.id,
                name: "web-1".parse().unwrap(),
                ip,
                mac,
                rebooted: None,
                revision: None,
                arriving: false,
            },
            vcpus: Vcpus(1),
            memory: Mib(192),
            accelerator: Accelerator::Tcg,
            machine: machine.into(),
            shares: CpuShares::Unsaid,
            kernel: Some(Kernel {
                kernel: Path::new(&micro).join("vmlinuz"),
                initrd: Some(Path::new(&micro).join("initrd")),
                command_line: "console=ttyS0 quiet panic=-1 evil='<&\">]]>'".into(),
            }),
            disks: vec![
                Disk {
                    backing,
                    serial: Some(Serial::of_root(InstanceId(0xd0))),
                    unsafe_cache: true,
                    throttle: Throttle { bytes: Some(50 << 20), operations: Some(500) },
                    ..Disk::new(Target::ROOT, Media::File(root), Format::Qcow2)
                },
                Disk {
                    readonly: true,
                    unsafe_cache: true,
                    ..Disk::new(Target::CONFIG, Media::File(self.image("seed", &["-f", "raw"])), Format::Raw)
                },
            ],
            nics: vec![Nic {
                bridge: format!("cb{SEGMENT}"),
                mac,
                mtu: 1450,
                port: Port::inside(self.guest),
                filter: Some(FilterRef::to(FilterName::Port(self.network.id, ip).to_string())),
            }],
            console: self.path("console & log"),
        }
    }

    /// Frames of the guest that were dropped for their MAC.
    fn forged(&self) -> u64 {
        let chain = format!("libvirt-I-{}", Port::inside(self.guest).as_str());
        let list = ["netns", "exec", &self.namespace, "ebtables", "-t", "nat", "-L", &chain, "--Lc"];
        let list = String::from_utf8(Command::new("ip").args(list).output().unwrap().stdout).unwrap();
        let line = list.lines().find(|line| line.starts_with("-s !")).expect("there is a rule about MACs");
        let count = line.split_once("pcnt = ").unwrap().1;
        count.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// Has it do something, and waits for what comes of it.
    fn tell(&self, console: &str, line: &str, words: &str) {
        // QEMU does not look at what was said by somebody who has gone.
        let mut console = fs::OpenOptions::new().write(true).open(console).unwrap();
        console.write_all(line.as_bytes()).unwrap();
        self.console_says(words);
    }

    /// What it wrote so far, once that has these words in it.
    fn console_says(&self, words: &str) -> Duration {
        let begun = Instant::now();
        loop {
            let log = fs::read(self.path("console & log")).unwrap_or_default();
            if String::from_utf8_lossy(&log).contains(words) {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < PATIENCE, "no `{words}` in: {}", String::from_utf8_lossy(&log));
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let name = domain_name(self.guest);
        // What is not there need not go.
        for verb in ["destroy", "undefine"] {
            self.try_virsh(&[verb, &name]).ok();
        }
        let list = self.try_virsh(&["nwfilter-list", "--name"]).unwrap_or_default();
        for name in stale(self.network.id, list.lines().map(str::trim), &[]) {
            self.try_virsh(&["nwfilter-undefine", &name.to_string()]).ok();
        }
        let bridge = format!("cb{SEGMENT}");
        Command::new("ip")
            .args(["-n", &self.namespace, "link", "del", "dev", &bridge])
            .stderr(std::process::Stdio::null())
            .status()
            .ok();
    }
}

#[test]
#[ignore = "needs hosts of tests/qemu/hosts.sh and the quick guest of images"]
fn a_guest_starts_from_its_document() {
    let host = Host::new();
    let capabilities = Capabilities::read(&host.virsh(&["capabilities"])).unwrap();
    println!("{} in {} cells, {}", capabilities.cpus(), capabilities.cells.len(), capabilities.memory());
    assert!(capabilities.cpus() > Vcpus(0) && capabilities.memory() > Mib(512));
    let bridge = format!("cb{SEGMENT}");
    host.ip(&["link", "add", "name", &bridge, "type", "bridge", "stp_state", "0"]);
    host.ip(&["link", "set", "dev", &bridge, "up"]);
    for filter in
        filters(&host.network, 1, &Firewall::default(), &[format!("10.64.{SEGMENT}.20").parse().unwrap()]).unwrap()
    {
        host.virsh(&["nwfilter-define", &host.written("filter.xml", &filter.xml)]);
    }
    for machine in ["pc", "q35"] {
        let domain = host.domain(capabilities.machine(machine));
        let name = domain_name(host.guest);
        let file = host.written("domain.xml", &domain.xml().unwrap());
        host.virsh(&["define", "--validate", &file]);
        let begun = Instant::now();
        host.virsh(&["start", &name]);
        let started = begun.elapsed();
        let up = host.console_says("micro: up");
        println!("{machine}: started in {started:?}, up {up:?} later");

        let seen = host.virsh(&["dumpxml", &name]);
        assert_eq!(Marks::read(&seen), Ok(domain.marks.clone()));
        assert!(seen.contains(&uuid_of(host.guest)));
        let document = roxmltree::Document::parse(&seen).unwrap();
        let of = |tag: &str| document.descendants().filter(|node| node.has_tag_name(tag)).count();
        for needless in ["graphics", "video", "sound", "redirdev", "tpm", "hub"] {
            assert_eq!(of(needless), 0, "it has a {needless}");
        }
        let line = document.descendants().find(|node| node.has_tag_name("cmdline")).unwrap();
        assert_eq!(line.text(), domain.kernel.as_ref().map(|kernel| kernel.command_line.as_str()));
        let port = Port::inside(host.guest);
        assert!(seen.contains(&format!("<target dev='{}'/>", port.as_str())), "its port keeps its name");

        // Its filter is at its port, and bites.
        let bound = host.virsh(&["nwfilter-binding-list"]);
        assert!(bound.contains(&domain.nics[0].filter.as_ref().unwrap().name), "{bound}");
        assert_eq!(host.forged(), 0);
        let console = document.descendants().find(|node| node.has_tag_name("console"));
        let console = console.and_then(|console| console.attribute("tty")).unwrap();
        let forge = "ip link set eth0 down; ip link set eth0 address 02:00:00:d2:d2:63; ip link set eth0 up; \
                     ip address add 10.64.210.99/24 dev eth0; arping -c 2 -w 5 -I eth0 10.64.210.1; echo forged\n";
        host.tell(console, forge, "\nforged");
        assert!(host.forged() > 0, "what came from another MAC was not dropped");

        // Marks can be changed under way.
        let marks = Marks { rebooted: Some(cascina_core::id::OperationId(7)), ..domain.marks.clone() };
        let set = marks.xml().unwrap();
        host.virsh(&["metadata", &name, NAMESPACE, "--key", PREFIX, "--set", set.trim(), "--live", "--config"]);
        assert_eq!(Marks::read(&host.virsh(&["metadata", &name, NAMESPACE])), Ok(marks.clone()));
        assert_eq!(Marks::read(&host.virsh(&["dumpxml", "--inactive", &name])), Ok(marks));

        // A volume comes and goes.
        let volume = host.image("volume & more", &["-f", "raw"]);
        let disk = Disk {
            serial: Some(Serial::of_volume(VolumeId(9))),
            unsafe_cache: true,
            ..Disk::new("/dev/sdf".parse().unwrap(), Media::File(volume), Format::Raw)
        };
        let file = host.written("disk.xml", &disk.xml().unwrap());
        host.virsh(&["attach-device", &name, &file, "--live", "--config"]);
        assert!(host.virsh(&["dumpxml", &name]).contains("<serial>vol00000000000000009</serial>"));
        host.virsh(&["detach-device", &name, &file, "--config"]);

        host.virsh(&["destroy", &name]);
        host.virsh(&["undefine", &name]);
        fs::remove_file(host.path("console & log")).unwrap();
    }
}

#[test]
#[ignore = "needs hosts of tests/qemu/hosts.sh"]
fn images_open_no_others_than_are_said() {
    let host = Host::new();
    let secret = host.image("secret", &["-f", "raw"]);
    let mut domain = host.domain("pc");
    domain.nics.clear();
    // The guest's image says that it lies over another file, which nobody said.
    let trick = host.path("trick.qcow2");
    let arguments = ["create", "-q", "-f", "qcow2", "-F", "raw", "-b", secret.to_str().unwrap()];
    assert!(Command::new("qemu-img").args(arguments).arg(&trick).status().unwrap().success());
    domain.disks = vec![Disk { unsafe_cache: true, ..Disk::new(Target::ROOT, Media::File(trick), Format::Qcow2) }];
    let name = domain_name(host.guest);
    let opened = |xml: &str| {
        host.virsh(&["define", "--validate", &host.written("domain.xml", xml)]);
        host.virsh(&["start", &name]);
        let pid = fs::read_to_string(format!("{}/{name}.pid", run_of(&host))).unwrap();
        let open = fs::read_dir(format!("/proc/{}/fd", pid.trim())).unwrap();
        let open: Vec<PathBuf> = open.filter_map(|fd| fs::read_link(fd.unwrap().path()).ok()).collect();
        host.virsh(&["destroy", &name]);
        assert!(open.contains(&host.path("trick.qcow2")), "{open:?}");
        open.contains(&secret)
    };
    let xml = domain.xml().unwrap();
    assert!(!opened(&xml), "QEMU has opened what the image named");
    let careless = xml.replace("<backingStore/>", "");
    assert!(careless != xml && opened(&careless), "the image is no trick");
}

/// Emulated, it runs everywhere: so one that does not come through has something wrong with its processor.
#[test]
#[ignore = "needs hosts of tests/qemu/hosts.sh"]
fn a_probe_comes_through() {
    let host = Host::new();
    for machine in ["pc", "q35"] {
        let xml = probe(Accelerator::Tcg, machine, &host.path("console & log")).unwrap();
        host.virsh(&["create", "--validate", &host.written("probe.xml", &xml)]);
        println!("{machine}: came through in {:?}", host.console_says(PROBED));
        host.virsh(&["destroy", PROBE]);
        fs::remove_file(host.path("console & log")).unwrap();
    }
}

/// Where the daemon keeps its guests' process ids: beside its socket's folder.
fn run_of(host: &Host) -> String {
    let socket = host.uri.split_once("socket=").unwrap().1;
    let home = Path::new(socket).parent().and_then(Path::parent).unwrap();
    home.join("run/qemu").to_str().unwrap().to_owned()
}
