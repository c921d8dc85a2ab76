//! What schedules have found about firewalls.

use std::collections::BTreeMap;

use cascina_core::command::Command;
use cascina_core::launch::InstanceChange;
use cascina_core::operation::OperationState;
use cascina_core::security_group::{DEFAULT, Direction, NewRule, Peer, Ports, Traffic};
use cascina_drivers::sim::CallKind;
use cascina_sim::check;

use crate::scene::{Scene, line, refuse, rule};

fn web() -> Vec<NewRule> {
    let traffic = Traffic::Tcp(Ports { from: 80, to: 80 });
    let peer = Peer::Net("0.0.0.0/0".parse().unwrap());
    vec![NewRule { direction: Direction::Ingress, traffic, peer, description: None }]
}

#[test]
fn a_new_revision_of_a_firewall_is_in_the_log_although_no_host_has_to_know() {
    let mut scene = Scene::new();
    let farm = scene.farm(Vec::new());
    let group = scene.state().group_named(farm, DEFAULT).unwrap().id;
    let asked = scene.ask(Command::AuthorizeRules { group, rules: web(), tags: BTreeMap::new() }).unwrap();
    assert_eq!(asked.operation, None);
    check::log::check(scene.state(), &scene.sim.books.log).unwrap();
    let id = scene.run(farm, line("m1.small", None));
    let change = InstanceChange { groups: Some(vec![group]), ..InstanceChange::default() };
    scene.make(Command::SetInstance { instance: id, change });
    check::log::check(scene.state(), &scene.sim.books.log).unwrap();
    scene.settle();
}

#[test]
fn a_host_that_loses_its_network_meanwhile_is_told_again() {
    let mut scene = Scene::new();
    let farm = scene.farm(vec![line("m1.small", None)]);
    let group = scene.state().group_named(farm, DEFAULT).unwrap().id;
    scene.faults(vec![rule(CallKind::ApplyFirewall, 1, refuse())]);
    let asked = scene.ask(Command::AuthorizeRules { group, rules: web(), tags: BTreeMap::new() }).unwrap();
    assert_eq!(scene.wait(asked.operation.unwrap()).state, OperationState::Done);
    scene.settle();
}
