//! A volume as EC2 shows it.

use cascina_core::id::{FarmId, InstanceId, VolumeId};
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::name::Name;
use cascina_core::state::State;
use cascina_core::tag::Resource;
use cascina_core::volume::{Attachment, AttachmentState, Volume, VolumeKind, VolumeState};
use serde::Serialize;

use super::{Found, kind};
use crate::action::image::{self, ROOT_DEVICE};
use crate::tags::TagSet;
use crate::wire::xml::{Set, Time};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VolumeView {
    pub volume_id: VolumeId,
    /// GiB
    pub size: u64,
    /// Empty for one that was made empty.
    pub snapshot_id: String,
    pub availability_zone: Name,
    pub status: &'static str,
    pub create_time: Time,
    pub volume_type: &'static str,
    pub iops: Option<u32>,
    pub throughput: Option<u32>,
    pub encrypted: bool,
    pub multi_attach_enabled: bool,
    pub attachment_set: Set<AttachmentView>,
    pub tag_set: TagSet,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachmentView {
    pub volume_id: VolumeId,
    pub instance_id: InstanceId,
    pub device: String,
    pub status: &'static str,
    pub attach_time: Time,
    pub delete_on_termination: bool,
}

impl VolumeView {
    pub fn of(state: &State, farm: FarmId, found: Found<'_>) -> VolumeView {
        match found {
            Found::Volume(row) => VolumeView::of_volume(state, farm, row),
            Found::Root(row) => VolumeView::of_root(state, farm, row),
        }
    }

    fn of_volume(state: &State, farm: FarmId, row: &Volume) -> VolumeView {
        let pace = kind::shown(row.kind, row.pace, row.size);
        let attachment = row.attachment.as_ref().map(|held| AttachmentView::of(row.id, held));
        VolumeView {
            volume_id: row.id,
            size: row.size.0,
            snapshot_id: row.snapshot.map(|id| id.to_string()).unwrap_or_default(),
            availability_zone: row.class.clone(),
            status: match row.state {
                VolumeState::Creating => "creating",
                VolumeState::Ready | VolumeState::Resizing if attachment.is_some() => "in-use",
                VolumeState::Ready | VolumeState::Resizing => "available",
                VolumeState::Deleting => "deleting",
                VolumeState::Error => "error",
            },
            create_time: Time(row.created),
            volume_type: kind::name(row.kind),
            iops: pace.iops,
            throughput: pace.throughput,
            encrypted: false,
            multi_attach_enabled: false,
            attachment_set: attachment.into_iter().collect(),
            tag_set: TagSet::of(state, farm, Resource::Volume(row.id)),
        }
    }

    fn of_root(state: &State, farm: FarmId, row: &Instance) -> VolumeView {
        let (id, of) = (VolumeId(row.id.0), VolumeKind::Gp2);
        let pace = kind::shown(of, Default::default(), row.size.disk);
        let image = state.rows.images.get(&row.image);
        let attachment = AttachmentView {
            volume_id: id,
            instance_id: row.id,
            device: ROOT_DEVICE.into(),
            status: if row.state == InstanceState::Scheduled { "attaching" } else { "attached" },
            attach_time: Time(row.created),
            delete_on_termination: true,
        };
        VolumeView {
            volume_id: id,
            size: row.size.disk.0,
            snapshot_id: image.map(|image| image::snapshot_of(image).to_string()).unwrap_or_default(),
            availability_zone: row.class.clone(),
            status: "in-use",
            create_time: Time(row.created),
            volume_type: kind::name(of),
            iops: pace.iops,
            throughput: pace.throughput,
            encrypted: false,
            multi_attach_enabled: false,
            attachment_set: [attachment].into_iter().collect(),
            tag_set: TagSet::of(state, farm, Resource::Volume(id)),
        }
    }
}

impl AttachmentView {
    pub fn of(volume_id: VolumeId, held: &Attachment) -> AttachmentView {
        AttachmentView {
            volume_id,
            instance_id: held.instance,
            device: held.device.clone(),
            status: match held.state {
                AttachmentState::Attaching => "attaching",
                AttachmentState::Attached => "attached",
                AttachmentState::Detaching => "detaching",
            },
            attach_time: Time(held.since),
            delete_on_termination: held.delete_on_termination,
        }
    }
}
