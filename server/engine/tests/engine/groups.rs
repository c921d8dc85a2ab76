//! Security groups: their rules on the hosts, and what is refused.

use std::collections::BTreeMap;
use std::net::IpAddr;

use cascina_core::command::{Command, NewInstances, Power};
use cascina_core::id::{FarmId, InstanceId, RuleId, SecurityGroupId};
use cascina_core::launch::{InstanceChange, Launch};
use cascina_core::refusal::Refusal;
use cascina_core::security_group::{DEFAULT, Direction, MOST_RULES, NewRule, Packet, Peer, Ports, Traffic};

use crate::site::{TestSite, lines};

fn world() -> Peer {
    Peer::Net("0.0.0.0/0".parse().unwrap())
}

fn tcp(port: u16, peer: Peer) -> NewRule {
    let traffic = Traffic::Tcp(Ports { from: port, to: port });
    NewRule { direction: Direction::Ingress, traffic, peer, description: None }
}

async fn group(site: &TestSite, farm: FarmId, name: &str, rules: Vec<NewRule>) -> SecurityGroupId {
    let (name, description, tags) = (name.into(), "of a test".into(), BTreeMap::new());
    site.make(Command::CreateSecurityGroup { farm, name, description, rules, tags }).await.subject.parse().unwrap()
}

async fn run(site: &TestSite, farm: FarmId, groups: Vec<SecurityGroupId>) -> InstanceId {
    let launch = Launch { groups, ..Launch::default() };
    let ask = NewInstances { launch, ..lines("m1.small", 1) };
    site.make(Command::RunInstances { farm, ask }).await.instances[0]
}

/// Whether its host lets a conversation with the instance begin.
fn reaches(site: &TestSite, instance: InstanceId, other: IpAddr, port: u16) -> bool {
    let (host, ip) = site.engine.read(|state| {
        let row = &state.rows.instances[&instance];
        (state.rows.hosts[&row.host.unwrap()].name.clone(), row.ip)
    });
    site.hosts.reaches(&host, ip, Direction::Ingress, other, Packet::Tcp(port))
}

