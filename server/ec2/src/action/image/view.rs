//! An image as EC2 shows it.

use cascina_core::id::{ImageId, SnapshotId};
use cascina_core::image::{Image, ImageState};
use cascina_core::state::State;
use cascina_core::tag::Resource;
use serde::Serialize;

use super::{ROOT_DEVICE, owner, size_of, snapshot_of};
use crate::call::Call;
use crate::tags::TagSet;
use crate::wire::xml::{Set, Time};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageView {
    pub image_id: ImageId,
    pub image_location: String,
    pub image_state: &'static str,
    pub image_owner_id: String,
    pub is_public: bool,
    pub architecture: &'static str,
    pub image_type: &'static str,
    pub platform_details: &'static str,
    pub usage_operation: &'static str,
    pub name: String,
    pub description: String,
    pub root_device_type: &'static str,
    pub root_device_name: &'static str,
    pub block_device_mapping: Set<BlockDevice>,
    pub virtualization_type: &'static str,
    pub hypervisor: &'static str,
    pub creation_date: Time,
    pub ena_support: bool,
    pub state_reason: Option<StateReason>,
    pub product_codes: Set<()>,
    pub tag_set: TagSet,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BlockDevice {
    pub device_name: &'static str,
    pub ebs: Ebs,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ebs {
    pub snapshot_id: SnapshotId,
    /// GiB
    pub volume_size: u64,
    pub delete_on_termination: bool,
    pub volume_type: &'static str,
    pub encrypted: bool,
}

#[derive(Debug, Clone, Serialize)]
pub struct StateReason {
    pub code: &'static str,
    pub message: String,
}

/// The one disk of an image.
pub fn disks(image: &Image) -> Set<BlockDevice> {
    let ebs = Ebs {
        snapshot_id: snapshot_of(image),
        volume_size: size_of(image),
        delete_on_termination: true,
        volume_type: "gp2",
        encrypted: false,
    };
    [BlockDevice { device_name: ROOT_DEVICE, ebs }].into_iter().collect()
}

impl ImageView {
    pub fn of(state: &State, call: &Call, row: &Image) -> ImageView {
        let image_owner_id = owner(row, call);
        ImageView {
            image_id: row.id,
            image_location: format!("{image_owner_id}/{}", row.title()),
            image_state: match row.state {
                ImageState::Pending => "pending",
                ImageState::Available => "available",
                ImageState::Failed => "failed",
                ImageState::Deprecated => "deregistered",
            },
            image_owner_id,
            is_public: row.public,
            architecture: "x86_64",
            image_type: "machine",
            platform_details: "Linux/UNIX",
            usage_operation: "RunInstances",
            name: row.title().to_owned(),
            description: row.description.clone(),
            root_device_type: "ebs",
            root_device_name: ROOT_DEVICE,
            block_device_mapping: disks(row),
            virtualization_type: "hvm",
            hypervisor: "kvm",
            creation_date: Time(row.created),
            ena_support: false,
            state_reason: (row.state == ImageState::Failed).then(|| failure(state, row)),
            product_codes: Set::default(),
            tag_set: TagSet::of(state, call.farm, Resource::Image(row.id)),
        }
    }
}

/// Why it could not be made, as far as its snapshot tells.
fn failure(state: &State, row: &Image) -> StateReason {
    let snapshot = row.snapshot.and_then(|id| state.rows.snapshots.get(&id));
    let why = row.note.clone().or_else(|| snapshot.and_then(|snapshot| snapshot.note.clone()));
    StateReason { code: "Server.InternalError", message: why.unwrap_or_else(|| "it could not be made".into()) }
}
