//! Quota that is held for an offer.

use cascina_core::command::Outcome;
use cascina_core::decision::Amounts;
use cascina_core::id::{HoldId, OperationId, TenantId};
use cascina_core::name::Name;
use cascina_core::principal::Principal;
use cascina_core::quota::Hold;
use cascina_core::refusal::Refusal;
use cascina_core::state::Key;
use cascina_core::units::Timestamp;

use super::{admin, outcome, tenant, told};
use crate::tx::{Told, Tx};

pub fn hold(
    tx: &mut Tx<'_>,
    who: &Principal,
    id: TenantId,
    amounts: &[(Option<Name>, Amounts)],
    expires: Timestamp,
) -> Result<Outcome, Refusal> {
    admin(who, "hold quota for an offer")?;
    let tenant = tenant::active(tx.state(), id)?;
    tx.state().check_quota(&tenant, amounts, tx.now)?;
    let hold = HoldId(tx.number());
    tx.put(Hold { id: hold, tenant: id, operation: OperationId(0), amounts: amounts.to_vec(), expires });
    tx.tell(Told { tenant: Some(id), ..told("offer.held", hold, format!("quota of {} for an offer", tenant.name)) });
    Ok(outcome(hold))
}

pub fn drop(tx: &mut Tx<'_>, who: &Principal, id: HoldId) -> Result<Outcome, Refusal> {
    admin(who, "drop holds")?;
    let Some(hold) = tx.state().rows.holds.get(&id).cloned() else { return Ok(outcome(id)) };
    if hold.operation.0 != 0 {
        return Err(Refusal::Conflict(format!("{id} is of an operation")));
    }
    tx.remove(Key::Hold(id));
    tx.tell(Told { tenant: Some(hold.tenant), ..told("offer.dropped", id, "quota of an offer is free again") });
    Ok(outcome(id))
}
