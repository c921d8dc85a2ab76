//! Tenants and their quotas.

use std::sync::Arc;

use cascina_core::command::Outcome;
use cascina_core::decision::{Amounts, Approver, Decided, Decision, Question};
use cascina_core::id::{QuotaId, TenantId};
use cascina_core::name::Name;
use cascina_core::principal::Principal;
use cascina_core::quota::Quota;
use cascina_core::refusal::Refusal;
use cascina_core::state::{Key, State};
use cascina_core::tenant::{Tenant, TenantRequest, TenantState};

use super::{admin, outcome, told};
use crate::saga::identity::{put_limits, remove_tenant};
use crate::tx::{Told, Tx};
use crate::verdict::{self, Party};

pub fn questions(state: &State, who: &Principal, request: &TenantRequest) -> Result<Vec<(Party, Question)>, Refusal> {
    admin(who, "create tenants")?;
    absent(state, &request.name)?;
    let party = Party::of_request(state, request, who);
    Ok(vec![(party.clone(), Question::AdmitTenant { tenant: request.clone() }), (party, assign(request))])
}

pub fn assign(request: &TenantRequest) -> Question {
    Question::AssignQuota {
        tenant: request.name.to_string(),
        groups: request.groups.clone(),
        tier: request.tier.clone(),
    }
}

fn absent(state: &State, name: &Name) -> Result<(), Refusal> {
    match state.indexes.tenant_names.get(name) {
        Some(id) => Err(Refusal::Conflict(format!("tenant {name} exists already ({id})"))),
        None => Ok(()),
    }
}

/// A tenant that may get more.
pub fn active(state: &State, id: TenantId) -> Result<Arc<Tenant>, Refusal> {
    let tenant = state.rows.tenants.get(&id).ok_or_else(|| Refusal::not_found("tenant", id))?;
    if tenant.state != TenantState::Active {
        return Err(Refusal::Conflict(format!("tenant {} is not active; ask an admin", tenant.name)));
    }
    Ok(tenant.clone())
}

pub fn create(
    tx: &mut Tx<'_>,
    who: &Principal,
    request: &TenantRequest,
    decisions: &[Arc<Decision>],
) -> Result<Outcome, Refusal> {
    admin(who, "create tenants")?;
    absent(tx.state(), &request.name)?;
    // After a no, the rest was not asked.
    if let Some(refusal) = decisions.iter().find_map(|decision| verdict::refusal(decision)) {
        return Err(refusal);
    }
    let [admitted, assigned] = decisions else {
        return Err(Refusal::Conflict("the request was decided in part only; repeat it".into()));
    };
    let approver = match &admitted.decided {
        Decided::Pending { approver } => Some(*approver),
        _ => None,
    };
    let id = TenantId(tx.number());
    tx.put(Tenant {
        id,
        name: request.name.clone(),
        groups: request.groups.clone(),
        tier: request.tier.clone(),
        state: if approver.is_some() { TenantState::PendingApproval } else { TenantState::Active },
        approver,
        decision: Some(admitted.id),
        with_farm: false,
        created: tx.now,
        updated: tx.now,
    });
    put_limits(tx, id, assigned);
    let text = match approver {
        Some(_) => format!("tenant {} waits for approval", request.name),
        None => format!("tenant {} created", request.name),
    };
    let kind = if approver.is_some() { "tenant.pending" } else { "tenant.created" };
    tx.tell(Told { tenant: Some(id), decision: Some(admitted.id), ..told(kind, id, text) });
    let decisions = decisions.iter().map(|decision| decision.id).collect();
    Ok(Outcome { pending: approver.is_some(), decisions, ..outcome(id) })
}

fn find(tx: &Tx<'_>, who: &Principal, id: TenantId) -> Result<Tenant, Refusal> {
    let row = tx.state().rows.tenants.get(&id).filter(|_| who.sees(id));
    row.map(|row| Tenant::clone(row)).ok_or_else(|| Refusal::not_found("tenant", id))
}

