//! Security groups and their rules.

use std::collections::BTreeMap;

use cascina_core::command::Outcome;
use cascina_core::farm::Farm;
use cascina_core::id::{FarmId, RuleId, SecurityGroupId, TenantId};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::security_group::{
    DEFAULT, Direction, MOST_GROUPS, MOST_RULES, NewRule, Peer, Rule, SecurityGroup, Traffic,
};
use cascina_core::state::{Key, State};
use cascina_core::tag::Resource;

use super::{outcome, told, usable_farm};
use crate::saga::firewall_apply;
use crate::tx::{Told, Tx};

/// The group that comes with every farm: its guests reach each other and the world.
pub fn make_default(tx: &mut Tx<'_>, farm: FarmId, tenant: TenantId) -> SecurityGroupId {
    let id = SecurityGroupId(tx.number());
    let rules = vec![
        NewRule { direction: Direction::Ingress, traffic: Traffic::All, peer: Peer::Group(id), description: None },
        outwards(),
    ];
    let rules = rules.into_iter().map(|rule| numbered(tx, rule)).collect();
    tx.put(SecurityGroup {
        id,
        farm,
        tenant,
        name: DEFAULT.into(),
        description: "default group of the farm".into(),
        rules,
        created: tx.now,
        updated: tx.now,
    });
    id
}

/// What a new group lets out: everything.
fn outwards() -> NewRule {
    let world = ipnet::IpNet::V4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0));
    NewRule { direction: Direction::Egress, traffic: Traffic::All, peer: Peer::Net(world), description: None }
}

fn numbered(tx: &mut Tx<'_>, rule: NewRule) -> Rule {
    let NewRule { direction, traffic, peer, description } = rule;
    Rule { id: RuleId(tx.number()), direction, traffic, peer, description }
}

pub fn find(state: &State, who: &Principal, id: SecurityGroupId) -> Result<SecurityGroup, Refusal> {
    let row = state.rows.security_groups.get(&id).filter(|row| who.sees(row.tenant));
    row.map(|row| SecurityGroup::clone(row)).ok_or_else(|| Refusal::not_found("security group", id))
}

/// EC2's letters for names and descriptions of groups.
fn text(field: &str, value: &str, fewest: usize) -> Result<(), Refusal> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
    let length = value.chars().count();
    if !(fewest..=255).contains(&length) || !value.chars().all(allowed) {
        let allowed = format!("{fewest} to 255 of a-z, A-Z, 0-9, spaces and ._-:/()#,@[]+=&;{{}}!$*");
        return Err(Refusal::invalid(field, value, allowed));
    }
    Ok(())
}

