//! Farms: asked for, approved, deleted.

use std::sync::Arc;

use cascina_core::command::{NewFarm, NewInstances, Outcome};
use cascina_core::decision::{Amounts, Decided, Decision, Question};
use cascina_core::farm::{Farm, FarmRequest, FarmState, Item};
use cascina_core::id::{FarmId, ImageId, TenantId};
use cascina_core::image::{Image, ImageState};
use cascina_core::name::Name;
use cascina_core::operation::{Operation, SagaKind};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_core::tenant::{TenantRequest, TenantState};
use cascina_core::units::{Size, Timestamp};

use super::{Setback, outcome, own_farm, tenant, told};
use crate::saga::{self, Answer, instance_run};
use crate::tx::{Told, Tx};
use crate::verdict::{self, Party};

/// Most instances in one request.
const MOST: u32 = 1000;

pub fn state_word(state: FarmState) -> &'static str {
    match state {
        FarmState::PendingApproval => "pending-approval",
        FarmState::Provisioning => "provisioning",
        FarmState::Active => "active",
        FarmState::Degraded => "degraded",
        FarmState::Deleting => "deleting",
        FarmState::Deleted => "deleted",
        FarmState::Compensating => "compensating",
        FarmState::Failed => "failed",
        FarmState::Stuck => "stuck",
        FarmState::Rejected => "rejected",
    }
}

/// Whether a tenant may launch an image, in a farm that is there or is to be made.
fn launchable(image: &Image, tenant: Option<TenantId>, farm: Option<FarmId>) -> bool {
    match (tenant, farm) {
        (Some(tenant), Some(farm)) => image.is_for(farm, tenant),
        (tenant, _) => image.public || (image.farm.is_none() && image.tenant.is_some() && image.tenant == tenant),
    }
}

/// Looks flavor, image and class up, with an error that names the field.
pub fn item(
    state: &State,
    tenant: Option<TenantId>,
    farm: Option<FarmId>,
    ask: &NewInstances,
    at: &str,
) -> Result<Item, Refusal> {
    let flavor = state.rows.flavors.get(&ask.flavor).filter(|flavor| !flavor.deprecated).ok_or_else(|| {
        let known: Vec<_> = state.rows.flavors.keys().map(Name::to_string).collect();
        Refusal::invalid(format!("{at}flavor"), &ask.flavor, format!("one of {}", known.join(", ")))
    })?;
    let id = ask.image.parse::<ImageId>().ok().or_else(|| {
        let name: Name = ask.image.parse().ok()?;
        let own = tenant.and_then(|_| state.indexes.image_names.get(&(tenant, name.clone())));
        own.or_else(|| state.indexes.image_names.get(&(None, name))).copied()
    });
    let image = id
        .and_then(|id| state.rows.images.get(&id))
        .filter(|image| image.state == ImageState::Available && launchable(image, tenant, farm));
    let image = image.ok_or_else(|| {
        Refusal::invalid(format!("{at}image"), &ask.image, "id or name of an available image (see the list of images)")
    })?;
    let size = Size { disk: ask.launch.root_disk.unwrap_or(flavor.size.disk), ..flavor.size };
    if image.min_disk > size.disk {
        let allowed = format!("a flavor with at least {} of disk, which image {} needs", image.min_disk, image.name);
        return Err(Refusal::invalid(format!("{at}flavor"), &ask.flavor, allowed));
    }
    if size.disk.0 > cascina_core::volume::MOST_GIB {
        let allowed = format!("at most {} GiB", cascina_core::volume::MOST_GIB);
        return Err(Refusal::invalid(format!("{at}root_disk"), size.disk.0, allowed));
    }
    let class = ask.class.clone().unwrap_or_else(|| state.default_class());
    if !state.rows.classes.contains_key(&class) {
        let known: Vec<_> = state.rows.classes.keys().map(Name::to_string).collect();
        return Err(Refusal::invalid(format!("{at}class"), class, format!("one of {}", known.join(", "))));
    }
    if ask.max_count == 0 || ask.max_count > MOST {
        return Err(Refusal::invalid(format!("{at}max_count"), ask.max_count, format!("1 to {MOST}")));
    }
    if ask.min_count > ask.max_count {
        return Err(Refusal::invalid(format!("{at}min_count"), ask.min_count, "at most max_count"));
    }
    let name = match &ask.name {
        Some(name) => name.clone(),
        None => flavor.name.as_str().replace('.', "-").parse().unwrap_or_else(|_| flavor.name.clone()),
    };
    Ok(Item {
        name,
        flavor: flavor.name.clone(),
        class,
        image: image.id,
        size,
        min_count: ask.min_count,
        max_count: ask.max_count,
    })
}

