//! Makes a farm: identity, quota, network, address, router, instances; all or nothing.
//!
//! Isolation follows placement, because a host needs a farm's network only when a guest of the farm
//! is to live there. The identity comes before the quota hold, because a hold is a tenant's.

use cascina_core::address::{AddressState, ElasticIp, Target};
use cascina_core::decision::{Decided, PlacementQuestion, Question};
use cascina_core::farm::{Farm, FarmState};
use cascina_core::id::*;
use cascina_core::ipam;
use cascina_core::launch::Launch;
use cascina_core::network::{RouterState, VRouter, VirtualNetwork};
use cascina_core::operation::Operation;
use cascina_core::quota::Hold;
use cascina_core::refusal::Refusal;
use cascina_core::state::{Guest, Key, State};
use cascina_drivers::HostCall;

use super::belongings;
use super::executor::drop_holds;
use super::identity::{create_identity, remove_identity};
use super::instance_run::{place_items, took};
use super::{Answer, Errand, Saga, StepError, Work, errands, instance_run, names_apply, site_calls};
use crate::command::security_group;
use crate::tx::Tx;
use crate::verdict::{self, Party};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    CreateIdentity,
    HoldQuota,
    AllocateNetwork,
    AllocateAddress,
    PlaceRouter,
    IsolateRouter,
    StageRouter,
    BootRouter,
    BindAddress,
    ProbeRouter,
    PlaceInstances,
    StageInstances,
    BootInstances,
    Activate,
}

pub struct FarmCreate;

pub fn farm(state: &State, operation: &Operation) -> Result<Farm, StepError> {
    let row = state.rows.farms.get(&operation.farm);
    row.map(|row| Farm::clone(row)).ok_or_else(|| StepError::Final(format!("{} is gone", operation.farm)))
}

