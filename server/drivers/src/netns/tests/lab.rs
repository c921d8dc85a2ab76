//! A machine of its own in namespaces: a gateway host, its public wire, and the world behind that.

use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use cascina_core::id::{FarmId, NetworkId, RouterId};
use cascina_core::network::{Mac, RouterConfig};
use cascina_core::state::Guest;
use cascina_core::units::Size;

use crate::netns::{Gateway, GatewaySettings, Uplink};
use crate::router::{PublicNetwork, RouterSettings};
use crate::{DriverError, GuestSpec, HostCall, HostRef, Hypervisor, NetworkSpec, Reply};

pub(super) const OUTSIDE: &str = "203.0.113.1";

/// Namespaces `<name>` for the host and `<name>o` for the outside, which is 203.0.113.1 on the public wire.
pub(super) struct Lab {
    pub(super) name: String,
    pub(super) state: tempfile::TempDir,
    pub(super) gateway: Gateway,
    pub(super) host: HostRef,
    /// Servers listen for as long as this is true.
    pub(super) talk: Arc<AtomicBool>,
    namespaces: Vec<String>,
}

pub(super) fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub(super) fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(text + &String::from_utf8_lossy(&output.stderr)),
    }
}

/// What is done by a thread in a namespace. Sockets that it opens stay there.
pub(super) fn inside<T: Send + 'static>(namespace: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let file = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    let thread = std::thread::spawn(move || {
        let network = rustix::thread::LinkNameSpaceType::Network;
        rustix::thread::move_into_link_name_space(file.as_fd(), Some(network)).unwrap();
        work()
    });
    thread.join().unwrap()
}

pub(super) fn settings() -> GatewaySettings {
    GatewaySettings {
        router: RouterSettings {
            public: vec![
                PublicNetwork { cidr: "203.0.113.0/24".parse().unwrap(), gateway: ip(OUTSIDE) },
                PublicNetwork { cidr: "192.0.2.0/24".parse().unwrap(), gateway: ip("192.0.2.254") },
            ],
            upstream: vec![ip(OUTSIDE)],
            domain_suffix: "cascina.internal".parse().unwrap(),
            mtu: 1450,
            closed: Vec::new(),
            metadata: None,
        },
        public_bridge: "cbpub".parse().unwrap(),
        uplink: Uplink::None,
    }
}

impl Lab {
    pub(super) fn new(tag: &str, settings: GatewaySettings) -> Lab {
        let name = format!("cst{tag}{}", std::process::id());
        let state = tempfile::tempdir().unwrap();
        std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        let uri = format!("netns:?state={}/state&inside={name}", state.path().display());
        let host = HostRef {
            id: cascina_core::id::HostId(1),
            name: "gateway".parse().unwrap(),
            uri,
            class: "gateways".parse().unwrap(),
        };
        let mut lab = Lab {
            name,
            state,
            gateway: Gateway::new(settings),
            host,
            talk: Arc::new(AtomicBool::new(true)),
            namespaces: Vec::new(),
        };
        let (inner, outer) = (lab.name.clone(), lab.outside());
        lab.namespace(&inner);
        lab.namespace(&outer);
        for lines in [
            "link add cbpub type bridge",
            "link set cbpub up",
            &format!("link add pub type veth peer name eth0 netns {outer}"),
            "link set pub master cbpub up",
        ] {
            lab.ip(&inner, lines);
        }
        for lines in ["address add 203.0.113.1/24 dev eth0", "address add 198.51.100.1/32 dev lo", "link set eth0 up"] {
            lab.ip(&outer, lines);
        }
        lab
    }

    /// The same host with another driver, which knows only what is on file.
    pub(super) fn restarted(mut lab: Lab) -> Lab {
        lab.gateway = Gateway::new(settings());
        lab
    }

    pub(super) fn outside(&self) -> String {
        format!("{}o", self.name)
    }

    pub(super) fn namespace(&mut self, name: &str) {
        run("ip", &["netns", "add", name]).unwrap();
        self.namespaces.push(name.to_owned());
        self.ip(name, "link set lo up");
    }

    pub(super) fn ip(&self, namespace: &str, line: &str) -> String {
        let words: Vec<&str> = line.split(' ').collect();
        self.within(namespace, &[&["ip"], &words[..]].concat()).unwrap()
    }

