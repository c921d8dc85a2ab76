//! Whether instances are well, as far as their hosts can tell.

use cascina_core::id::InstanceId;
use cascina_core::name::Name;
use serde::{Deserialize, Serialize};

use super::state::{RUNNING, StateView, ending};
use super::{find, ids};
use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, one, text};
use crate::page;
use crate::wire::xml::Set;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeInstanceStatus {
    #[serde(default)]
    instance_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    include_all_instances: Option<bool>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statuses {
    instance_status_set: Set<Status>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    instance_id: InstanceId,
    availability_zone: Name,
    instance_state: StateView,
    system_status: Health,
    instance_status: Health,
    /// Nothing is ever scheduled for an instance without its owner.
    events_set: Set<()>,
}

#[derive(Debug, Clone, Serialize)]
struct Health {
    status: &'static str,
    details: Set<Detail>,
}

#[derive(Debug, Clone, Serialize)]
struct Detail {
    name: &'static str,
    status: &'static str,
}

impl Health {
    fn of(running: bool) -> Health {
        let passed = Detail { name: "reachability", status: "passed" };
        match running {
            true => Health { status: "ok", details: [passed].into_iter().collect() },
            false => Health { status: "not-applicable", details: Set::default() },
        }
    }

    fn reachability(&self) -> &'static str {
        self.details.items().first().map_or("not-applicable", |detail| detail.status)
    }
}

const COLUMNS: Columns<'_, Status> = Columns {
    columns: &[
        ("availability-zone", |row| one(row.availability_zone.as_str())),
        ("event.code", |_| Vec::new()),
        ("event.description", |_| Vec::new()),
        ("event.instance-event-id", |_| Vec::new()),
        ("event.not-after", |_| Vec::new()),
        ("event.not-before", |_| Vec::new()),
        ("instance-state-code", |row| text(row.instance_state.code)),
        ("instance-state-name", |row| one(row.instance_state.name)),
        ("instance-status.reachability", |row| one(row.instance_status.reachability())),
        ("instance-status.status", |row| one(row.instance_status.status)),
        ("system-status.reachability", |row| one(row.system_status.reachability())),
        ("system-status.status", |row| one(row.system_status.status)),
    ],
    tags: None,
};

pub async fn describe_instance_status(call: Call, request: DescribeInstanceStatus) -> Result<Statuses, Fault> {
    let named = ids(&request.instance_id)?;
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let page = call.page(request.max_results, request.next_token.as_deref(), !named.is_empty(), page::USUAL)?;
    let all = request.include_all_instances == Some(true);
    let rows = call.engine.read(|state| {
        let ending = ending(state, call.farm);
        for id in &named {
            find(state, call.farm, *id)?;
        }
        let rows = state.indexes.instances_by_farm.with(&call.farm);
        let rows = rows.filter(|row| named.is_empty() || named.contains(&row.id));
        let statuses = rows.map(|row| {
            let is = StateView::of(row, &ending);
            let health = Health::of(is == RUNNING);
            Status {
                instance_id: row.id,
                availability_zone: row.class.clone(),
                instance_state: is,
                system_status: health.clone(),
                instance_status: health,
                events_set: Set::default(),
            }
        });
        Ok::<_, Fault>(statuses.filter(|row| all || row.instance_state == RUNNING).collect::<Vec<_>>())
    })?;
    let rows = rows.into_iter().filter(|row| filters.accept(row)).map(|row| (row.instance_id, row));
    let (rows, next_token) = page.cut(rows);
    Ok(Statuses { instance_status_set: rows.into(), next_token })
}
