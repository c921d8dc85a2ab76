//! What a router does for guests, for the world, and for conversations that go on while it changes.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cascina_core::network::{NatRule, Protocol, RouterConfig};

use super::lab::{Lab, OUTSIDE, inside, ip, network, router, settings};
use crate::HostCall;

/// A shell script for busybox's DHCP client.
const TAKE: &str = r#"#!/bin/sh
[ "$1" = bound ] || exit 0
/sbin/ip link set "$interface" mtu "$mtu"
/sbin/ip address add "$ip/$mask" dev "$interface"
/sbin/ip route add default via "$router"
echo "ip=$ip mask=$mask router=$router dns=$dns mtu=$mtu domain=$domain lease=$lease"
"#;

#[allow(clippy::disallowed_methods, reason = "threads of a test, beside the runtime")]
fn nap() {
    std::thread::sleep(Duration::from_millis(5));
}

/// Tells each who comes who is there and what address they come from, and then sends back what they say.
fn serve(lab: &Lab, namespace: &str, port: u16, name: &'static str) {
    let listener = inside(namespace, move || TcpListener::bind(("0.0.0.0", port)).unwrap());
    listener.set_nonblocking(true).unwrap();
    let open = Arc::clone(&lab.talk);
    std::thread::spawn(move || {
        while open.load(Ordering::Relaxed) {
            let Ok((mut stream, from)) = listener.accept() else {
                nap();
                continue;
            };
            std::thread::spawn(move || {
                stream.set_nonblocking(false).unwrap();
                stream.set_nodelay(true).unwrap();
                let _ = writeln!(stream, "{name} {}", from.ip());
                let _ = std::io::copy(&mut stream.try_clone().unwrap(), &mut stream);
            });
        }
    });
}

fn connect(from: &str, to: &str, port: u16) -> std::io::Result<(BufReader<TcpStream>, String)> {
    let to = SocketAddr::new(ip(to).into(), port);
    let stream = inside(from, move || TcpStream::connect_timeout(&to, Duration::from_secs(2)))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(2)))?;
    let (mut reader, mut line) = (BufReader::new(stream), String::new());
    reader.read_line(&mut line)?;
    Ok((reader, line.trim_end().to_owned()))
}

fn greets(from: &str, to: &str, port: u16) -> Option<String> {
    connect(from, to, port).ok().map(|(_, greeting)| greeting)
}

fn greeted(from: &str, to: &str, port: u16) -> String {
    greets(from, to, port).unwrap_or_default()
}

/// A conversation through the router: a line there and back every 5 ms, and the longest wait.
struct Talk {
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<(u32, Duration)>,
}

impl Talk {
    fn start(from: &str, to: &str, port: u16) -> Talk {
        let (mut reader, greeting) = connect(from, to, port).unwrap();
        assert_ne!(greeting, "");
        let stop = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let (mut count, mut longest) = (0, Duration::ZERO);
            while !stopping.load(Ordering::Relaxed) {
                let (begun, mut answer) = (Instant::now(), String::new());
                let line = format!("line {count}\n");
                let sent = reader.get_mut().write_all(line.as_bytes()).and_then(|()| reader.read_line(&mut answer));
                if sent.is_err() || answer != line {
                    break;
                }
                longest = longest.max(begun.elapsed());
                count += 1;
                nap();
            }
            (count, longest)
        });
        Talk { stop, thread }
    }

    fn goes_on(&self) -> bool {
        !self.thread.is_finished()
    }

    /// How many lines went there and back.
    fn end(self) -> (u32, Duration) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Two are not of the farm's to give: what follows from another's address, and what is the world's.
fn names() -> Vec<(std::net::Ipv4Addr, cascina_core::name::Name)> {
    let names = [("10.64.7.20", "web"), ("10.64.7.21", "db.inner"), ("10.64.7.21", "ip-10-64-7-20")];
    let names = names.into_iter().chain([("10.64.7.21", "example.com")]);
    names.map(|(address, name)| (ip(address), name.parse().unwrap())).collect()
}