    pub(super) fn within(&self, namespace: &str, command: &[&str]) -> Result<String, String> {
        let net = format!("--net=/run/netns/{namespace}");
        run("nsenter", &[&[net.as_str(), "--"], command].concat())
    }

    /// A guest of the network, with the MAC address that follows from its IP, on the network's bridge.
    pub(super) fn guest(&mut self, number: u8) -> String {
        let name = format!("{}g{number}", self.name);
        self.namespace(&name);
        let [a, b, c, d] = network().mac_prefix;
        let mac = Mac([a, b, c, d, 7, number]);
        let host = self.name.clone();
        self.ip(&host, &format!("link add tap{number} type veth peer name eth0 address {mac} netns {name}"));
        self.ip(&host, &format!("link set tap{number} master cb291 up"));
        self.ip(&name, "link set eth0 up");
        name
    }

    pub(super) async fn call(&self, call: HostCall) -> Result<Reply, DriverError> {
        self.gateway.call(&self.host, call).await
    }

    pub(super) async fn done(&self, call: HostCall) {
        assert_eq!(self.call(call).await.unwrap(), Reply::Done);
    }

    /// The router is as it was told; gives the revision.
    pub(super) async fn probed(&self, guest: Guest) -> u64 {
        match self.call(HostCall::ProbeRouter { guest }).await {
            Ok(Reply::Revision(revision)) => revision,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn apply(&self, revision: u64, config: RouterConfig) {
        self.done(HostCall::ApplyRouter { guest: router().guest, revision, config }).await;
    }

    pub(super) async fn start(&self) {
        self.done(HostCall::DefineNetwork { network: network() }).await;
        self.done(HostCall::StageDisk { spec: router(), image: "cascina:router".into(), sha256: None }).await;
        self.done(HostCall::Boot { spec: router() }).await;
    }

    /// What is there of the lab's host: links, namespaces of routers, files.
    pub(super) fn traces(&self) -> Vec<String> {
        let mut traces = Vec::new();
        let links = self.within(&self.name, &["ip", "-br", "link"]).unwrap();
        let links = links.lines().filter_map(|line| line.split([' ', '@']).next());
        traces.extend(links.filter(|name| !["lo", "cbpub", "pub"].contains(name)).map(str::to_owned));
        for folder in ["/run/netns", "/run/cascina-gateway"] {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            traces.extend(names.filter(|name| name.ends_with(&format!(".{}", self.name))));
        }
        for folder in ["networks", "routers"] {
            let entries = std::fs::read_dir(self.state.path().join("state").join(folder)).into_iter().flatten();
            traces.extend(entries.map(|entry| entry.unwrap().path().display().to_string()));
        }
        traces.extend(self.processes("cascina-gateway"));
        traces
    }

    /// Command lines with this word and the host's name.
    pub(super) fn processes(&self, word: &str) -> Vec<String> {
        let commands = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let words = std::fs::read(entry.ok()?.path().join("cmdline")).ok()?;
            Some(String::from_utf8_lossy(&words).replace('\0', " "))
        });
        commands.filter(|command| command.contains(word) && command.contains(&self.name)).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.talk.store(false, Ordering::Relaxed);
        // Also when the test failed half-way.
        let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let routers = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let routers = routers.filter(|name| name.ends_with(&format!(".{}", self.name)));
        for name in routers.chain(std::mem::take(&mut self.namespaces)).collect::<Vec<_>>() {
            for pid in run("ip", &["netns", "pids", &name]).unwrap_or_default().split_whitespace() {
                let _ = run("kill", &["-9", pid]);
            }
            let _ = run("ip", &["netns", "del", &name]);
            let _ = std::fs::remove_dir_all(format!("/run/cascina-gateway/{name}"));
        }
    }
}

pub(super) fn network() -> NetworkSpec {
    NetworkSpec {
        id: NetworkId(3),
        farm: FarmId(7),
        segment: 0x0123,
        cidr: "10.64.7.0/24".parse().unwrap(),
        mac_prefix: [2, 0, 1, 0x23],
    }
}

pub(super) fn router() -> GuestSpec {
    GuestSpec {
        guest: Guest::Router(RouterId(9)),
        farm: FarmId(7),
        network: NetworkId(3),
        name: "router".parse().unwrap(),
        size: Size::new(1, 150, 1),
        ip: ip("10.64.7.1"),
        mac: Mac([2, 0, 1, 0x23, 7, 1]),
        volumes: Vec::new(),
        ssh_keys: Vec::new(),
        user_data: None,
    }
}
