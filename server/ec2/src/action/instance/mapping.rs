//! Block device mappings of a launch.

use cascina_core::image::Image;
use cascina_core::launch::NewVolume;
use cascina_core::units::Gib;
use cascina_core::volume::{Pace, VolumeKind};
use serde::Deserialize;

use crate::action::image::{ROOT_DEVICE, ROOT_DEVICES};
use crate::action::{image, snapshot, volume};
use crate::code::Code;
use crate::fault::Fault;
use crate::wire::short;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Mapping {
    device_name: Option<String>,
    /// `ephemeral0`: disks of the host, which flavors have as part of the first.
    virtual_name: Option<String>,
    no_device: Option<String>,
    ebs: Option<Ebs>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Ebs {
    volume_size: Option<u64>,
    volume_type: Option<VolumeKind>,
    delete_on_termination: Option<bool>,
    snapshot_id: Option<String>,
    encrypted: Option<bool>,
    iops: Option<u32>,
    throughput: Option<u32>,
}

/// What mappings come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Disks {
    pub root: Option<Gib>,
    pub volumes: Vec<NewVolume>,
}

/// Reads mappings of instances of this image.
pub fn read(mappings: &[Mapping], image: &Image) -> Result<Disks, Fault> {
    let mut disks = Disks::default();
    let mut seen = Vec::new();
    for (i, mapping) in mappings.iter().enumerate() {
        let name = |part: &str| format!("BlockDeviceMapping.{}.{part}", i + 1);
        let Some(device) = mapping.device_name.as_deref().filter(|device| !device.is_empty()) else {
            return Err(Fault::missing(&name("DeviceName")));
        };
        let root =
            ROOT_DEVICES.iter().any(|known| known.trim_start_matches("/dev/") == device.trim_start_matches("/dev/"));
        let known = if root { ROOT_DEVICE } else { device };
        if seen.contains(&known) {
            let text = format!("The device '{device}' is used in more than one block-device mapping");
            return Err(Code::InvalidBlockDeviceMapping.fault(text));
        }
        seen.push(known);
        if mapping.no_device.is_some() || mapping.virtual_name.is_some() {
            if root {
                return Err(Code::InvalidBlockDeviceMapping.fault("The root device cannot be left out"));
            }
            continue;
        }
        let Some(ebs) = &mapping.ebs else { return Err(Fault::missing(&name("Ebs"))) };
        volume::create::encryption(ebs.encrypted, None)?;
        if root {
            disks.root = root_disk(ebs, image)?;
        } else {
            disks.volumes.push(new_volume(device, ebs)?);
        }
    }
    Ok(disks)
}

fn root_disk(ebs: &Ebs, image: &Image) -> Result<Option<Gib>, Fault> {
    if ebs.delete_on_termination == Some(false) {
        let text = "A root volume ends with its instance here: DeleteOnTermination=false is not supported for it. \
                    Make a snapshot or an image of it instead.";
        return Err(Code::UnsupportedOperation.fault(text));
    }
    let own = image::snapshot_of(image);
    if let Some(other) = given(ebs).filter(|id| *id != own.to_string()) {
        let text = format!("A root volume is made of its image's snapshot, {own}, and not of {}", short(other));
        return Err(Code::InvalidBlockDeviceMapping.fault(text));
    }
    let Some(size) = ebs.volume_size else { return Ok(None) };
    let least = image::size_of(image);
    if size < least {
        let text = format!("Volume of size {size}GB is smaller than snapshot '{own}', expect size >= {least}GB");
        return Err(Code::InvalidBlockDeviceMapping.fault(text));
    }
    Ok(Some(Gib(size)))
}

/// Its snapshot, if one is named.
fn given(ebs: &Ebs) -> Option<&str> {
    ebs.snapshot_id.as_deref().filter(|id| !id.is_empty())
}

fn new_volume(device: &str, ebs: &Ebs) -> Result<NewVolume, Fault> {
    let snapshot = given(ebs).map(snapshot::id).transpose()?;
    if ebs.volume_size.is_none() && snapshot.is_none() {
        return Err(Code::MissingParameter.fault("The request must contain the parameter size or snapshotId"));
    }
    let kind = ebs.volume_type.unwrap_or_default();
    let asked = Pace { iops: ebs.iops, throughput: ebs.throughput };
    Ok(NewVolume {
        device: device.into(),
        size: ebs.volume_size.map(Gib),
        snapshot,
        kind,
        pace: volume::kind::pace(kind, asked, Pace::default())?,
        delete_on_termination: ebs.delete_on_termination.unwrap_or(true),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Limits, Params, decode};

    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Request {
        block_device_mapping: Vec<Mapping>,
    }

    fn disks(query: &str) -> Result<Disks, Fault> {
        let tree = Params::parse(query, b"", &Limits::default()).unwrap().tree().unwrap();
        let request: Request = decode(&tree)?;
        let image = Image::of_site("debian".parse().unwrap(), "debian.qcow2", Gib(3));
        read(&request.block_device_mapping, &image)
    }

    fn code(query: &str) -> Code {
        disks(query).unwrap_err().code
    }

    #[test]
    fn a_root_and_volumes() {
        let made = disks(
            "BlockDeviceMapping.1.DeviceName=/dev/vda&BlockDeviceMapping.1.Ebs.VolumeSize=9\
             &BlockDeviceMapping.2.DeviceName=sdh&BlockDeviceMapping.2.Ebs.VolumeSize=1\
             &BlockDeviceMapping.3.DeviceName=/dev/sdi&BlockDeviceMapping.3.VirtualName=ephemeral0\
             &BlockDeviceMapping.4.DeviceName=/dev/sdj&BlockDeviceMapping.4.NoDevice=",
        );
        let made = made.unwrap();
        assert_eq!(made.root, Some(Gib(9)));
        assert_eq!(made.volumes.len(), 1);
        assert_eq!((made.volumes[0].device.as_str(), made.volumes[0].delete_on_termination), ("sdh", true));
    }

    #[test]
    fn what_cannot_be() {
        let root = "BlockDeviceMapping.1.DeviceName=/dev/sda1&BlockDeviceMapping.1.Ebs";
        assert_eq!(code(&format!("{root}.VolumeSize=2")), Code::InvalidBlockDeviceMapping);
        assert_eq!(code(&format!("{root}.DeleteOnTermination=false")), Code::UnsupportedOperation);
        let twice =
            format!("{root}.VolumeSize=9&BlockDeviceMapping.2.DeviceName=vda&BlockDeviceMapping.2.Ebs.VolumeSize=9");
        assert_eq!(code(&twice), Code::InvalidBlockDeviceMapping);
        assert_eq!(code(&format!("{root}.SnapshotId=snap-0123456789abcdef0")), Code::InvalidBlockDeviceMapping);
        let other = "BlockDeviceMapping.1.DeviceName=/dev/sdb&BlockDeviceMapping.1.Ebs";
        assert_eq!(code(&format!("{other}.Encrypted=true")), Code::UnsupportedOperation);
        assert_eq!(code(&format!("{other}.VolumeType=gp2")), Code::MissingParameter);
        assert_eq!(
            code(&format!("{other}.Iops=100&BlockDeviceMapping.1.Ebs.VolumeSize=1")),
            Code::InvalidParameterCombination
        );
    }
}