impl Saga for FarmCreate {
    type Step = Step;
    const VERSION: u32 = 1;
    const PIVOT: Step = Step::Activate;
    const STEPS: &'static [(Step, &'static str)] = &[
        (Step::CreateIdentity, "create-identity"),
        (Step::HoldQuota, "hold-quota"),
        (Step::AllocateNetwork, "allocate-network"),
        (Step::AllocateAddress, "allocate-address"),
        (Step::PlaceRouter, "place-router"),
        (Step::IsolateRouter, "isolate-router"),
        (Step::StageRouter, "stage-router"),
        (Step::BootRouter, "boot-router"),
        (Step::BindAddress, "bind-address"),
        (Step::ProbeRouter, "probe-router"),
        (Step::PlaceInstances, "place-instances"),
        (Step::StageInstances, "stage-instances"),
        (Step::BootInstances, "boot-instances"),
        (Step::Activate, "activate"),
    ];

    fn act(step: Step, state: &State, operation: &Operation) -> Result<Work, StepError> {
        let router = |calls: fn(&State, &VRouter) -> Result<Vec<HostCall>, StepError>| {
            let row = site_calls::router(state, operation.farm)?;
            let on = row.host.ok_or_else(|| StepError::Final("the router has no host".into()))?;
            let host = site_calls::host(state, on)?;
            Ok(Work::Errands(vec![Errand { host, guest: Some(Guest::Router(row.id)), calls: calls(state, row)? }]))
        };
        match step {
            Step::CreateIdentity | Step::HoldQuota | Step::AllocateNetwork | Step::AllocateAddress | Step::Activate => {
                Ok(Work::Nothing)
            }
            Step::PlaceRouter => {
                let site = state.site();
                let question = PlacementQuestion {
                    router: true,
                    flavor: "router".into(),
                    image: None,
                    class: site.router_class.clone(),
                    size: site.router_size,
                    count: 1,
                    cause: "create".into(),
                    only: Vec::new(),
                    avoid: Vec::new(),
                    taken: Vec::new(),
                    reserved: Vec::new(),
                };
                Ok(Work::Decide(vec![(party(state, operation)?, Question::Place(question))]))
            }
            Step::IsolateRouter => {
                router(|state, row| Ok(vec![site_calls::define_network(site_calls::network(state, row.farm)?)]))
            }
            Step::StageRouter => router(|state, row| {
                let spec = site_calls::router_spec(state, row)?;
                Ok(vec![HostCall::StageDisk { spec, image: site_calls::ROUTER_IMAGE.into(), sha256: None }])
            }),
            Step::BootRouter => {
                router(|state, row| Ok(vec![HostCall::Boot { spec: site_calls::router_spec(state, row)? }]))
            }
            Step::BindAddress => router(|state, row| {
                let address = primary(state, row.farm)?;
                let mut config = site_calls::router_config(state, row);
                config.public = Some(address.ip);
                let guest = Guest::Router(row.id);
                Ok(vec![HostCall::ApplyRouter { guest, revision: row.desired_revision, config }])
            }),
            Step::ProbeRouter => router(|_, row| Ok(vec![HostCall::ProbeRouter { guest: Guest::Router(row.id) }])),
            Step::PlaceInstances => {
                let farm = farm(state, operation)?;
                if farm.request.items.is_empty() {
                    return Ok(Work::Nothing);
                }
                let party = party(state, operation)?;
                let items = farm.request.items.iter();
                Ok(Work::Decide(
                    items.map(|item| (party.clone(), instance_run::question(item, &[], "create"))).collect(),
                ))
            }
            Step::StageInstances => {
                site_calls::for_instances(state, &operation.instances, |row| site_calls::stage(state, row))
            }
            Step::BootInstances => {
                let work = site_calls::boot(state, operation.farm, &operation.instances)?;
                Ok(names_apply::along(state, operation.farm, work))
            }
        }
    }

    fn acted(
        step: Step,
        tx: &mut Tx<'_>,
        operation: &mut Operation,
        answer: Answer,
    ) -> Result<Option<String>, StepError> {
        match step {
            Step::CreateIdentity => create_identity(tx, operation, &answer),
            Step::HoldQuota => hold_quota(tx, operation),
            Step::AllocateNetwork => allocate_network(tx, operation),
            Step::AllocateAddress => allocate_address(tx, operation),
            Step::PlaceRouter => place_router(tx, operation, &answer),
            Step::IsolateRouter => errands(&answer).map(|()| None),
            Step::StageRouter => {
                errands(&answer)?;
                set_router(tx, operation.farm, |router| router.state = RouterState::Staging)
            }
            Step::BootRouter => errands(&answer).map(|()| None),
            Step::BindAddress => {
                errands(&answer)?;
                let mut address = primary(tx.state(), operation.farm)?;
                address.state = AddressState::Associated { target: Target::Router };
                address.updated = tx.now;
                let ip = address.ip;
                tx.put(address);
                set_router(tx, operation.farm, |router| router.applied_revision = router.desired_revision)?;
                Ok(Some(ip.to_string()))
            }
            Step::ProbeRouter => {
                errands(&answer)?;
                set_router(tx, operation.farm, |router| router.state = RouterState::Running)
            }
            Step::PlaceInstances => place_instances(tx, operation, &answer),
            Step::StageInstances => instance_run::staged(tx, operation, &answer),
            Step::BootInstances => {
                let answer = names_apply::noted(tx, operation.farm, answer);
                instance_run::booted(tx, operation, &answer)
            }
            Step::Activate => {
                let mut farm = farm(tx.state(), operation)?;
                drop_holds(tx, operation.id);
                farm.state = FarmState::Active;
                farm.note = None;
                farm.updated = tx.now;
                tx.put(farm.clone());
                names_apply::begin(tx, &farm);
                Ok(None)
            }
        }
    }

    fn undo(step: Step, state: &State, operation: &Operation) -> Work {
        match step {
            // All of them: an operation that ends those that did not come up may still be under way.
            Step::BootInstances | Step::StageInstances => {
                site_calls::destroy_instances(state, operation.farm, &site_calls::live(state, operation.farm))
            }
            Step::ProbeRouter | Step::BootRouter | Step::StageRouter | Step::IsolateRouter => {
                site_calls::destroy_router(state, operation.farm)
            }
            Step::CreateIdentity
            | Step::HoldQuota
            | Step::AllocateNetwork
            | Step::AllocateAddress
            | Step::PlaceRouter
            | Step::BindAddress
            | Step::PlaceInstances
            | Step::Activate => Work::Nothing,
        }
    }

    fn undone(step: Step, tx: &mut Tx<'_>, operation: &Operation) -> Result<(), StepError> {
        let farm = operation.farm;
        match step {
            Step::Activate
            | Step::StageInstances
            | Step::BootInstances
            | Step::ProbeRouter
            | Step::BootRouter
            | Step::StageRouter
            | Step::IsolateRouter => {}
            Step::PlaceInstances => {
                let all = site_calls::live(tx.state(), farm);
                instance_run::forget(tx, &all, "the farm could not be made");
            }
            Step::BindAddress => {
                if let Ok(mut address) = primary(tx.state(), farm) {
                    address.state = AddressState::Allocated;
                    address.updated = tx.now;
                    tx.put(address);
                }
            }
            Step::PlaceRouter => remove_routers(tx, farm),
            Step::AllocateAddress => release_addresses(tx, farm),
            Step::AllocateNetwork => {
                belongings::remove(tx, farm);
                remove_networks(tx, farm);
            }
            Step::HoldQuota => drop_holds(tx, operation.id),
            Step::CreateIdentity => remove_identity(tx, farm),
        }
        Ok(())
    }

    fn failed(tx: &mut Tx<'_>, operation: &Operation) {
        if let Ok(mut farm) = farm(tx.state(), operation)
            && farm.state != FarmState::Deleting
        {
            farm.state = FarmState::Failed;
            farm.note = operation.error.clone();
            farm.updated = tx.now;
            tx.put(farm);
        }
    }
}

