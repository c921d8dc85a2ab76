//! A network on a private host: namespaces stand for guests, libvirt binds filters to their ports.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use cascina_core::id::{FarmId, NetworkId};
use cascina_core::network::Mac;
use cascina_core::security_group::Firewall;
use cascina_drivers::NetworkSpec;
use cascina_drivers::libvirt::filters::{self, Filter, FilterName, Marker};

pub struct Lab {
    uri: String,
    /// The host's.
    namespace: String,
    pub network: NetworkSpec,
    bridge: String,
    pub guests: BTreeMap<u8, Guest>,
}

/// A port of a network and who is behind it.
pub struct Guest {
    namespace: String,
    port: String,
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the program is installed");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).expect("its output is text")
}

impl Lab {
    /// On the first host of `tests/qemu/hosts.sh`.
    pub fn new(segment: u8) -> Lab {
        let setting = |name| std::env::var(name).expect("hosts are up: eval \"$(tests/qemu/hosts.sh up /tmp/hosts)\"");
        let hosts = setting("CASCINA_QEMU_HOSTS");
        let (host, uri) = hosts.split_whitespace().next().and_then(|host| host.split_once('=')).expect("NAME=URI");
        let namespace = format!("{}-{host}", setting("CASCINA_QEMU_PREFIX"));
        let network = NetworkSpec {
            id: NetworkId(u64::from(segment)),
            farm: FarmId(1),
            segment: segment.into(),
            cidr: format!("10.64.{segment}.0/24").parse().unwrap(),
            mac_prefix: [2, 0, 0, segment],
        };
        let bridge = format!("cb{segment}");
        run("ip", &["-n", &namespace, "link", "add", "name", &bridge, "type", "bridge", "stp_state", "0"]);
        run("ip", &["-n", &namespace, "link", "set", "dev", &bridge, "up"]);
        Lab { uri: uri.into(), namespace, network, bridge, guests: BTreeMap::new() }
    }

    pub fn ip(&self, last: u8) -> Ipv4Addr {
        let [a, b, c, _] = self.network.cidr.network().octets();
        Ipv4Addr::new(a, b, c, last)
    }

    pub fn mac(&self, last: u8) -> Mac {
        let [a, b, c, d] = self.network.mac_prefix;
        Mac([a, b, c, d, self.ip(last).octets()[2], last])
    }

