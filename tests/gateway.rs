//! A server with a gateway host that is real: what its routers do for guests at 169.254.169.254 and in the DNS,
//! and that they are repaired. Guests are namespaces on farms' bridges; their rows are simulated.

use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::server::{SITE, Server, Site, lines, wait};

fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match output.status.success() {
        true => Ok(text),
        false => Err(text + &String::from_utf8_lossy(&output.stderr)),
    }
}

/// A machine in a namespace, in which this thread and all that it starts are from now on.
struct Machine {
    name: String,
    state: tempfile::TempDir,
    guests: Vec<String>,
}

impl Machine {
    fn new() -> Machine {
        let name = format!("cgw{}", std::process::id());
        let state = tempfile::tempdir().unwrap();
        std::fs::set_permissions(state.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        run("ip", &["netns", "add", &name]).unwrap();
        let machine = Machine { name, state, guests: Vec::new() };
        let file = std::fs::File::open(format!("/run/netns/{}", machine.name)).unwrap();
        let network = rustix::thread::LinkNameSpaceType::Network;
        rustix::thread::move_into_link_name_space(file.as_fd(), Some(network)).unwrap();
        for line in [
            "link set lo up",
            "link add cbpub type bridge",
            "address add 203.0.113.254/24 dev cbpub",
            "link set cbpub up",
            "route add 100.64.0.0/16 dev cbpub",
        ] {
            machine.ip(line);
        }
        machine
    }

    fn configuration(&self) -> String {
        let uri = format!("netns:?state={}/gateway&inside={}", self.state.path().display(), self.name);
        let services = "names = \"s-[1-2]\"\nclass = \"services\"";
        assert!(SITE.contains(services));
        let site = SITE.replace(services, &format!("names = \"s-1\"\nuri = \"{uri}\"\nclass = \"services\""));
        let site = site.replace("call_deadline_s = 2", "call_deadline_s = 20");
        format!(
            "{site}\n[metadata]\nlisten = \"203.0.113.254:8775\"\n\n[gateway.router]\ndomain_suffix = \"farm.internal\"\n\
             mtu = 1450\npublic = [{{ cidr = \"203.0.113.0/24\", gateway = \"203.0.113.254\" }}]\n\
             metadata = {{ to = \"203.0.113.254:8775\", seen_as = \"100.64.0.0/16\" }}\n"
        )
    }

    fn ip(&self, line: &str) -> String {
        run("ip", &line.split(' ').collect::<Vec<_>>()).unwrap()
    }

    fn within(&self, namespace: &str, command: &[&str]) -> Result<String, String> {
        let net = format!("--net=/run/netns/{namespace}");
        run("nsenter", &[&[net.as_str(), "--"], command].concat())
    }

    /// Stands for an instance: with its addresses, on the bridge of its farm.
    fn guest(&mut self, farm: &Value, instance: &Value) -> Guest {
        let number = self.guests.len();
        let namespace = format!("{}g{number}", self.name);
        run("ip", &["netns", "add", &namespace]).unwrap();
        self.guests.push(namespace.clone());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let (mac, address) = (text(&instance["mac"]), text(&instance["ip"]));
        let bridge = format!("cb{}", farm["network"]["segment"]);
        self.ip(&format!("link add tap{number} type veth peer name eth0 address {mac} netns {namespace}"));
        self.ip(&format!("link set tap{number} master {bridge} up"));
        let gateway = text(&farm["network"]["gateway"]);
        for line in [
            "ip link set lo up".to_owned(),
            "ip link set eth0 up".to_owned(),
            format!("ip address add {address}/24 dev eth0"),
            format!("ip route add default via {gateway}"),
        ] {
            self.within(&namespace, &line.split(' ').collect::<Vec<_>>()).unwrap();
        }
        Guest { namespace, id: text(&instance["id"]), gateway, address }
    }

    /// The namespace of a router.
    fn router(&self, id: &Value) -> String {
        format!("cr-{}.{}", id.as_str().unwrap(), self.name)
    }

    fn curl(&self, guest: &Guest, arguments: &[&str]) -> Result<String, String> {
        let silent = ["curl", "--silent", "--show-error", "--fail", "--max-time", "3"];
        self.within(&guest.namespace, &[&silent[..], arguments].concat())
    }

    /// Answers of the farm's router about a name or an address.
    fn lookup(&self, guest: &Guest, name: &str) -> String {
        let command = ["busybox", "nslookup", name, &guest.gateway];
        self.within(&guest.namespace, &command).unwrap_or_else(|said| said)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let entries = std::fs::read_dir("/run/netns").into_iter().flatten().flatten();
        let routers = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let routers = routers.filter(|name| name.ends_with(&format!(".{}", self.name)));
        let all: Vec<_> = routers.chain(std::mem::take(&mut self.guests)).collect();
        for name in all {
            for pid in run("ip", &["netns", "pids", &name]).unwrap_or_default().split_whitespace() {
                let _ = run("kill", &["-9", pid]);
            }
            let _ = run("ip", &["netns", "del", &name]);
            let _ = std::fs::remove_dir_all(format!("/run/cascina-gateway/{name}"));
        }
        let _ = run("ip", &["netns", "del", &self.name]);
    }
}

struct Guest {
    namespace: String,
    id: String,
    gateway: String,
    address: String,
}

const ID: &str = "http://169.254.169.254/latest/meta-data/instance-id";
const TOKEN: [&str; 5] = [
    "--request",
    "PUT",
    "--header",
    "X-aws-ec2-metadata-token-ttl-seconds: 60",
    "http://169.254.169.254/latest/api/token",
];

#[test]
#[ignore = "needs root"]
fn routers_lead_guests_to_their_metadata_and_know_their_names() {
    let mut machine = Machine::new();
    let server = Site::new(&machine.configuration()).start();
    let farms = [server.farm("alpha", lines("m1.small", 2)), server.farm("beta", lines("m1.small", 1))];
    let mut guests = Vec::new();
    for farm in &farms {
        for instance in farm["instances"].as_array().unwrap() {
            guests.push(machine.guest(farm, instance));
        }
    }
    metadata(&machine, &guests);
    names(&machine, &server, &farms[0], &guests[0]);
    repair(&machine, &server, &farms[0], &guests[0]);

    for (number, _) in guests.iter().enumerate() {
        machine.ip(&format!("link del tap{number}"));
    }
    for name in ["alpha", "beta"] {
        server.delete_farm(name);
    }
    let left = machine.ip("-br link show type bridge");
    assert_eq!(left.lines().count(), 1, "{left}");
    server.end();
}

fn metadata(machine: &Machine, guests: &[Guest]) {
    let mut tokens = Vec::new();
    for guest in guests {
        machine.within(&guest.namespace, &["nft", "add table ip seen"]).unwrap();
        let chain = "add chain ip seen near { type filter hook input priority 0; }";
        machine.within(&guest.namespace, &["nft", chain]).unwrap();
        let near = "add rule ip seen near tcp sport 80 ip ttl 1 tcp flags psh counter";
        machine.within(&guest.namespace, &["nft", near]).unwrap();
        assert_eq!(machine.curl(guest, &[ID]).as_deref(), Ok(guest.id.as_str()), "without a token");
        let before = machine.within(&guest.namespace, &["nft", "list table ip seen"]).unwrap();
        assert!(before.contains("counter packets 0"), "{before}");
        let token = machine.curl(guest, &TOKEN).unwrap();
        let after = machine.within(&guest.namespace, &["nft", "list table ip seen"]).unwrap();
        assert!(!after.contains("counter packets 0"), "a token comes no farther than the guest: {after}");
        let header = format!("X-aws-ec2-metadata-token: {token}");
        assert_eq!(machine.curl(guest, &["--header", &header, ID]).as_deref(), Ok(guest.id.as_str()));
        tokens.push(header);
    }
    // Another's token, and a request that says that it is another's.
    let (first, second, stranger) = (&guests[0], &guests[1], &guests[2]);
    let answer = machine.curl(first, &["--header", &tokens[2], ID]).unwrap_err();
    assert!(answer.contains("401"), "{answer}");
    let forwarded = format!("X-Forwarded-For: {}", second.address);
    let answer = machine.curl(first, &[&["--header", &forwarded][..], &TOKEN].concat()).unwrap_err();
    assert!(answer.contains("403"), "{answer}");
    assert_eq!(machine.curl(first, &["--header", &forwarded, ID]).as_deref(), Ok(first.id.as_str()));
    // Addresses of a neighbour, and of another farm's guest.
    for forged in [second, stranger] {
        let address = format!("{}/32", forged.address);
        machine.within(&first.namespace, &["ip", "address", "add", &address, "dev", "eth0"]).unwrap();
        let answer = machine.curl(first, &["--interface", &forged.address, ID]).unwrap_err();
        assert!(answer.contains("(28)"), "it should have been dropped: {answer}");
        machine.within(&first.namespace, &["ip", "address", "del", &address, "dev", "eth0"]).unwrap();
    }
    // By its own address the service is not there.
    let answer = machine.curl(first, &["http://203.0.113.254:8775/latest/meta-data/instance-id"]).unwrap_err();
    assert!(answer.contains("(7)") || answer.contains("refused"), "{answer}");
    // From outside, what is seen as the guests leads nowhere.
    let answer = run("curl", &["--silent", "--show-error", "--max-time", "2", "http://100.64.1.10/"]).unwrap_err();
    assert!(answer.contains("(28)"), "{answer}");
    assert_eq!(machine.curl(first, &[ID]).as_deref(), Ok(first.id.as_str()));
}

fn names(machine: &Machine, server: &Server, farm: &Value, guest: &Guest) {
    let domain = format!("{}.farm.internal", farm["id"].as_str().unwrap());
    for instance in farm["instances"].as_array().unwrap() {
        let (name, address) = (instance["name"].as_str().unwrap(), instance["ip"].as_str().unwrap());
        let said = machine.lookup(guest, &format!("{name}.{domain}"));
        assert!(said.contains(address), "{said}");
        let said = machine.lookup(guest, address);
        assert!(said.contains(&format!("{name}.{domain}")), "{said}");
        let dashed = format!("ip-{}.{domain}", address.replace('.', "-"));
        let said = machine.lookup(guest, &dashed);
        assert!(said.contains(address), "{said}");
    }
    // One that comes and goes.
    let ask = json!([{ "name": "late", "flavor": "m1.small", "image": "debian", "max_count": 1 }])[0].clone();
    let farm = farm["id"].as_str().unwrap();
    let made = server.admin.post(&format!("/v1/farms/{farm}/instances"), ask).good();
    server.operation(&made["operation"]);
    let id = made["instances"][0].as_str().unwrap();
    let address = server.admin.get(&format!("/v1/instances/{id}")).good()["ip"].as_str().unwrap().to_owned();
    let late = format!("late.{domain}");
    wait(|| machine.lookup(guest, &late).contains(&address).then_some(()));
    let ended = server.admin.delete(&format!("/v1/instances/{id}")).good();
    server.operation(&ended["operation"]);
    wait(|| (!machine.lookup(guest, &late).contains(&address)).then_some(()));
    let said = machine.lookup(guest, &address);
    assert!(!said.contains("late"), "{said}");
}

fn repair(machine: &Machine, server: &Server, farm: &Value, guest: &Guest) {
    let id = &farm["router"]["id"];
    let namespace = machine.router(id);
    let shown = || server.admin.get(&format!("/v1/routers/{}", id.as_str().unwrap())).good();
    wait(|| (shown()["applied_revision"] == shown()["desired_revision"]).then_some(()));
    let alive = || machine.curl(guest, &[ID]).as_deref() == Ok(guest.id.as_str());
    let pid = std::fs::read_to_string(format!("/run/cascina-gateway/{namespace}/state/dnsmasq.pid")).unwrap();
    let damages: [&[&str]; 3] =
        [&["nft", "delete table inet router"], &["ip", "address", "flush", "dev", "lan"], &["kill", "-9", pid.trim()]];
    for damage in damages {
        let begun = std::time::Instant::now();
        machine.within(&namespace, damage).unwrap();
        wait(|| {
            let row = shown();
            let whole = row["state"] == "running" && row["applied_revision"] == row["desired_revision"];
            let table = machine.within(&namespace, &["nft", "list table inet router"]);
            let domain = format!("ip-10-64-1-10.{}.farm.internal", farm["id"].as_str().unwrap());
            let served = machine.lookup(guest, &domain).contains("Name:");
            (whole && table.is_ok() && alive() && served).then_some(())
        });
        println!("{damage:?}: repaired after {:?}", begun.elapsed());
    }
    let kinds: Vec<_> = server.admin.list("/v1/events").iter().map(|event| event["kind"].clone()).collect();
    assert!(kinds.contains(&json!("router.drifted")), "{kinds:?}");
}
