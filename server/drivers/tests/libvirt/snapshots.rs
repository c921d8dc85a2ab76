//! What is in a snapshot of a guest that goes on writing.

use std::time::{Duration, Instant};

use cascina_core::id::SnapshotId;
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;
use cascina_drivers::HostCall;
use cascina_drivers::libvirt::xml::domain_name;

use crate::lab::{Lab, SHARED, Subject, in_a_process_of_its_own, virsh};

const SNAPSHOT: SnapshotId = SnapshotId(u64::MAX - 7);
/// For a process of this test that makes one and is killed: of which instance.
const OF: &str = "CASCINA_TEST_SNAPSHOT_OF";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "is started by the test below"]
async fn one_snapshot() {
    // Nothing to do by itself.
    let Ok(of) = std::env::var(OF) else { return };
    let (lab, trial) = (Lab::new(), Lab::new().trial());
    let subject = Subject { driver: &lab.driver(), spec: &trial.instance };
    let of = Disk::Root(of.parse().unwrap());
    subject.done(&lab.hosts(SHARED)[0], HostCall::MakeSnapshot { snapshot: SNAPSHOT, at: trial.at, of }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of main.rs"]
async fn a_running_guests_disk_is_copied_as_it_was() {
    let (lab, trial) = (Lab::new(), Lab::new().trial());
    let (driver, hosts) = (lab.driver(), lab.hosts(SHARED));
    let host = &hosts[0];
    let Guest::Instance(id) = trial.instance.guest else { panic!("an instance") };
    let subject = Subject { driver: &driver, spec: &trial.instance };
    let snapshot = SNAPSHOT;
    let remove = || HostCall::RemoveSnapshot { snapshot, at: trial.at.clone() };
    subject.prepare(&hosts, &trial).await;
    subject.done(host, remove()).await;
    subject.boot(host, "micro").await;
    // Not synced: it is the agent that sees to it that this is on the disk.
    let sum = subject
        .tell(
            host,
            "dd if=/dev/urandom of=/disk/data bs=1M count=16 2>/dev/null; echo \"sum: $(sha256sum /disk/data)\"",
            "sum: ",
        )
        .await;
    let make = || HostCall::MakeSnapshot { snapshot, at: trial.at.clone(), of: Disk::Root(id) };
    // Somebody asks for it, and dies while it is made.
    let begun = Instant::now();
    let mut child = in_a_process_of_its_own("snapshots::one_snapshot", &[(OF, &id.to_string())]);
    let name = domain_name(trial.instance.guest);
    while virsh(host, &["domjobinfo", &name]).contains("None") && child.try_wait().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    println!("killed after {:?}: {:?}", begun.elapsed(), child.wait().unwrap());
    subject.done(host, make()).await;
    println!("a snapshot of a running guest took {:?}", begun.elapsed());
    // The guest goes on, and its file system too.
    let after = "dd if=/dev/zero of=/disk/data bs=1M count=16 2>/dev/null; sync; echo \"after: yes\"";
    assert_eq!(subject.tell(host, after, "after: ").await, "yes");
    subject.done(host, HostCall::Destroy { guest: trial.instance.guest }).await;

    subject.boot(host, &format!("snapshot:{snapshot}")).await;
    let read = "echo \"sum: $(cat /disk/starts) $(sha256sum /disk/data)\"";
    assert_eq!(subject.tell(host, read, "sum: ").await, format!("2 {sum}"));
    subject.done(host, remove()).await;
    subject.clean_up(&hosts, &trial).await;
}
