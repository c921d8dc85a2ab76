use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cascina_context::seed::{Addressing, Fixed, Format, Network, Seed};
use cascina_core::id::InstanceId;
use cascina_core::launch::Bytes;
use cascina_core::network::Mac;
use serde_json::{Value, json};

use crate::{cloud_init, run, unpacked};

/// What might end a quotation in YAML, JSON or a shell.
const HOSTILE: &str = r#"ssh-ed25519 AAAA '"`$(touch /tmp/x)${HOME}\'\" #: {}[]&*!|>%@è"#;
const PLAIN: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ me@here";

fn network(addressing: Addressing) -> Network {
    Network { mac: Mac([2, 0, 0, 12, 7, 5]), mtu: Some(1450), addressing }
}

fn fixed() -> Addressing {
    Addressing::Fixed(Fixed {
        address: "10.64.7.5/24".parse().unwrap(),
        gateway: Some([10, 64, 7, 1].into()),
        dns: vec![[10, 64, 7, 1].into()],
        search: vec!["farm.internal".parse().unwrap()],
    })
}

fn seed(user_data: Option<&[u8]>, addressing: Addressing) -> Seed {
    let keys = [PLAIN.to_owned(), HOSTILE.to_owned()];
    let user_data = user_data.map(|bytes| Bytes(bytes.into()));
    Seed::new(InstanceId(0x20), &"web-1".parse().unwrap(), &keys, user_data, Some(network(addressing))).unwrap()
}

/// The image goes to a file, which is checked, and its files to a folder.
fn unpack(seed: &Seed, format: Format, scratch: &Path) -> String {
    let image = seed.disk(format).unwrap();
    let disk = scratch.join("disk");
    std::fs::write(&disk, image.as_bytes()).unwrap();
    let checked = run(Command::new(unpacked().join("sbin/fsck.fat")).args(["-n", "-v"]).arg(&disk));
    let checked = String::from_utf8(checked.stdout).unwrap();
    assert!(checked.contains("0 files") || checked.contains(" files, "), "{checked}");
    let said = run(Command::new("blkid").args(["-p", "-o", "export"]).arg(&disk));
    let said = String::from_utf8(said.stdout).unwrap();
    let volume = format!("UUID={:04X}-{:04X}", image.volume() >> 16, image.volume() & 0xffff);
    for line in
        [&format!("LABEL={}", format.label()), &format!("LABEL_FATBOOT={}", format.label()), "TYPE=vfat", &volume]
    {
        assert!(said.lines().any(|given| given == line), "{line} is not in {said}");
    }
    let folder = scratch.join("files");
    std::fs::create_dir(&folder).unwrap();
    run(Command::new(unpacked().join("usr/bin/mcopy")).args(["-s", "-n", "-i"]).arg(&disk).arg("::*").arg(&folder));
    folder.to_str().unwrap().to_owned()
}

fn read(seed: &Seed, format: Format) -> Value {
    let scratch = tempfile::tempdir().unwrap();
    let folder = unpack(seed, format, scratch.path());
    let kind = match format {
        Format::NoCloud => "nocloud",
        Format::ConfigDrive => "configdrive",
        Format::OpenNebula => "opennebula",
    };
    cloud_init(kind, &folder)
}

#[test]
#[ignore = "needs Debian's cloud-init, mtools and dosfstools, which it unpacks"]
fn cloud_init_reads_what_was_given() {
    let compressed = [&[0x1f, 0x8b, 8, 0][..], &[0, 255, 13, 10, 26].repeat(200_000)].concat();
    for format in Format::ALL {
        for (given, expected) in [
            (Some(&b"#!/bin/sh\r\necho \xc3\xa8 '$HOME'\n"[..]), &b"#!/bin/sh\r\necho \xc3\xa8 '$HOME'\n"[..]),
            (Some(&compressed[..]), &compressed[..]),
            (None, b"#cloud-config\n"),
        ] {
            let read = read(&seed(given, Addressing::Dhcp), format);
            assert_eq!(read["hostname"], "web-1", "{format:?}");
            assert_eq!(read["keys"], json!([PLAIN, HOSTILE]), "{format:?}");
            assert!(read["user_data"] == STANDARD.encode(expected), "{format:?}: other user-data");
            if format != Format::OpenNebula {
                assert_eq!(read["id"], "i-00000000000000020", "{format:?}");
            }
        }
    }
}

#[test]
#[ignore = "needs Debian's cloud-init, mtools and dosfstools, which it unpacks"]
fn cloud_init_configures_the_network() {
    for format in [Format::NoCloud, Format::ConfigDrive] {
        let files = read(&seed(None, Addressing::Dhcp), format)["files"].clone();
        let eni = files["eni"].as_str().unwrap();
        assert!(eni.contains("iface eth0 inet dhcp\n    mtu 1450"), "{format:?}: {eni}");
        let netplan = files["netplan"].as_str().unwrap();
        for part in ["dhcp4: true", "macaddress: 02:00:00:0c:07:05", "mtu: 1450", "set-name: eth0"] {
            assert!(netplan.contains(part), "{format:?}: {netplan}");
        }
    }
    for format in Format::ALL {
        let files = read(&seed(None, fixed()), format)["files"].clone();
        let eni = files["eni"].as_str().unwrap();
        for part in
            ["iface eth0 inet static", "address 10.64.7.5/24", "dns-nameservers 10.64.7.1", "dns-search farm.internal"]
        {
            assert!(eni.contains(part), "{format:?}: {eni}");
        }
        assert!(eni.contains("gateway 10.64.7.1") || eni.contains("default gw 10.64.7.1"), "{format:?}: {eni}");
        let netplan = files["netplan"].as_str().unwrap();
        for part in ["10.64.7.5/24", "02:00:00:0c:07:05", "10.64.7.1", "farm.internal"] {
            assert!(netplan.contains(part), "{format:?}: {netplan}");
        }
    }
}

#[test]
#[ignore = "needs Debian's cloud-init, mtools and dosfstools, which it unpacks"]
fn a_shell_sets_these_variables_and_no_others() {
    let read = read(&seed(Some(b"$(exit 1)"), Addressing::Dhcp), Format::OpenNebula);
    let expected =
        ["ETH0_MAC", "ETH0_METHOD", "ETH0_MTU", "SET_HOSTNAME", "SSH_PUBLIC_KEY", "USER_DATA", "USER_DATA_ENCODING"];
    assert_eq!(read["variables"], json!(expected));
    // No address: what asks for one is left to the distribution.
    assert_eq!(read["files"], json!({}));
}