pub fn create(
    tx: &mut Tx<'_>,
    who: &Principal,
    farm: FarmId,
    name: &str,
    description: &str,
    rules: &[NewRule],
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, Refusal> {
    let farm = usable_farm(tx.state(), who, farm)?;
    text("name", name, 1)?;
    text("description", description, 0)?;
    if tx.state().group_named(farm.id, name).is_some() {
        return Err(Refusal::Conflict(format!("farm {} has a security group `{name}` already", farm.name)));
    }
    if tx.state().indexes.groups_by_farm.of(&farm.id).count() >= MOST_GROUPS {
        return Err(Refusal::Conflict(format!(
            "farm {} has {MOST_GROUPS} security groups, the most there can be",
            farm.name
        )));
    }
    let id = SecurityGroupId(tx.number());
    let mut group = SecurityGroup {
        id,
        farm: farm.id,
        tenant: farm.tenant,
        name: name.into(),
        description: description.into(),
        rules: Vec::new(),
        created: tx.now,
        updated: tx.now,
    };
    add(tx, &mut group, &[outwards()])?;
    add(tx, &mut group, rules)?;
    tx.put(group);
    super::tag::put(tx, &farm, Resource::SecurityGroup(id), tags)?;
    firewall_apply::bump(tx, farm.id);
    tx.tell(event(&farm, "security-group.created", id, format!("security group {name}")));
    Ok(outcome(id))
}

fn event(farm: &Farm, kind: &'static str, id: SecurityGroupId, text: String) -> Told {
    let text = format!("{text} of farm {}", farm.name);
    Told { tenant: Some(farm.tenant), farm: Some(farm.id), ..told(kind, id, text) }
}

pub fn delete(tx: &mut Tx<'_>, who: &Principal, id: SecurityGroupId) -> Result<Outcome, Refusal> {
    let group = find(tx.state(), who, id)?;
    let farm = usable_farm(tx.state(), who, group.farm)?;
    if group.is_default() {
        return Err(Refusal::Conflict(format!("{id} is the farm's default security group and goes with the farm")));
    }
    let mut members = tx.state().indexes.instances_by_farm.with(&farm.id).filter(|row| row.is_live());
    let member = members.find(|row| row.groups.contains(&id)).map(|row| row.id);
    drop(members);
    if let Some(member) = member {
        return Err(Refusal::Conflict(format!("security group {id} is in use by instance {member}")));
    }
    let groups =
        tx.state().indexes.groups_by_farm.of(&farm.id).filter_map(|id| tx.state().rows.security_groups.get(&id));
    let names = |other: &SecurityGroup| other.rules.iter().any(|rule| rule.peer == Peer::Group(id));
    if let Some(other) = groups.into_iter().find(|other| other.id != id && names(other)) {
        return Err(Refusal::Conflict(format!("security group {id} is named by a rule of {}", other.id)));
    }
    remove(tx, &group);
    firewall_apply::bump(tx, farm.id);
    tx.tell(event(&farm, "security-group.deleted", id, format!("security group {}", group.name)));
    Ok(outcome(id))
}

/// Its rules' tags and its own go with it.
pub fn remove(tx: &mut Tx<'_>, group: &SecurityGroup) {
    for rule in &group.rules {
        super::tag::forget(tx, group.farm, Resource::Rule(rule.id));
    }
    super::tag::forget(tx, group.farm, Resource::SecurityGroup(group.id));
    tx.remove(Key::SecurityGroup(group.id));
}

/// Adds rules, all or none; two that let the same through are refused. Gives the ids of the new ones.
fn add(tx: &mut Tx<'_>, group: &mut SecurityGroup, rules: &[NewRule]) -> Result<Vec<RuleId>, Refusal> {
    let mut made = Vec::new();
    for rule in rules {
        check(tx.state(), group, rule)?;
        if group.rules.iter().any(|known| known.same_as(rule)) {
            return Err(Refusal::Conflict(format!("security group {} has this rule already", group.id)));
        }
        if group.count(rule.direction) >= MOST_RULES {
            let text =
                format!("security group {} has {MOST_RULES} rules in this direction, the most there can be", group.id);
            return Err(Refusal::Conflict(text));
        }
        let rule = numbered(tx, rule.clone());
        made.push(rule.id);
        group.rules.push(rule);
    }
    Ok(made)
}

fn check(state: &State, group: &SecurityGroup, rule: &NewRule) -> Result<(), Refusal> {
    if let Peer::Group(peer) = rule.peer {
        let own = peer == group.id || state.rows.security_groups.get(&peer).is_some_and(|row| row.farm == group.farm);
        if !own {
            return Err(Refusal::not_found("security group", peer));
        }
    }
    let ports = match rule.traffic {
        Traffic::Tcp(ports) | Traffic::Udp(ports) => Some(ports),
        Traffic::All | Traffic::Icmp { .. } | Traffic::Icmp6 { .. } | Traffic::Other { .. } => None,
    };
    if let Some(ports) = ports.filter(|ports| ports.from > ports.to) {
        return Err(Refusal::invalid("ports", format!("{}-{}", ports.from, ports.to), "first to last, 0 to 65535"));
    }
    rule.description.as_deref().map_or(Ok(()), |value| text("description", value, 0))
}

pub fn authorize(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: SecurityGroupId,
    rules: &[NewRule],
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, Refusal> {
    let mut group = find(tx.state(), who, id)?;
    let farm = usable_farm(tx.state(), who, group.farm)?;
    let made = add(tx, &mut group, rules)?;
    save(tx, group);
    for rule in made {
        super::tag::put(tx, &farm, Resource::Rule(rule), tags)?;
    }
    let told =
        event(&farm, "security-group.authorized", id, format!("{} rules added to security group {id}", rules.len()));
    let operation = firewall_apply::changed(tx, &farm, told);
    Ok(Outcome { operation, ..outcome(id) })
}

fn save(tx: &mut Tx<'_>, mut group: SecurityGroup) {
    group.updated = tx.now;
    tx.put(group);
}

pub fn revoke(tx: &mut Tx<'_>, who: &Principal, id: SecurityGroupId, rules: &[RuleId]) -> Result<Outcome, Refusal> {
    let mut group = find(tx.state(), who, id)?;
    let farm = usable_farm(tx.state(), who, group.farm)?;
    for rule in rules {
        let place = group.rules.iter().position(|known| known.id == *rule);
        group.rules.remove(place.ok_or_else(|| Refusal::not_found("security group rule", rule))?);
        super::tag::forget(tx, farm.id, Resource::Rule(*rule));
    }
    save(tx, group);
    let told =
        event(&farm, "security-group.revoked", id, format!("{} rules taken from security group {id}", rules.len()));
    let operation = firewall_apply::changed(tx, &farm, told);
    Ok(Outcome { operation, ..outcome(id) })
}

pub fn modify(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: SecurityGroupId,
    rules: &[(RuleId, NewRule)],
) -> Result<Outcome, Refusal> {
    let mut group = find(tx.state(), who, id)?;
    let farm = usable_farm(tx.state(), who, group.farm)?;
    for (rule, wanted) in rules {
        check(tx.state(), &group, wanted)?;
        if group.rules.iter().any(|known| known.id != *rule && known.same_as(wanted)) {
            return Err(Refusal::Conflict(format!("security group {id} has this rule already")));
        }
        let known = group.rules.iter_mut().find(|known| known.id == *rule);
        let known = known.ok_or_else(|| Refusal::not_found("security group rule", rule))?;
        if known.direction != wanted.direction {
            return Err(Refusal::invalid("direction", rule, "the direction that the rule has"));
        }
        known.traffic = wanted.traffic;
        known.peer = wanted.peer;
        known.description = wanted.description.clone();
    }
    save(tx, group);
    let told =
        event(&farm, "security-group.modified", id, format!("{} rules of security group {id} changed", rules.len()));
    let operation = firewall_apply::changed(tx, &farm, told);
    Ok(Outcome { operation, ..outcome(id) })
}

/// The groups that an instance is to be in: those named, which must be its farm's, or the default one.
pub fn chosen(state: &State, farm: &Farm, named: &[SecurityGroupId]) -> Result<Vec<SecurityGroupId>, Refusal> {
    if named.is_empty() {
        return Ok(state.group_named(farm.id, DEFAULT).map(|row| row.id).into_iter().collect());
    }
    let most = cascina_core::security_group::MOST_OF_INSTANCE;
    if named.len() > most {
        return Err(Refusal::invalid("groups", named.len(), format!("at most {most} of an instance")));
    }
    let mut groups = Vec::new();
    for id in named {
        if state.rows.security_groups.get(id).is_none_or(|row| row.farm != farm.id) {
            return Err(Refusal::not_found("security group", id));
        }
        if !groups.contains(id) {
            groups.push(*id);
        }
    }
    Ok(groups)
}
