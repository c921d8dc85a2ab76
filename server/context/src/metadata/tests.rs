use cascina_core::id::{ImageId, InstanceId, NetworkId, ReservationId, SecurityGroupId};
use cascina_core::launch::Bytes;
use cascina_core::network::Mac;
use cascina_core::tag::{InterfaceNumber, SubnetNumber};

use super::*;

mod properties;

const NOW: Timestamp = Timestamp(1_700_000_000_000);
const SOURCE: [u8; 4] = [10, 64, 7, 5];

fn facts() -> Facts {
    Facts {
        access: Access::TokensOptional,
        instance: InstanceId(0x20),
        image: ImageId(0x30),
        reservation: ReservationId(0x40),
        launch_index: 1,
        instance_type: "m1.small".parse().unwrap(),
        hostname: "ip-10-64-7-5.internal".parse().unwrap(),
        local_ipv4: SOURCE.into(),
        public_ipv4: Some([203, 0, 113, 51].into()),
        mac: Mac([2, 0, 0, 12, 7, 5]),
        interface: InterfaceNumber(0x20),
        network: NetworkId(0x50),
        subnet: SubnetNumber(0x51),
        cidr: "10.64.7.0/24".parse().unwrap(),
        account: "123456789012".into(),
        region: "cascina".into(),
        zone: "workers".parse().unwrap(),
        groups: vec![
            Group { id: SecurityGroupId(7), name: "default".into() },
            Group { id: SecurityGroupId(8), name: "web".into() },
        ],
        keys: vec![LoginKey { name: "my-key".into(), public: "ssh-ed25519 AAAA me@here".into() }],
        user_data: Some(Bytes([0x1f, 0x8b, 0, 255][..].into())),
        root_device: "/dev/vda".into(),
        volume_devices: vec!["/dev/vdb".into()],
        launched: NOW,
    }
}

fn tokens() -> Tokens {
    Tokens::new(&[7; 32])
}

fn ask(facts: &Facts, method: &str, path: &str, headers: &[(&str, &str)]) -> MetadataResponse {
    let headers: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    answer(&MetadataRequest { method, path, headers: &headers, source: SOURCE.into() }, facts, &tokens(), NOW)
}

/// What is there, or the status.
fn get(facts: &Facts, path: &str) -> Result<String, u16> {
    let response = ask(facts, "GET", path, &[]);
    let text = String::from_utf8(response.body).unwrap();
    if response.status == 200 { Ok(text) } else { Err(response.status) }
}

fn token(facts: &Facts) -> String {
    let response = ask(facts, "PUT", "/latest/api/token", &[(TTL_HEADER, "60")]);
    assert_eq!(response.status, 200);
    String::from_utf8(response.body).unwrap()
}

fn header<'a>(response: &'a MetadataResponse, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(given, _)| *given == name).map(|(_, value)| value.as_str())
}

/// Each folder with its list and each leaf with its text, as a client finds them that goes down the lists.
fn crawl(facts: &Facts, folder: &str, found: &mut Vec<String>) {
    for line in get(facts, folder).unwrap().lines() {
        if let Some(name) = line.strip_suffix('/') {
            found.push(format!("{folder}{name}/"));
            crawl(facts, &format!("{folder}{name}/"), found);
        } else if let Some((place, name)) = line.split_once('=') {
            found.push(format!("{folder}{place}/ ({name})"));
            crawl(facts, &format!("{folder}{place}/"), found);
        } else {
            found.push(format!("{folder}{line}: {}", get(facts, &format!("{folder}{line}")).unwrap()));
        }
    }
}

