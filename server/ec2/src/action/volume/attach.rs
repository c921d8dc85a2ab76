//! Attaches volumes to instances, and detaches them.

use cascina_core::command::Command;
use cascina_core::id::{FarmId, InstanceId, VolumeId};
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::state::State;
use serde::Deserialize;

use super::view::AttachmentView;
use super::{Found, find_usable, id};
use crate::action::image::ROOT_DEVICES;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::ids;
use crate::noun::Noun;
use crate::wire::short;
use crate::wire::xml::Time;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct AttachVolume {
    volume_id: String,
    instance_id: String,
    device: String,
}

fn instance(state: &State, farm: FarmId, id: InstanceId) -> Result<&Instance, Fault> {
    let row = state.rows.instances.get(&id).filter(|row| row.farm == farm && row.is_live());
    row.map(AsRef::as_ref).ok_or_else(|| Noun::Instance.not_found(&id.to_string()))
}

/// `/dev/sdh` and `sdh` are the same.
fn bare(device: &str) -> &str {
    device.strip_prefix("/dev/").unwrap_or(device)
}

pub async fn attach_volume(call: Call, request: AttachVolume) -> Result<AttachmentView, Fault> {
    let volume = id(&request.volume_id)?;
    let to: InstanceId = ids::read(Noun::Instance, InstanceId::PREFIX, &request.instance_id)?;
    let device = request.device;
    if device.is_empty() {
        return Err(Fault::missing("Device"));
    }
    let check = |state: &State| {
        check_attach(state, call.farm, volume, to, &device)?;
        Ok((Command::AttachVolume { volume, instance: to, device: device.clone() }, ()))
    };
    call.submit_checked(check).await?;
    let since = call.engine.read(|state| {
        let row = state.rows.volumes.get(&volume);
        row.and_then(|row| row.attachment.as_ref()).map(|held| held.since)
    });
    // That it may be done already is not what clients expect here.
    Ok(AttachmentView {
        volume_id: volume,
        instance_id: to,
        device,
        status: "attaching",
        attach_time: Time(since.unwrap_or(call.now)),
        delete_on_termination: false,
    })
}

fn check_attach(state: &State, farm: FarmId, id: VolumeId, to: InstanceId, device: &str) -> Result<(), Fault> {
    let found = find_usable(state, farm, id)?;
    let row = instance(state, farm, to)?;
    let in_use = || Code::VolumeInUse.fault(format!("{id} is already attached to an instance"));
    let volume = match found {
        Found::Root(_) => return Err(in_use()),
        Found::Volume(volume) if volume.attachment.is_some() => return Err(in_use()),
        Found::Volume(volume) => volume,
    };
    if !matches!(row.state, InstanceState::Running | InstanceState::Stopped) {
        return Err(Code::IncorrectState.fault(format!("Instance '{to}' is not 'running'.")));
    }
    if row.class != volume.class {
        let text = format!("The volume '{id}' is not in the same availability zone as instance '{to}'");
        return Err(Code::InvalidVolumeZoneMismatch.fault(text));
    }
    let others = state.indexes.volumes_by_instance.of(&to).filter_map(|id| state.rows.volumes.get(&id));
    let mut held = others.filter_map(|volume| volume.attachment.as_ref());
    let root = ROOT_DEVICES.iter().any(|known| bare(known) == bare(device));
    if root || held.any(|held| bare(&held.device) == bare(device)) {
        let device = short(device);
        let text = format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use");
        return Err(Code::InvalidParameterValue.fault(text));
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DetachVolume {
    volume_id: String,
    instance_id: Option<String>,
    device: Option<String>,
    /// A host always lets go of a volume, or says why it cannot.
    #[serde(rename = "Force")]
    _force: Option<bool>,
}

pub async fn detach_volume(call: Call, request: DetachVolume) -> Result<AttachmentView, Fault> {
    let volume = id(&request.volume_id)?;
    let given = |text: Option<String>| text.filter(|text| !text.is_empty());
    let of = given(request.instance_id).map(|text| ids::read(Noun::Instance, InstanceId::PREFIX, &text)).transpose()?;
    let device = given(request.device);
    let check = |state: &State| {
        let held = check_detach(state, call.farm, volume, of, device.as_deref())?;
        Ok((Command::DetachVolume { volume }, held))
    };
    let (_, held) = call.submit_checked(check).await?;
    Ok(AttachmentView { status: "detaching", ..held })
}

fn check_detach(
    state: &State,
    farm: FarmId,
    id: VolumeId,
    of: Option<InstanceId>,
    device: Option<&str>,
) -> Result<AttachmentView, Fault> {
    let found = find_usable(state, farm, id)?;
    let has = match found {
        Found::Volume(row) => row.attachment.as_ref().map(|held| (held.instance, held.device.as_str())),
        Found::Root(row) => Some((row.id, ROOT_DEVICES[0])),
    };
    let Some((instance, at)) = has else {
        return Err(Code::IncorrectState.fault(format!("Volume '{id}' is in the 'available' state.")));
    };
    if let Some(other) = of.filter(|of| *of != instance) {
        self::instance(state, farm, other)?;
        let text = format!("The volume '{id}' is not attached to instance '{other}'.");
        return Err(Code::InvalidAttachmentNotFound.fault(text));
    }
    if let Some(other) = device.filter(|device| bare(device) != bare(at)) {
        let text = format!("The volume '{id}' is not attached to instance '{instance}' as device '{}'.", short(other));
        return Err(Code::InvalidAttachmentNotFound.fault(text));
    }
    match found {
        Found::Root(_) => {
            let text = format!("Unable to detach root volume '{id}' from instance '{instance}'");
            Err(Code::OperationNotPermitted.fault(text))
        }
        Found::Volume(row) => {
            let held = row.attachment.as_ref().map(|held| AttachmentView::of(id, held));
            held.ok_or_else(|| Noun::Volume.not_found(&id.to_string()))
        }
    }
}