/// The request with everything looked up, and the tenant if it exists.
fn request(state: &State, who: &Principal, ask: &NewFarm) -> Result<(FarmRequest, Option<TenantId>), Refusal> {
    let known = state.indexes.tenant_names.get(&ask.tenant).copied();
    // A tenant that one may not see cannot be told from one that does not exist.
    let own = known.filter(|id| who.sees(*id));
    match own {
        Some(id) => {
            if !who.administers(id) {
                return Err(Refusal::Forbidden("only a tenant-admin or site-admin may ask for farms".into()));
            }
            let tenant = tenant::active(state, id)?;
            if state.indexes.farm_names.contains_key(&(id, ask.name.clone())) {
                return Err(Refusal::Conflict(format!("tenant {} has a farm {} already", tenant.name, ask.name)));
            }
        }
        None => {
            super::admin(who, "ask for a farm of a new tenant")?;
        }
    }
    let tenant = match own.and_then(|id| state.rows.tenants.get(&id)) {
        Some(row) => TenantRequest { name: row.name.clone(), groups: row.groups.clone(), tier: row.tier.clone() },
        None => TenantRequest {
            name: ask.tenant.clone(),
            groups: ask.groups.clone(),
            tier: ask.tier.clone().unwrap_or_else(|| state.site().default_tier.clone()),
        },
    };
    let mut items = Vec::new();
    for (i, line) in ask.instances.iter().enumerate() {
        items.push(item(state, own, None, line, &format!("instances[{i}]."))?);
    }
    if items.iter().map(|item| item.max_count).sum::<u32>() > MOST {
        return Err(Refusal::invalid("instances", items.len(), format!("at most {MOST} instances in one request")));
    }
    let request = FarmRequest {
        name: ask.name.clone(),
        user: ask.user.clone().unwrap_or_else(|| ask.tenant.clone()),
        ssh_key: ask.ssh_key.clone(),
        tenant,
        items,
        lease_s: ask.lease_s,
        labels: ask.labels.clone(),
    };
    Ok((request, own))
}

pub fn questions(
    state: &State,
    who: &Principal,
    ask: &NewFarm,
    _now: Timestamp,
) -> Result<Vec<(Party, Question)>, Refusal> {
    let (request, tenant) = request(state, who, ask)?;
    let mut party = match tenant.and_then(|id| Party::of_tenant(state, id, who)) {
        Some(party) => party,
        None => Party::of_request(state, &request.tenant, who),
    };
    party.farm_name = request.name.to_string();
    let mut questions = Vec::new();
    if tenant.is_none() {
        questions.push((party.clone(), Question::AdmitTenant { tenant: request.tenant.clone() }));
    }
    questions.push((party.clone(), Question::AdmitFarm { farm: request.clone() }));
    questions.extend(last_questions(party, &request, tenant.is_none()));
    Ok(questions)
}

/// Quota: asked when a farm is about to be made, so again after an approval.
fn last_questions(party: Party, request: &FarmRequest, new: bool) -> Vec<(Party, Question)> {
    let wanted = request.total();
    let check = Question::CheckQuota { verb: "create-farm".into(), class: String::new(), wanted };
    let mut questions = vec![(party.clone(), check)];
    if new {
        questions.push((party, tenant::assign(&request.tenant)));
    }
    questions
}

/// A farm that waits for this person's yes or no.
fn pending(state: &State, who: &Principal, id: FarmId) -> Result<Arc<Farm>, Refusal> {
    let farm = state.rows.farms.get(&id).ok_or_else(|| Refusal::not_found("farm", id))?;
    let may = tenant::may_approve(who, farm.approver, &farm.request.tenant.groups);
    if !may {
        return Err(match who.sees(farm.tenant) {
            true => {
                Refusal::Forbidden("a farm is approved by the site-admin or the owner that its policy names".into())
            }
            false => Refusal::not_found("farm", id),
        });
    }
    if farm.state != FarmState::PendingApproval {
        return Err(Refusal::Conflict(format!("farm {} does not wait for approval", farm.name)));
    }
    Ok(farm.clone())
}

