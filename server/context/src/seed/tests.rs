use cascina_core::network::Mac;
use proptest::prelude::*;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@here";

fn bytes(text: &[u8]) -> Option<Bytes> {
    Some(Bytes(text.into()))
}

fn dhcp() -> Network {
    Network { mac: Mac([2, 0, 0, 12, 7, 5]), mtu: Some(1450), addressing: Addressing::Dhcp }
}

fn fixed() -> Network {
    let fixed = Fixed {
        address: "10.64.7.5/24".parse().unwrap(),
        gateway: Some([10, 64, 7, 1].into()),
        dns: vec![[10, 64, 7, 1].into()],
        search: vec!["farm.internal".parse().unwrap()],
    };
    Network { mtu: None, addressing: Addressing::Fixed(fixed), ..dhcp() }
}

fn seed(keys: &[&str], user_data: Option<Bytes>, network: Option<Network>) -> Result<Seed, SeedError> {
    let keys: Vec<String> = keys.iter().map(|&key| key.to_owned()).collect();
    Seed::new(InstanceId(0x20), &"web-1".parse().unwrap(), &keys, user_data, network)
}

/// All files as one text.
fn shown(seed: &Seed, format: Format) -> String {
    let text = |file: &File| format!("--- {}\n{}", file.path, String::from_utf8_lossy(&file.bytes));
    seed.files(format).iter().map(text).collect()
}

