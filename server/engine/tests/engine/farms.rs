//! A farm's life: made, used, unmade; unwound when something breaks; resumed after a restart.

use cascina_core::address::Target;
use cascina_core::command::{Command, Power, Remedy};
use cascina_core::farm::FarmState;
use cascina_core::instance::InstanceState;
use cascina_core::operation::OperationState;
use cascina_core::refusal::Refusal;
use cascina_drivers::sim::{CallKind, Fault, Rule};

use crate::site::{TestSite, ask, lines, name};

#[tokio::test(flavor = "multi_thread")]
async fn a_farm_is_made_used_and_leaves_nothing() {
    let site = TestSite::new().await;
    let farm = site.farm("alice", 2).await;
    site.sound();
    site.engine.read(|state| {
        let row = &state.rows.farms[&farm];
        assert_eq!(row.state, FarmState::Active);
        assert_eq!(state.rows.users.len(), 1);
        assert_eq!(state.rows.access_keys.len(), 1);
        assert!(state.rows.instances.values().all(|row| row.state == InstanceState::Running));
        let router = state.rows.routers.values().next().unwrap();
        assert!(state.rows.hosts[&router.host.unwrap()].class == name("services"));
        assert_eq!(router.applied_revision, router.desired_revision);
        assert_eq!(state.rows.holds.len(), 0);
    });
    assert_eq!(site.hosts.totals().running, 3);

    let limits = site.engine.read(|state| state.usage(state.rows.farms[&farm].tenant, site.engine.now()));
    assert!(limits.iter().any(|usage| usage.class.is_none() && usage.limit.instances == 4), "{limits:?}");

    let outcome = site.submit(Command::DeleteFarm { farm }).await.unwrap();
    let operation = site.wait(outcome.operation.unwrap()).await;
    assert_eq!(operation.state, OperationState::Done, "{operation:#?}");
    site.sound();
    assert!(site.hosts.totals().is_empty(), "{:?}", site.hosts.totals());
    site.engine.read(|state| {
        assert_eq!(state.rows.farms[&farm].state, FarmState::Deleted);
        assert_eq!(state.rows.tenants.len(), 0);
        assert_eq!(state.rows.users.len(), 0);
        assert_eq!(state.rows.access_keys.len(), 0);
        assert_eq!(state.rows.quotas.len(), 0);
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_run_stop_start_reboot_and_end() {
    let site = TestSite::new().await;
    let farm = site.farm("bob", 0).await;
    let outcome = site.submit(Command::RunInstances { farm, ask: lines("m1.small", 2) }).await.unwrap();
    assert_eq!(site.wait(outcome.operation.unwrap()).await.state, OperationState::Done);
    let instances = outcome.instances;
    for (power, state) in [
        (Power::Reboot, InstanceState::Running),
        (Power::Stop, InstanceState::Stopped),
        (Power::Start, InstanceState::Running),
        (Power::Terminate, InstanceState::Terminated),
    ] {
        let outcome = site.submit(Command::Power { instances: instances.clone(), power }).await.unwrap();
        let operation = site.wait(outcome.operation.unwrap()).await;
        assert_eq!(operation.state, OperationState::Done, "{operation:#?}");
        site.engine.read(|rows| {
            assert!(instances.iter().all(|id| rows.rows.instances[id].state == state), "{power:?}");
        });
        site.sound();
    }
    assert_eq!(site.hosts.totals().guests, 1, "only the router is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_elastic_ip_moves_and_comes_off_with_its_instance() {
    let site = TestSite::new().await;
    let farm = site.farm("carol", 1).await;
    // The restrictive tier has one address, which the farm's router uses.
    let refused =
        site.submit(Command::AllocateAddress { farm, tags: std::collections::BTreeMap::new() }).await.unwrap_err();
    assert!(matches!(refused, Refusal::Quota { resource: "addresses", limit: 1, .. }), "{refused}");
    let tenant = site.engine.read(|state| state.rows.farms[&farm].tenant);
    let limit = cascina_core::decision::Amounts::UNLIMITED;
    site.submit(Command::SetQuota { tenant, class: None, limit }).await.unwrap();
    let address =
        site.submit(Command::AllocateAddress { farm, tags: std::collections::BTreeMap::new() }).await.unwrap();
    let address = address.subject.parse().unwrap();
    let instance = site.engine.read(|state| *state.rows.instances.keys().next().unwrap());
    let outcome = site.submit(Command::AssociateAddress { address, instance: Some(instance) }).await.unwrap();
    assert_eq!(site.wait(outcome.operation.unwrap()).await.state, OperationState::Done);
    site.engine.read(|state| {
        assert_eq!(state.rows.addresses[&address].target(), Some(Target::Instance(instance)));
    });
    let outcome = site.submit(Command::Power { instances: vec![instance], power: Power::Terminate }).await.unwrap();
    assert_eq!(site.wait(outcome.operation.unwrap()).await.state, OperationState::Done);
    site.engine.read(|state| assert_eq!(state.rows.addresses[&address].target(), None));
    // Of the address at once, and soon after that the name is gone.
    site.quiet(farm).await;
    site.engine.read(|state| {
        let router = state.rows.routers.values().next().unwrap();
        assert_eq!(router.applied_revision, router.desired_revision, "the router was told");
    });
    site.submit(Command::ReleaseAddress { address }).await.unwrap();
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_elastic_ip_never_points_at_an_instance_that_did_not_come_up() {
    let site = TestSite::new().await;
    let farm = site.farm("ivan", 0).await;
    let tenant = site.engine.read(|state| state.rows.farms[&farm].tenant);
    let limit = cascina_core::decision::Amounts::UNLIMITED;
    site.submit(Command::SetQuota { tenant, class: None, limit }).await.unwrap();
    let address = site
        .submit(Command::AllocateAddress { farm, tags: std::collections::BTreeMap::new() })
        .await
        .unwrap()
        .subject
        .parse()
        .unwrap();
    // Unanswered until the deadline, so that there is time to ask, and then refused.
    let boot = |times, fault| Rule { call: Some(CallKind::Boot), times: Some(times), ..Rule::always(fault) };
    site.hosts.set_faults(vec![
        boot(1, Fault::Hang { effect: false }),
        boot(1, Fault::Refuse { why: "broken on purpose".into() }),
    ]);
    let outcome = site.submit(Command::RunInstances { farm, ask: lines("m1.small", 1) }).await.unwrap();
    let instance = Some(outcome.instances[0]);
    let refused = site.submit(Command::AssociateAddress { address, instance }).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("coming up")), "{refused}");
    assert_eq!(site.wait(outcome.operation.unwrap()).await.state, OperationState::Failed);
    site.engine.read(|state| assert_eq!(state.rows.addresses[&address].target(), None));
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_step_a_host_refuses_nothing_is_left() {
    // Each round's elastic IP rests for a minute.
    let site = TestSite::with(20, true).await;
    for call in
        [CallKind::DefineNetwork, CallKind::StageDisk, CallKind::Boot, CallKind::ApplyRouter, CallKind::ProbeRouter]
    {
        for after in 0..2 {
            let rule = Rule {
                call: Some(call),
                after,
                times: Some(1),
                ..Rule::always(Fault::Refuse { why: "broken on purpose".into() })
            };
            site.hosts.set_faults(vec![rule]);
            let outcome = site.submit(Command::CreateFarm(ask("dave", 1))).await.unwrap();
            let operation = site.wait(outcome.operation.unwrap()).await;
            if operation.state == OperationState::Done {
                // Some calls are made once only.
                site.hosts.set_faults(Vec::new());
                let farm = outcome.subject.parse().unwrap();
                let outcome = site.submit(Command::DeleteFarm { farm }).await.unwrap();
                site.wait(outcome.operation.unwrap()).await;
            } else {
                assert_eq!(operation.state, OperationState::Failed, "{operation:#?}");
                let error = operation.error.unwrap();
                assert!(error.contains("broken on purpose"), "{error}");
            }
            assert!(site.hosts.totals().is_empty(), "{call:?} {after}: {:?}", site.hosts.totals());
            site.sound();
            site.engine.read(|state| assert_eq!(state.rows.tenants.len(), 0));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_farm_that_fails_takes_its_own_user_along_and_no_other() {
    let site = TestSite::new().await;
    let farm = site.farm("judy", 0).await;
    let tenant = site.engine.read(|state| state.rows.farms[&farm].tenant);
    let limit = cascina_core::decision::Amounts::UNLIMITED;
    site.submit(Command::SetQuota { tenant, class: None, limit }).await.unwrap();
    let refuse = Rule { call: Some(CallKind::ProbeRouter), ..Rule::always(Fault::Refuse { why: "no".into() }) };
    site.hosts.set_faults(vec![refuse]);
    let mut second = ask("judy", 0);
    second.name = name("second");
    second.user = Some(name("helper"));
    let outcome = site.submit(Command::CreateFarm(second)).await.unwrap();
    assert_eq!(site.wait(outcome.operation.unwrap()).await.state, OperationState::Failed);
    site.engine.read(|state| {
        let users: Vec<_> = state.rows.users.values().map(|user| user.name.as_str()).collect();
        assert_eq!(users, ["judy-tenant"]);
        assert_eq!(state.rows.access_keys.len(), 1);
        assert_eq!(state.rows.tenants.len(), 1);
    });
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_undo_that_fails_is_stuck_in_sight_and_can_be_mended() {
    let site = TestSite::new().await;
    let refuse = |call| Rule { call: Some(call), ..Rule::always(Fault::Refuse { why: "no".into() }) };
    site.hosts.set_faults(vec![refuse(CallKind::ProbeRouter), refuse(CallKind::Destroy)]);
    let outcome = site.submit(Command::CreateFarm(ask("erin", 0))).await.unwrap();
    let operation = outcome.operation.unwrap();
    assert_eq!(site.wait(operation).await.state, OperationState::Stuck);
    let farm = outcome.subject.parse().unwrap();
    site.engine.read(|state| assert_eq!(state.rows.farms[&farm].state, FarmState::Stuck));
    site.sound();
    site.hosts.set_faults(Vec::new());
    site.submit(Command::Mend { operation, remedy: Remedy::Retry }).await.unwrap();
    assert_eq!(site.wait(operation).await.state, OperationState::Failed);
    assert!(site.hosts.totals().is_empty());
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_takes_over_what_is_under_way() {
    let site = TestSite::new().await;
    let hang = Rule { call: Some(CallKind::Boot), times: Some(2), ..Rule::always(Fault::Hang { effect: true }) };
    site.hosts.set_faults(vec![hang]);
    let outcome = site.submit(Command::CreateFarm(ask("frank", 1))).await.unwrap();
    let farm = outcome.subject.parse().unwrap();
    let deletion = site.submit(Command::DeleteFarm { farm }).await.unwrap();
    let again = site.submit(Command::DeleteFarm { farm }).await.unwrap();
    assert_eq!(again.operation, deletion.operation, "asking twice is asking once");
    assert_eq!(site.wait(deletion.operation.unwrap()).await.state, OperationState::Done);
    assert_eq!(site.wait(outcome.operation.unwrap()).await.state, OperationState::Failed);
    assert!(site.hosts.totals().is_empty(), "{:?}", site.hosts.totals());
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_under_way_goes_on_after_a_restart() {
    let site = TestSite::new().await;
    let hang = Rule { call: Some(CallKind::Boot), times: Some(1), ..Rule::always(Fault::Hang { effect: false }) };
    site.hosts.set_faults(vec![hang]);
    let outcome = site.submit(Command::CreateFarm(ask("grace", 2))).await.unwrap();
    let site = site.restart().await;
    assert_eq!(site.wait(outcome.operation.unwrap()).await.state, OperationState::Done);
    site.sound();
    assert_eq!(site.hosts.totals().running, 3);
    let report = {
        let path = site.folder.path().join("copy.db");
        site.engine.reader().backup(&path).unwrap();
        cascina_store::fsck(&path).unwrap()
    };
    assert_eq!(report.problems, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn too_much_is_refused_with_a_decision_that_can_be_made_again() {
    let site = TestSite::new().await;
    let refused = site.submit(Command::CreateFarm(ask("heidi", 600))).await.unwrap_err();
    let id = refused.decision().unwrap_or_else(|| panic!("{refused}"));
    let decision = site.engine.decision(id).await.unwrap().unwrap();
    assert!(!decision.opinions.is_empty());
    let replay = site.engine.replay(id).await.unwrap();
    assert!(replay.same, "{decision:#?}\n{replay:#?}");
    site.engine.read(|state| assert_eq!(state.rows.farms.len(), 0));
    // Placement decisions of a farm that was made can be made again, too.
    let farm = site.farm("heidi", 3).await;
    let filter = cascina_engine::DecisionFilter { farm: Some(farm), ..Default::default() };
    let decisions = site.engine.decisions(filter).await.unwrap();
    assert!(decisions.len() >= 2, "{decisions:#?}");
    for decision in decisions {
        let replay = site.engine.replay(decision.id).await.unwrap();
        assert!(replay.same, "{decision:#?}\n{replay:#?}");
    }
}