pub fn approval_questions(state: &State, who: &Principal, id: FarmId) -> Result<Vec<(Party, Question)>, Refusal> {
    let farm = pending(state, who, id)?;
    let new = !state.rows.tenants.contains_key(&farm.tenant);
    let mut party = match Party::of_tenant(state, farm.tenant, who) {
        Some(party) => party,
        None => Party::of_request(state, &farm.request.tenant, who),
    };
    party.farm_name = farm.name.to_string();
    Ok(last_questions(party, &farm.request, new))
}

fn refused(decisions: &[Arc<Decision>]) -> Result<(), Refusal> {
    decisions.iter().find_map(|decision| verdict::refusal(decision)).map_or(Ok(()), Err)
}

/// A new tenant's limits are decided before it exists.
fn within_assigned(request: &FarmRequest, decisions: &[Arc<Decision>]) -> Result<(), Refusal> {
    let wanted = request.by_class();
    for decision in decisions {
        for (class, limit) in verdict::limits(decision) {
            let of = |item: &&(Option<Name>, Amounts)| {
                class.is_none() || item.0.as_ref().map(Name::as_str) == class.as_deref()
            };
            let sum = wanted.iter().filter(of).fold(Amounts::default(), |sum, (_, amounts)| sum.plus(*amounts));
            if let Some((resource, wanted, limit)) = sum.excess_over(limit) {
                let within = class.map(|class| format!(" in class {class}")).unwrap_or_default();
                let scope = format!("new tenant {}{within}", request.tenant.name);
                let decision = Some(decision.id);
                return Err(Refusal::Quota { scope, resource, wanted, used: 0, held: 0, limit, decision });
            }
        }
    }
    Ok(())
}

pub fn create(
    tx: &mut Tx<'_>,
    who: &Principal,
    ask: &NewFarm,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let (request, known) = request(tx.state(), who, ask)?;
    refused(decisions)?;
    let admitted = decisions.iter().find(|decision| matches!(decision.question, Question::AdmitFarm { .. }));
    let Some(admitted) = admitted else { return Err(Setback::Stale) };
    let asked_tenant = decisions.iter().any(|decision| matches!(decision.question, Question::AdmitTenant { .. }));
    if known.is_none() != asked_tenant {
        return Err(Setback::Stale);
    }
    if known.is_none() && tx.state().indexes.tenant_names.contains_key(&request.tenant.name) {
        return Err(Refusal::Conflict(format!("tenant {} exists already", request.tenant.name)).into());
    }
    let approver = decisions.iter().find_map(|decision| match decision.decided {
        Decided::Pending { approver } => Some(approver),
        _ => None,
    });
    // Told now rather than in the middle of the saga.
    match known.and_then(|id| tx.state().rows.tenants.get(&id)).cloned() {
        Some(row) => tx.state().check_quota(&row, &request.by_class(), tx.now)?,
        None => within_assigned(&request, decisions)?,
    }
    let id = FarmId(tx.number());
    let tenant = known.unwrap_or_else(|| TenantId(tx.number()));
    let farm = Farm {
        id,
        tenant,
        name: request.name.clone(),
        state: if approver.is_some() { FarmState::PendingApproval } else { FarmState::Provisioning },
        note: None,
        user: None,
        approver,
        decision: admitted.id,
        operation: None,
        requested_by: who.name.clone(),
        request,
        created: tx.now,
        updated: tx.now,
    };
    let ids = decisions.iter().map(|decision| decision.id).collect();
    let made = Outcome { decisions: ids, pending: approver.is_some(), ..outcome(id) };
    if approver.is_some() {
        let text = format!("farm {} waits for approval", farm.name);
        tx.put(farm);
        tx.tell(Told {
            tenant: Some(tenant),
            farm: Some(id),
            decision: Some(admitted.id),
            ..told("farm.pending", id, text)
        });
        return Ok(made);
    }
    let operation = provision(tx, farm, decisions);
    Ok(Outcome { operation: Some(operation), ..made })
}