#[test]
fn no_cloud() {
    let seed = seed(&[KEY], bytes(b"#!/bin/sh\ntrue\n"), Some(dhcp())).unwrap();
    insta::assert_snapshot!(shown(&seed, Format::NoCloud), @r#"
    --- meta-data
    {
      "instance-id": "i-00000000000000020",
      "local-hostname": "web-1",
      "public-keys": [
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@here"
      ]
    }
    --- user-data
    #!/bin/sh
    true
    --- network-config
    {
      "ethernets": {
        "eth0": {
          "dhcp4": true,
          "match": {
            "macaddress": "02:00:00:0c:07:05"
          },
          "mtu": 1450,
          "set-name": "eth0"
        }
      },
      "version": 2
    }
    "#);
}

#[test]
fn config_drive() {
    let seed = seed(&[KEY], None, Some(fixed())).unwrap();
    insta::assert_snapshot!(shown(&seed, Format::ConfigDrive), @r#"
    --- openstack/latest/meta_data.json
    {
      "hostname": "web-1",
      "launch_index": 0,
      "name": "web-1",
      "public_keys": {
        "key-0": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@here"
      },
      "uuid": "i-00000000000000020"
    }
    --- openstack/latest/user_data
    #cloud-config
    --- openstack/latest/network_data.json
    {
      "links": [
        {
          "ethernet_mac_address": "02:00:00:0c:07:05",
          "id": "eth0",
          "name": "eth0",
          "type": "phy"
        }
      ],
      "networks": [
        {
          "dns_search": [
            "farm.internal"
          ],
          "id": "network0",
          "ip_address": "10.64.7.5",
          "link": "eth0",
          "netmask": "255.255.255.0",
          "routes": [
            {
              "gateway": "10.64.7.1",
              "netmask": "0.0.0.0",
              "network": "0.0.0.0"
            }
          ],
          "type": "ipv4"
        }
      ],
      "services": [
        {
          "address": "10.64.7.1",
          "type": "dns"
        }
      ]
    }
    "#);
}

#[test]
fn open_nebula() {
    let seed = seed(&[KEY, KEY], bytes(b"#cloud-config\n"), Some(fixed())).unwrap();
    insta::assert_snapshot!(shown(&seed, Format::OpenNebula), @r"
    --- context.sh
    # Context of the instance
    SET_HOSTNAME='web-1'
    SSH_PUBLIC_KEY='ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@here
    ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@here'
    ETH0_MAC='02:00:00:0c:07:05'
    ETH0_METHOD='static'
    ETH0_IP='10.64.7.5'
    ETH0_MASK='255.255.255.0'
    ETH0_NETWORK='10.64.7.0'
    ETH0_GATEWAY='10.64.7.1'
    ETH0_DNS='10.64.7.1'
    ETH0_SEARCH_DOMAIN='farm.internal'
    USER_DATA_ENCODING='base64'
    USER_DATA='I2Nsb3VkLWNvbmZpZwo='
    ");
}

#[test]
fn a_fixed_address_for_no_cloud() {
    let network = fixed().version_2();
    insta::assert_snapshot!(format!("{network:#}"), @r#"
    {
      "ethernets": {
        "eth0": {
          "addresses": [
            "10.64.7.5/24"
          ],
          "match": {
            "macaddress": "02:00:00:0c:07:05"
          },
          "nameservers": {
            "addresses": [
              "10.64.7.1"
            ],
            "search": [
              "farm.internal"
            ]
          },
          "routes": [
            {
              "to": "0.0.0.0/0",
              "via": "10.64.7.1"
            }
          ],
          "set-name": "eth0"
        }
      },
      "version": 2
    }
    "#);
}

#[test]
fn without_user_data_there_is_a_file_that_says_so() {
    for none in [None, bytes(b"")] {
        let seed = seed(&[], none, None).unwrap();
        assert_eq!(seed.user_data(), b"#cloud-config\n");
        let files = seed.files(Format::NoCloud);
        assert_eq!(files.iter().map(|file| file.path).collect::<Vec<_>>(), ["meta-data", "user-data"]);
        assert_eq!(seed.files(Format::ConfigDrive)[1].bytes, b"#cloud-config\n");
    }
}

#[test]
fn what_guests_could_not_read_is_refused() {
    for key in [
        "",
        " \n",
        "ssh-rsa A\nssh-rsa B",
        "ssh-rsa \0",
        "ssh-rsa \u{7f}",
        "ssh-rsa \u{2028}",
        &"k".repeat(MOST_KEY + 1),
    ] {
        assert_eq!(seed(&[KEY, key], None, None), Err(SeedError::Key { place: 1 }), "{key:?}");
    }
    assert_eq!(seed(&[&format!("{KEY}\r\n")], None, None).unwrap().ssh_keys, [KEY]);
    assert_eq!(seed(&[KEY; MOST_KEYS + 1], None, None), Err(SeedError::Keys { given: MOST_KEYS + 1 }));
    let large = vec![0; MOST_USER_DATA + 1];
    assert_eq!(seed(&[], bytes(&large), None), Err(SeedError::UserData { given: MOST_USER_DATA + 1 }));
    assert!(seed(&[], bytes(&large[1..]), None).is_ok());
    let narrow = Network { mtu: Some(575), ..dhcp() };
    assert_eq!(seed(&[], None, Some(narrow)), Err(SeedError::Mtu { given: 575 }));
    let mut astray = fixed();
    if let Addressing::Fixed(fixed) = &mut astray.addressing {
        fixed.gateway = Some([10, 64, 8, 1].into());
    }
    assert!(matches!(seed(&[], None, Some(astray)), Err(SeedError::Gateway { .. })));
}

#[test]
fn the_most_fits_on_a_disk_of_each_format() {
    let keys = vec!["'".repeat(MOST_KEY); MOST_KEYS];
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    let seed = seed(&keys, bytes(&vec![7; MOST_USER_DATA]), Some(fixed())).unwrap();
    for format in Format::ALL {
        assert!(seed.disk(format).is_ok(), "{format:?}");
    }
}

#[test]
fn user_data_and_keys_are_not_shown() {
    let seed = seed(&[KEY], bytes(b"password: hunter2"), Some(dhcp())).unwrap();
    let shown = format!("{seed:?} {:?}", seed.files(Format::OpenNebula));
    assert!(!shown.contains("hunter2") && !shown.contains("AAAA"), "{shown}");
    assert!(shown.contains("17 bytes"), "{shown}");
}

proptest! {
    #[test]
    fn keys_come_through_json_as_they_are(keys in proptest::collection::vec("[^\\p{C}\\s][^\\p{C}\\p{Zl}\\p{Zp}]{0,80}[^\\p{C}\\s]", 0..4)) {
        let lines: Vec<&str> = keys.iter().map(String::as_str).collect();
        let seed = seed(&lines, None, None).unwrap();
        let about: serde_json::Value = serde_json::from_slice(&seed.files(Format::NoCloud)[0].bytes).unwrap();
        prop_assert_eq!(&about["public-keys"], &serde_json::json!(keys));
    }

    /// What `sh` makes of a word in single quotes, by the rules of POSIX rather than by running one.
    #[test]
    fn nothing_leaves_its_quotes(key in "['\"$`\\\\;&|<>(){}!#*?~ a-z]{1,60}x") {
        let seed = seed(&[&key], None, None).unwrap();
        let script = String::from_utf8(seed.files(Format::OpenNebula).remove(0).bytes).unwrap();
        let line = script.lines().find_map(|line| line.strip_prefix("SSH_PUBLIC_KEY=")).unwrap();
        let (mut value, mut quoted, mut rest) = (String::new(), false, line.chars());
        while let Some(letter) = rest.next() {
            match (quoted, letter) {
                (_, '\'') => quoted = !quoted,
                (true, letter) => value.push(letter),
                (false, '\\') => value.extend(rest.next()),
                (false, letter) => prop_assert!(false, "{letter} stands bare in {line}"),
            }
        }
        prop_assert!(!quoted);
        prop_assert_eq!(value, key.trim_matches(' '));
    }
}