fn config(elastic_to: &str, forwards: u8) -> RouterConfig {
    let forward = |n: u8| NatRule {
        protocol: Protocol::Tcp,
        public_port: 2000 + u16::from(n),
        to: ip("10.64.7.21"),
        to_port: 80,
    };
    RouterConfig {
        public: Some(ip("203.0.113.7")),
        mapped: vec![(ip("203.0.113.51"), ip(elastic_to))],
        forwards: (0..forwards).map(forward).collect(),
        names: names(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root"]
async fn a_router_serves_its_farm() {
    let mut lab = Lab::new("t", settings());
    let outside = lab.outside();
    let begun = Instant::now();
    lab.start().await;
    println!("network, disk and boot: {:?}", begun.elapsed());
    let begun = Instant::now();
    lab.apply(1, config("10.64.7.20", 1)).await;
    println!("first configuration: {:?}", begun.elapsed());

    // Two guests get their addresses, and a stranger gets none.
    let script = lab.state.path().join("take");
    std::fs::write(&script, TAKE).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let dhcp = ["busybox", "udhcpc", "-n", "-q", "-f", "-t", "5", "-T", "1", "-O", "mtu", "-i", "eth0", "-s"];
    let mut guests = Vec::new();
    for number in [20, 21] {
        let guest = lab.guest(number);
        let said = lab.within(&guest, &[&dhcp[..], &[script.to_str().unwrap()]].concat()).unwrap();
        let farm = network().farm;
        let lease = format!(
            "ip=10.64.7.{number} mask=24 router=10.64.7.1 dns=10.64.7.1 mtu=1450 domain={farm}.cascina.internal lease=43200"
        );
        assert!(said.contains(&lease), "{said}");
        guests.push(guest);
    }
    let (first, second) = (guests[0].clone(), guests[1].clone());
    let stranger = lab.guest(22);
    lab.ip(&stranger, "link set eth0 address 02:00:09:09:07:16");
    let said =
        lab.within(&stranger, &[&dhcp[..6], &["2", "-T", "1", "-i", "eth0", "-s", script.to_str().unwrap()]].concat());
    assert!(said.is_err(), "{said:?}");

    // Names: each by the other's address, forth and back.
    let farm = network().farm;
    let asked = format!("ip-10-64-7-21.{farm}.cascina.internal");
    let said = lab.within(&first, &["busybox", "nslookup", &asked, "10.64.7.1"]).unwrap();
    assert!(said.contains("10.64.7.21"), "{said}");
    let resolved =
        |name: &str| lab.within(&first, &["busybox", "nslookup", name, "10.64.7.1"]).unwrap_or_else(|said| said);
    // By what they are called, too, which is also the name of their address.
    let domain = format!("{farm}.cascina.internal");
    for (name, address) in [("web", "10.64.7.20"), ("db.inner", "10.64.7.21"), ("example.com", "10.64.7.21")] {
        let said = resolved(&format!("{name}.{domain}"));
        assert!(said.contains(address), "{said}");
    }
    assert!(resolved("10.64.7.20").contains(&format!("web.{domain}")), "{}", resolved("10.64.7.20"));
    assert!(resolved("10.64.7.22").contains(&format!("ip-10-64-7-22.{domain}")), "{}", resolved("10.64.7.22"));
    let said = resolved(&format!("ip-10-64-7-20.{domain}"));
    assert!(said.contains("10.64.7.20") && !said.contains("10.64.7.21"), "{said}");
    for foreign in ["example.com", "db.inner"] {
        assert!(!resolved(foreign).contains("10.64.7.21"), "{foreign} is not the farm's");
    }

    serve(&lab, &first, 80, "first");
    serve(&lab, &second, 80, "second");
    serve(&lab, &outside, 80, "outside");

    // Out: by the router's address, or by one's own if one has one. In: by elastic IP and by port.
    assert_eq!(greeted(&second, OUTSIDE, 80), "outside 203.0.113.7");
    assert_eq!(greeted(&first, OUTSIDE, 80), "outside 203.0.113.51");
    assert_eq!(greeted(&outside, "203.0.113.51", 80), format!("first {OUTSIDE}"));
    assert_eq!(greeted(&outside, "203.0.113.7", 2000), format!("second {OUTSIDE}"));
    lab.within(&outside, &["busybox", "ping", "-c1", "-W2", "203.0.113.51"]).unwrap();
    assert_eq!(greeted(&second, "203.0.113.51", 80), "first 203.0.113.7", "from within by the public address");
    // Not in: other ports, the router's own services, and farms' addresses straight.
    assert_eq!(greets(&outside, "203.0.113.7", 80), None);
    assert_eq!(greets(&outside, "203.0.113.7", 53), None);
    lab.ip(&outside, "route add 10.64.7.0/24 via 203.0.113.7");
    assert_eq!(greets(&outside, "10.64.7.20", 80), None);
    lab.ip(&outside, "route del 10.64.7.0/24");
    // The host itself is not there for guests, whatever address of it they try.
    let host = lab.name.clone();
    lab.ip(&host, "address add 192.168.99.1/32 dev lo");
    let answer = lab.within(&first, &["arping", "-c", "1", "-w", "1", "-I", "eth0", "192.168.99.1"]);
    assert!(answer.is_err(), "{answer:?}");
    let inside = lab.within(&host, &["ip", "-o", "address", "show", "dev", "cb291"]).unwrap();
    assert_eq!(inside, "", "the host has no address on the farm's bridge");

    // The elastic IP goes from one guest to the other, over and over; another conversation does not notice,
    // and the one that went by the elastic IP ends.
    let steady = Talk::start(&second, OUTSIDE, 80);
    let forwarded = Talk::start(&outside, "203.0.113.7", 2000);
    let moved = Talk::start(&outside, "203.0.113.51", 80);
    let mut times = Vec::new();
    for turn in 0..20u8 {
        let to = ["10.64.7.21", "10.64.7.20"][usize::from(turn % 2)];
        let begun = Instant::now();
        lab.apply(u64::from(turn) + 2, config(to, 1 + turn % 3)).await;
        times.push(begun.elapsed());
        let expected = format!("{} {OUTSIDE}", ["second", "first"][usize::from(turn % 2)]);
        assert_eq!(greeted(&outside, "203.0.113.51", 80), expected, "after update {turn}");
    }
    let went = lab.within(&outside, &["ip", "neigh", "show", "203.0.113.51"]).unwrap();
    assert!(went.contains("02:ff:01:23:07:01"), "{went}");
    assert!(steady.goes_on() && forwarded.goes_on(), "a conversation was cut off");
    let ((out, gap), (back, wait)) = (steady.end(), forwarded.end());
    assert!(out > 100 && back > 100, "{out} and {back} lines");
    let before_move = moved.end();
    assert!(before_move.0 < back / 2, "a conversation by an address went on after that had moved: {before_move:?}");
    println!("conversations: {out} lines, longest wait {gap:?}; {back} lines, longest wait {wait:?}");

    times.sort();
    println!("updates: median {:?}, 19th of 20 {:?}, longest {:?}", times[10], times[18], times[19]);
    let begun = Instant::now();
    lab.probed(router().guest).await;
    println!("probe: {:?}", begun.elapsed());
    let begun = Instant::now();
    lab.start().await;
    println!("network, disk and boot of what is there: {:?}", begun.elapsed());

    let begun = Instant::now();
    lab.done(HostCall::Destroy { guest: router().guest }).await;
    println!("destroy: {:?}", begun.elapsed());
    for number in [20, 21, 22] {
        lab.ip(&host, &format!("link del tap{number}"));
    }
    lab.done(HostCall::RemoveNetwork { network: network().id }).await;
    assert_eq!(lab.traces(), [] as [String; 0]);
    assert!(times[10] < Duration::from_millis(200), "{times:?}");
}
