//! What routers are told of names, and what becomes of those that are not as they were told.

use cascina_core::command::{Command, NewInstances, Power, RouterFound};
use cascina_core::farm::FarmState;
use cascina_core::id::{FarmId, HostId, RouterId};
use cascina_core::instance::InstanceState;
use cascina_core::network::{RouterConfig, RouterState};
use cascina_core::operation::SagaKind;
use cascina_core::state::Guest;
use cascina_core::units::Timestamp;
use cascina_drivers::sim::{CallKind, Fault, Rule};
use cascina_drivers::{DriverError, Reply};
use cascina_engine::look::Silences;

use crate::site::{TestSite, lines, name};

fn router(site: &TestSite, farm: FarmId) -> RouterId {
    site.engine.read(|state| state.indexes.routers_by_farm.of(&farm).next().unwrap())
}

/// What the router has, once nothing moves in its farm.
async fn told(site: &TestSite, farm: FarmId) -> (u64, RouterConfig) {
    site.quiet(farm).await;
    let guest = Guest::Router(router(site, farm));
    let world = site.hosts.world();
    let hosts = world.hosts().values();
    hosts.filter_map(|host| host.guests.get(&guest)).find_map(|guest| guest.router.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_knows_the_names_of_all_instances_and_of_no_others() {
    let site = TestSite::new().await;
    let farm = site.farm("alice", 2).await;
    let names = |config: RouterConfig| config.names.into_iter().map(|(_, name)| name.to_string()).collect::<Vec<_>>();
    // With the farm itself: no operation of its own.
    let (revision, config) = told(&site, farm).await;
    assert_eq!(names(config), ["m1-small-1", "m1-small-2"]);
    assert_eq!(revision, 2);
    site.engine.read(|state| {
        let sagas: Vec<_> = state.rows.operations.values().map(|row| row.saga).collect();
        assert_eq!(sagas, [SagaKind::FarmCreate]);
    });
    let ask = NewInstances { name: Some(name("web")), ..lines("m1.small", 1) };
    let web = site.make(Command::RunInstances { farm, ask }).await.instances[0];
    let (_, config) = told(&site, farm).await;
    let ip = site.engine.read(|state| state.rows.instances[&web].ip);
    assert!(config.names.contains(&(ip, name("web"))), "{config:?}");
    // One that is stopped keeps its address and its name.
    site.make(Command::Power { instances: vec![web], power: Power::Stop }).await;
    assert!(names(told(&site, farm).await.1).contains(&"web".to_owned()));
    site.make(Command::Power { instances: vec![web], power: Power::Terminate }).await;
    assert_eq!(names(told(&site, farm).await.1), ["m1-small-1", "m1-small-2"]);
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_come_up_although_their_router_is_not_told_of_them() {
    let site = TestSite::new().await;
    let farm = site.farm("bob", 0).await;
    let refuse = Fault::Refuse { why: "broken on purpose".into() };
    site.hosts.set_faults(vec![Rule { call: Some(CallKind::ApplyRouter), times: Some(1), ..Rule::always(refuse) }]);
    let made = site.make(Command::RunInstances { farm, ask: lines("m1.small", 1) }).await;
    site.engine.read(|state| assert_eq!(state.rows.instances[&made.instances[0]].state, InstanceState::Running));
    told(&site, farm).await;
    site.engine.read(|state| {
        let row = &state.rows.routers[&state.indexes.routers_by_farm.of(&farm).next().unwrap()];
        assert!(row.applied_revision < row.desired_revision, "nobody claims that it knows");
        assert!(state.rows.operations.values().all(|row| row.state.is_over()), "and nobody has to do anything");
    });
    // The inventory finds it.
    let id = router(&site, farm);
    let found = RouterFound::Other { revision: Some(1) };
    site.make(Command::RouterSeen { router: id, found, note: "it is behind".into() }).await;
    assert_eq!(told(&site, farm).await.1.names.len(), 1);
    site.engine.read(|state| assert_eq!(state.rows.farms[&farm].state, FarmState::Active));
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_is_newer_than_the_books_is_told_something_newer_still() {
    let site = TestSite::new().await;
    let farm = site.farm("carol", 1).await;
    let id = router(&site, farm);
    // As after the database was put back from a copy.
    let found = RouterFound::Other { revision: Some(40) };
    site.make(Command::RouterSeen { router: id, found, note: "it has revision 40".into() }).await;
    assert_eq!(told(&site, farm).await.0, 41);
    site.engine.read(|state| {
        let row = &state.rows.routers[&id];
        assert_eq!((row.desired_revision, row.applied_revision, row.state), (41, 41, RouterState::Running));
    });
    // A silent one is restarted, and then told.
    let silent = Command::RouterSeen { router: id, found: RouterFound::Silent, note: "no answer".into() };
    let operation = site.make(silent).await.operation.unwrap();
    let row = site.wait(operation).await;
    assert_eq!(row.saga, SagaKind::RouterRestart);
    site.engine.read(|state| assert_eq!(state.rows.routers[&id].state, RouterState::Running));
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_looks_at_routers_propose() {
    let site = TestSite::new().await;
    let farm = site.farm("dave", 0).await;
    told(&site, farm).await;
    let id = router(&site, farm);
    let (host, desired, updated) = site.engine.read(|state| {
        let row = &state.rows.routers[&id];
        (state.rows.hosts[&row.host.unwrap()].clone(), row.desired_revision, row.updated)
    });
    let (host_name, why) = (host.name.clone(), "it does not".to_owned());
    let unreachable = Err(DriverError::Unreachable { host: host_name.clone(), call: "probe-router", why: why.clone() });
    let differs = Err(DriverError::Differs { host: host_name, call: "probe-router", why });
    let asked = updated.plus_ms(1);
    let mut silences = Silences::default();
    let mut judge = |at: Timestamp, answer: &Result<Reply, DriverError>| {
        let command = site.engine.read(|state| silences.judge(state, &host, id, at, answer));
        command.map(|command| match command {
            Command::RouterSeen { found, .. } => found,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(judge(asked, &Ok(Reply::Revision(desired))), None);
    assert_eq!(judge(asked, &differs), Some(RouterFound::Other { revision: None }));
    let older = RouterFound::Other { revision: Some(desired - 1) };
    assert_eq!(judge(asked, &Ok(Reply::Revision(desired - 1))), Some(older));
    assert_eq!(judge(updated, &differs), None, "what changed since is not judged");
    // Three times in a row, and then from the beginning.
    for silent in [None, None, Some(RouterFound::Silent), None] {
        assert_eq!(judge(asked, &unreachable), silent);
    }
    assert_eq!(judge(asked, &Ok(Reply::Revision(desired))), None);
    for silent in [None, None, Some(RouterFound::Silent)] {
        assert_eq!(judge(asked, &unreachable), silent);
    }
    let elsewhere = cascina_core::host::Host { id: HostId(99), ..cascina_core::host::Host::clone(&host) };
    let answer = site.engine.read(|state| Silences::default().judge(state, &elsewhere, id, asked, &differs));
    assert_eq!(answer, None, "it is on another host");
}
