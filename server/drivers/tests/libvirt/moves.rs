//! What is in a guest when it has been moved, and what is left when a move was killed.

use std::process::Child;
use std::time::{Duration, Instant};

use cascina_drivers::{GuestState, HostCall, HostRef};

use crate::lab::{LOCAL, Lab, SHARED, Subject, in_a_process_of_its_own};

/// For a process of this test that moves the guest and is killed: from which host, and of which class.
const FROM: &str = "CASCINA_TEST_MOVES_FROM";
const CLASS: &str = "CASCINA_TEST_MOVES_CLASS";

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of main.rs"]
async fn disks_go_with_guests() {
    let (lab, trial) = (Lab::new(), Lab::new().trial());
    let (driver, hosts) = (lab.driver(), lab.hosts(LOCAL));
    let [one, two] = &hosts;
    let guest = trial.instance.guest;
    let subject = Subject { driver: &driver, spec: &trial.instance };
    subject.prepare(&hosts, &trial).await;
    subject.boot(one, "micro").await;
    let mut starts = subject.tell(one, "sync; echo \"starts: $(cat /disk/starts)\"", "starts: ").await;
    assert_eq!(starts, "1");
    // More than the memory holds back, and not compressible to nothing.
    let sum = subject
        .tell(
            one,
            "dd if=/dev/urandom of=/disk/data bs=1M count=24 2>/dev/null; sync; echo \"sum: $(sha256sum /disk/data)\"",
            "sum: ",
        )
        .await;
    for (from, to) in [(one, two), (two, one)] {
        let begun = Instant::now();
        subject.done(from, subject.migrate(to)).await;
        println!("moved with its disk in {:?}", begun.elapsed());
        assert_eq!(subject.state(from).await, None);
        assert_eq!(lab.own_files(from, guest), [""; 0]);
        assert_eq!(subject.state(to).await, Some(GuestState::Running));
        let read = "echo 3 >/proc/sys/vm/drop_caches; echo \"sum: $(sha256sum /disk/data)\"";
        assert_eq!(subject.tell(to, read, "sum: ").await, sum, "its disk is another one");
        starts = subject.tell(to, "echo \"starts: $(cat /disk/starts)\"", "starts: ").await;
        assert_eq!(starts, "1", "it was started anew");
    }
    // The same while it is off.
    subject.tell(one, "sync; echo \"synced: yes\"", "synced: ").await;
    subject.done(one, HostCall::Stop { guest }).await;
    subject.done(one, subject.migrate(two)).await;
    assert_eq!(subject.state(one).await, None);
    assert_eq!(lab.own_files(one, guest), [""; 0]);
    assert_eq!(subject.state(two).await, Some(GuestState::Stopped));
    subject.done(two, HostCall::Boot { spec: trial.instance.clone() }).await;
    subject.says(two, "micro: up").await;
    assert_eq!(subject.tell(two, "echo \"sum: $(sha256sum /disk/data)\"", "sum: ").await, sum);
    subject.clean_up(&hosts, &trial).await;
}

/// Does one move, to be killed in it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "is started by the tests below"]
async fn one_move() {
    // Nothing to do by itself.
    let Ok(from) = std::env::var(FROM) else { return };
    let (lab, trial) = (Lab::new(), Lab::new().trial());
    let driver = lab.driver();
    let hosts = lab.hosts(&std::env::var(CLASS).unwrap());
    let subject = Subject { driver: &driver, spec: &trial.instance };
    let to = hosts.iter().find(|host| host.name.as_str() != from).unwrap();
    let from = hosts.iter().find(|host| host.name.as_str() == from).unwrap();
    subject.done(from, subject.migrate(to)).await;
}

fn move_in_a_process(from: &HostRef) -> Child {
    in_a_process_of_its_own("moves::one_move", &[(FROM, from.name.as_str()), (CLASS, from.class.as_str())])
}

async fn killed_moves(class: &str) {
    let (lab, trial) = (Lab::new(), Lab::new().trial());
    let (driver, hosts) = (lab.driver(), lab.hosts(class));
    let guest = trial.instance.guest;
    let subject = Subject { driver: &driver, spec: &trial.instance };
    subject.prepare(&hosts, &trial).await;
    subject.boot(&hosts[0], "micro").await;
    let data = "dd if=/dev/urandom of=/disk/data bs=1M count=16 2>/dev/null; sync; \
                echo \"sum: $(sha256sum /disk/data)\"";
    let sum = subject.tell(&hosts[0], data, "sum: ").await;
    // How long it takes when nobody kills it says where to.
    let begun = Instant::now();
    assert!(move_in_a_process(&hosts[0]).wait().unwrap().success());
    let whole = begun.elapsed();
    println!("a move by a process of its own takes {whole:?}");
    let mut at = 1;
    const MOMENTS: u32 = 12;
    for moment in 1..=MOMENTS {
        let (from, to) = (&hosts[at], &hosts[1 - at]);
        let mut child = move_in_a_process(from);
        tokio::time::sleep(whole * moment / (MOMENTS + 1)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let left = (subject.found(from).await.map(|it| it.state), subject.found(to).await.map(|it| it.state));
        // As the engine does: forward, or back from where it may be by now.
        let forward = moment % 3 != 0;
        if forward {
            subject.done(from, subject.migrate(to)).await;
        } else {
            let back = subject.ask(to, subject.migrate(from)).await;
            println!("back: {back:?}");
        }
        let (is, was) = if forward { (to, from) } else { (from, to) };
        println!("killed at {moment}/{}: {left:?}, then {} has it", MOMENTS + 1, is.name);
        assert_eq!(subject.state(is).await, Some(GuestState::Running), "killed at {moment}");
        assert_eq!(subject.state(was).await, None, "killed at {moment}");
        if class == LOCAL {
            assert_eq!(lab.own_files(was, guest), [""; 0], "killed at {moment}");
        }
        at = if forward { 1 - at } else { at };
        let read = "echo 3 >/proc/sys/vm/drop_caches; echo \"sum: $(cat /disk/starts) $(sha256sum /disk/data)\"";
        let now = subject.tell(is, read, "sum: ").await;
        assert_eq!(now, format!("1 {sum}"), "killed at {moment}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    subject.clean_up(&hosts, &trial).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of main.rs"]
async fn killed_moves_end_well() {
    killed_moves(LOCAL).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd and images: see the head of main.rs"]
async fn killed_moves_end_well_where_disks_are_shared() {
    killed_moves(SHARED).await;
}