fn ip(site: &TestSite, instance: InstanceId) -> IpAddr {
    site.engine.read(|state| IpAddr::V4(state.rows.instances[&instance].ip))
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_enforce_what_rules_say_as_they_come_change_and_go() {
    let site = TestSite::new().await;
    let farm = site.farm("alice", 0).await;
    let web = group(&site, farm, "web", vec![tcp(80, world())]).await;
    let database = group(&site, farm, "database", vec![tcp(5432, Peer::Group(web))]).await;
    let (front, back) = (run(&site, farm, vec![web]).await, run(&site, farm, vec![database]).await);
    let outside: IpAddr = "198.51.100.7".parse().unwrap();
    assert!(reaches(&site, front, outside, 80) && !reaches(&site, front, outside, 81));
    assert!(reaches(&site, back, ip(&site, front), 5432) && !reaches(&site, back, outside, 5432));

    let rules = vec![tcp(81, world())];
    let tags = BTreeMap::from([("for".into(), "a while".into())]);
    site.make(Command::AuthorizeRules { group: web, rules, tags }).await;
    assert!(reaches(&site, front, outside, 81));
    let rule = |port| {
        site.engine.read(|state| {
            let rules = &state.rows.security_groups[&web].rules;
            rules.iter().find(|rule| rule.same_as(&tcp(port, world()))).map(|rule| rule.id)
        })
    };
    site.make(Command::ModifyRules { group: web, rules: vec![(rule(81).unwrap(), tcp(82, world()))] }).await;
    assert!(reaches(&site, front, outside, 82) && !reaches(&site, front, outside, 81));
    site.make(Command::RevokeRules { group: web, rules: vec![rule(82).unwrap()] }).await;
    assert!(!reaches(&site, front, outside, 82));
    assert_eq!(site.engine.read(|state| state.rows.tags.len()), 0, "its tags went with it");

    // A member comes, moves and goes: the other one's host knows.
    let second = run(&site, farm, vec![web]).await;
    assert!(reaches(&site, back, ip(&site, second), 5432));
    let change = InstanceChange { groups: Some(vec![database]), ..InstanceChange::default() };
    site.make(Command::SetInstance { instance: second, change }).await;
    assert!(!reaches(&site, back, ip(&site, second), 5432));
    site.make(Command::Power { instances: vec![front], power: Power::Terminate }).await;
    site.make(Command::Power { instances: vec![second], power: Power::Terminate }).await;
    let refused = site.submit(Command::DeleteSecurityGroup { group: database }).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("in use by instance")), "{refused}");
    site.make(Command::Power { instances: vec![back], power: Power::Terminate }).await;
    site.make(Command::DeleteSecurityGroup { group: database }).await;
    site.make(Command::DeleteSecurityGroup { group: web }).await;
    site.sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_by_name() {
    let site = TestSite::with(8, true).await;
    let (farm, other) = (site.farm("alice", 0).await, site.farm("bob", 0).await);
    let default = site.engine.read(|state| state.group_named(farm, DEFAULT).unwrap().id);
    let strange = site.engine.read(|state| state.group_named(other, DEFAULT).unwrap().id);
    let web = group(&site, farm, "web", vec![tcp(80, world())]).await;

    let make = |name: &str| Command::CreateSecurityGroup {
        farm,
        name: name.into(),
        description: String::new(),
        rules: Vec::new(),
        tags: BTreeMap::new(),
    };
    let refused = site.submit(make("web")).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("already")), "{refused}");
    for name in ["", "naïve", &"x".repeat(256)] {
        let refused = site.submit(make(name)).await.unwrap_err();
        assert!(matches!(&refused, Refusal::Invalid { field, .. } if field == "name"), "{refused}");
    }
    let refused = site.submit(Command::DeleteSecurityGroup { group: default }).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("default")), "{refused}");

    let add = |rules| Command::AuthorizeRules { group: web, rules, tags: BTreeMap::new() };
    let refused = site.submit(add(vec![tcp(81, world()), tcp(80, world())])).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("this rule already")), "{refused}");
    let refused = site.submit(add(vec![tcp(81, Peer::Group(strange))])).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotFound { noun: "security group", .. }), "{refused}");
    let backwards = NewRule { traffic: Traffic::Udp(Ports { from: 9, to: 8 }), ..tcp(0, world()) };
    let refused = site.submit(add(vec![backwards])).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Invalid { field, .. } if field == "ports"), "{refused}");
    let many = (0..MOST_RULES as u16).map(|port| tcp(1000 + port, world())).collect();
    let refused = site.submit(add(many)).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("the most")), "{refused}");
    let rules = site.engine.read(|state| state.rows.security_groups[&web].rules.len());
    assert_eq!(rules, 2, "all of them or none: what it was made with");

    let refused = site.submit(Command::RevokeRules { group: web, rules: vec![RuleId(7)] }).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotFound { noun: "security group rule", .. }), "{refused}");
    let launch = Launch { groups: vec![strange], ..Launch::default() };
    let ask = NewInstances { launch, ..lines("m1.small", 1) };
    let refused = site.submit(Command::RunInstances { farm, ask }).await.unwrap_err();
    assert!(matches!(refused, Refusal::NotFound { noun: "security group", .. }), "{refused}");
    // Named by a rule of another group.
    let named = group(&site, farm, "named", vec![tcp(22, Peer::Group(web))]).await;
    let refused = site.submit(Command::DeleteSecurityGroup { group: web }).await.unwrap_err();
    assert!(matches!(&refused, Refusal::Conflict(text) if text.contains("named by a rule")), "{refused}");
    site.make(Command::DeleteSecurityGroup { group: named }).await;
    site.make(Command::DeleteSecurityGroup { group: web }).await;
    site.sound();
}
