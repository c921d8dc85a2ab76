//! One attribute of an image at a time.

use cascina_core::id::ImageId;
use serde::{Deserialize, Serialize};

use super::view::{BlockDevice, disks};
use super::{find_own, id, permission};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::wire::xml::{Set, Value};

/// All that an image has, as requests name them.
const ATTRIBUTES: [&str; 7] =
    ["blockDeviceMapping", "description", "kernel", "launchPermission", "productCodes", "ramdisk", "sriovNetSupport"];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeImageAttribute {
    image_id: String,
    attribute: String,
}

/// Exactly one beside the id. What has no value is an empty element.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageAttribute {
    image_id: ImageId,
    block_device_mapping: Option<Set<BlockDevice>>,
    description: Option<Value<String>>,
    kernel: Option<Nothing>,
    launch_permission: Option<Set<permission::Shown>>,
    product_codes: Option<Set<()>>,
    ramdisk: Option<Nothing>,
    sriov_net_support: Option<Nothing>,
}

#[derive(Debug, Serialize)]
struct Nothing {}

/// What Amazon says of attributes that there are not.
pub fn no_such() -> Fault {
    Code::InvalidRequest.fault("The request received was invalid")
}

pub async fn describe_image_attribute(call: Call, request: DescribeImageAttribute) -> Result<ImageAttribute, Fault> {
    let name = request.attribute.as_str();
    // What it is comes before whose.
    if !ATTRIBUTES.contains(&name) {
        return Err(no_such());
    }
    let image_id = id(&request.image_id)?;
    let mut answer = ImageAttribute { image_id, ..ImageAttribute::default() };
    call.engine.read(|state| {
        let row = find_own(state, &call, image_id)?;
        match name {
            "blockDeviceMapping" => answer.block_device_mapping = Some(disks(row)),
            "description" => answer.description = Some(Value { value: row.description.clone() }),
            "kernel" => answer.kernel = Some(Nothing {}),
            "launchPermission" => answer.launch_permission = Some(permission::of(row)),
            "productCodes" => answer.product_codes = Some(Set::default()),
            "ramdisk" => answer.ramdisk = Some(Nothing {}),
            "sriovNetSupport" => answer.sriov_net_support = Some(Nothing {}),
            _ => return Err(no_such()),
        }
        Ok(())
    })?;
    Ok(answer)
}
