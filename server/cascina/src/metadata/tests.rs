//! The listener, with guests of two farms on simulated hosts: connections from loopback addresses stand for
//! what routers make of theirs.

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use cascina_core::command::{Command, NewFarm, NewInstances};
use cascina_core::farm::FarmState;
use cascina_core::id::InstanceId;
use cascina_core::launch::{InstanceChange, Launch};
use cascina_core::metadata::{MetadataChange, MetadataTokens};
use cascina_core::principal::Principal;
use cascina_drivers::router::seen_as;
use cascina_engine::Request as Ask;
use cascina_policy::Compiler;
use ipnet::Ipv4Net;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use super::*;
use crate::config::Config;
use crate::hosts::Scheme;
use crate::{keys, wiring};

struct Site {
    engine: Engine,
    at: SocketAddr,
    folder: tempfile::TempDir,
}

fn pool() -> Ipv4Net {
    "127.64.0.0/10".parse().unwrap()
}

fn farm(name: &str) -> NewFarm {
    NewFarm {
        name: name.parse().unwrap(),
        tenant: name.parse().unwrap(),
        groups: vec!["grid".parse().unwrap()],
        tier: None,
        user: None,
        ssh_key: Some(format!("ssh-ed25519 AAAA {name}")),
        instances: vec![NewInstances {
            name: None,
            flavor: "m1.small".parse().unwrap(),
            image: "debian-13".into(),
            class: None,
            min_count: 2,
            max_count: 2,
            host: None,
            launch: Launch::default(),
        }],
        lease_s: 0,
        labels: Default::default(),
    }
}

impl Site {
    async fn new(bounds: Bounds) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::parse(include_str!("../../../../examples/lab.toml"), std::iter::empty()).unwrap();
        config.server.data = folder.path().join("data");
        config.simulation.time_scale = 0.0;
        let engine = wiring::start(&config, Compiler::InProcess).await.unwrap().engine;
        for name in ["alice", "bob"] {
            let command = Command::CreateFarm(farm(name));
            engine.submit(Ask { principal: Principal::system(), command, idempotency: None }).await.unwrap();
        }
        let active = || engine.read(|s| s.rows.farms.values().all(|farm| farm.state == FarmState::Active));
        for _ in 0..600 {
            if active() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!(active());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let service = Service {
            engine: engine.clone(),
            peers: Peers::new(vec![(Scheme::Simulated, pool())]),
            tokens: keys::metadata_tokens(&config.server.data).unwrap(),
            region: "lab".into(),
            routers_between: 1,
            bounds,
        };
        tokio::spawn(listen(listener, service, std::future::pending()));
        Site { engine, at, folder }
    }

    /// Instances of a farm, each with the address that the service sees.
    fn guests(&self, farm: &str) -> Vec<(InstanceId, Ipv4Addr)> {
        self.engine.read(|state| {
            let farm = state.rows.farms.values().find(|row| row.name.as_str() == farm).unwrap().id;
            let network = state.rows.networks.values().find(|row| row.farm == farm).unwrap();
            let seen = seen_as(pool(), network.segment, network.cidr.prefix_len()).unwrap();
            let rows = state.indexes.instances_by_farm.with(&farm);
            let host = |ip| u32::from(ip) - u32::from(network.cidr.network());
            rows.map(|row| (row.id, Ipv4Addr::from(u32::from(seen.network()) + host(row.ip)))).collect()
        })
    }

    /// Status and body, or nothing if the connection is closed without a word.
    async fn ask(&self, from: Ipv4Addr, request: &str) -> Option<(u16, String)> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.into(), 0)).unwrap();
        let mut stream = socket.connect(self.at).await.unwrap();
        let _ = stream.write_all(request.as_bytes()).await;
        let mut text = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut text)).await.unwrap();
        let text = String::from_utf8(text).unwrap();
        let (head, body) = read.ok().and_then(|_| text.split_once("\r\n\r\n"))?;
        Some((head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned()))
    }

    async fn get(&self, from: Ipv4Addr, path: &str, headers: &str) -> Option<(u16, String)> {
        self.ask(from, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n")).await
    }

    async fn token(&self, from: Ipv4Addr) -> String {
        let asked = "PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\r\n";
        let (status, token) = self.ask(from, asked).await.unwrap();
        assert_eq!(status, 200);
        token
    }

    async fn change(&self, instance: InstanceId, metadata: MetadataChange) {
        let change = InstanceChange { metadata, ..InstanceChange::default() };
        let command = Command::SetInstance { instance, change };
        self.engine.submit(Ask { principal: Principal::system(), command, idempotency: None }).await.unwrap();
    }
}

fn wide() -> Bounds {
    Bounds { connections: 64, rate: 0, burst: 0 }
}

fn ok(body: impl Into<String>) -> Option<(u16, String)> {
    Some((200, body.into()))
}

