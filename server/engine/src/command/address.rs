//! Elastic IPs and port forwards.

use std::collections::BTreeMap;

use cascina_core::address::{AddressState, ElasticIp, Target};
use cascina_core::command::Outcome;
use cascina_core::decision::{Amounts, Question};
use cascina_core::farm::Farm;
use cascina_core::id::{AddressId, FarmId, InstanceId, RouterId};
use cascina_core::instance::InstanceState;
use cascina_core::network::{NatRule, VRouter};
use cascina_core::operation::SagaKind;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_core::tag::Resource;

use super::{outcome, told, usable_farm};
use crate::saga::{self, Answer, farm_create::take_address, instance_run, subnet};
use crate::tx::{Told, Tx};
use crate::verdict::Party;

pub fn questions(state: &State, who: &Principal, farm: FarmId) -> Result<Vec<(Party, Question)>, Refusal> {
    usable_farm(state, who, farm)?;
    let party = Party::of_farm(state, farm, who).ok_or_else(|| Refusal::not_found("farm", farm))?;
    let check =
        Question::CheckQuota { verb: "allocate-address".into(), class: String::new(), wanted: Amounts::ADDRESS };
    Ok(vec![(party, check)])
}

pub fn allocate(
    tx: &mut Tx<'_>,
    who: &Principal,
    farm: FarmId,
    tags: &BTreeMap<String, String>,
) -> Result<Outcome, Refusal> {
    let farm = usable_farm(tx.state(), who, farm)?;
    let tenant = super::tenant::active(tx.state(), farm.tenant)?;
    tx.state().check_quota(&tenant, &[(None, Amounts::ADDRESS)], tx.now)?;
    let (id, ip) = take_address(tx, farm.tenant, farm.id, false)?;
    super::tag::put(tx, &farm, Resource::Address(id), tags)?;
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        ..told("address.allocated", id, format!("{ip} for farm {}", farm.name))
    });
    Ok(Outcome { ip: Some(ip), ..outcome(id) })
}

fn find(state: &State, who: &Principal, id: AddressId) -> Result<ElasticIp, Refusal> {
    let row = state.rows.addresses.get(&id).filter(|row| row.is_held() && who.sees(row.tenant));
    row.map(|row| ElasticIp::clone(row)).ok_or_else(|| Refusal::not_found("address", id))
}

/// A new revision for the farm's router, and the operation that brings it there.
fn apply(tx: &mut Tx<'_>, farm: &Farm, kind: &'static str, subject: String, text: String) -> Result<Outcome, Refusal> {
    let id = tx.state().indexes.routers_by_farm.of(&farm.id).next();
    let router = id.and_then(|id| tx.state().rows.routers.get(&id).cloned());
    let router = router.ok_or_else(|| Refusal::Conflict(format!("farm {} has no router yet", farm.name)))?;
    tx.put(VRouter { desired_revision: router.desired_revision + 1, updated: tx.now, ..VRouter::clone(&router) });
    let operation = instance_run::operation(tx, SagaKind::RouterApply, farm, Vec::new(), 0);
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        ..told(kind, &subject, text)
    });
    let operation = saga::begin(tx, operation, Answer::Nothing);
    Ok(Outcome { operation: Some(operation), ..outcome(subject) })
}

pub fn associate(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: AddressId,
    instance: Option<InstanceId>,
) -> Result<Outcome, Refusal> {
    let mut address = find(tx.state(), who, id)?;
    let farm = usable_farm(tx.state(), who, address.farm)?;
    let target = match instance {
        None => Target::Router,
        Some(id) => {
            let row = tx.state().rows.instances.get(&id).filter(|row| row.farm == farm.id && row.is_live());
            let row = row.ok_or_else(|| Refusal::not_found("instance", id))?;
            // One that does not come up is ended, and its address would point at nobody.
            match row.state {
                InstanceState::Running | InstanceState::Stopping | InstanceState::Stopped => {}
                InstanceState::Scheduled | InstanceState::Staging => {
                    return Err(Refusal::Conflict(format!("instance {id} is still coming up; wait until it runs")));
                }
                InstanceState::ShuttingDown | InstanceState::Terminated | InstanceState::Error => {
                    return Err(Refusal::Conflict(format!(
                        "instance {id} is {}; this needs one that runs or is stopped",
                        row.state.as_str()
                    )));
                }
            }
            let leaves = tx.state().indexes.operations_by_farm.of(&farm.id).any(|op| {
                tx.state()
                    .rows
                    .operations
                    .get(&op)
                    .is_some_and(|op| op.saga == SagaKind::InstanceTerminate && op.instances.contains(&id))
            });
            if leaves {
                return Err(Refusal::Conflict(format!("instance {id} is being terminated")));
            }
            Target::Instance(id)
        }
    };
    if address.target() == Some(target) {
        return Ok(outcome(id));
    }
    if address.primary && target != Target::Router {
        return Err(Refusal::Conflict(format!(
            "{} is the farm's own address, on which its router answers; allocate another one for an instance",
            address.ip
        )));
    }
    // One public address a target: the former one is left without.
    let others: Vec<_> = tx
        .state()
        .indexes
        .addresses_by_farm
        .of(&farm.id)
        .filter(|other| *other != id)
        .filter(|other| tx.state().rows.addresses.get(other).and_then(|row| row.target()) == Some(target))
        .collect();
    if target == Target::Router && !others.is_empty() {
        return Err(Refusal::Conflict("the router has an address already".into()));
    }
    for other in others {
        saga::instance_terminate::unmap(tx, other);
    }
    let ip = address.ip;
    address.state = AddressState::Associated { target };
    address.updated = tx.now;
    tx.put(address);
    apply(tx, &farm, "address.associated", id.to_string(), format!("{ip} of farm {}", farm.name))
}

