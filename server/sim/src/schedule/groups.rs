//! What people do with security groups.

use cascina_core::command::Command;
use cascina_core::farm::FarmState;
use cascina_core::id::{FarmId, RuleId, SecurityGroupId};
use cascina_core::security_group::{Direction, NewRule, Peer, Ports, Traffic};

use super::farms::{farms, tenant_of};
use super::launches::tags;
use super::play::Play;

fn group(play: &mut Play) -> Option<(SecurityGroupId, FarmId)> {
    play.pick(|state| state.rows.security_groups.values().map(|row| (row.id, row.farm)).collect())
}

/// Few kinds, so that a group has the rule already now and then.
fn rule(play: &mut Play, farm: FarmId) -> NewRule {
    let direction = if play.chance.permille(700) { Direction::Ingress } else { Direction::Egress };
    let port = play.chance.between((80, 83)) as u16;
    let traffic = match play.chance.below(5) {
        0 => Traffic::All,
        1 => Traffic::Icmp { kind: None, code: None },
        2 => Traffic::Udp(Ports { from: port, to: port + 1 }),
        _ => Traffic::Tcp(Ports { from: port, to: port }),
    };
    // A stranger's now and then, which must not be found.
    let own = play.chance.permille(900);
    let peer = play.pick(|state| match own {
        true => state.indexes.groups_by_farm.of(&farm).collect(),
        false => state.rows.security_groups.keys().copied().collect(),
    });
    let nets = ["0.0.0.0/0", "10.64.0.0/20", "198.51.100.7/32", "2001:db8::/32"];
    let net = play.chance.pick(&nets).and_then(|text| text.parse().ok());
    let peer = match (peer, net) {
        (Some(group), _) if play.chance.permille(500) => Peer::Group(group),
        (Some(group), None) => Peer::Group(group),
        (_, Some(net)) => Peer::Net(net),
        (None, None) => Peer::Net(ipnet::IpNet::V4(ipnet::Ipv4Net::new_assert([10, 64, 0, 0].into(), 20))),
    };
    let description = play.chance.permille(200).then(|| "for a reason".into());
    NewRule { direction, traffic, peer, description }
}

fn rules(play: &mut Play, farm: FarmId) -> Vec<NewRule> {
    let count = play.chance.between((1, 3));
    (0..count).map(|_| rule(play, farm)).collect()
}

pub fn create(play: &mut Play) {
    let Some(farm) = play.pick(|state| farms(state, FarmState::is_usable)) else { return };
    let name = play.name("group-").to_string();
    let rules = if play.chance.permille(500) { rules(play, farm) } else { Vec::new() };
    let (tenant, tags) = (tenant_of(play.state(), farm), tags(play));
    play.ask_for(tenant, Command::CreateSecurityGroup { farm, name, description: "of a schedule".into(), rules, tags });
}

pub fn delete(play: &mut Play) {
    if let Some((group, farm)) = group(play) {
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::DeleteSecurityGroup { group });
    }
}

pub fn authorize(play: &mut Play) {
    if let Some((group, farm)) = group(play) {
        let (tenant, rules, tags) = (tenant_of(play.state(), farm), rules(play, farm), tags(play));
        play.ask_for(tenant, Command::AuthorizeRules { group, rules, tags });
    }
}

/// A group with rules, its farm, and the rules.
type Group = (SecurityGroupId, FarmId, Vec<(RuleId, Direction)>);

/// One or two rules of a group.
fn some_rules(play: &mut Play) -> Option<Group> {
    let (group, farm) = group(play)?;
    let own = play.state().rows.security_groups.get(&group)?.rules.clone();
    let mut chosen = Vec::new();
    for _ in 0..play.chance.between((1, 2)) {
        let rule = own.get(play.chance.below(own.len() as u64) as usize);
        chosen.extend(rule.map(|rule| (rule.id, rule.direction)));
    }
    Some((group, farm, chosen))
}

pub fn revoke(play: &mut Play) {
    if let Some((group, farm, rules)) = some_rules(play) {
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::RevokeRules { group, rules: rules.into_iter().map(|(id, _)| id).collect() });
    }
}

pub fn modify(play: &mut Play) {
    if let Some((group, farm, rules)) = some_rules(play) {
        let wanted = |play: &mut Play, (id, direction)| (id, NewRule { direction, ..rule(play, farm) });
        let rules = rules.into_iter().map(|known| wanted(play, known)).collect();
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::ModifyRules { group, rules });
    }
}