    /// A guest with this address, without any filter.
    pub fn guest(&mut self, last: u8) {
        let (namespace, port) = (format!("{}-g{}-{last}", self.namespace, self.network.segment), self.port(last));
        let mac = self.mac(last);
        run("ip", &["netns", "add", &namespace]);
        let near = ["-n", &self.namespace, "link", "add", "name", &port, "type", "veth"];
        run("ip", &[&near[..], &["peer", "name", "eth0", "address", &mac.to_string(), "netns", &namespace]].concat());
        run("ip", &["-n", &self.namespace, "link", "set", "dev", &port, "master", &self.bridge, "up"]);
        let address = format!("{}/24", self.ip(last));
        run("ip", &["-n", &namespace, "address", "add", &address, "dev", "eth0"]);
        for device in ["lo", "eth0"] {
            run("ip", &["-n", &namespace, "link", "set", "dev", device, "up"]);
        }
        if last != 1 {
            run("ip", &["-n", &namespace, "route", "add", "default", "via", &self.ip(1).to_string()]);
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/filters/netns.py");
        let mut process = Command::new("ip")
            .args(["netns", "exec", &namespace, "python3", "-u", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python3 is installed");
        let input = process.stdin.take().expect("it was asked for");
        let output = BufReader::new(process.stdout.take().expect("it was asked for"));
        self.guests.insert(last, Guest { namespace, port, process, input, output });
    }

    fn port(&self, last: u8) -> String {
        format!("cx{}x{last}", self.network.segment)
    }

    /// The address of somebody in the world, behind the router, which does not ask for guests in his name.
    pub fn world(&self, address: &str) {
        let say = "echo 2 >/proc/sys/net/ipv4/conf/all/arp_announce";
        run("ip", &["netns", "exec", &self.guests[&1].namespace, "sh", "-c", say]);
        run("ip", &["-n", &self.guests[&1].namespace, "address", "add", address, "dev", "lo"]);
    }

    pub fn at(&mut self, last: u8) -> &mut Guest {
        self.guests.get_mut(&last).expect("there is such a guest")
    }

    pub fn virsh(&self, arguments: &[&str]) -> String {
        run("virsh", &[&["-q", "-c", &self.uri], arguments].concat())
    }

    fn virsh_with(&self, verb: &str, xml: &str) {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(xml.as_bytes()).unwrap();
        self.virsh(&[verb, file.path().to_str().unwrap()]);
    }

    /// As libvirt does when a guest starts.
    pub fn bind(&self, last: u8, filter: FilterName) {
        let uuid = fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap();
        let (port, mac) = (self.port(last), self.mac(last));
        self.virsh_with(
            "nwfilter-binding-create",
            &format!(
                "<filterbinding><owner><name>{port}</name><uuid>{}</uuid></owner><portdev name='{port}'/>\
                 <mac address='{mac}'/><filterref filter='{filter}'/></filterbinding>",
                uuid.trim()
            ),
        );
    }

    pub fn names(&self) -> Vec<String> {
        let list = self.virsh(&["nwfilter-list"]);
        list.lines().filter_map(|line| line.split_whitespace().nth(1).map(str::to_owned)).collect()
    }

    /// Defines all filters of a revision, undefines what is stale, and says how long that took.
    pub fn apply(&self, revision: u64, firewall: &Firewall, here: &[u8]) -> Duration {
        let here: Vec<Ipv4Addr> = here.iter().map(|last| self.ip(*last)).collect();
        let filters = filters::filters(&self.network, revision, firewall, &here).unwrap();
        let begun = Instant::now();
        for filter in &filters {
            self.virsh_with("nwfilter-define", &filter.xml);
        }
        self.sweep(&filters);
        begun.elapsed()
    }

    fn sweep(&self, wanted: &[Filter]) {
        let names = self.names();
        for name in filters::stale(self.network.id, names.iter().map(String::as_str), wanted) {
            self.virsh(&["nwfilter-undefine", &name.to_string()]);
        }
    }

    pub fn marker(&self) -> Option<Marker> {
        filters::networks(self.names().iter().map(String::as_str)).get(&self.network.id).copied()
    }
}

impl Guest {
    pub fn ask(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").expect("it listens");
        let mut answer = String::new();
        self.output.read_line(&mut answer).expect("it answers");
        assert!(!answer.is_empty(), "{} ended at `{line}`", self.port);
        answer.trim().to_owned()
    }

    pub fn says_yes(&mut self, line: &str) -> bool {
        match self.ask(line).as_str() {
            "yes" => true,
            "no" => false,
            other => panic!("`{line}`: {other}"),
        }
    }

    pub fn send(&mut self, frame: &[u8]) {
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        self.ask(&format!("send {hex}"));
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let quiet = |program: &str, arguments: &[&str]| {
            // What is not there need not go: whatever fails here shows in what is left.
            Command::new(program).args(arguments).stderr(Stdio::null()).status().ok()
        };
        for guest in self.guests.values_mut() {
            quiet("virsh", &["-q", "-c", &self.uri, "nwfilter-binding-delete", &guest.port]);
            guest.process.kill().ok();
            guest.process.wait().ok();
            quiet("ip", &["netns", "del", &guest.namespace]);
        }
        quiet("ip", &["-n", &self.namespace, "link", "del", "dev", &self.bridge]);
        for name in filters::stale(self.network.id, self.names().iter().map(String::as_str), &[]) {
            quiet("virsh", &["-q", "-c", &self.uri, "nwfilter-undefine", &name.to_string()]);
        }
    }
}
