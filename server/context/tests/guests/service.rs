use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use cascina_context::metadata::{Access, Facts, Group, LoginKey, MetadataRequest, Tokens, answer};
use cascina_core::id::{ImageId, InstanceId, NetworkId, ReservationId, SecurityGroupId};
use cascina_core::launch::Bytes;
use cascina_core::network::Mac;
use cascina_core::tag::{InterfaceNumber, SubnetNumber};
use cascina_core::units::Timestamp;
use serde_json::json;

use crate::{cloud_init, run};

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 64, 7, 5);
const KEY: &str = "ssh-ed25519 AAAA me@here";

fn facts(access: Access) -> Facts {
    Facts {
        access,
        instance: InstanceId(0x20),
        image: ImageId(0x30),
        reservation: ReservationId(0x40),
        launch_index: 0,
        instance_type: "m1.small".parse().unwrap(),
        hostname: "ip-10-64-7-5.internal".parse().unwrap(),
        local_ipv4: SOURCE,
        public_ipv4: Some([203, 0, 113, 51].into()),
        mac: Mac([2, 0, 0, 12, 7, 5]),
        interface: InterfaceNumber(0x20),
        network: NetworkId(0x50),
        subnet: SubnetNumber(0x51),
        cidr: "10.64.7.0/24".parse().unwrap(),
        account: "123456789012".into(),
        region: "lab".into(),
        zone: "lab-1a".parse().unwrap(),
        groups: vec![Group { id: SecurityGroupId(7), name: "default".into() }],
        keys: vec![LoginKey { name: "odd/name=/".into(), public: KEY.into() }],
        user_data: Some(Bytes(b"#!/bin/sh\ntrue\n"[..].into())),
        root_device: "/dev/vda".into(),
        volume_devices: vec!["/dev/vdb".into()],
        launched: Timestamp(1_700_000_000_000),
    }
}

/// The service on a port of this machine, as if all that comes were from the instance. It ends with the
/// test's process.
fn serve(access: Access) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (facts, tokens) = (Arc::new(facts(access)), Tokens::new(&[7; 32]));
    std::thread::spawn(move || {
        for connection in listener.incoming().map_while(Result::ok) {
            let (facts, tokens) = (facts.clone(), tokens.clone());
            std::thread::spawn(move || speak(connection, &facts, &tokens));
        }
    });
    url
}

/// One request of HTTP/1.1, without a body.
fn speak(mut connection: TcpStream, facts: &Facts, tokens: &Tokens) {
    let mut lines = BufReader::new(connection.try_clone().unwrap()).lines().map_while(Result::ok);
    let first = lines.next().unwrap_or_default();
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let headers: Vec<(&str, &[u8])> = headers
        .iter()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name, value.trim().as_bytes()))
        .collect();
    let request = MetadataRequest { method, path, headers: &headers, source: SOURCE };
    let response = answer(&request, facts, tokens, Timestamp(1_700_000_000_000));
    let mut head = format!("HTTP/1.1 {} -\r\nConnection: close\r\n", response.status);
    for (name, value) in &response.headers {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("Content-Length: {}\r\n\r\n", response.body.len());
    let _ = connection.write_all(&[head.as_bytes(), &response.body].concat());
}

#[test]
#[ignore = "needs Debian's cloud-init, which it unpacks"]
fn cloud_init_crawls_it() {
    for (kind, access) in [("ec2", Access::TokensOptional), ("ec2-tokens", Access::TokensRequired)] {
        let read = cloud_init(kind, &serve(access));
        assert_eq!(read["version"], "2021-03-23", "{kind}");
        assert_eq!(read["keys"], json!([KEY]), "{kind}");
        assert_eq!(read["user_data"], "IyEvYmluL3NoCnRydWUK", "{kind}");
        let network = json!({ "version": 2, "ethernets": { "eth0": {
            "dhcp4": true, "dhcp6": false, "match": { "macaddress": "02:00:00:0c:07:05" }, "set-name": "eth0",
        } } });
        assert_eq!(read["network"], network, "{kind}");
        let found = &read["metadata"];
        assert_eq!(found["instance-id"], "i-00000000000000020", "{kind}");
        assert_eq!(found["local-hostname"], "ip-10-64-7-5.internal", "{kind}");
        assert_eq!(found["block-device-mapping"], json!({ "ami": "/dev/vda", "ebs1": "/dev/vdb", "root": "/dev/vda" }));
        let nic = &found["network"]["interfaces"]["macs"]["02:00:00:0c:07:05"];
        assert_eq!(nic["ipv4-associations"], json!({ "203.0.113.51": "10.64.7.5" }), "{kind}");
        assert_eq!(found["placement"], json!({ "availability-zone": "lab-1a", "region": "lab" }), "{kind}");
        if kind == "ec2-tokens" {
            assert_eq!(read["identity"]["instanceId"], "i-00000000000000020");
            assert_eq!(read["identity"]["pendingTime"], "2023-11-14T22:13:20Z");
        }
    }
}

#[test]
#[ignore = "needs botocore: `make clients` first"]
fn botocore_finds_its_region() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/clients/bin/python");
    for access in [Access::TokensOptional, Access::TokensRequired] {
        let fetch = "import sys; from botocore.utils import InstanceMetadataRegionFetcher as Fetcher; \
                     print(Fetcher(base_url=sys.argv[1] + '/').retrieve_region())";
        let output = run(Command::new(&python).args(["-c", fetch, &serve(access)]));
        assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "lab-1");
    }
}
