//! What is made, found, repaired and taken away.

use cascina_core::id::{InstanceId, NetworkId, RouterId, VolumeId};
use cascina_core::network::{Mac, RouterConfig};
use cascina_core::state::Guest;

use super::lab::{Lab, ip, network, router, settings};
use crate::conformance::{Trial, Violation, check_routers};
use crate::netns::{Gateway, Uplink, Vxlan};
use crate::{DriverError, GuestSpec, GuestState, HostCall, NetworkSpec, Reply};

#[tokio::test]
async fn a_gateway_makes_routers_only() {
    let state = tempfile::tempdir().unwrap();
    let host = |uri: String| crate::HostRef {
        id: cascina_core::id::HostId(1),
        name: "g".parse().unwrap(),
        uri,
        class: "gateways".parse().unwrap(),
    };
    let good = host(format!("netns:?state={}", state.path().display()));
    let gateway = Gateway::new(settings());
    let guest = Guest::Instance(InstanceId(1));
    let calls = [
        HostCall::StageDisk { spec: GuestSpec { guest, ..router() }, image: "debian".into(), sha256: None },
        HostCall::StageDisk { spec: router(), image: "snapshot:snap-00000000000000001".into(), sha256: None },
        HostCall::Boot { spec: GuestSpec { guest, ..router() } },
        HostCall::Stop { guest },
        HostCall::Destroy { guest },
        HostCall::Console { guest },
        HostCall::DetachVolume { guest, volume: VolumeId(1), at: Trial::example("", "").at },
        HostCall::Stored { class: "services".parse().unwrap() },
    ];
    for call in calls {
        let name = call.as_str();
        let answer = crate::Hypervisor::call(&gateway, &good, call).await;
        assert!(matches!(answer, Err(DriverError::Refused { .. })), "{name}: {answer:?}");
    }
    let elsewhere = crate::Hypervisor::call(&gateway, &host("qemu:///system".into()), HostCall::Inventory).await;
    assert!(matches!(elsewhere, Err(DriverError::Refused { .. })), "{elsewhere:?}");
    let found = crate::Hypervisor::call(&gateway, &good, HostCall::Inventory).await;
    assert_eq!(found, Ok(Reply::Inventory(Default::default())));
    assert!(Gateway::is_for("netns:") && Gateway::is_for(&good.uri) && !Gateway::is_for("netns://x"));
}

fn trial() -> Trial {
    let mut trial = Trial::example("cascina:router", "cascina:router");
    trial.instance.guest = Guest::Router(RouterId(u64::MAX - 1));
    trial
}

#[tokio::test]
#[ignore = "needs root"]
async fn gateways_conform() {
    let lab = Lab::new("c", settings());
    assert_eq!(check_routers(&lab.gateway, &lab.host, &trial()).await, [] as [Violation; 0]);
    assert_eq!(lab.traces(), [] as [String; 0]);
    assert_eq!(check_routers(&lab.gateway, &lab.host, &trial()).await, [] as [Violation; 0], "a second time");
    assert_eq!(lab.traces(), [] as [String; 0]);
}

async fn state(lab: &Lab) -> Option<GuestState> {
    match lab.call(HostCall::Inventory).await.unwrap() {
        Reply::Inventory(found) => found.guests.iter().find(|found| found.guest == router().guest).map(|g| g.state),
        other => panic!("{other:?}"),
    }
}

