//! A snapshot as EC2 shows it.

use cascina_core::id::{SnapshotId, VolumeId};
use cascina_core::image::Image;
use cascina_core::snapshot::{Disk, Snapshot, SnapshotState};
use cascina_core::state::State;
use cascina_core::tag::Resource;
use serde::Serialize;

use super::Found;
use crate::action::image;
use crate::call::Call;
use crate::tags::TagSet;
use crate::wire::xml::Time;

/// What Amazon says of snapshots that were made of no volume.
const NO_VOLUME: &str = "vol-ffffffff";

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotView {
    pub snapshot_id: SnapshotId,
    pub volume_id: String,
    pub status: &'static str,
    pub status_message: Option<String>,
    pub start_time: Time,
    pub progress: &'static str,
    pub owner_id: String,
    /// GiB
    pub volume_size: u64,
    pub description: String,
    pub encrypted: bool,
    pub storage_tier: &'static str,
    pub tag_set: TagSet,
}

impl SnapshotView {
    pub fn of(state: &State, call: &Call, found: Found<'_>) -> SnapshotView {
        match found {
            Found::Own(row) => SnapshotView::of_row(state, call, row),
            Found::OfImage(image) => SnapshotView::of_image(state, call, image),
        }
    }

    fn of_row(state: &State, call: &Call, row: &Snapshot) -> SnapshotView {
        let (status, progress) = match row.state {
            SnapshotState::Pending => ("pending", "0%"),
            SnapshotState::Completed | SnapshotState::Deleting => ("completed", "100%"),
            SnapshotState::Error => ("error", "0%"),
        };
        SnapshotView {
            snapshot_id: row.id,
            volume_id: match row.source {
                Disk::Volume(id) => id.to_string(),
                Disk::Root(instance) => VolumeId(instance.0).to_string(),
                Disk::Copy(_) => NO_VOLUME.into(),
            },
            status,
            status_message: row.note.clone().filter(|_| row.state == SnapshotState::Error),
            start_time: Time(row.created),
            progress,
            owner_id: call.account.clone(),
            volume_size: row.size.0,
            description: row.description.clone(),
            encrypted: false,
            storage_tier: "standard",
            tag_set: TagSet::of(state, call.farm, Resource::Snapshot(row.id)),
        }
    }

    fn of_image(state: &State, call: &Call, row: &Image) -> SnapshotView {
        let id = image::snapshot_of(row);
        SnapshotView {
            snapshot_id: id,
            volume_id: NO_VOLUME.into(),
            status: "completed",
            status_message: None,
            start_time: Time(row.created),
            progress: "100%",
            owner_id: image::owner(row, call),
            volume_size: image::size_of(row),
            description: format!("of image {}", row.title()),
            encrypted: false,
            storage_tier: "standard",
            tag_set: TagSet::of(state, call.farm, Resource::Snapshot(id)),
        }
    }
}
