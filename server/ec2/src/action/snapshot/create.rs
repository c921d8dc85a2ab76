//! Makes snapshots of volumes and of other snapshots, and deletes them.

use cascina_core::command::Command;
use cascina_core::image::{Image, ImageState};
use cascina_core::snapshot::Disk;
use cascina_core::state::State;
use serde::{Deserialize, Serialize};

use super::view::SnapshotView;
use super::{Found, find, id};
use crate::action::volume::{self, create::encryption};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::tags::{TagSet, TagSpecification, specified};
use crate::wire::xml::Done;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreateSnapshot {
    volume_id: String,
    description: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

pub async fn create_snapshot(call: Call, request: CreateSnapshot) -> Result<SnapshotView, Fault> {
    let source = volume::id(&request.volume_id)?;
    let [tags] = specified(&request.tag_specification, ["snapshot"])?;
    let check = |state: &State| {
        let disk = match volume::find_usable(state, call.farm, source)? {
            volume::Found::Volume(row) => Disk::Volume(row.id),
            volume::Found::Root(row) => Disk::Root(row.id),
        };
        let description = request.description.clone().unwrap_or_default();
        Ok((Command::CreateSnapshot { disk, description, tags: tags.clone() }, ()))
    };
    let (outcome, ()) = call.submit_checked(check).await?;
    let made = id(&outcome.subject)?;
    let view = call.engine.read(|state| Ok::<_, Fault>(SnapshotView::of(state, &call, find(state, &call, made)?)))?;
    // That it may be done already is not what clients expect here.
    Ok(SnapshotView { status: "pending", progress: "0%", ..view })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CopySnapshot {
    source_region: String,
    source_snapshot_id: String,
    description: Option<String>,
    destination_region: Option<String>,
    encrypted: Option<bool>,
    kms_key_id: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
    /// What another region would be asked with.
    #[serde(rename = "PresignedUrl")]
    _presigned_url: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Copied {
    snapshot_id: String,
    tag_set: TagSet,
}

/// There is one region, so that copies go from it to itself.
pub fn same_region(call: &Call, parameter: &str, region: Option<&str>) -> Result<(), Fault> {
    let only = &call.settings.region;
    match region.filter(|region| !region.is_empty() && region != only) {
        Some(other) => Err(Fault::invalid(parameter, other, &format!("The only region is {only}"))),
        None => Ok(()),
    }
}

pub async fn copy_snapshot(call: Call, request: CopySnapshot) -> Result<Copied, Fault> {
    same_region(&call, "SourceRegion", Some(&request.source_region))?;
    same_region(&call, "DestinationRegion", request.destination_region.as_deref())?;
    encryption(request.encrypted, request.kms_key_id.as_deref())?;
    let source = id(&request.source_snapshot_id)?;
    let [tags] = specified(&request.tag_specification, ["snapshot"])?;
    let check = |state: &State| {
        let row = match find(state, &call, source)? {
            Found::Own(row) => row,
            Found::OfImage(image) => {
                let text = format!("The snapshot '{source}' is what image {} is kept as, and is not copied.", image.id);
                return Err(Code::UnsupportedOperation.fault(text));
            }
        };
        let description = request.description.clone().unwrap_or_else(|| row.description.clone());
        Ok((Command::CreateSnapshot { disk: Disk::Copy(source), description, tags: tags.clone() }, ()))
    };
    let (outcome, ()) = call.submit_checked(check).await?;
    Ok(Copied { snapshot_id: outcome.subject, tag_set: TagSet::from(&tags) })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeleteSnapshot {
    snapshot_id: String,
}

pub async fn delete_snapshot(call: Call, request: DeleteSnapshot) -> Result<Done, Fault> {
    let snapshot = id(&request.snapshot_id)?;
    let in_use = |image: &Image| {
        let text = format!("The snapshot {snapshot} is currently in use by {}", image.id);
        Code::InvalidSnapshotInUse.fault(text)
    };
    let check = |state: &State| {
        match find(state, &call, snapshot)? {
            Found::OfImage(image) => return Err(in_use(image)),
            Found::Own(_) => {}
        }
        let images = state.indexes.images_by_farm.of(&call.farm).filter_map(|id| state.rows.images.get(&id));
        let mut images = images.filter(|image| image.state != ImageState::Failed);
        match images.find(|image| image.snapshot == Some(snapshot)) {
            Some(image) => Err(in_use(image)),
            None => Ok((Command::DeleteSnapshot { snapshot }, ())),
        }
    };
    call.submit_checked(check).await?;
    Ok(Done::TRUE)
}
