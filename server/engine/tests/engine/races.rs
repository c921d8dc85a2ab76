//! Sixty-four clients, one thing left: exactly one gets it.

use cascina_core::command::Command;
use cascina_core::decision::Amounts;
use cascina_core::refusal::Refusal;

use crate::site::{TestSite, lines};

async fn race(site: &TestSite, commands: Vec<Command>) -> (usize, Vec<Refusal>) {
    let tasks: Vec<_> = commands
        .into_iter()
        .map(|command| {
            let engine = site.engine.clone();
            let principal = cascina_core::principal::Principal::system();
            tokio::spawn(async move {
                engine.submit(cascina_engine::Request { principal, command, idempotency: None }).await
            })
        })
        .collect();
    let mut won = 0;
    let mut lost = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => won += 1,
            Err(cascina_engine::EngineError::Refusal(refusal)) => lost.push(refusal),
            Err(cascina_engine::EngineError::Fault(fault)) => panic!("{fault}"),
        }
    }
    (won, lost)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_elastic_ip() {
    let site = TestSite::with(2, true).await;
    let farm = site.farm("alice", 0).await;
    let tenant = site.engine.read(|state| state.rows.farms[&farm].tenant);
    site.submit(Command::SetQuota { tenant, class: None, limit: Amounts::UNLIMITED }).await.unwrap();
    let (won, lost) =
        race(&site, vec![Command::AllocateAddress { farm, tags: std::collections::BTreeMap::new() }; 64]).await;
    assert_eq!(won, 1);
    assert!(lost.iter().all(|refusal| *refusal == Refusal::Exhausted("elastic IP")), "{lost:?}");
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_unit_of_quota() {
    let site = TestSite::new().await;
    let farm = site.farm("bob", 3).await;
    let (won, lost) = race(&site, vec![Command::RunInstances { farm, ask: lines("m1.small", 1) }; 64]).await;
    assert_eq!(won, 1);
    assert!(lost.iter().all(|refusal| matches!(refusal, Refusal::Quota { resource: "instances", .. })), "{lost:?}");
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_slot_of_a_host() {
    let site = TestSite::new().await;
    let farm = site.farm("carol", 0).await;
    let tenant = site.engine.read(|state| state.rows.farms[&farm].tenant);
    let classes = site.engine.read(|state| state.rows.classes.keys().cloned().collect::<Vec<_>>());
    for class in std::iter::once(None).chain(classes.into_iter().map(Some)) {
        site.submit(Command::SetQuota { tenant, class, limit: Amounts::UNLIMITED }).await.unwrap();
    }
    // 4 workers of 16 vCPUs: 16 large ones fill them; leave room for one.
    site.submit(Command::RunInstances { farm, ask: lines("m1.large", 15) }).await.unwrap();
    let (won, lost) = race(&site, vec![Command::RunInstances { farm, ask: lines("m1.large", 1) }; 64]).await;
    assert_eq!(won, 1);
    assert!(lost.iter().all(|refusal| matches!(refusal, Refusal::NoHost { .. })), "{lost:?}");
    site.sound();
}
