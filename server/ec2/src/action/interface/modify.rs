//! Changing a network interface, of which only its security groups can change.

use cascina_core::command::Command;
use cascina_core::id::SecurityGroupId;
use cascina_core::launch::InstanceChange;
use cascina_core::security_group::MOST_OF_INSTANCE;
use serde::Deserialize;

use super::Interface;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::ids;
use crate::noun::Noun;
use crate::wire::xml::Done;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ModifyNetworkInterfaceAttribute {
    network_interface_id: String,
    #[serde(default)]
    security_group_id: Vec<String>,
    description: Option<Given<String>>,
    source_dest_check: Option<Given<bool>>,
    attachment: Option<GivenAttachment>,
    associate_public_ip_address: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Given<T> {
    value: T,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GivenAttachment {
    attachment_id: String,
    delete_on_termination: bool,
}

/// What one request changes.
enum Change {
    Groups(Vec<String>),
    Description(String),
    SourceDestCheck(bool),
    Attachment(GivenAttachment),
    AssociatePublicIpAddress(bool),
}

impl ModifyNetworkInterfaceAttribute {
    fn change(self) -> Result<Change, Fault> {
        let groups = (!self.security_group_id.is_empty()).then_some(self.security_group_id);
        let mut changes = [
            groups.map(Change::Groups),
            self.description.map(|given| Change::Description(given.value)),
            self.source_dest_check.map(|given| Change::SourceDestCheck(given.value)),
            self.attachment.map(Change::Attachment),
            self.associate_public_ip_address.map(Change::AssociatePublicIpAddress),
        ]
        .into_iter()
        .flatten();
        match (changes.next(), changes.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Code::InvalidParameterCombination.fault("No attributes specified.")),
            (Some(_), Some(_)) => {
                Err(Code::InvalidParameterCombination.fault("Fields for multiple attribute types specified."))
            }
        }
    }
}

pub async fn modify_network_interface_attribute(
    call: Call,
    request: ModifyNetworkInterfaceAttribute,
) -> Result<Done, Fault> {
    let id = request.network_interface_id.clone();
    let change = request.change()?;
    let interface = super::find(&call, &id)?;
    let Some(instance) = interface.attachment.instance_id else {
        return Err(super::routers(&interface));
    };
    if let Change::Groups(groups) = &change {
        let groups = chosen(&call, groups)?;
        let change = InstanceChange { groups: Some(groups), ..InstanceChange::default() };
        call.submit(Command::SetInstance { instance, change }, Code::IncorrectInstanceState).await?;
    } else if let Some(what) = other(&interface, &change)? {
        return Err(Code::UnsupportedOperation.fault(format!("The {what} of a network interface cannot be changed.")));
    }
    Ok(Done::TRUE)
}

/// What would have to change that cannot; whatever is already as it should be need not.
fn other(interface: &Interface, change: &Change) -> Result<Option<&'static str>, Fault> {
    let (same, what) = match change {
        Change::Groups(_) => return Ok(None),
        Change::Description(text) => (text == interface.description, "description"),
        Change::SourceDestCheck(on) => (*on == interface.source_dest_check, "source/destination check"),
        Change::AssociatePublicIpAddress(on) => (!on, "public address at launch"),
        Change::Attachment(given) => {
            let known = &interface.attachment;
            if given.attachment_id != known.attachment_id {
                return Err(Noun::InterfaceAttachment.not_found(&given.attachment_id));
            }
            (given.delete_on_termination == known.delete_on_termination, "attachment")
        }
    };
    Ok((!same).then_some(what))
}

/// Groups of the farm by their ids.
fn chosen(call: &Call, given: &[String]) -> Result<Vec<SecurityGroupId>, Fault> {
    if given.len() > MOST_OF_INSTANCE {
        return Err(Code::SecurityGroupsPerInterfaceLimitExceeded
            .fault(format!("The maximum number of security groups per interface is {MOST_OF_INSTANCE}.")));
    }
    let read = |id: &String| ids::read(Noun::SecurityGroup, SecurityGroupId::PREFIX, id);
    let groups = given.iter().map(read).collect::<Result<Vec<SecurityGroupId>, Fault>>()?;
    let missing = call.engine.read(|state| {
        let own =
            |id: &SecurityGroupId| state.rows.security_groups.get(id).is_some_and(|group| group.farm == call.farm);
        groups.iter().copied().find(|id| !own(id))
    });
    match missing {
        Some(id) => Err(Noun::SecurityGroup.not_found(&id.to_string())),
        None => Ok(groups),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Limits, Params, decode};

    fn read(query: &str) -> Result<Change, Fault> {
        let query = format!("NetworkInterfaceId=eni-1&{query}");
        let tree = Params::parse(&query, b"", &Limits::default()).unwrap().tree().unwrap();
        decode::<ModifyNetworkInterfaceAttribute>(&tree)?.change()
    }

    #[test]
    fn one_attribute_at_a_time() {
        assert!(
            matches!(read("SecurityGroupId.1=sg-1&SecurityGroupId.2=sg-2"), Ok(Change::Groups(all)) if all.len() == 2)
        );
        assert!(matches!(read("Description.Value="), Ok(Change::Description(text)) if text.is_empty()));
        assert!(matches!(read("SourceDestCheck.Value=False"), Ok(Change::SourceDestCheck(false))));
        let code = |query: &str| read(query).err().unwrap().code;
        assert_eq!(code("Version=2016-11-15"), Code::InvalidParameterCombination);
        assert_eq!(code("Description.Value=a&SourceDestCheck.Value=true"), Code::InvalidParameterCombination);
        assert_eq!(code("SourceDestCheck.Value=perhaps"), Code::InvalidParameterValue);
        assert_eq!(code("Attachment.AttachmentId=eni-attach-1"), Code::MissingParameter);
    }
}
