//! Whether volumes are well.

use cascina_core::id::VolumeId;
use cascina_core::name::Name;
use cascina_core::volume::VolumeState;
use serde::{Deserialize, Serialize};

use super::{Found, all_ids, select};
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, one};
use crate::page;
use crate::wire::xml::Set;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeVolumeStatus {
    #[serde(default)]
    volume_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statuses {
    volume_status_set: Set<Status>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    volume_id: VolumeId,
    availability_zone: Name,
    volume_status: Health,
    /// Nothing is ever scheduled for a volume without its owner, and nothing left for the owner to do.
    events_set: Set<()>,
    actions_set: Set<()>,
}

#[derive(Debug, Serialize)]
struct Health {
    status: &'static str,
    details: Set<Detail>,
}

#[derive(Debug, Serialize)]
struct Detail {
    name: &'static str,
    status: &'static str,
}

impl Status {
    fn of(volume_id: VolumeId, found: Found<'_>) -> Status {
        let (class, status, io) = match found {
            Found::Volume(row) => match row.state {
                VolumeState::Creating => (&row.class, "insufficient-data", "not-applicable"),
                VolumeState::Error => (&row.class, "impaired", "failed"),
                VolumeState::Ready | VolumeState::Resizing | VolumeState::Deleting => (&row.class, "ok", "passed"),
            },
            Found::Root(row) => (&row.class, "ok", "passed"),
        };
        let details = [("io-enabled", io), ("io-performance", "not-applicable")];
        let details = details.map(|(name, status)| Detail { name, status });
        Status {
            volume_id,
            availability_zone: class.clone(),
            volume_status: Health { status, details: details.into_iter().collect() },
            events_set: Set::default(),
            actions_set: Set::default(),
        }
    }
}

const COLUMNS: Columns<'_, Status> = Columns {
    columns: &[
        ("action.code", |_| Vec::new()),
        ("action.description", |_| Vec::new()),
        ("action.event-id", |_| Vec::new()),
        ("availability-zone", |row| one(row.availability_zone.as_str())),
        ("event.description", |_| Vec::new()),
        ("event.event-id", |_| Vec::new()),
        ("event.event-type", |_| Vec::new()),
        ("event.not-after", |_| Vec::new()),
        ("event.not-before", |_| Vec::new()),
        ("volume-status.details-name", |row| {
            row.volume_status.details.items().iter().map(|detail| detail.name.into()).collect()
        }),
        ("volume-status.details-status", |row| {
            row.volume_status.details.items().iter().map(|detail| detail.status.into()).collect()
        }),
        ("volume-status.status", |row| one(row.volume_status.status)),
    ],
    tags: None,
};

pub async fn describe_volume_status(call: Call, request: DescribeVolumeStatus) -> Result<Statuses, Fault> {
    let named = all_ids(&request.volume_id)?;
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let page = call.page(request.max_results, request.next_token.as_deref(), !named.is_empty(), page::USUAL)?;
    let rows = call.engine.read(|state| {
        let found = select(state, call.farm, &named)?;
        Ok::<Vec<_>, Fault>(found.into_iter().map(|(id, found)| Status::of(id, found)).collect())
    })?;
    let rows = rows.into_iter().filter(|row| filters.accept(row));
    let (rows, next_token) = page.cut(rows.map(|row| (row.volume_id, row)));
    Ok(Statuses { volume_status_set: rows.into(), next_token })
}
