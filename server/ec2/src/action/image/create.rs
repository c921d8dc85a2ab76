//! Makes images of instances and of other images, and deregisters them.

use cascina_core::command::Command;
use cascina_core::id::{ImageId, InstanceId};
use cascina_core::image::{ImageState, Title};
use cascina_core::instance::InstanceState;
use cascina_core::state::State;
use cascina_core::tag::Resource;
use serde::{Deserialize, Serialize};

use super::register::Mapping;
use super::{find, find_own, id, is_free};
use crate::action::snapshot::create::same_region;
use crate::action::volume::create::encryption;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::ids;
use crate::noun::Noun;
use crate::tags::{TagSpecification, Tags, specified};
use crate::wire::short;
use crate::wire::xml::Done;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreateImage {
    instance_id: String,
    name: String,
    description: Option<String>,
    /// A running instance is never stopped for it: the image is as if the power had gone.
    #[serde(rename = "NoReboot")]
    _no_reboot: Option<bool>,
    #[serde(default)]
    block_device_mapping: Vec<Mapping>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Made {
    pub image_id: ImageId,
}

/// What an image may be called.
pub fn title(text: &str) -> Result<Title, Fault> {
    text.parse().map_err(|_| {
        let text = format!(
            "AMI names must be between 3 and 128 characters long, and may contain letters, numbers, spaces and \
             ( ) [ ] . / - ' @ _, which '{}' does not keep to",
            short(text)
        );
        Code::InvalidAmiNameMalformed.fault(text)
    })
}

pub async fn create_image(call: Call, request: CreateImage) -> Result<Made, Fault> {
    let title = title(&request.name)?;
    let instance: InstanceId = ids::read(Noun::Instance, InstanceId::PREFIX, &request.instance_id)?;
    if request.block_device_mapping.iter().any(|mapping| !mapping.leaves_out()) {
        let text = "An image has the disk that its instance boots from, as it is, and no others: block device \
                    mappings can only leave devices out here.";
        return Err(Code::UnsupportedOperation.fault(text));
    }
    let [tags, snapshot_tags] = specified(&request.tag_specification, ["image", "snapshot"])?;
    let check = |state: &State| {
        let row = state.rows.instances.get(&instance).filter(|row| row.farm == call.farm);
        let row = row.ok_or_else(|| Noun::Instance.not_found(&request.instance_id))?;
        if !matches!(row.state, InstanceState::Running | InstanceState::Stopped) {
            let text = format!("The instance '{instance}' is not in a state from which an image can be made of it.");
            return Err(Code::IncorrectInstanceState.fault(text));
        }
        is_free(state, &call, title.as_str())?;
        let command = Command::CreateImage {
            instance,
            title: title.clone(),
            description: request.description.clone().unwrap_or_default(),
            tags: tags.clone(),
            snapshot_tags: snapshot_tags.clone(),
        };
        Ok((command, ()))
    };
    let (outcome, ()) = call.submit_checked(check).await?;
    Ok(Made { image_id: id(&outcome.subject)? })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CopyImage {
    source_image_id: String,
    source_region: String,
    name: String,
    description: Option<String>,
    client_token: Option<String>,
    encrypted: Option<bool>,
    kms_key_id: Option<String>,
    copy_image_tags: Option<bool>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub async fn copy_image(call: Call, request: CopyImage) -> Result<Made, Fault> {
    same_region(&call, "SourceRegion", Some(&request.source_region))?;
    encryption(request.encrypted, request.kms_key_id.as_deref())?;
    let (title, source) = (title(&request.name)?, id(&request.source_image_id)?);
    let [tags, snapshot_tags] = specified(&request.tag_specification, ["image", "snapshot"])?;
    let token = request.client_token.as_deref().filter(|token| !token.is_empty());
    let command = call.engine.read(|state| {
        let image = find(state, &call, source)?;
        if image.state != ImageState::Available {
            return Err(Code::InvalidAmiIdUnavailable.fault(format!("The image ID '{source}' is not available")));
        }
        if image.snapshot.is_none() {
            let text = format!("The image '{source}' is kept for everybody by the site, and is not copied.");
            return Err(Code::UnsupportedOperation.fault(text));
        }
        // With a token it may be the copy itself that has the name, which the engine can tell.
        if token.is_none() {
            is_free(state, &call, title.as_str())?;
        }
        let own = state.tags_of(call.farm, Resource::Image(source));
        let own = own.filter(|_| request.copy_image_tags == Some(true)).cloned().unwrap_or_default();
        Ok(Command::CopyImage {
            farm: call.farm,
            image: source,
            title: title.clone(),
            description: request.description.clone().unwrap_or_else(|| image.description.clone()),
            tags: own.into_iter().chain(tags.clone()).collect::<Tags>(),
            snapshot_tags: snapshot_tags.clone(),
        })
    })?;
    match call.submit_once(command, Code::IncorrectState, token).await {
        Ok(outcome) => Ok(Made { image_id: id(&outcome.subject)? }),
        Err(fault) if fault.code == Code::IncorrectState => {
            call.engine.read(|state| is_free(state, &call, title.as_str()))?;
            Err(fault)
        }
        Err(fault) => Err(fault),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeregisterImage {
    image_id: String,
}

pub async fn deregister_image(call: Call, request: DeregisterImage) -> Result<Done, Fault> {
    let image = id(&request.image_id)?;
    let check = |state: &State| find_own(state, &call, image).map(|_| (Command::DeregisterImage { image }, ()));
    call.submit_checked(check).await?;
    Ok(Done::TRUE)
}
