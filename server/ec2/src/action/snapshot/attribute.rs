//! One attribute of a snapshot at a time.

use cascina_core::id::SnapshotId;
use serde::{Deserialize, Serialize};

use super::{find, id};
use crate::call::Call;
use crate::fault::Fault;
use crate::wire::xml::Set;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeSnapshotAttribute {
    snapshot_id: String,
    attribute: Attribute,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Attribute {
    CreateVolumePermission,
    ProductCodes,
}

/// Exactly one beside the id.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotAttribute {
    snapshot_id: SnapshotId,
    create_volume_permission: Option<Set<()>>,
    product_codes: Option<Set<()>>,
}

pub async fn describe_snapshot_attribute(
    call: Call,
    request: DescribeSnapshotAttribute,
) -> Result<SnapshotAttribute, Fault> {
    let snapshot_id = id(&request.snapshot_id)?;
    call.engine.read(|state| find(state, &call, snapshot_id).map(|_| ()))?;
    let none = SnapshotAttribute { snapshot_id, create_volume_permission: None, product_codes: None };
    Ok(match request.attribute {
        // Snapshots are their farm's alone.
        Attribute::CreateVolumePermission => {
            SnapshotAttribute { create_volume_permission: Some(Set::default()), ..none }
        }
        Attribute::ProductCodes => SnapshotAttribute { product_codes: Some(Set::default()), ..none },
    })
}
