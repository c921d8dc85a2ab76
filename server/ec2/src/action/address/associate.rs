//! Pointing addresses at instances.

use std::net::Ipv4Addr;
use std::sync::Arc;

use cascina_core::address::{ElasticIp, Target};
use cascina_core::command::Command;
use cascina_core::id::InstanceId;
use cascina_core::instance::{Instance, InstanceState};
use serde::{Deserialize, Serialize};

use super::AssociationId;
use crate::action::interface;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::ids;
use crate::noun::Noun;
use crate::wire::xml::Done;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AssociateAddress {
    allocation_id: Option<String>,
    public_ip: Option<String>,
    instance_id: Option<String>,
    network_interface_id: Option<String>,
    private_ip_address: Option<String>,
    allow_reassociation: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Associated {
    #[serde(rename = "return")]
    done: bool,
    association_id: AssociationId,
}

pub async fn associate_address(call: Call, request: AssociateAddress) -> Result<Associated, Fault> {
    let address = super::find(&call, request.allocation_id.as_deref(), request.public_ip.as_deref())?;
    let instance = instance(&call, request.instance_id.as_deref(), request.network_interface_id.as_deref())?;
    super::movable(&address)?;
    ready(instance.id, instance.state)?;
    if let Some(given) = &request.private_ip_address
        && given.parse::<Ipv4Addr>() != Ok(instance.ip)
    {
        let why = format!("The private address of the instance is {}", instance.ip);
        return Err(Fault::invalid("PrivateIpAddress", given, &why));
    }
    // Addresses that have no id of their own used to move without asking.
    let may_move = request.allow_reassociation.unwrap_or(request.public_ip.is_some());
    let elsewhere = address.target().is_some_and(|target| target != Target::Instance(instance.id));
    let association_id = AssociationId(address.id);
    if elsewhere && !may_move {
        let text = format!("resource {} is already associated with associate-id {association_id}", address.id);
        return Err(Code::ResourceAlreadyAssociated.fault(text));
    }
    let command = Command::AssociateAddress { address: address.id, instance: Some(instance.id) };
    call.submit(command, Code::IncorrectInstanceState).await?;
    Ok(Associated { done: true, association_id })
}

/// The instance that a request names, itself or by its interface.
fn instance(call: &Call, instance: Option<&str>, interface: Option<&str>) -> Result<Arc<Instance>, Fault> {
    let id = match (instance, interface) {
        (Some(_), Some(_)) => {
            return Err(Code::InvalidParameterCombination
                .fault("You may specify an instance id or a network interface id, but not both in the same call"));
        }
        (None, None) => {
            return Err(Code::MissingParameter.fault("Either instance id or network interface id must be specified"));
        }
        (Some(id), None) => ids::read(Noun::Instance, InstanceId::PREFIX, id)?,
        (None, Some(id)) => {
            let found = interface::find(call, id)?;
            found.attachment.instance_id.ok_or_else(|| interface::routers(&found))?
        }
    };
    let row = call.engine.read(|state| state.rows.instances.get(&id).filter(|row| row.farm == call.farm).cloned());
    row.ok_or_else(|| Noun::Instance.not_found(&id.to_string()))
}

/// An instance that does not stay, or may not come up, is given no address.
fn ready(id: InstanceId, state: InstanceState) -> Result<(), Fault> {
    match state {
        InstanceState::Running | InstanceState::Stopping | InstanceState::Stopped => Ok(()),
        // Clients wait and try again when they read this.
        InstanceState::Scheduled | InstanceState::Staging => Err(Code::InvalidInstanceId
            .fault(format!("The pending instance '{id}' is not in a valid state for this operation."))),
        InstanceState::ShuttingDown | InstanceState::Terminated | InstanceState::Error => {
            let state = state.as_str();
            Err(Code::IncorrectInstanceState
                .fault(format!("The instance '{id}' is not in a state from which it can be associated: {state}.")))
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DisassociateAddress {
    association_id: Option<String>,
    public_ip: Option<String>,
}

pub async fn disassociate_address(call: Call, request: DisassociateAddress) -> Result<Done, Fault> {
    let address = match (request.association_id, request.public_ip) {
        (Some(_), Some(_)) => {
            return Err(Code::InvalidParameterCombination
                .fault("You may specify public IP or association id, but not both in the same call"));
        }
        (None, None) => {
            return Err(Code::MissingParameter.fault("Either public IP or association id must be specified"));
        }
        (Some(id), None) => associated(&call, &id)?,
        // One that leads nowhere is as it should be.
        (None, ip) => super::find(&call, None, ip.as_deref())?,
    };
    super::movable(&address)?;
    call.submit(Command::DisassociateAddress { address: address.id }, Code::IncorrectState).await?;
    Ok(Done::TRUE)
}

/// The address of an association that there is.
fn associated(call: &Call, id: &str) -> Result<ElasticIp, Fault> {
    let address = id.parse().ok().and_then(|AssociationId(address)| {
        call.engine.read(|state| super::numbered(state, call.farm, address).cloned())
    });
    let led = address.filter(|row| row.target().is_some());
    led.ok_or_else(|| Noun::Association.not_found(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_wait_for_what_is_pending() {
        let said = |state| ready(InstanceId(0xdead_beef_0000_0001), state);
        for state in [InstanceState::Running, InstanceState::Stopping, InstanceState::Stopped] {
            assert_eq!(said(state), Ok(()));
        }
        let text = "The pending instance 'i-0deadbeef00000001' is not in a valid state for this operation.";
        for state in [InstanceState::Scheduled, InstanceState::Staging] {
            assert_eq!(said(state), Err(Code::InvalidInstanceId.fault(text)));
        }
        for state in [InstanceState::ShuttingDown, InstanceState::Terminated, InstanceState::Error] {
            assert_eq!(said(state).unwrap_err().code, Code::IncorrectInstanceState);
        }
    }
}
