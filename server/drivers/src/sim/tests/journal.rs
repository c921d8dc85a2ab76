//! The journal gives back the world that wrote it, or says why it cannot.

use std::path::Path;

use cascina_core::launch::Bytes;
use proptest::prelude::*;

use super::*;
use crate::Hypervisor;
use crate::sim::{JournalError, SimDriver, read_world};

fn open(path: &Path) -> SimDriver {
    SimDriver::open(path, settings(1), 0.0).unwrap()
}

async fn some_life(driver: &SimDriver) {
    let w1 = host("w1");
    driver.add_host(w1.name.clone(), Size::new(16, 65_536, 500)).unwrap();
    let guest = GuestSpec {
        volumes: vec![volume_at(1, "/dev/vdb")],
        user_data: Some(Bytes(b"#!/bin/sh".as_slice().into())),
        ..instance(1, 0)
    };
    for call in [
        define(1),
        protect(1, 1, super::firewalls::open(1, 1)),
        make(1, 1, 1, None),
        stage(&guest),
        boot(&guest),
        take(1, 1, Disk::Volume(VolumeId(1))),
        stage(&router(1)),
        boot(&router(1)),
    ] {
        driver.call(&w1, call).await.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_journal_gives_back_its_world(
        rules in super::properties::rules(),
        calls in super::properties::calls(&["w1", "w2"]),
        incidents in prop::collection::vec(super::properties::incident(), 0..20),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hosts.journal");
        let driver = open(&path);
        driver.set_faults(rules);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for (at, (host, call)) in calls.into_iter().enumerate() {
            if let Some(incident) = incidents.get(at) {
                let _ = driver.strike(incident);
            }
            let _ = runtime.block_on(driver.call(&host, call));
        }
        let world = driver.world();
        drop(driver);
        let read = read_world(&path).unwrap();
        prop_assert_eq!(read.state(), world.state());
        let opened = open(&path).world();
        prop_assert_eq!(opened.state(), world.state());
        let compacted = read_world(&path).unwrap();
        prop_assert_eq!(compacted.state(), world.state(), "after it was compacted");
    }
}

#[tokio::test]
async fn a_journal_cut_anywhere_gives_the_world_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.journal");
    some_life(&open(&path)).await;
    let whole = std::fs::read(&path).unwrap();
    let mut guests = 0;
    for length in 0..=whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let seen = read_world(&path).unwrap();
        assert!(seen.totals().disks >= guests, "more bytes never show less");
        guests = seen.totals().disks;
        let driver = open(&path);
        assert_eq!(driver.world().state(), seen.state());
        // Life goes on after the cut, on a line of its own.
        driver.add_host("w9".parse().unwrap(), Size::new(1, 1, 1)).unwrap();
        assert_eq!(read_world(&path).unwrap().state(), driver.world().state());
    }
    assert_eq!(guests, 2);
}

#[tokio::test]
async fn other_damage_is_an_error_that_names_the_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.journal");
    some_life(&open(&path)).await;
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let damaged = |text: String| {
        std::fs::write(&path, text).unwrap();
        let error = SimDriver::open(&path, settings(1), 0.0).unwrap_err();
        match (error, read_world(&path).unwrap_err()) {
            (JournalError::Damaged { line, .. }, JournalError::Damaged { line: same, .. }) if line == same => line,
            other => panic!("{other:?}"),
        }
    };
    for wrong in 0..lines.len() {
        let mut text = lines.clone();
        text[wrong] = &lines[wrong][1..];
        assert_eq!(damaged(text.join("\n") + "\n"), wrong as u64 + 1);
    }
    assert_eq!(damaged([lines[0], lines[2]].join("\n") + "\n"), 2, "a network on a host that is not there");
    assert_eq!(damaged(whole.replacen("\"version\":1", "\"version\":2", 1)), 1);
    assert_eq!(damaged("some other file\n".into()), 1);
    assert!(matches!(read_world(&folder.path().join("none")), Err(JournalError::Io { .. })));
}

#[tokio::test]
async fn opening_makes_the_journal_short() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.journal");
    let driver = open(&path);
    for _ in 0..50 {
        some_life(&driver).await;
        for call in [
            HostCall::Destroy { guest: instance(1, 0).guest },
            HostCall::Destroy { guest: router(1).guest },
            HostCall::RemoveNetwork { network: network(1).id },
            remove(1, 1),
            HostCall::RemoveSnapshot { snapshot: SnapshotId(1), at: place(1) },
        ] {
            driver.call(&host("w1"), call).await.unwrap();
        }
    }
    drop(driver);
    let lines = || std::fs::read_to_string(&path).unwrap().lines().count();
    assert!(lines() > 300);
    assert!(open(&path).totals().is_empty());
    assert_eq!(lines(), 3, "the header, the host and its copy of the image");
}

#[tokio::test]
async fn what_many_share_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.journal");
    let driver = open(&path);
    let data = Some(Bytes(vec![b'x'; 3_000].into()));
    for name in ["w1", "w2", "w3", "w4"] {
        for call in [define(1), protect(1, 1, super::firewalls::open(1, 50))] {
            driver.call(&host(name), call).await.unwrap();
        }
        for k in 0..4 {
            let guest = GuestSpec { user_data: data.clone(), ..instance(1, k) };
            driver.call(&host(name), stage(&guest)).await.unwrap();
        }
    }
    drop(driver);
    for _ in 0..2 {
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.matches(&"eHh4".repeat(1_000)).count(), 1, "xxx in base64");
        assert_eq!(text.matches("\"members\"").count(), 1);
        open(&path);
    }
}

#[test]
fn journals_from_before_there_were_volumes_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.journal");
    let lines = [
        r#"{"journal":"cascina-simulated-hosts","version":1}"#,
        r#"{"host":"w1","effect":{"host":{"capacity":{"vcpus":16,"memory":65536,"disk":500}}}}"#,
        r#"{"host":"w1","effect":{"guest":{"guest":{"spec":{"guest":{"kind":"instance","id":"i-00000000000000001"},"farm":"farm-00000000000000001","network":"vpc-00000000000000001","name":"guest","size":{"vcpus":4,"memory":4096,"disk":20},"ip":"10.64.1.10","mac":"02:00:00:01:01:0a"},"image":"image","state":"running","boots":1,"reboots":[],"router":null}}}}"#,
    ];
    std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    assert_eq!(open(&path).totals().running, 1);
}

#[test]
fn what_was_never_said_is_damage() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hosts.journal");
    let driver = open(&path);
    driver.add_host(host("w1").name, Size::new(1, 1, 1)).unwrap();
    let good = std::fs::read_to_string(&path).unwrap();
    for wrong in [
        r#"{"host":"w1","effect":{"enforced":{"network":"vpc-00000000000000001","revision":1}}}"#,
        r#"{"effect":{"network-gone":{"network":"vpc-00000000000000001"}}}"#,
        r#"{"host":"w1","effect":{"volume-gone":{"class":"c","volume":"vol-00000000000000001"}}}"#,
    ] {
        std::fs::write(&path, format!("{good}{wrong}\n")).unwrap();
        assert!(matches!(read_world(&path), Err(JournalError::Damaged { line: 3, .. })), "{wrong}");
    }
}