const ID: &str = "/latest/meta-data/instance-id";

#[tokio::test(flavor = "multi_thread")]
async fn each_guest_is_told_of_itself() {
    let site = Site::new(wide()).await;
    let (alice, bob) = (site.guests("alice"), site.guests("bob"));
    for (id, from) in alice.iter().chain(&bob) {
        assert_eq!(site.get(*from, ID, "").await, ok(id.to_string()));
    }
    // The same private address in two farms is two guests.
    let ip = |id| site.engine.read(|state| state.rows.instances[&id].ip);
    let (first, other) = (alice[0], bob[0]);
    assert_eq!(ip(first.0).octets()[3], ip(other.0).octets()[3]);
    assert_eq!(site.get(first.1, "/latest/meta-data/local-ipv4", "").await, ok(ip(first.0).to_string()));
    let keys = site.get(other.1, "/latest/meta-data/public-keys/0/openssh-key", "").await;
    assert_eq!(keys, ok("ssh-ed25519 AAAA bob\n"));
    assert_eq!(site.get(first.1, "/latest/meta-data/security-groups", "").await, ok("default"));
    assert_eq!(site.get(first.1, "/latest/meta-data/placement/region", "").await, ok("lab"));

    // Tokens are of one guest; nothing that is written makes it another's.
    site.change(first.0, MetadataChange { tokens: Some(MetadataTokens::Required), ..MetadataChange::default() }).await;
    assert_eq!(site.get(first.1, ID, "").await.unwrap().0, 401);
    let (own, foreign) = (site.token(first.1).await, site.token(other.1).await);
    let shown = |token: &str| format!("X-aws-ec2-metadata-token: {token}\r\n");
    assert_eq!(site.get(first.1, ID, &shown(&own)).await, ok(first.0.to_string()));
    assert_eq!(site.get(first.1, ID, &shown(&foreign)).await.unwrap().0, 401);
    let forwarded = format!("{}X-Forwarded-For: {}\r\nForwarded: for={}\r\n", shown(&foreign), first.1, first.1);
    assert_eq!(site.get(other.1, ID, &forwarded).await, ok(other.0.to_string()));
    let put = "PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nX-aws-ec2-metadata-token-ttl-seconds: 60\r\n\
               X-Forwarded-For: 10.0.0.1\r\n\r\n";
    assert_eq!(site.ask(first.1, put).await.unwrap().0, 403);
    // Switched off, it is off also for who has a token.
    site.change(first.0, MetadataChange { enabled: Some(false), ..MetadataChange::default() }).await;
    assert_eq!(site.get(first.1, ID, &shown(&own)).await.unwrap().0, 403);

    let key = site.folder.path().join("data").join("metadata-secret");
    assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_oddities_get_nothing() {
    let site = Site::new(wide()).await;
    let (id, from) = site.guests("alice")[0];
    // Not a guest's network; one of no farm; the router; an address that nobody has.
    assert_eq!(site.get(Ipv4Addr::LOCALHOST, ID, "").await, None);
    let none = Ipv4Addr::from(u32::from(from) | 0x0000_ff00);
    assert_eq!(site.get(none, ID, "").await.unwrap().0, 403);
    for last in [1, 200] {
        let [a, b, c, _] = from.octets();
        assert_eq!(site.get([a, b, c, last].into(), ID, "").await.unwrap().0, 403);
    }
    let odd = [
        format!("GET http://169.254.169.254{ID} HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET {ID}/../user-data HTTP/1.1\r\nHost: x\r\n\r\n"),
        format!("GET {ID} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"),
        format!("GET {ID} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
        "nonsense\r\n\r\n".to_owned(),
    ];
    for request in odd {
        let answered = site.ask(from, &request).await;
        assert_eq!(answered.map(|(status, _)| status), Some(400), "{request}");
    }
    let long = format!("X-Long: {}\r\n", "x".repeat(20_000));
    assert_eq!(site.get(from, ID, &long).await.unwrap().0, 431);
    let many: String = (0..80).map(|n| format!("X-{n}: y\r\n")).collect();
    assert_eq!(site.get(from, ID, &many).await.unwrap().0, 431);
    assert_eq!(site.get(from, ID, "").await, ok(id.to_string()), "none of it broke anything");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_guest_cannot_use_up_what_is_for_all() {
    let site = Site::new(Bounds { connections: 64, rate: 1, burst: 3 }).await;
    let guests = site.guests("alice");
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(site.get(guests[0].1, ID, "").await.unwrap().0);
    }
    assert_eq!(statuses, [200, 200, 200, 429]);
    // Connections that say nothing.
    let mut silent = Vec::new();
    for _ in 0..40 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(guests[0].1.into(), 0)).unwrap();
        silent.push(socket.connect(site.at).await.unwrap());
    }
    assert_eq!(site.get(guests[1].1, ID, "").await, ok(guests[1].0.to_string()));
}