#[test]
fn the_tree() {
    let mut found = Vec::new();
    crawl(&facts(), "/2009-04-04/meta-data/", &mut found);
    insta::assert_snapshot!(found.join("\n").replace("/2009-04-04/meta-data", ""), @r"
    /ami-id: ami-00000000000000030
    /ami-launch-index: 1
    /ami-manifest-path: (unknown)
    /block-device-mapping/
    /block-device-mapping/ami: /dev/vda
    /block-device-mapping/ebs1: /dev/vdb
    /block-device-mapping/root: /dev/vda
    /hostname: ip-10-64-7-5.internal
    /instance-action: none
    /instance-id: i-00000000000000020
    /instance-life-cycle: on-demand
    /instance-type: m1.small
    /local-hostname: ip-10-64-7-5.internal
    /local-ipv4: 10.64.7.5
    /mac: 02:00:00:0c:07:05
    /network/
    /network/interfaces/
    /network/interfaces/macs/
    /network/interfaces/macs/02:00:00:0c:07:05/
    /network/interfaces/macs/02:00:00:0c:07:05/device-number: 0
    /network/interfaces/macs/02:00:00:0c:07:05/interface-id: eni-00000000000000020
    /network/interfaces/macs/02:00:00:0c:07:05/ipv4-associations/
    /network/interfaces/macs/02:00:00:0c:07:05/ipv4-associations/203.0.113.51: 10.64.7.5
    /network/interfaces/macs/02:00:00:0c:07:05/local-hostname: ip-10-64-7-5.internal
    /network/interfaces/macs/02:00:00:0c:07:05/local-ipv4s: 10.64.7.5
    /network/interfaces/macs/02:00:00:0c:07:05/mac: 02:00:00:0c:07:05
    /network/interfaces/macs/02:00:00:0c:07:05/owner-id: 123456789012
    /network/interfaces/macs/02:00:00:0c:07:05/public-hostname: 203.0.113.51
    /network/interfaces/macs/02:00:00:0c:07:05/public-ipv4s: 203.0.113.51
    /network/interfaces/macs/02:00:00:0c:07:05/security-group-ids: sg-00000000000000007
    sg-00000000000000008
    /network/interfaces/macs/02:00:00:0c:07:05/security-groups: default
    web
    /network/interfaces/macs/02:00:00:0c:07:05/subnet-id: subnet-00000000000000051
    /network/interfaces/macs/02:00:00:0c:07:05/subnet-ipv4-cidr-block: 10.64.7.0/24
    /network/interfaces/macs/02:00:00:0c:07:05/vpc-id: vpc-00000000000000050
    /network/interfaces/macs/02:00:00:0c:07:05/vpc-ipv4-cidr-block: 10.64.7.0/24
    /network/interfaces/macs/02:00:00:0c:07:05/vpc-ipv4-cidr-blocks: 10.64.7.0/24
    /placement/
    /placement/availability-zone: workers
    /placement/region: cascina
    /public-hostname: 203.0.113.51
    /public-ipv4: 203.0.113.51
    /public-keys/
    /public-keys/0/ (my-key)
    /public-keys/0/openssh-key: ssh-ed25519 AAAA me@here

    /reservation-id: r-00000000000000040
    /security-groups: default
    web
    ");
}

#[test]
fn lists_of_the_upper_levels() {
    let facts = facts();
    let versions = get(&facts, "/").unwrap();
    assert!(versions.starts_with("1.0\n2007-01-19\n") && versions.ends_with("\n2024-04-11\nlatest"), "{versions}");
    for version in versions.lines() {
        assert_eq!(get(&facts, &format!("/{version}/")).unwrap(), "dynamic\nmeta-data\nuser-data");
        assert_eq!(get(&facts, &format!("/{version}/meta-data/instance-id")).unwrap(), "i-00000000000000020");
    }
    assert_eq!(get(&facts, "/latest/dynamic/"), Ok("instance-identity/".into()));
    assert_eq!(get(&facts, "/latest/dynamic/instance-identity"), Ok("document".into()));
    assert_eq!(get(&facts, "/latest/meta-data/public-keys/"), Ok("0=my-key".into()));
    let listed = ask(&facts, "GET", "/latest/meta-data/", &[]);
    assert_eq!(header(&listed, "Content-Type"), Some("text/plain"));
}

#[test]
fn the_document() {
    insta::assert_snapshot!(get(&facts(), "/latest/dynamic/instance-identity/document").unwrap(), @r#"
    {
      "accountId": "123456789012",
      "architecture": "x86_64",
      "availabilityZone": "workers",
      "billingProducts": null,
      "devpayProductCodes": null,
      "imageId": "ami-00000000000000030",
      "instanceId": "i-00000000000000020",
      "instanceType": "m1.small",
      "kernelId": null,
      "marketplaceProductCodes": null,
      "pendingTime": "2023-11-14T22:13:20Z",
      "privateIp": "10.64.7.5",
      "ramdiskId": null,
      "region": "cascina",
      "version": "2017-09-30"
    }
    "#);
    let absurd = Facts { launched: Timestamp(u64::MAX), ..facts() };
    assert!(get(&absurd, "/latest/dynamic/instance-identity/document").unwrap().contains("\"9999-12-3"));
}

#[test]
fn user_data_to_the_byte() {
    let response = ask(&facts(), "GET", "/latest/user-data", &[]);
    assert_eq!((response.status, response.body), (200, vec![0x1f, 0x8b, 0, 255]));
    assert_eq!(response.headers[0], ("Content-Type", "application/octet-stream".to_owned()));
    for none in [None, Some(Bytes([][..].into()))] {
        let facts = Facts { user_data: none, ..facts() };
        assert_eq!(get(&facts, "/latest/user-data"), Err(404));
        assert_eq!(get(&facts, "/latest/"), Ok("dynamic\nmeta-data".into()));
    }
}

#[test]
fn what_an_instance_has_not_is_not_listed() {
    let facts =
        Facts { public_ipv4: None, keys: Vec::new(), groups: Vec::new(), volume_devices: Vec::new(), ..facts() };
    let listed = get(&facts, "/latest/meta-data/").unwrap();
    let nic = get(&facts, "/latest/meta-data/network/interfaces/macs/02:00:00:0c:07:05/").unwrap();
    for absent in ["public-ipv4", "public-hostname", "public-keys", "security-groups", "ipv4-associations"] {
        assert!(!listed.contains(absent) && !nic.contains(absent), "{absent}");
        assert_eq!(get(&facts, &format!("/latest/meta-data/{absent}")), Err(404));
    }
}

#[test]
fn slashes_at_the_end_do_not_matter() {
    // botocore asks for this leaf as for a folder.
    assert_eq!(get(&facts(), "/latest/meta-data/placement/availability-zone/"), Ok("workers".into()));
    assert_eq!(get(&facts(), "/latest/meta-data"), get(&facts(), "/latest/meta-data/"));
    let nic = "/latest/meta-data/network/interfaces/macs/02%3A00%3a00:0c:07:05/mac";
    assert_eq!(get(&facts(), nic), Ok("02:00:00:0c:07:05".into()));
}

#[test]
fn what_is_not_there() {
    for path in [
        "//",
        "/latest//",
        "/latest//meta-data",
        "/earliest/",
        "/2009-04-05/meta-data/",
        "/latest/meta-data/ami-id/x",
        "/latest/meta-data/AMI-ID",
        "/latest/meta-data/network/interfaces/macs/02:00:00:0c:07:06/",
        "/latest/meta-data/public-keys/1/openssh-key",
        "/latest/meta-data/public-keys/0=my-key",
        "/latest/meta-data/iam/security-credentials/",
        "/latest/api",
        "/latest/api/token/x",
        "/2021-01-03/api/token",
    ] {
        assert_eq!(get(&facts(), path), Err(404), "{path}");
    }
    let response = ask(&facts(), "GET", "/latest/none", &[]);
    assert_eq!(header(&response, "Content-Type"), Some("text/html"));
    assert!(String::from_utf8(response.body).unwrap().contains("<title>404 - Not Found</title>"));
}

#[test]
fn what_is_odd_is_refused() {
    for path in ["/latest/../1.0", "/latest/%2e%2e/", "/latest/meta-data%2f", "/latest?x=1", "latest", "", "/%00"] {
        assert_eq!(get(&facts(), path), Err(400), "{path}");
    }
    assert_eq!(get(&facts(), &"/a".repeat(MOST_PATH / 2)), Err(404));
    assert_eq!(get(&facts(), &"/a".repeat(MOST_PATH / 2 + 1)), Err(414));
    let many = vec![("x", ""); MOST_HEADERS + 1];
    assert_eq!(ask(&facts(), "GET", "/", &many).status, 431);
    assert_eq!(ask(&facts(), "GET", "/", &many[1..]).status, 200);
    assert_eq!(ask(&facts(), "GET", "/", &[("x", &"y".repeat(16 << 10))]).status, 431);
}

#[test]
fn only_methods_that_read() {
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "get", "TRACE", ""] {
        let response = ask(&facts(), method, "/latest/meta-data/", &[]);
        assert_eq!((response.status, header(&response, "Allow")), (405, Some("GET, HEAD")), "{method}");
    }
    for method in ["GET", "HEAD", "POST", "DELETE"] {
        let response = ask(&facts(), method, "/latest/api/token", &[(TTL_HEADER, "60")]);
        assert_eq!((response.status, header(&response, "Allow")), (405, Some("PUT")), "{method}");
    }
    let head = ask(&facts(), "HEAD", "/latest/meta-data/ami-id", &[]);
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn tokens_where_they_are_required() {
    let facts = Facts { access: Access::TokensRequired, ..facts() };
    for path in ["/", "/latest/", "/latest/user-data", "/latest/meta-data/ami-id", "/latest/none"] {
        assert_eq!(ask(&facts, "GET", path, &[]).status, 401, "{path}");
        assert_eq!(ask(&facts, "HEAD", path, &[]).status, 401, "{path}");
    }
    let token = token(&facts);
    for name in ["X-aws-ec2-metadata-token", "x-aws-ec2-metadata-token", "X-AWS-EC2-METADATA-TOKEN"] {
        let response = ask(&facts, "GET", "/latest/meta-data/ami-id", &[(name, &token)]);
        assert_eq!((response.status, header(&response, TTL_SHOWN)), (200, Some("60")), "{name}");
    }
    let missing = ask(&facts, "GET", "/latest/none", &[(TOKEN_HEADER, &token)]);
    assert_eq!((missing.status, header(&missing, TTL_SHOWN)), (404, None));
    let twice = [(TOKEN_HEADER, token.as_str()), (TOKEN_HEADER, token.as_str())];
    assert_eq!(ask(&facts, "GET", "/latest/", &twice).status, 400);
    let other = Facts { instance: InstanceId(0x21), ..facts };
    assert_eq!(ask(&other, "GET", "/latest/", &[(TOKEN_HEADER, &token)]).status, 401, "a token of another");
}

#[test]
fn a_wrong_token_is_worse_than_none() {
    let facts = facts();
    assert_eq!(ask(&facts, "GET", "/latest/", &[]).status, 200);
    assert_eq!(ask(&facts, "GET", "/latest/", &[(TOKEN_HEADER, &token(&facts))]).status, 200);
    for wrong in ["", "x", &"A".repeat(56), &"x".repeat(4000)] {
        assert_eq!(ask(&facts, "GET", "/latest/", &[(TOKEN_HEADER, wrong)]).status, 401, "{wrong}");
    }
    let late = NOW.plus_ms(60_000);
    let token = token(&facts);
    let headers: [(&str, &[u8]); 1] = [(TOKEN_HEADER, token.as_bytes())];
    let request = MetadataRequest { method: "GET", path: "/latest/", headers: &headers, source: SOURCE.into() };
    assert_eq!(answer(&request, &facts, &tokens(), late).status, 401);
}

#[test]
fn how_tokens_are_given() {
    let facts = facts();
    let put = |headers: &[(&str, &str)]| ask(&facts, "PUT", "/latest/api/token", headers);
    let given = put(&[("X-aws-ec2-metadata-token-ttl-seconds", "21600")]);
    assert_eq!((given.status, header(&given, TTL_SHOWN)), (200, Some("21600")));
    for wrong in ["", "0", "21601", "-1", "six", "60 ", "6e1"] {
        assert_eq!(put(&[(TTL_HEADER, wrong)]).status, 400, "{wrong}");
    }
    assert_eq!(put(&[]).status, 400);
    assert_eq!(put(&[(TTL_HEADER, "60"), (TTL_HEADER, "60")]).status, 400);
    for forwarded in ["10.0.0.1", ""] {
        assert_eq!(put(&[(TTL_HEADER, "60"), ("X-Forwarded-For", forwarded)]).status, 403);
    }
    // Asking for something else through a proxy is as good as asking for it oneself.
    assert_eq!(ask(&facts, "GET", "/latest/", &[("X-Forwarded-For", "10.0.0.1")]).status, 200);
}

#[test]
fn nothing_for_others_or_where_it_is_off() {
    let off = Facts { access: Access::Off, ..facts() };
    assert_eq!(get(&off, "/latest/meta-data/"), Err(403));
    assert_eq!(ask(&off, "PUT", "/latest/api/token", &[(TTL_HEADER, "60")]).status, 403);
    let token = token(&facts());
    let headers: [(&str, &[u8]); 1] = [(TOKEN_HEADER, token.as_bytes())];
    let stranger =
        MetadataRequest { method: "GET", path: "/latest/", headers: &headers, source: [10, 64, 7, 6].into() };
    assert_eq!(answer(&stranger, &facts(), &tokens(), NOW).status, 403);
}

#[test]
fn hostile_names_stay_on_their_line() {
    let mut facts = facts();
    facts.keys[0].name = "a/\nb=c/".into();
    facts.groups[0].name = "x\r\ny".into();
    assert_eq!(get(&facts, "/latest/meta-data/public-keys/"), Ok("0=a_?b=c_".into()));
    assert_eq!(get(&facts, "/latest/meta-data/security-groups"), Ok("x??y\nweb".into()));
}

#[test]
fn nothing_secret_is_shown() {
    let mut facts = facts();
    facts.user_data = Some(Bytes(b"hunter2"[..].into()));
    let response = ask(&facts, "GET", "/latest/user-data", &[]);
    let shown = format!("{facts:?} {response:?}");
    assert!(!shown.contains("hunter2") && !shown.contains("AAAA"), "{shown}");
    assert!(shown.contains("7 bytes"), "{shown}");
}

#[test]
fn hops() {
    let (one, two) = (HopLimit::default(), HopLimit::new(2).unwrap());
    assert_eq!(reply_ttl(one, 0), 1);
    assert_eq!(reply_ttl(one, 1), 2);
    assert_eq!(reply_ttl(two, 1), 3);
    assert_eq!(reply_ttl(two, 255), 255);
}