/// Starts the saga; the assignment of limits is what its first step is given.
fn provision(tx: &mut Tx<'_>, mut farm: Farm, decisions: &[Arc<Decision>]) -> cascina_core::id::OperationId {
    let operation = instance_run::operation(tx, SagaKind::FarmCreate, &farm, Vec::new(), 0);
    farm.operation = Some(operation.id);
    farm.state = FarmState::Provisioning;
    farm.updated = tx.now;
    let text = format!("farm {} for tenant {}", farm.name, farm.request.tenant.name);
    let told = Told {
        tenant: Some(farm.tenant),
        farm: Some(farm.id),
        operation: Some(operation.id),
        decision: Some(farm.decision),
        ..told("farm.provisioning", farm.id, text)
    };
    tx.put(farm);
    tx.tell(told);
    let assigned: Vec<_> =
        decisions.iter().filter(|d| matches!(d.decided, Decided::Assigned { .. })).cloned().collect();
    saga::begin(tx, operation, Answer::Decisions(assigned))
}

pub fn approve(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: FarmId,
    approved: bool,
    note: Option<&str>,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Setback> {
    let farm = pending(tx.state(), who, id)?;
    let mut farm = Farm::clone(&farm);
    farm.approver = None;
    farm.note = note.map(String::from);
    farm.updated = tx.now;
    if !approved {
        farm.state = FarmState::Rejected;
        let text = format!("farm {} rejected{}", farm.name, note.map(|n| format!(": {n}")).unwrap_or_default());
        let tenant = farm.tenant;
        tx.put(farm);
        tx.tell(Told { tenant: Some(tenant), farm: Some(id), ..told("farm.rejected", id, text) });
        return Ok(outcome(id));
    }
    refused(decisions)?;
    if let Some(row) = tx.state().rows.tenants.get(&farm.tenant).cloned() {
        if row.state != TenantState::Active {
            return Err(Refusal::Conflict(format!("tenant {} is not active", row.name)).into());
        }
        tx.state().check_quota(&row, &farm.request.by_class(), tx.now)?;
    }
    let operation = provision(tx, farm, decisions);
    let ids = decisions.iter().map(|decision| decision.id).collect();
    Ok(Outcome { operation: Some(operation), decisions: ids, ..outcome(id) })
}

pub fn delete(tx: &mut Tx<'_>, who: &Principal, id: FarmId) -> Result<Outcome, Refusal> {
    let farm = own_farm(tx.state(), who, id)?;
    if !who.administers(farm.tenant) {
        return Err(Refusal::Forbidden("only a tenant-admin or site-admin may delete farms".into()));
    }
    let mut farm = Farm::clone(&farm);
    if farm.state.is_over() {
        return Err(Refusal::Conflict(format!("farm {} is {} already", farm.name, state_word(farm.state))));
    }
    let operations: Vec<_> = tx.state().indexes.operations_by_farm.of(&id).collect();
    let find = |tx: &Tx<'_>, id| tx.state().rows.operations.get(&id).map(|row| Operation::clone(row));
    if let Some(running) = operations.iter().find(|op| find(tx, **op).is_some_and(|op| op.saga == SagaKind::FarmDelete))
    {
        // Asking twice is asking once.
        return Ok(Outcome { operation: Some(*running), ..outcome(id) });
    }
    let operation = instance_run::operation(tx, SagaKind::FarmDelete, &farm, Vec::new(), 0);
    farm.state = FarmState::Deleting;
    farm.approver = None;
    farm.operation = Some(operation.id);
    farm.updated = tx.now;
    let text = format!("farm {} is being deleted", farm.name);
    let told = Told {
        tenant: Some(farm.tenant),
        farm: Some(id),
        operation: Some(operation.id),
        ..told("farm.deleting", id, text)
    };
    tx.put(farm);
    tx.tell(told);
    // The deletion is in the books first, so that stuck ones can be left to it.
    let operation = saga::begin(tx, operation, Answer::Nothing);
    for other in operations {
        saga::cancel(tx, other);
    }
    Ok(Outcome { operation: Some(operation), ..outcome(id) })
}
