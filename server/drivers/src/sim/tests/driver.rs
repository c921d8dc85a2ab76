//! The driver in real time.

use std::time::{Duration, Instant};

use cascina_core::id::OperationId;

use super::*;
use crate::Hypervisor;
use crate::sim::{CallKind, Fault, Rule, SimDriver, SimError};

const SOON: Duration = Duration::from_millis(50);

#[tokio::test]
async fn a_call_that_hangs_never_ends_but_may_do_its_work() {
    let driver = SimDriver::new(world(1), 0.0);
    for effect in [false, true] {
        driver.set_faults(vec![Rule { times: Some(1), ..Rule::always(Fault::Hang { effect }) }]);
        assert!(tokio::time::timeout(SOON, driver.call(&host("w1"), define(1))).await.is_err());
        assert_eq!(driver.totals().networks, u64::from(effect));
    }
    assert_eq!(driver.faults()[0].fired, 1);
    assert_eq!(driver.call(&host("w1"), define(1)).await, Ok(Reply::Done));
}

#[tokio::test]
async fn a_host_goes_on_when_its_caller_gives_up() {
    let latencies = Latencies { network_ms: 100, ..Latencies::none() };
    let driver = SimDriver::new(World::new(Settings { latencies, ..Settings::default() }), 1.0);
    assert!(tokio::time::timeout(SOON, driver.call(&host("w1"), define(1))).await.is_err());
    assert!(driver.totals().is_empty());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(driver.totals().networks, 1);
}

#[tokio::test]
async fn the_hosts_time_is_scaled() {
    let latencies = Latencies { network_ms: 100_000, jitter_permille: 0, ..Latencies::none() };
    let driver = SimDriver::new(World::new(Settings { latencies, ..Settings::default() }), 0.001);
    let start = Instant::now();
    driver.call(&host("w1"), define(1)).await.unwrap();
    assert!(start.elapsed() >= Duration::from_millis(100));
    assert!(start.elapsed() < Duration::from_secs(10), "not the hosts' hundred seconds");
}

#[tokio::test]
async fn the_hand_that_breaks_things() {
    let driver = SimDriver::new(world(1), 0.0);
    let (hand, w1, guest) = (driver.clone(), host("w1"), instance(1, 0));
    for call in [define(1), stage(&guest), boot(&guest)] {
        driver.call(&w1, call).await.unwrap();
    }
    hand.crash_guest(guest.guest).unwrap();
    assert_eq!(driver.totals().crashed, 1);
    assert!(matches!(hand.crash_guest(guest.guest), Err(SimError::NothingThere(_))));
    hand.lose(w1.name.clone()).unwrap();
    assert!(driver.call(&w1, HostCall::Inventory).await.unwrap_err().is_passing());
    hand.restore(w1.name.clone()).unwrap();
    let no = Fault::Refuse { why: "no".into() };
    hand.set_faults(vec![Rule { call: Some(CallKind::Reboot), ..Rule::always(no) }]);
    let reboot = HostCall::Reboot { guest: guest.guest, operation: OperationId(1) };
    assert_eq!(why(driver.call(&w1, reboot).await), "no");
    driver.call(&w1, boot(&guest)).await.unwrap();
    assert_eq!(hand.snapshot().hosts[&w1.name].guests[0].boots, 2);
    assert_eq!(hand.violations(), [""; 0]);
}
