//! Changes volumes, and tells how far changes have come.

use cascina_core::command::Command;
use cascina_core::id::VolumeId;
use cascina_core::state::State;
use cascina_core::units::Gib;
use cascina_core::volume::{Modified, Pace, Volume, VolumeKind};
use serde::{Deserialize, Serialize};

use super::{Found, all_ids, find_usable, id, kind, select};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, maybe, one, text};
use crate::noun::Noun;
use crate::page;
use crate::wire::xml::{Set, Time};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ModifyVolume {
    volume_id: String,
    /// GiB
    size: Option<u64>,
    volume_type: Option<VolumeKind>,
    iops: Option<u32>,
    throughput: Option<u32>,
    multi_attach_enabled: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Modification {
    volume_modification: ModificationView,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ModificationView {
    volume_id: VolumeId,
    modification_state: &'static str,
    target_size: u64,
    target_iops: Option<u32>,
    target_volume_type: &'static str,
    target_throughput: Option<u32>,
    target_multi_attach_enabled: bool,
    original_size: u64,
    original_iops: Option<u32>,
    original_volume_type: &'static str,
    original_throughput: Option<u32>,
    original_multi_attach_enabled: bool,
    /// Percent.
    progress: u32,
    start_time: Time,
    end_time: Option<Time>,
}

impl ModificationView {
    fn of(row: &Volume, before: &Modified) -> ModificationView {
        let (target, original) =
            (kind::shown(row.kind, row.pace, row.size), kind::shown(before.kind, before.pace, before.size));
        ModificationView {
            volume_id: row.id,
            modification_state: if before.ended.is_some() { "completed" } else { "modifying" },
            target_size: row.size.0,
            target_iops: target.iops,
            target_volume_type: kind::name(row.kind),
            target_throughput: target.throughput,
            target_multi_attach_enabled: false,
            original_size: before.size.0,
            original_iops: original.iops,
            original_volume_type: kind::name(before.kind),
            original_throughput: original.throughput,
            original_multi_attach_enabled: false,
            progress: if before.ended.is_some() { 100 } else { 0 },
            start_time: Time(before.begun),
            end_time: before.ended.map(Time),
        }
    }
}

pub async fn modify_volume(call: Call, request: ModifyVolume) -> Result<Modification, Fault> {
    let volume = id(&request.volume_id)?;
    if request.multi_attach_enabled == Some(true) {
        let text = "Volumes that several instances have at once are not supported here.";
        return Err(Code::UnsupportedOperation.fault(text));
    }
    let asked = Pace { iops: request.iops, throughput: request.throughput };
    if request.size.is_none() && request.volume_type.is_none() && asked == Pace::default() {
        return Err(Code::InvalidParameterCombination.fault("No attributes specified."));
    }
    let check = |state: &State| {
        let Found::Volume(row) = find_usable(state, call.farm, volume)? else {
            let text = format!("The volume '{volume}' is what an instance boots from, which keeps its size here.");
            return Err(Code::UnsupportedOperation.fault(text));
        };
        let size = request.size.map_or(row.size, Gib);
        if size < row.size {
            let text = format!("New size cannot be smaller than existing size, which is {} GiB", row.size.0);
            return Err(Code::InvalidParameterValue.fault(text));
        }
        let wanted = request.volume_type.unwrap_or(row.kind);
        let pace = kind::pace(wanted, asked, row.pace)?;
        Ok((Command::ResizeVolume { volume, size, kind: Some(wanted), pace: Some(pace) }, ()))
    };
    call.submit_checked(check).await?;
    call.engine.read(|state| {
        let row = state.rows.volumes.get(&volume);
        let view = row.and_then(|row| row.modified.as_ref().map(|before| ModificationView::of(row, before)));
        let view = view.ok_or_else(|| Noun::Volume.not_found(&request.volume_id))?;
        Ok(Modification { volume_modification: view })
    })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeVolumesModifications {
    #[serde(default)]
    volume_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Modifications {
    volume_modification_set: Set<ModificationView>,
    next_token: Option<String>,
}

const COLUMNS: Columns<'_, ModificationView> = Columns {
    columns: &[
        ("modification-state", |row| one(row.modification_state)),
        ("original-iops", |row| maybe(row.original_iops.map(|iops| iops.to_string()))),
        ("original-multi-attach-enabled", |row| text(row.original_multi_attach_enabled)),
        ("original-size", |row| text(row.original_size)),
        ("original-throughput", |row| maybe(row.original_throughput.map(|throughput| throughput.to_string()))),
        ("original-volume-type", |row| one(row.original_volume_type)),
        ("start-time", |row| text(row.start_time)),
        ("target-iops", |row| maybe(row.target_iops.map(|iops| iops.to_string()))),
        ("target-multi-attach-enabled", |row| text(row.target_multi_attach_enabled)),
        ("target-size", |row| text(row.target_size)),
        ("target-throughput", |row| maybe(row.target_throughput.map(|throughput| throughput.to_string()))),
        ("target-volume-type", |row| one(row.target_volume_type)),
        ("volume-id", |row| text(row.volume_id)),
    ],
    tags: None,
};

pub async fn describe_volumes_modifications(
    call: Call,
    request: DescribeVolumesModifications,
) -> Result<Modifications, Fault> {
    let named = all_ids(&request.volume_id)?;
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let page = call.page(request.max_results, request.next_token.as_deref(), !named.is_empty(), page::USUAL)?;
    let rows = call.engine.read(|state| {
        let mut rows = Vec::new();
        for (id, found) in select(state, call.farm, &named)? {
            let before = match found {
                Found::Volume(row) => row.modified.as_ref().map(|before| (row, before)),
                Found::Root(_) => None,
            };
            match before {
                Some((row, before)) => rows.push(ModificationView::of(row, before)),
                None if named.is_empty() => {}
                None => {
                    let text = format!("Modification for volume '{id}' does not exist.");
                    return Err(Code::InvalidVolumeModificationNotFound.fault(text));
                }
            }
        }
        Ok(rows)
    })?;
    let rows = rows.into_iter().filter(|row| filters.accept(row));
    let (rows, next_token) = page.cut(rows.map(|row| (row.volume_id, row)));
    Ok(Modifications { volume_modification_set: rows.into(), next_token })
}