/// What somebody or something else does to a router is seen, and undone by giving it its configuration.
#[tokio::test]
#[ignore = "needs root"]
async fn drift_is_found_and_repaired() {
    let lab = Lab::new("d", settings());
    let guest = router().guest;
    let config = || RouterConfig {
        public: Some(ip("203.0.113.7")),
        mapped: vec![(ip("203.0.113.51"), ip("10.64.7.20"))],
        ..RouterConfig::default()
    };
    let probe = || lab.call(HostCall::ProbeRouter { guest });
    assert!(matches!(probe().await, Err(DriverError::Refused { .. })));
    lab.start().await;
    assert!(matches!(probe().await, Err(DriverError::Differs { .. })), "it has no configuration yet");
    lab.apply(5, config()).await;
    probe().await.unwrap();

    let namespace = format!("cr-{guest}.{}", lab.name);
    let pid = std::fs::read_to_string(format!("/run/cascina-gateway/{namespace}/state/dnsmasq.pid")).unwrap();
    let port = lab.within(&lab.name, &["ip", "-br", "link", "show", "master", "cbpub"]).unwrap();
    let port = port.lines().find_map(|line| line.split('@').next().filter(|name| name.starts_with("cw"))).unwrap();
    let damages: [(&str, &[&str]); 8] = [
        ("an address", &["ip", "address", "del", "203.0.113.51/32", "dev", "wan"]),
        ("the way out", &["ip", "route", "del", "default"]),
        ("a mapping", &["nft", "delete element inet router to_guest { 203.0.113.51 }"]),
        ("a rule", &["nft", "add rule inet router to_us accept"]),
        ("all rules", &["nft", "flush ruleset"]),
        ("a link", &["ip", "link", "del", "lan"]),
        ("dnsmasq", &["kill", "-9", pid.trim()]),
        ("a port", &["nsenter", "--net", "true"]),
    ];
    for (what, damage) in damages {
        match what {
            "a port" => drop(lab.ip(&lab.name, &format!("link set {port} nomaster"))),
            _ => drop(lab.within(&namespace, damage).unwrap()),
        }
        let found = probe().await;
        assert!(matches!(&found, Err(DriverError::Differs { .. })), "{what}: {found:?}");
        // What the reconciler asks for.
        lab.start().await;
        lab.apply(5, config()).await;
        probe().await.unwrap_or_else(|error| panic!("{what} was not repaired: {error}"));
    }

    // The machine restarts: all is gone but what is on file, and another server comes to look.
    for pid in lab.within(&namespace, &["ip", "netns", "pids", &namespace]).unwrap().split_whitespace() {
        let _ = super::lab::run("kill", &["-9", pid]);
    }
    super::lab::run("ip", &["netns", "del", &namespace]).unwrap();
    std::fs::remove_dir_all(format!("/run/cascina-gateway/{namespace}")).unwrap();
    lab.ip(&lab.name, "link del cb291");
    assert_eq!(state(&lab).await, Some(GuestState::Crashed));
    let lab = Lab::restarted(lab);
    lab.start().await;
    assert_eq!(state(&lab).await, Some(GuestState::Running));
    lab.call(HostCall::ProbeRouter { guest }).await.expect("what it was given last is still known");

    // A router that was stopped has nothing running, and has its configuration when it comes back.
    lab.done(HostCall::Stop { guest }).await;
    assert_eq!(state(&lab).await, Some(GuestState::Stopped));
    assert_eq!(lab.processes("cascina-gateway"), [] as [String; 0]);
    let answer = lab.call(HostCall::ApplyRouter { guest, revision: 6, config: config() }).await;
    assert!(matches!(answer, Err(DriverError::Refused { .. })), "{answer:?}");
    lab.done(HostCall::Boot { spec: router() }).await;
    lab.call(HostCall::ProbeRouter { guest }).await.unwrap();
    // A call that nobody waits for ends all the same.
    let mut dropped = Box::pin(lab.call(HostCall::ApplyRouter { guest, revision: 7, config: config() }));
    assert!(tokio::time::timeout(std::time::Duration::from_millis(1), &mut dropped).await.is_err());
    drop(dropped);
    lab.call(HostCall::ProbeRouter { guest }).await.unwrap();
    lab.apply(6, RouterConfig::default()).await;
    lab.call(HostCall::ProbeRouter { guest }).await.expect("what is older came too late");

    lab.done(HostCall::Destroy { guest }).await;
    lab.done(HostCall::RemoveNetwork { network: network().id }).await;
    assert_eq!(lab.traces(), [] as [String; 0]);
}

#[tokio::test]
#[ignore = "needs root"]
async fn a_second_gateway_does_not_touch_what_is_of_the_first() {
    let lab = Lab::new("f", settings());
    lab.start().await;
    let other = tempfile::tempdir().unwrap();
    let uri = format!("netns:?state={}&inside={}", other.path().display(), lab.name);
    let host = crate::HostRef { uri, ..lab.host.clone() };
    let ask = |call| crate::Hypervisor::call(&lab.gateway, &host, call);
    assert_eq!(ask(HostCall::Inventory).await, Ok(Reply::Inventory(Default::default())));
    ask(HostCall::DefineNetwork { network: network() }).await.unwrap();
    ask(HostCall::StageDisk { spec: router(), image: "cascina:router".into(), sha256: None }).await.unwrap();
    let answer = ask(HostCall::Boot { spec: router() }).await;
    assert!(matches!(answer, Err(DriverError::Refused { .. })), "{answer:?}");
    let _ = ask(HostCall::Destroy { guest: router().guest }).await;
    assert_eq!(state(&lab).await, Some(GuestState::Running));
}

