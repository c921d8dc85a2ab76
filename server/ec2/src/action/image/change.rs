//! Changes what an image says of itself, and who may launch it.

use cascina_core::command::{Command, ImageChange};
use cascina_core::state::State;
use serde::Deserialize;

use super::attribute::no_such;
use super::permission::{Grantee, Grants, LaunchPermission, change, grants, reset};
use super::{find_own, id};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::wire::short;
use crate::wire::xml::Done;

/// Either `Attribute=description&Value=…` or `Description.Value=…`, and so on. Some clients name the
/// attribute in the second form too.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ModifyImageAttribute {
    image_id: String,
    attribute: Option<String>,
    value: Option<String>,
    operation_type: Option<OperationType>,
    #[serde(default)]
    user_id: Vec<String>,
    #[serde(default)]
    user_group: Vec<String>,
    #[serde(default)]
    product_code: Vec<String>,
    description: Option<Text>,
    launch_permission: Option<LaunchPermission>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Text {
    value: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum OperationType {
    Add,
    Remove,
}

/// What a request comes to.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Description(String),
    Permissions { add: Grants, remove: Grants },
}

fn combination(text: impl Into<String>) -> Fault {
    Code::InvalidParameterCombination.fault(text)
}

impl ModifyImageAttribute {
    fn wanted(&self) -> Result<Wanted, Fault> {
        let named = self.attribute.as_deref().map(str::trim);
        let agrees = |name: &str| named.is_none_or(|named| named.eq_ignore_ascii_case(name)) && self.value.is_none();
        match (&self.description, &self.launch_permission) {
            (Some(description), None) if agrees("description") => {
                return Ok(Wanted::Description(description.value.clone()));
            }
            (None, Some(permission)) if agrees("launchPermission") => {
                return permissions(&permission.add, &permission.remove);
            }
            (None, None) => {}
            _ => return Err(combination("Fields for multiple attribute types specified.")),
        }
        match named.ok_or_else(|| combination("No attributes specified."))? {
            "description" => {
                let value = self.value.clone().ok_or_else(|| Fault::missing("value"))?;
                Ok(Wanted::Description(value))
            }
            "launchPermission" => self.flat_permissions(),
            "productCodes" => Err(Code::UnsupportedOperation.fault("Images have no product codes here.")),
            fixed @ ("blockDeviceMapping" | "kernel" | "ramdisk" | "sriovNetSupport") => {
                Err(Code::InvalidParameter
                    .fault(format!("Parameter {fixed} is invalid. The attribute cannot be changed")))
            }
            other => Err(combination(format!("There is no attribute '{}' of images", short(other)))),
        }
    }

    /// `UserId.1=…&UserGroup.1=all`, which are added or removed as `OperationType` says.
    fn flat_permissions(&self) -> Result<Wanted, Fault> {
        let users = self.user_id.iter().map(|id| Grantee { user_id: Some(id.clone()), group: None });
        let groups = self.user_group.iter().map(|group| Grantee { user_id: None, group: Some(group.clone()) });
        let grantees: Vec<_> = users.chain(groups).collect();
        match self.operation_type {
            _ if grantees.is_empty() => permissions(&[], &[]),
            Some(OperationType::Add) => permissions(&grantees, &[]),
            Some(OperationType::Remove) => permissions(&[], &grantees),
            None => Err(Fault::missing("operationType")),
        }
    }
}

fn permissions(add: &[Grantee], remove: &[Grantee]) -> Result<Wanted, Fault> {
    if add.is_empty() && remove.is_empty() {
        return Err(combination("No launch permissions specified."));
    }
    Ok(Wanted::Permissions { add: grants(add)?, remove: grants(remove)? })
}

pub async fn modify_image_attribute(call: Call, request: ModifyImageAttribute) -> Result<Done, Fault> {
    let image = id(&request.image_id)?;
    if !request.product_code.is_empty() {
        return Err(Code::UnsupportedOperation.fault("Images have no product codes here."));
    }
    let wanted = request.wanted()?;
    let check = |state: &State| {
        find_own(state, &call, image)?;
        let change = match &wanted {
            Wanted::Description(text) => ImageChange { description: Some(text.clone()), ..ImageChange::default() },
            Wanted::Permissions { add, remove } => change(state, add, remove),
        };
        Ok((Command::SetImage { image, change }, ()))
    };
    call.submit_checked(check).await?;
    Ok(Done::TRUE)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ResetImageAttribute {
    image_id: String,
    attribute: String,
}

pub async fn reset_image_attribute(call: Call, request: ResetImageAttribute) -> Result<Done, Fault> {
    if request.attribute != "launchPermission" {
        return Err(no_such());
    }
    let image = id(&request.image_id)?;
    let check = |state: &State| {
        let row = find_own(state, &call, image)?;
        Ok((Command::SetImage { image, change: reset(row) }, ()))
    };
    call.submit_checked(check).await?;
    Ok(Done::TRUE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Limits, Params, decode};

    fn wanted(query: &str) -> Result<Wanted, Fault> {
        let query = format!("ImageId=ami-00000000000000001&{query}");
        let tree = Params::parse(&query, b"", &Limits::default()).unwrap().tree().unwrap();
        decode::<ModifyImageAttribute>(&tree)?.wanted()
    }

    #[test]
    fn both_ways_to_say_the_same() {
        for (flat, nested) in [
            ("Attribute=description&Value=x", "Description.Value=x"),
            ("Attribute=description&Value=", "Description.Value="),
            ("Attribute=Description &Description.Value=x", "Description.Value=x"),
            (
                "Attribute=launchPermission&OperationType=add&UserId.1=123456789012&UserGroup.1=all",
                "LaunchPermission.Add.1.UserId=123456789012&LaunchPermission.Add.2.Group=all",
            ),
            ("Attribute=launchPermission&OperationType=remove&UserGroup.1=all", "LaunchPermission.Remove.1.Group=all"),
        ] {
            assert_eq!(wanted(flat).unwrap(), wanted(nested).unwrap(), "{flat}");
        }
    }

    #[test]
    fn what_makes_no_sense() {
        for (query, code) in [
            ("", Code::InvalidParameterCombination),
            ("Attribute=colour", Code::InvalidParameterCombination),
            ("Attribute=blockDeviceMapping", Code::InvalidParameter),
            ("Attribute=description", Code::MissingParameter),
            ("Attribute=launchPermission", Code::InvalidParameterCombination),
            ("Attribute=launchPermission&UserGroup.1=all", Code::MissingParameter),
            ("Attribute=launchPermission&OperationType=add&UserGroup.1=some", Code::InvalidAmiAttributeItemValue),
            ("Description.Value=x&LaunchPermission.Add.1.Group=all", Code::InvalidParameterCombination),
            ("Attribute=launchPermission&Description.Value=x", Code::InvalidParameterCombination),
            ("Attribute=description&Value=y&Description.Value=x", Code::InvalidParameterCombination),
            ("LaunchPermission.Add.1.UserId=bob", Code::InvalidAmiAttributeItemValue),
            ("Attribute=launchPermission&OperationType=give&UserGroup.1=all", Code::InvalidParameterValue),
            ("Description.Value=x&Colour=red", Code::UnknownParameter),
        ] {
            assert_eq!(wanted(query).unwrap_err().code, code, "{query}");
        }
    }
}
