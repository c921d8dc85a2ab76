//! Hosts of `tests/qemu/hosts.sh`, and guests on them that do what they are told.

use std::io::Write;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascina_core::id::HostId;
use cascina_core::name::Name;
use cascina_core::state::Guest;
use cascina_drivers::conformance::Trial;
use cascina_drivers::libvirt::xml::domain_name;
use cascina_drivers::libvirt::{LibvirtDriver, LibvirtSettings};
use cascina_drivers::{
    DriverError, FoundGuest, GuestSpec, GuestState, HostCall, HostRef, Hypervisor, Inventory, Reply,
};

/// Emulated guests on a busy machine take their time.
pub const PATIENCE: Duration = Duration::from_secs(240);
/// All of its hosts have the same disks.
pub const SHARED: &str = "conformance";
/// Disks are a host's own.
pub const LOCAL: &str = "local";
/// Where those are: each host has a folder of its own behind that name.
const LOCAL_POOL: &str = "/var/lib/libvirt/cascina-disks";

pub struct Lab {
    run: PathBuf,
    hosts: Vec<(Name, String)>,
}

fn said(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: see the head of main.rs"))
}

impl Lab {
    /// `h1=URI h2=URI`, as the script says, and where it keeps them.
    pub fn new() -> Lab {
        let hosts = said("CASCINA_QEMU_HOSTS");
        let hosts = hosts.split_whitespace().map(|host| {
            let (name, uri) = host.split_once('=').unwrap();
            (name.parse().unwrap(), uri.into())
        });
        Lab { hosts: hosts.collect(), run: said("CASCINA_QEMU_RUN").into() }
    }

    pub fn hosts(&self, class: &str) -> [HostRef; 2] {
        let host = |place: usize| {
            let (name, uri) = &self.hosts[place];
            let id = HostId(u32::try_from(place).unwrap() + 1);
            HostRef { id, name: name.clone(), uri: uri.clone(), class: class.parse().unwrap() }
        };
        [host(0), host(1)]
    }

    fn images() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../images/build").canonicalize().expect("make -C images first")
    }

    fn settings(&self) -> serde_json::Value {
        let images = Lab::images();
        serde_json::json!({
            "accelerator": "tcg",
            "cpu_shares": false,
            "unsafe_disks": true,
            "images": images.join("micro"),
            "classes": {
                SHARED: { "pool": self.run.join("shared/pool"), "shared": true },
                LOCAL: { "pool": LOCAL_POOL },
            },
            "router_kernel": images.join("router/vmlinuz"),
            "router_initrd": images.join("router/initrd"),
            "router": {
                "public": [{ "cidr": "192.0.2.0/24", "gateway": "192.0.2.254" }],
                "domain_suffix": "cascina.internal",
                "mtu": 1450,
            },
            "stop_grace_seconds": 1,
            "consoles": "/var/log/libvirt/cascina",
            "peers": { "h1": { "migrate": "tcp://10.99.0.11" }, "h2": { "migrate": "tcp://10.99.0.12" } },
        })
    }

    pub fn driver(&self) -> LibvirtDriver {
        let settings: LibvirtSettings = serde_json::from_value(self.settings()).unwrap();
        LibvirtDriver::new(settings, Arc::new(no_seed)).unwrap()
    }

    /// One that is told something else.
    pub fn driver_with(&self, setting: &str, value: serde_json::Value) -> LibvirtDriver {
        let mut settings = self.settings();
        settings[setting] = value;
        let settings: LibvirtSettings = serde_json::from_value(settings).unwrap();
        LibvirtDriver::new(settings, Arc::new(no_seed)).unwrap()
    }

    pub fn trial(&self) -> Trial {
        Trial { patience: PATIENCE, ..Trial::example("micro", "router") }
    }

    /// Files of the guest in a host's own store.
    pub fn own_files(&self, host: &HostRef, guest: Guest) -> Vec<String> {
        let folder = self.run.join(host.name.as_str()).join("lib/cascina-disks");
        let prefix = domain_name(guest);
        let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.starts_with(&prefix)).collect();
        names.sort();
        names
    }
}

/// The micro guest takes a disk without a label for none.
fn no_seed(_: &GuestSpec) -> Result<Vec<u8>, String> {
    Ok(vec![0; 512])
}