#[tokio::test]
#[ignore = "needs root"]
async fn networks_reach_other_hosts_by_vxlan() {
    let (one, two) = (ip("203.0.113.2"), ip("203.0.113.3"));
    let with = |local, peer| {
        let vxlan = Vxlan { base: 1000, local, peers: vec![local, peer], port: 4789 };
        crate::netns::GatewaySettings { uplink: Uplink::Vxlan(vxlan), ..settings() }
    };
    let (first, second) = (Lab::new("v", with(one, two)), Lab::new("w", with(two, one)));
    // Both hosts are on one wire.
    first.ip(&first.name, &format!("link add wire type veth peer name wire netns {}", second.name));
    for (lab, local) in [(&first, one), (&second, two)] {
        lab.ip(&lab.name, &format!("address add {local}/24 dev wire"));
        lab.ip(&lab.name, "link set wire up");
    }
    first.start().await;
    let network = network();
    second.done(HostCall::DefineNetwork { network: network.clone() }).await;
    second.done(HostCall::DefineNetwork { network: network.clone() }).await;
    let mut second = second;
    let guest = second.guest(20);
    second.ip(&guest, "address add 10.64.7.20/24 dev eth0");
    second.within(&guest, &["busybox", "ping", "-c1", "-W2", "10.64.7.1"]).unwrap();
    second.done(HostCall::RemoveNetwork { network: network.id }).await;
    let vxlans = second.ip(&second.name, "-br link show type vxlan");
    assert_eq!(vxlans, "");
    first.done(HostCall::Destroy { guest: router().guest }).await;
    first.done(HostCall::RemoveNetwork { network: network.id }).await;
    assert_eq!(first.traces().into_iter().filter(|name| name != "wire").collect::<Vec<_>>(), [] as [String; 0]);
}

/// More than the kernel has watchers of files for one user, all at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs root"]
async fn one_gateway_has_many_routers() {
    const MANY: u8 = 150;
    let lab = std::sync::Arc::new(Lab::new("m", settings()));
    let ids = |n: u8| (NetworkId(100 + u64::from(n)), Guest::Router(RouterId(100 + u64::from(n))));
    let begun = std::time::Instant::now();
    let made = (0..MANY).map(|n| {
        let (lab, (id, guest)) = (std::sync::Arc::clone(&lab), ids(n));
        tokio::spawn(async move {
            let prefix = [2, 0, 2, n];
            let cidr = format!("10.65.{n}.0/24").parse().unwrap();
            let network = NetworkSpec { id, segment: 0x200 + u32::from(n), cidr, mac_prefix: prefix, ..network() };
            let mac = Mac([2, 0, 2, n, n, 1]);
            let spec = GuestSpec { guest, network: id, ip: ip(&format!("10.65.{n}.1")), mac, ..router() };
            let public = Some(ip(&format!("203.0.113.{}", 50 + n)));
            lab.done(HostCall::DefineNetwork { network }).await;
            lab.done(HostCall::StageDisk { spec: spec.clone(), image: "cascina:router".into(), sha256: None }).await;
            lab.done(HostCall::Boot { spec }).await;
            let config = RouterConfig { public, ..RouterConfig::default() };
            lab.done(HostCall::ApplyRouter { guest, revision: 1, config }).await;
            lab.probed(guest).await;
        })
    });
    for task in made.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    println!("{MANY} routers: {:?}", begun.elapsed());
    let begun = std::time::Instant::now();
    let Reply::Inventory(found) = lab.call(HostCall::Inventory).await.unwrap() else { panic!() };
    println!("inventory of them: {:?}", begun.elapsed());
    assert_eq!(found.guests.len(), usize::from(MANY));
    assert!(found.guests.iter().all(|found| found.state == GuestState::Running));
    let answered = (0..MANY).filter(|n| {
        let to = format!("203.0.113.{}", 50 + n);
        lab.within(&lab.outside(), &["busybox", "ping", "-c1", "-W2", &to]).is_ok()
    });
    assert_eq!(answered.count(), usize::from(MANY));
    let begun = std::time::Instant::now();
    for n in 0..MANY {
        let (network, guest) = ids(n);
        lab.done(HostCall::Destroy { guest }).await;
        lab.done(HostCall::RemoveNetwork { network }).await;
    }
    println!("all gone, one after the other: {:?}", begun.elapsed());
    assert_eq!(lab.traces(), [] as [String; 0]);
}
