//! Groups as requests name them.

use std::sync::Arc;

use cascina_core::id::{FarmId, SecurityGroupId};
use cascina_core::security_group::SecurityGroup;
use cascina_core::state::State;

use crate::action::vpc::vpc_of;
use crate::code::Code;
use crate::fault::Fault;
use crate::ids;
use crate::noun::Noun;
use crate::wire::short;

/// The farm's group with this id.
///
/// # Errors
///
/// `InvalidGroup.NotFound`, and `InvalidGroupId.Malformed` for what is no id.
pub fn by_id<'a>(state: &'a State, farm: FarmId, text: &str) -> Result<&'a Arc<SecurityGroup>, Fault> {
    let id: SecurityGroupId = ids::read(Noun::SecurityGroup, SecurityGroupId::PREFIX, text)?;
    let row = state.rows.security_groups.get(&id).filter(|row| row.farm == farm);
    row.ok_or_else(|| Noun::SecurityGroup.not_found(text))
}

/// The farm's group with this name.
///
/// # Errors
///
/// `InvalidGroup.NotFound`
pub fn by_name<'a>(state: &'a State, farm: FarmId, name: &str) -> Result<&'a Arc<SecurityGroup>, Fault> {
    state.group_named(farm, name).ok_or_else(|| {
        let place = vpc_of(state, farm).map(|id| format!(" in default VPC '{id}'")).unwrap_or_default();
        Code::InvalidGroupNotFound.fault(format!("The security group '{}' does not exist{place}", short(name)))
    })
}

/// The farm's group that a request is about, named in one of the two ways. Some clients send the other
/// one empty.
///
/// # Errors
///
/// Also for both ways at once, and for neither.
pub fn named<'a>(
    state: &'a State,
    farm: FarmId,
    id: Option<&str>,
    name: Option<&str>,
) -> Result<&'a Arc<SecurityGroup>, Fault> {
    match (id.filter(|id| !id.is_empty()), name.filter(|name| !name.is_empty())) {
        (Some(id), None) => by_id(state, farm, id),
        (None, Some(name)) => by_name(state, farm, name),
        (None, None) => Err(Fault::missing("GroupId or GroupName")),
        (Some(id), Some(name)) => {
            let group = by_id(state, farm, id)?;
            if group.name == name { Ok(group) } else { Err(contradiction(id, name)) }
        }
    }
}

fn contradiction(id: &str, name: &str) -> Fault {
    let text = format!("The security group '{}' does not have the name '{}'", short(id), short(name));
    Code::InvalidParameterCombination.fault(text)
}
