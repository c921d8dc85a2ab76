//! KVM that is offered and does not work, as on machines of tests; what a host says then.

use cascina_drivers::{HostCall, Hypervisor, Reply};

use crate::lab::{Lab, SHARED};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs libvirtd: see the head of main.rs"]
async fn a_host_says_how_guests_run_and_why() {
    let lab = Lab::new();
    let driver = lab.driver_with("accelerator", "auto".into());
    let host = &lab.hosts(SHARED)[0];
    let mut said = Vec::new();
    for _ in 0..2 {
        let begun = std::time::Instant::now();
        let Ok(Reply::Facts(facts)) = driver.call(host, HostCall::Describe).await else { panic!("no facts") };
        let why = facts.acceleration.clone().unwrap();
        println!("{why} ({:?})", begun.elapsed());
        assert!(why.starts_with(if facts.accelerated { "kvm: " } else { "tcg: " }), "{why}");
        said.push(why);
        // Once for a connection.
        assert!(said.len() == 1 || begun.elapsed().as_secs() < 1);
    }
    assert_eq!(said[0], said[1]);
    let works = std::env::var("CASCINA_TEST_ACCELERATOR").unwrap_or_else(|_| "tcg".into());
    assert!(said[0].starts_with(&works), "{} on a machine that does {works}", said[0]);
    let left = crate::lab::virsh(host, &["list", "--all", "--name"]);
    assert!(!left.contains("probe"), "{left}");
}
