//! Routers that lose what they were told, or do not answer.

use cascina_core::farm::FarmState;
use cascina_core::id::RouterId;
use cascina_core::network::RouterState;
use cascina_core::operation::SagaKind;
use cascina_core::state::Guest;
use cascina_drivers::sim::{CallKind, Fault, Incident};

use super::scene::{Scene, line, rule};

fn router(scene: &Scene) -> RouterId {
    *scene.state().rows.routers.keys().next().unwrap()
}

#[test]
fn a_router_that_forgot_what_it_was_told_is_told_again() {
    let mut scene = Scene::new();
    let farm = scene.farm(vec![line("m1.small", None)]);
    scene.settle();
    let guest = Guest::Router(router(&scene));
    scene.sim.world.strike(&Incident::ForgetRouter { guest }).unwrap();
    // Compares what routers do with the rows.
    scene.settle();
    let row = &scene.state().rows.routers[&router(&scene)];
    assert_eq!((row.state, row.applied_revision), (RouterState::Running, row.desired_revision));
    assert_eq!(scene.state().rows.farms[&farm].state, FarmState::Active);
    assert!(scene.sim.books.log.iter().any(|event| event.kind == "router.drifted"));
}

#[test]
fn a_router_that_does_not_answer_is_restarted() {
    let mut scene = Scene::new();
    let farm = scene.farm(vec![line("m1.small", None)]);
    scene.settle();
    scene.faults(vec![rule(CallKind::ProbeRouter, 3, Fault::Hang { effect: false })]);
    // Each look waits for the answer, and three of them must have been in vain.
    scene.pass(400_000);
    scene.settle();
    let restarted = scene.state().rows.operations.values().filter(|row| row.saga == SagaKind::RouterRestart);
    assert_eq!(restarted.count(), 1);
    assert_eq!(scene.state().rows.routers[&router(&scene)].state, RouterState::Running);
    assert_eq!(scene.state().rows.farms[&farm].state, FarmState::Active);
    assert!(scene.sim.books.log.iter().any(|event| event.kind == "router.silent"));
}
