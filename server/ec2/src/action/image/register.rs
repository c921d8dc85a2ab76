//! Registers snapshots as images.

use cascina_core::command::Command;
use cascina_core::id::SnapshotId;
use cascina_core::snapshot::SnapshotState;
use cascina_core::state::State;
use cascina_core::volume::VolumeKind;
use serde::Deserialize;

use super::create::{Made, title};
use super::{ROOT_DEVICE, id, is_free};
use crate::action::snapshot;
use crate::action::volume::create::encryption;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::tags::{TagSpecification, specified};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RegisterImage {
    name: String,
    description: Option<String>,
    image_location: Option<String>,
    architecture: Option<String>,
    virtualization_type: Option<String>,
    root_device_name: Option<String>,
    kernel_id: Option<String>,
    ramdisk_id: Option<String>,
    #[serde(default)]
    block_device_mapping: Vec<Mapping>,
    #[serde(default)]
    tag_specification: Vec<TagSpecification>,
    /// Guests have virtio, whatever else they would do with.
    #[serde(rename = "EnaSupport")]
    _ena_support: Option<bool>,
    #[serde(rename = "SriovNetSupport")]
    _sriov_net_support: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Mapping {
    device_name: Option<String>,
    no_device: Option<String>,
    /// `ephemeral0`: disks of the host, which flavors have as part of the first.
    virtual_name: Option<String>,
    ebs: Option<Ebs>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Ebs {
    snapshot_id: Option<String>,
    /// GiB
    volume_size: Option<u64>,
    delete_on_termination: Option<bool>,
    encrypted: Option<bool>,
    kms_key_id: Option<String>,
    /// The disk comes from the flavor, of whatever type it is.
    #[serde(rename = "VolumeType")]
    _volume_type: Option<VolumeKind>,
}

impl Mapping {
    /// It says what there is not to be, rather than what there is.
    pub fn leaves_out(&self) -> bool {
        self.no_device.is_some() || self.virtual_name.is_some()
    }
}

/// The one disk that an image can have.
#[derive(Debug, PartialEq, Eq)]
struct Disk {
    snapshot: SnapshotId,
    /// GiB
    size: Option<u64>,
}

fn disk(mappings: &[Mapping], root: Option<&str>) -> Result<Disk, Fault> {
    if let Some(other) = root.filter(|root| !root.is_empty() && *root != ROOT_DEVICE) {
        let why = format!("The device that images boot from is {ROOT_DEVICE} here");
        return Err(Fault::invalid("RootDeviceName", other, &why));
    }
    let mut disks = mappings.iter().enumerate().filter(|(_, mapping)| !mapping.leaves_out());
    let Some((place, mapping)) = disks.next() else { return Err(Fault::missing("BlockDeviceMapping")) };
    let name = |part: &str| format!("BlockDeviceMapping.{}.{part}", place + 1);
    if disks.next().is_some() {
        let text = "Images with more disks than the one that they boot from are not supported here.";
        return Err(Code::UnsupportedOperation.fault(text));
    }
    match mapping.device_name.as_deref() {
        Some(ROOT_DEVICE) => {}
        Some(other) => {
            let why = format!("The device that images boot from is {ROOT_DEVICE} here");
            return Err(Fault::invalid(&name("DeviceName"), other, &why));
        }
        None => return Err(Fault::missing(&name("DeviceName"))),
    }
    let ebs = mapping.ebs.as_ref().ok_or_else(|| Fault::missing(&name("Ebs.SnapshotId")))?;
    encryption(ebs.encrypted, ebs.kms_key_id.as_deref())?;
    if ebs.delete_on_termination == Some(false) {
        let text = "The disk that an instance boots from ends with it here: DeleteOnTermination cannot be false.";
        return Err(Code::UnsupportedOperation.fault(text));
    }
    let snapshot = ebs.snapshot_id.as_deref().filter(|id| !id.is_empty());
    let snapshot = snapshot.ok_or_else(|| Fault::missing(&name("Ebs.SnapshotId")))?;
    Ok(Disk { snapshot: snapshot::id(snapshot)?, size: ebs.volume_size })
}

/// Of the things that an image can be, those that ours are.
fn is_ours(request: &RegisterImage) -> Result<(), Fault> {
    let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    if given(&request.image_location).is_some() {
        let text =
            "Images cannot be registered from a location here. Register a snapshot, or ask an admin of the site.";
        return Err(Code::UnsupportedOperation.fault(text));
    }
    for (name, value, only) in
        [("Architecture", &request.architecture, "x86_64"), ("VirtualizationType", &request.virtualization_type, "hvm")]
    {
        if let Some(other) = given(value).filter(|value| value != only) {
            return Err(Fault::invalid(name, &other, &format!("Images are {only} here")));
        }
    }
    if given(&request.kernel_id).or(given(&request.ramdisk_id)).is_some() {
        return Err(Code::UnsupportedOperation.fault("Images have their own kernel and ramdisk here."));
    }
    Ok(())
}

pub async fn register_image(call: Call, request: RegisterImage) -> Result<Made, Fault> {
    let title = title(&request.name)?;
    is_ours(&request)?;
    let disk = disk(&request.block_device_mapping, request.root_device_name.as_deref())?;
    let [tags] = specified(&request.tag_specification, ["image"])?;
    let check = |state: &State| {
        is_free(state, &call, title.as_str())?;
        let row = match snapshot::find(state, &call, disk.snapshot)? {
            snapshot::Found::Own(row) => row,
            snapshot::Found::OfImage(image) => {
                let text = format!("The snapshot '{}' is what image {} is kept as.", disk.snapshot, image.id);
                return Err(Code::UnsupportedOperation.fault(text));
            }
        };
        if row.state != SnapshotState::Completed {
            let text = format!("The snapshot '{}' is not completed.", disk.snapshot);
            return Err(Code::IncorrectState.fault(text));
        }
        if let Some(size) = disk.size.filter(|size| *size != row.size.0) {
            let why = format!("The disk of an image is as large as its snapshot, {} GiB", row.size.0);
            return Err(Fault::invalid("volumeSize", &size.to_string(), &why));
        }
        let command = Command::ImageOfSnapshot {
            farm: call.farm,
            title: title.clone(),
            description: request.description.clone().unwrap_or_default(),
            snapshot: disk.snapshot,
            tags: tags.clone(),
        };
        Ok((command, ()))
    };
    let (outcome, ()) = call.submit_checked(check).await?;
    Ok(Made { image_id: id(&outcome.subject)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Limits, Params, decode};

    fn read(query: &str) -> Result<Disk, Fault> {
        let tree = Params::parse(&format!("Name=x&{query}"), b"", &Limits::default()).unwrap().tree().unwrap();
        let request: RegisterImage = decode(&tree)?;
        is_ours(&request)?;
        disk(&request.block_device_mapping, request.root_device_name.as_deref())
    }

    fn code(query: &str) -> Code {
        read(query).unwrap_err().code
    }

    const ROOT: &str = "BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs.SnapshotId";

    #[test]
    fn one_disk_from_a_snapshot() {
        let disk = Disk { snapshot: SnapshotId(7), size: Some(2) };
        let whole = format!(
            "{ROOT}=snap-00000000000000007&BlockDeviceMapping.1.Ebs.VolumeSize=2&RootDeviceName=/dev/sda1\
             &BlockDeviceMapping.1.Ebs.DeleteOnTermination=true&Architecture=x86_64&VirtualizationType=hvm\
             &BlockDeviceMapping.2.DeviceName=/dev/sdb&BlockDeviceMapping.2.VirtualName=ephemeral0&KernelId="
        );
        assert_eq!(read(&whole), Ok(disk));
    }

    #[test]
    fn what_cannot_be_registered() {
        let root = format!("{ROOT}=snap-00000000000000007");
        assert_eq!(code(""), Code::MissingParameter);
        assert_eq!(code("ImageLocation=bucket/manifest.xml"), Code::UnsupportedOperation);
        assert_eq!(code(&format!("{ROOT}=snap-12345678")), Code::InvalidSnapshotNotFound);
        assert_eq!(code(&format!("{ROOT}=yesterday")), Code::InvalidSnapshotIdMalformed);
        assert_eq!(code(&format!("{ROOT}=")), Code::MissingParameter);
        assert_eq!(code(&format!("{root}&Architecture=arm64")), Code::InvalidParameterValue);
        assert_eq!(code(&format!("{root}&VirtualizationType=paravirtual")), Code::InvalidParameterValue);
        assert_eq!(code(&format!("{root}&RootDeviceName=/dev/xvda")), Code::InvalidParameterValue);
        assert_eq!(code(&format!("{root}&KernelId=aki-12345678")), Code::UnsupportedOperation);
        assert_eq!(code(&format!("{root}&BlockDeviceMapping.1.Ebs.Encrypted=true")), Code::UnsupportedOperation);
        let kept = format!("{root}&BlockDeviceMapping.1.Ebs.DeleteOnTermination=false");
        assert_eq!(code(&kept), Code::UnsupportedOperation);
        let two = format!("{root}&BlockDeviceMapping.2.DeviceName=/dev/sdb&BlockDeviceMapping.2.Ebs.VolumeSize=1");
        assert_eq!(code(&two), Code::UnsupportedOperation);
    }
}
