//! Lists snapshots.

use serde::{Deserialize, Serialize};

use super::view::SnapshotView;
use super::{id, select};
use crate::account::Accounts;
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, one, text};
use crate::page;
use crate::wire::xml::Set;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeSnapshots {
    #[serde(default)]
    snapshot_id: Vec<String>,
    #[serde(default)]
    owner: Vec<String>,
    #[serde(default)]
    restorable_by: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshots {
    snapshot_set: Set<SnapshotView>,
    next_token: Option<String>,
}

const COLUMNS: Columns<'_, SnapshotView> = Columns {
    columns: &[
        ("description", |row| one(&row.description)),
        ("encrypted", |row| text(row.encrypted)),
        ("owner-alias", |_| Vec::new()),
        ("owner-id", |row| one(&row.owner_id)),
        ("progress", |row| one(row.progress)),
        ("snapshot-id", |row| text(row.snapshot_id)),
        ("start-time", |row| text(row.start_time)),
        ("status", |row| one(row.status)),
        ("storage-tier", |row| one(row.storage_tier)),
        ("volume-id", |row| one(&row.volume_id)),
        ("volume-size", |row| text(row.volume_size)),
    ],
    tags: Some(|row| row.tag_set.pairs()),
};

pub async fn describe_snapshots(call: Call, request: DescribeSnapshots) -> Result<Snapshots, Fault> {
    let mut named = request.snapshot_id.iter().map(|text| id(text)).collect::<Result<Vec<_>, _>>()?;
    named.sort_unstable();
    named.dedup();
    let owners = Accounts::new(&call, &request.owner)?;
    // Volumes are made of snapshots by their owners alone.
    let restorers = Accounts::new(&call, &request.restorable_by)?;
    let restorable = |row: &SnapshotView| {
        let own = row.owner_id == call.account && restorers.has(&call.account);
        request.restorable_by.is_empty() || own
    };
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let page = call.page(request.max_results, request.next_token.as_deref(), !named.is_empty(), page::USUAL)?;
    let rows = call.engine.read(|state| {
        let found = select(state, &call, &named)?;
        let views = found.into_iter().map(|(_, found)| SnapshotView::of(state, &call, found));
        Ok::<Vec<_>, Fault>(views.collect())
    })?;
    let wanted = |row: &SnapshotView| {
        (request.owner.is_empty() || owners.has(&row.owner_id)) && restorable(row) && filters.accept(row)
    };
    let (rows, next_token) = page.cut(rows.into_iter().filter(wanted).map(|row| (row.snapshot_id, row)));
    Ok(Snapshots { snapshot_set: rows.into(), next_token })
}