pub fn disassociate(tx: &mut Tx<'_>, who: &Principal, id: AddressId) -> Result<Outcome, Refusal> {
    let mut address = find(tx.state(), who, id)?;
    let farm = usable_farm(tx.state(), who, address.farm)?;
    match address.target() {
        None => return Ok(outcome(id)),
        Some(Target::Router) => {
            return Err(Refusal::Conflict(format!(
                "{} is the farm's own address and stays with its router",
                address.ip
            )));
        }
        Some(Target::Instance(_)) => {}
    }
    let ip = address.ip;
    address.state = AddressState::Allocated;
    address.updated = tx.now;
    tx.put(address);
    apply(tx, &farm, "address.disassociated", id.to_string(), format!("{ip} of farm {}", farm.name))
}

pub fn release(tx: &mut Tx<'_>, who: &Principal, id: AddressId) -> Result<Outcome, Refusal> {
    let mut address = find(tx.state(), who, id)?;
    let farm = usable_farm(tx.state(), who, address.farm)?;
    if address.primary {
        return Err(Refusal::Conflict(format!("{} is the farm's own address and goes with the farm", address.ip)));
    }
    if address.target().is_some() {
        return Err(Refusal::Conflict(format!("{} is associated; disassociate it first", address.ip)));
    }
    let ip = address.ip;
    super::tag::forget(tx, farm.id, Resource::Address(id));
    address.state = AddressState::Quarantined { until: tx.now.plus_ms(tx.state().site().address_rest_ms) };
    address.updated = tx.now;
    tx.put(address);
    tx.tell(Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        ..told("address.released", id, format!("{ip} of farm {}", farm.name))
    });
    Ok(outcome(id))
}

pub fn set_forwards(tx: &mut Tx<'_>, who: &Principal, id: RouterId, forwards: &[NatRule]) -> Result<Outcome, Refusal> {
    let router = tx.state().rows.routers.get(&id).cloned().ok_or_else(|| Refusal::not_found("router", id))?;
    let farm = usable_farm(tx.state(), who, router.farm).map_err(|refusal| match refusal {
        Refusal::NotFound { .. } => Refusal::not_found("router", id),
        other => other,
    })?;
    if forwards.len() > 256 {
        return Err(Refusal::invalid("forwards", forwards.len(), "at most 256"));
    }
    let cidr = subnet(tx.state(), farm.id)?;
    for (i, rule) in forwards.iter().enumerate() {
        let field = |name: &str| format!("forwards[{i}].{name}");
        if rule.public_port == 0 || rule.to_port == 0 {
            return Err(Refusal::invalid(field("public_port"), rule.public_port, "1 to 65535"));
        }
        if !cidr.contains(&rule.to) {
            return Err(Refusal::invalid(field("to"), rule.to, format!("an address in {cidr}")));
        }
        let twice = |other: &NatRule| (other.protocol, other.public_port) == (rule.protocol, rule.public_port);
        if forwards[..i].iter().any(twice) {
            return Err(Refusal::invalid(field("public_port"), rule.public_port, "a port that no other rule uses"));
        }
    }
    tx.put(VRouter { forwards: forwards.to_vec(), ..VRouter::clone(&router) });
    let text = format!("{} port forwards of farm {}", forwards.len(), farm.name);
    apply(tx, &farm, "router.forwards", id.to_string(), text)
}