fn party(state: &State, operation: &Operation) -> Result<Party, StepError> {
    let mut party = Party::of_farm(state, operation.farm, &cascina_core::principal::Principal::system())
        .ok_or_else(|| StepError::Final(format!("{} has no tenant", operation.farm)))?;
    party.actor = operation.actor.clone();
    Ok(party)
}

fn primary(state: &State, farm: FarmId) -> Result<ElasticIp, StepError> {
    let mut addresses = state.indexes.addresses_by_farm.of(&farm).filter_map(|id| state.rows.addresses.get(&id));
    addresses
        .find(|row| row.primary)
        .map(|row| ElasticIp::clone(row))
        .ok_or_else(|| StepError::Final(format!("{farm} has no address of its own")))
}

fn hold_quota(tx: &mut Tx<'_>, operation: &Operation) -> Result<Option<String>, StepError> {
    let farm = farm(tx.state(), operation)?;
    let tenant = tx.state().rows.tenants.get(&farm.tenant).cloned();
    let tenant = tenant.ok_or_else(|| StepError::Final("the tenant is gone".into()))?;
    let amounts = farm.request.by_class();
    tx.state().check_quota(&tenant, &amounts, tx.now)?;
    let id = HoldId(tx.number());
    let expires = tx.now.plus_ms(tx.state().site().hold_ms);
    tx.put(Hold { id, tenant: tenant.id, operation: operation.id, amounts, expires });
    Ok(None)
}

fn allocate_network(tx: &mut Tx<'_>, operation: &Operation) -> Result<Option<String>, StepError> {
    let farm = farm(tx.state(), operation)?;
    let segment = *tx.state().indexes.free_segments.first().ok_or(Refusal::Exhausted("private subnet"))?;
    let cidr = ipam::subnet(&tx.state().site(), segment).ok_or(Refusal::Exhausted("private subnet"))?;
    let id = NetworkId(tx.number());
    tx.put(VirtualNetwork { id, farm: farm.id, tenant: farm.tenant, segment, cidr, firewall: 1, created: tx.now });
    security_group::make_default(tx, farm.id, farm.tenant);
    shrink_hold(tx, operation.id, |amounts| amounts.networks = 0);
    Ok(Some(cidr.to_string()))
}

fn allocate_address(tx: &mut Tx<'_>, operation: &Operation) -> Result<Option<String>, StepError> {
    let farm = farm(tx.state(), operation)?;
    let ip = take_address(tx, farm.tenant, farm.id, true)?.1;
    shrink_hold(tx, operation.id, |amounts| amounts.addresses = 0);
    Ok(Some(ip.to_string()))
}

/// The lowest free elastic IP becomes the farm's.
pub fn take_address(
    tx: &mut Tx<'_>,
    tenant: TenantId,
    farm: FarmId,
    primary: bool,
) -> Result<(AddressId, std::net::Ipv4Addr), Refusal> {
    let ip = *tx.state().indexes.free_public_ips.first().ok_or(Refusal::Exhausted("elastic IP"))?;
    let id = AddressId(tx.number());
    let (state, now) = (AddressState::Allocated, tx.now);
    tx.put(ElasticIp { id, ip, tenant, farm, state, primary, created: now, updated: now });
    Ok((id, ip))
}

