//! One attribute of a volume at a time.

use cascina_core::id::VolumeId;
use serde::{Deserialize, Serialize};

use super::{find, id};
use crate::call::Call;
use crate::fault::Fault;
use crate::wire::xml::{Set, Value};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeVolumeAttribute {
    volume_id: String,
    attribute: Attribute,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum Attribute {
    #[serde(rename = "autoEnableIO")]
    AutoEnableIo,
    #[serde(rename = "productCodes")]
    ProductCodes,
}

/// Exactly one beside the id.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeAttribute {
    volume_id: VolumeId,
    #[serde(rename = "autoEnableIO")]
    auto_enable_io: Option<Value<bool>>,
    product_codes: Option<Set<()>>,
}

pub async fn describe_volume_attribute(call: Call, request: DescribeVolumeAttribute) -> Result<VolumeAttribute, Fault> {
    let volume_id = id(&request.volume_id)?;
    call.engine.read(|state| find(state, call.farm, volume_id).map(|_| ()))?;
    let none = VolumeAttribute { volume_id, auto_enable_io: None, product_codes: None };
    Ok(match request.attribute {
        // Reading and writing never is stopped by us.
        Attribute::AutoEnableIo => VolumeAttribute { auto_enable_io: Some(Value { value: true }), ..none },
        Attribute::ProductCodes => VolumeAttribute { product_codes: Some(Set::default()), ..none },
    })
}