/// A guest on a host.
pub struct Subject<'a> {
    pub driver: &'a LibvirtDriver,
    pub spec: &'a GuestSpec,
}

impl Subject<'_> {
    pub async fn ask(&self, host: &HostRef, call: HostCall) -> Result<Reply, DriverError> {
        let begun = Instant::now();
        loop {
            match self.driver.call(host, call.clone()).await {
                Err(error) if error.is_passing() && begun.elapsed() < PATIENCE => {
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                answer => return answer,
            }
        }
    }

    pub async fn done(&self, host: &HostRef, call: HostCall) {
        let name = call.as_str();
        let answer = self.ask(host, call).await;
        assert_eq!(answer, Ok(Reply::Done), "{name} on {}", host.name);
    }

    pub async fn prepare(&self, hosts: &[HostRef], trial: &Trial) {
        for host in hosts {
            self.done(host, HostCall::Destroy { guest: self.spec.guest }).await;
            self.done(host, HostCall::DefineNetwork { network: trial.network.clone() }).await;
        }
    }

    pub async fn clean_up(&self, hosts: &[HostRef], trial: &Trial) {
        for host in hosts {
            self.done(host, HostCall::Destroy { guest: self.spec.guest }).await;
            self.done(host, HostCall::RemoveNetwork { network: trial.network.id }).await;
        }
    }

    pub async fn boot(&self, host: &HostRef, image: &str) {
        self.done(host, HostCall::StageDisk { spec: self.spec.clone(), image: image.into(), sha256: None }).await;
        self.done(host, HostCall::Boot { spec: self.spec.clone() }).await;
        self.says(host, "micro: up").await;
    }

    pub fn migrate(&self, to: &HostRef) -> HostCall {
        HostCall::Migrate { spec: self.spec.clone(), to: to.clone() }
    }

    pub async fn found(&self, host: &HostRef) -> Option<FoundGuest> {
        let Ok(Reply::Inventory(Inventory { guests, .. })) = self.ask(host, HostCall::Inventory).await else {
            panic!("no inventory of {}", host.name);
        };
        guests.into_iter().find(|found| found.guest == self.spec.guest)
    }

    pub async fn state(&self, host: &HostRef) -> Option<GuestState> {
        self.found(host).await.map(|found| found.state)
    }

    pub async fn console(&self, host: &HostRef) -> String {
        match self.ask(host, HostCall::Console { guest: self.spec.guest }).await {
            Ok(Reply::Console(bytes)) => String::from_utf8_lossy(&bytes).replace('\r', ""),
            other => panic!("the console is {other:?}"),
        }
    }

    /// Once its console has these words.
    pub async fn says(&self, host: &HostRef, words: &str) -> String {
        let begun = Instant::now();
        loop {
            let log = self.console(host).await;
            if log.contains(words) {
                return log;
            }
            assert!(begun.elapsed() < PATIENCE, "no `{words}` in: {log}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    /// Has the guest do something, and says what it wrote since. The words `said` must come of it alone.
    pub async fn tell(&self, host: &HostRef, line: &str, said: &str) -> String {
        let before = self.console(host).await.len();
        let tty = virsh(host, &["ttyconsole", &domain_name(self.spec.guest)]);
        let mut console = std::fs::OpenOptions::new().write(true).open(tty.trim()).unwrap();
        writeln!(console, "{line}").unwrap();
        let begun = Instant::now();
        loop {
            let log = self.console(host).await;
            let new = log.get(before..).unwrap_or(&log);
            // The line itself is written by the console too.
            if let Some(answer) = new.lines().find(|line| line.starts_with(said)) {
                return answer[said.len()..].trim().to_owned();
            }
            assert!(begun.elapsed() < PATIENCE, "no `{said}` after `{line}` in: {log}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

pub fn virsh(host: &HostRef, arguments: &[&str]) -> String {
    let output = Command::new("virsh").args(["-q", "-c", &host.uri]).args(arguments).output().unwrap();
    assert!(output.status.success(), "virsh {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Another of these tests, in a process of its own that can be killed.
pub fn in_a_process_of_its_own(test: &str, environment: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test])
        .envs(environment.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap()
}
