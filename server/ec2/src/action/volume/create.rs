//! Makes volumes, and deletes them.

use cascina_core::command::Command;
use cascina_core::id::SnapshotId;
use cascina_core::name::Name;
use cascina_core::state::State;
use cascina_core::units::Gib;
use cascina_core::volume::{Pace, VolumeKind};
use serde::Deserialize;

use super::view::VolumeView;
use super::{Found, find, find_usable, id, kind};
use crate::action::{region, snapshot};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::noun::Noun;
use crate::tags::{TagSpecification, specified};
use crate::wire::xml::Done;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreateVolume {
    availability_zone: Option<String>,
    availability_zone_id: Option<String>,
    /// GiB
    size: Option<u64>,
    snapshot_id: Option<String>,
    volume_type: Option<VolumeKind>,
    iops: Option<u32>,
    throughput: Option<u32>,
    encrypted: Option<bool>,
    kms_key_id: Option<String>,
    multi_attach_enabled: Option<bool>,
    client_token: Option<String>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
}

/// What some clients send for nothing is an empty text.
fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

pub async fn create_volume(call: Call, request: CreateVolume) -> Result<VolumeView, Fault> {
    encryption(request.encrypted, request.kms_key_id.as_deref())?;
    if request.multi_attach_enabled == Some(true) {
        let text = "Volumes that several instances have at once are not supported here.";
        return Err(Code::UnsupportedOperation.fault(text));
    }
    let [tags] = specified(&request.tag_specification, ["volume"])?;
    let kind = request.volume_type.unwrap_or_default();
    let asked = Pace { iops: request.iops, throughput: request.throughput };
    let pace = kind::pace(kind, asked, Pace::default())?;
    let named = given(request.snapshot_id.as_deref()).map(snapshot::id).transpose()?;
    let size = match (request.size, named) {
        (None, None) => return Err(Fault::missing("size/snapshot")),
        (Some(0), _) => return Err(Fault::invalid("size", "0", "It should be at least 1")),
        (size, _) => size.map(Gib),
    };
    let token = given(request.client_token.as_deref());
    let command = call.engine.read(|state| {
        let class = zone(state, &call, &request)?;
        let snapshot = named.map(|id| source(state, &call, id, size)).transpose()?;
        Ok::<_, Fault>(Command::CreateVolume { farm: call.farm, class, size, snapshot, kind, pace, tags: tags.clone() })
    })?;
    let outcome = call.submit_once(command, Code::IncorrectState, token).await?;
    let made = id(&outcome.subject)?;
    // As it is now, which need not be the first time that a client asks.
    call.engine.read(|state| Ok(VolumeView::of(state, call.farm, find(state, call.farm, made)?)))
}

/// Nothing is encrypted here, and nobody should believe it is.
pub fn encryption(wanted: Option<bool>, key: Option<&str>) -> Result<(), Fault> {
    if wanted == Some(true) || given(key).is_some() {
        return Err(Code::UnsupportedOperation.fault("Encrypted volumes and snapshots are not supported here."));
    }
    Ok(())
}

fn zone(state: &State, call: &Call, request: &CreateVolume) -> Result<Name, Fault> {
    let by_name = given(request.availability_zone.as_deref());
    let by_id = given(request.availability_zone_id.as_deref());
    let Some(text) = by_name.or(by_id) else { return Err(Fault::missing("AvailabilityZone")) };
    let region = &call.settings.region;
    let is = |class: &Name| match by_name {
        Some(name) => class.as_str() == name,
        None => region::zone_id(region, class) == text,
    };
    state.rows.classes.keys().find(|class| is(class)).cloned().ok_or_else(|| Noun::Zone.not_found(text))
}

fn source(state: &State, call: &Call, id: SnapshotId, size: Option<Gib>) -> Result<SnapshotId, Fault> {
    let row = match snapshot::find(state, call, id)? {
        snapshot::Found::Own(row) => row,
        snapshot::Found::OfImage(image) => {
            let text = format!(
                "The snapshot '{id}' is what image {} is kept as. Instances can be run from the image; volumes \
                 cannot be made of it.",
                image.id
            );
            return Err(Code::UnsupportedOperation.fault(text));
        }
    };
    match size.filter(|size| *size < row.size) {
        Some(size) => {
            let why = format!("The volume size must be at least that of snapshot {id}, {} GiB", row.size.0);
            Err(Fault::invalid("size", &size.0.to_string(), &why))
        }
        None => Ok(id),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DeleteVolume {
    volume_id: String,
}

pub async fn delete_volume(call: Call, request: DeleteVolume) -> Result<Done, Fault> {
    let volume = id(&request.volume_id)?;
    let check = |state: &State| {
        let held = match find_usable(state, call.farm, volume)? {
            Found::Volume(row) => row.attachment.as_ref().map(|held| held.instance),
            Found::Root(row) => Some(row.id),
        };
        match held {
            Some(instance) => {
                let text = format!("Volume {volume} is currently attached to {instance}");
                Err(Code::VolumeInUse.fault(text))
            }
            None => Ok((Command::DeleteVolume { volume }, ())),
        }
    };
    call.submit_checked(check).await?;
    Ok(Done::TRUE)
}