/// May this person say yes or no to what waits for `approver`?
pub fn may_approve(who: &Principal, approver: Option<Approver>, groups: &[Name]) -> bool {
    who.is_admin() || (approver == Some(Approver::Owner) && groups.iter().any(|group| who.owns(group)))
}

pub fn approve(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: TenantId,
    approved: bool,
    note: Option<&str>,
) -> Result<Outcome, Refusal> {
    let row = tx.state().rows.tenants.get(&id).map(|row| Tenant::clone(row));
    let mut row = row.ok_or_else(|| Refusal::not_found("tenant", id))?;
    if !may_approve(who, row.approver, &row.groups) {
        return Err(Refusal::not_found("tenant", id));
    }
    if row.state != TenantState::PendingApproval {
        return Err(Refusal::Conflict(format!("tenant {} does not wait for approval", row.name)));
    }
    row.state = if approved { TenantState::Active } else { TenantState::Closed };
    row.approver = None;
    row.updated = tx.now;
    let word = if approved { "approved" } else { "rejected" };
    let text = format!("tenant {} {word}{}", row.name, note.map(|note| format!(": {note}")).unwrap_or_default());
    let kind = if approved { "tenant.approved" } else { "tenant.rejected" };
    tx.put(row);
    tx.tell(Told { tenant: Some(id), ..told(kind, id, text) });
    Ok(outcome(id))
}

pub fn suspend(tx: &mut Tx<'_>, who: &Principal, id: TenantId, suspended: bool) -> Result<Outcome, Refusal> {
    admin(who, "suspend tenants")?;
    let mut row = find(tx, who, id)?;
    let (from, to) = if suspended {
        (TenantState::Active, TenantState::Suspended)
    } else {
        (TenantState::Suspended, TenantState::Active)
    };
    if row.state != from && row.state != to {
        return Err(Refusal::Conflict(format!("tenant {} is neither active nor suspended", row.name)));
    }
    row.state = to;
    row.updated = tx.now;
    let (kind, word) = if suspended { ("tenant.suspended", "suspended") } else { ("tenant.resumed", "resumed") };
    let text = format!("tenant {} {word}", row.name);
    tx.put(row);
    tx.tell(Told { tenant: Some(id), ..told(kind, id, text) });
    Ok(outcome(id))
}

pub fn close(tx: &mut Tx<'_>, who: &Principal, id: TenantId) -> Result<Outcome, Refusal> {
    admin(who, "close tenants")?;
    let row = find(tx, who, id)?;
    let farms: Vec<_> = tx.state().indexes.farms_by_tenant.of(&id).collect();
    if let Some(farm) = farms.iter().filter_map(|id| tx.state().rows.farms.get(id)).find(|farm| !farm.state.is_over()) {
        return Err(Refusal::Conflict(format!("tenant {} still has farm {}; delete it first", row.name, farm.name)));
    }
    remove_tenant(tx, id);
    tx.tell(told("tenant.closed", id, format!("tenant {} closed", row.name)));
    Ok(outcome(id))
}

pub fn set_quota(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: TenantId,
    class: Option<&Name>,
    limit: Amounts,
) -> Result<Outcome, Refusal> {
    admin(who, "set quotas")?;
    let tenant = find(tx, who, id)?;
    if let Some(class) = class
        && !tx.state().rows.classes.contains_key(class)
    {
        let known: Vec<_> = tx.state().rows.classes.keys().map(Name::to_string).collect();
        return Err(Refusal::invalid("class", class, format!("one of {}", known.join(", "))));
    }
    let ids: Vec<_> = tx.state().indexes.quotas_by_tenant.of(&id).collect();
    for quota in ids {
        if tx.state().rows.quotas.get(&quota).is_some_and(|row| row.class.as_ref() == class) {
            tx.remove(Key::Quota(quota));
        }
    }
    let quota = QuotaId(tx.number());
    tx.put(Quota { id: quota, tenant: id, class: class.cloned(), limit, created: tx.now, updated: tx.now });
    tx.tell(Told { tenant: Some(id), ..told("quota.set", quota, format!("quota of tenant {} set", tenant.name)) });
    Ok(outcome(quota))
}
