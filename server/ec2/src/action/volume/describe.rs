//! Lists volumes.

use serde::{Deserialize, Serialize};

use super::view::{AttachmentView, VolumeView};
use super::{all_ids, select};
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, Values, maybe, one, text};
use crate::page;
use crate::wire::xml::Set;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeVolumes {
    #[serde(default)]
    volume_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Volumes {
    volume_set: Set<VolumeView>,
    next_token: Option<String>,
}

fn attached(row: &VolumeView, of: impl Fn(&AttachmentView) -> String) -> Values<'_> {
    row.attachment_set.items().iter().map(|held| of(held).into()).collect()
}

const COLUMNS: Columns<'_, VolumeView> = Columns {
    columns: &[
        ("attachment.attach-time", |row| attached(row, |held| held.attach_time.to_string())),
        ("attachment.delete-on-termination", |row| attached(row, |held| held.delete_on_termination.to_string())),
        ("attachment.device", |row| attached(row, |held| held.device.clone())),
        ("attachment.instance-id", |row| attached(row, |held| held.instance_id.to_string())),
        ("attachment.status", |row| attached(row, |held| held.status.into())),
        ("availability-zone", |row| one(row.availability_zone.as_str())),
        ("create-time", |row| text(row.create_time)),
        ("encrypted", |row| text(row.encrypted)),
        ("fast-restored", |_| one("false")),
        ("multi-attach-enabled", |row| text(row.multi_attach_enabled)),
        ("size", |row| text(row.size)),
        ("snapshot-id", |row| maybe(Some(row.snapshot_id.as_str()).filter(|id| !id.is_empty()))),
        ("status", |row| one(row.status)),
        ("volume-id", |row| text(row.volume_id)),
        ("volume-type", |row| one(row.volume_type)),
    ],
    tags: Some(|row| row.tag_set.pairs()),
};

pub async fn describe_volumes(call: Call, request: DescribeVolumes) -> Result<Volumes, Fault> {
    let named = all_ids(&request.volume_id)?;
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let page = call.page(request.max_results, request.next_token.as_deref(), !named.is_empty(), page::USUAL)?;
    let rows = call.engine.read(|state| {
        let found = select(state, call.farm, &named)?;
        let views = found.into_iter().map(|(_, found)| VolumeView::of(state, call.farm, found));
        Ok::<Vec<_>, Fault>(views.collect())
    })?;
    let rows = rows.into_iter().filter(|row| filters.accept(row));
    let (rows, next_token) = page.cut(rows.map(|row| (row.volume_id, row)));
    Ok(Volumes { volume_set: rows.into(), next_token })
}
