//! Block device mappings of a launch.

use cascina_core::launch::NewVolume;
use cascina_core::units::Gib;
use cascina_core::volume::VolumeKind;
use serde::Deserialize;

use crate::code::Code;
use crate::fault::Fault;

/// What images and instances call the disk that they boot from.
pub const ROOT_DEVICE: &str = "/dev/sda1";
/// Other names for it.
const ROOT_DEVICES: [&str; 8] = ["/dev/sda1", "/dev/sda", "/dev/vda", "/dev/xvda", "sda1", "sda", "vda", "xvda"];

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
    volume_type: Option<VolumeType>,
    delete_on_termination: Option<bool>,
    snapshot_id: Option<String>,
    encrypted: Option<bool>,
    iops: Option<u64>,
    throughput: Option<u64>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum VolumeType {
    Standard,
    Gp2,
    Gp3,
    Io1,
    Io2,
    St1,
    Sc1,
}

impl From<VolumeType> for VolumeKind {
    fn from(given: VolumeType) -> VolumeKind {
        match given {
            VolumeType::Standard => VolumeKind::Standard,
            VolumeType::Gp2 => VolumeKind::Gp2,
            VolumeType::Gp3 => VolumeKind::Gp3,
            VolumeType::Io1 => VolumeKind::Io1,
            VolumeType::Io2 => VolumeKind::Io2,
            VolumeType::St1 => VolumeKind::St1,
            VolumeType::Sc1 => VolumeKind::Sc1,
        }
    }
}

/// What mappings come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Disks {
    pub root: Option<Gib>,
    pub volumes: Vec<NewVolume>,
}

/// Reads mappings; `least` is what the image needs, in GiB.
pub fn read(mappings: &[Mapping], least: Gib) -> Result<Disks, Fault> {
    let mut disks = Disks::default();
    let mut seen = Vec::new();
    for (i, mapping) in mappings.iter().enumerate() {
        let name = |part: &str| format!("BlockDeviceMapping.{}.{part}", i + 1);
        let Some(device) = mapping.device_name.as_deref().filter(|device| !device.is_empty()) else {
            return Err(Fault::missing(&name("DeviceName")));
        };
        let root = ROOT_DEVICES.contains(&device);
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
        check(ebs)?;
        if root {
            disks.root = root_disk(ebs, least)?;
        } else {
            disks.volumes.push(volume(device, ebs)?);
        }
    }
    Ok(disks)
}

fn check(ebs: &Ebs) -> Result<(), Fault> {
    if ebs.encrypted == Some(true) {
        return Err(Code::UnsupportedOperation.fault("Encrypted volumes are not supported here."));
    }
    let kind = ebs.volume_type.unwrap_or(VolumeType::Gp2);
    if ebs.iops.is_some() && !matches!(kind, VolumeType::Gp3 | VolumeType::Io1 | VolumeType::Io2) {
        return Err(
            Code::InvalidParameterCombination.fault("The parameter iops is not supported for this volume type.")
        );
    }
    if ebs.throughput.is_some() && !matches!(kind, VolumeType::Gp3) {
        return Err(Code::InvalidParameterCombination.fault("The parameter throughput is for gp3 volumes only."));
    }
    Ok(())
}

fn root_disk(ebs: &Ebs, least: Gib) -> Result<Option<Gib>, Fault> {
    if ebs.delete_on_termination == Some(false) {
        let text = "A root volume ends with its instance here: DeleteOnTermination=false is not supported for it. \
                    Make a snapshot or an image of it instead.";
        return Err(Code::UnsupportedOperation.fault(text));
    }
    let Some(size) = ebs.volume_size.map(Gib) else { return Ok(None) };
    if size < least {
        let text = format!("Volume of size {}GB is smaller than the image, expect size >= {}GB", size.0, least.0);
        return Err(Code::InvalidBlockDeviceMapping.fault(text));
    }
    Ok(Some(size))
}

fn volume(device: &str, ebs: &Ebs) -> Result<NewVolume, Fault> {
    let snapshot = ebs.snapshot_id.as_deref().filter(|id| !id.is_empty());
    let snapshot = snapshot.map(|id| id.parse().map_err(|_| crate::noun::Noun::Snapshot.not_found(id))).transpose()?;
    if ebs.volume_size.is_none() && snapshot.is_none() {
        return Err(Code::MissingParameter.fault("The request must contain the parameter size or snapshotId"));
    }
    Ok(NewVolume {
        device: device.into(),
        size: ebs.volume_size.map(Gib),
        snapshot,
        kind: ebs.volume_type.map_or(VolumeKind::Gp2, VolumeKind::from),
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
        read(&request.block_device_mapping, Gib(3))
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
        let other = "BlockDeviceMapping.1.DeviceName=/dev/sdb&BlockDeviceMapping.1.Ebs";
        assert_eq!(code(&format!("{other}.Encrypted=true")), Code::UnsupportedOperation);
        assert_eq!(code(&format!("{other}.VolumeType=gp2")), Code::MissingParameter);
        assert_eq!(
            code(&format!("{other}.Iops=100&BlockDeviceMapping.1.Ebs.VolumeSize=1")),
            Code::InvalidParameterCombination
        );
    }
}