fn shrink_hold(tx: &mut Tx<'_>, operation: OperationId, shrink: impl Fn(&mut cascina_core::decision::Amounts)) {
    let id = tx.state().indexes.holds_by_operation.of(&operation).next();
    let Some(hold) = id.and_then(|id| tx.state().rows.holds.get(&id).cloned()) else { return };
    let mut hold = Hold::clone(&hold);
    for (class, amounts) in &mut hold.amounts {
        if class.is_none() {
            shrink(amounts);
        }
    }
    tx.put(hold);
}

fn place_router(tx: &mut Tx<'_>, operation: &Operation, answer: &Answer) -> Result<Option<String>, StepError> {
    let Answer::Decisions(decisions) = answer else {
        return Err(StepError::Passing("no placement decision arrived".into()));
    };
    let Some(decision) = decisions.first() else { return Err(StepError::Stale) };
    tx.decided(decision.clone());
    let Decided::Placed { hosts } = &decision.decided else {
        return Err(verdict::refusal(decision).map_or(StepError::Stale, StepError::from));
    };
    let host = hosts[0];
    let site = tx.state().site();
    if !took(tx.state(), host, site.router_size) {
        return Err(StepError::Stale);
    }
    let network = site_calls::network(tx.state(), operation.farm)?.id;
    let id = RouterId(tx.number());
    tx.put(VRouter {
        id,
        farm: operation.farm,
        network,
        class: site.router_class.clone(),
        size: site.router_size,
        host: Some(host),
        bound_for: None,
        state: RouterState::Pending,
        forwards: Vec::new(),
        desired_revision: 1,
        applied_revision: 0,
        created: tx.now,
        updated: tx.now,
    });
    Ok(tx.state().rows.hosts.get(&host).map(|row| row.name.to_string()))
}

fn set_router(tx: &mut Tx<'_>, farm: FarmId, change: impl FnOnce(&mut VRouter)) -> Result<Option<String>, StepError> {
    let mut router = site_calls::router(tx.state(), farm)?.clone();
    change(&mut router);
    router.updated = tx.now;
    tx.put(router);
    Ok(None)
}

fn place_instances(tx: &mut Tx<'_>, operation: &mut Operation, answer: &Answer) -> Result<Option<String>, StepError> {
    let farm = farm(tx.state(), operation)?;
    let Answer::Decisions(decisions) = answer else { return Ok(None) };
    if tx.state().indexes.holds_by_operation.of(&operation.id).next().is_none() {
        // The hold ran out while hosts were slow: ask again, as if for the first time.
        let tenant = tx.state().rows.tenants.get(&farm.tenant).cloned();
        let tenant = tenant.ok_or_else(|| StepError::Final("the tenant is gone".into()))?;
        let amounts: Vec<_> = farm.request.by_class().into_iter().filter(|(class, _)| class.is_some()).collect();
        tx.state().check_quota(&tenant, &amounts, tx.now)?;
    }
    let made = place_items(tx, &farm, operation, &farm.request.items, decisions, &Launch::default())?;
    // What was held is now used.
    drop_holds(tx, operation.id);
    let note = format!("{} instances", made.len());
    operation.min_count = farm.request.items.iter().map(|item| item.min_count).sum();
    operation.instances = made;
    Ok(Some(note))
}

pub fn remove_routers(tx: &mut Tx<'_>, farm: FarmId) {
    let ids: Vec<_> = tx.state().indexes.routers_by_farm.of(&farm).collect();
    for id in ids {
        tx.remove(Key::Router(id));
    }
}

pub fn remove_networks(tx: &mut Tx<'_>, farm: FarmId) {
    let ids: Vec<_> = tx.state().indexes.networks_by_farm.of(&farm).collect();
    for id in ids {
        tx.remove(Key::Network(id));
    }
}

/// Gives addresses back; they rest before anybody else gets them.
pub fn release_addresses(tx: &mut Tx<'_>, farm: FarmId) {
    let ids: Vec<_> = tx.state().indexes.addresses_by_farm.of(&farm).collect();
    let until = tx.now.plus_ms(tx.state().site().address_rest_ms);
    for id in ids {
        if let Some(mut row) = tx.state().rows.addresses.get(&id).map(|row| ElasticIp::clone(row)) {
            row.state = AddressState::Quarantined { until };
            row.updated = tx.now;
            tx.put(row);
        }
    }
}
