//! The region, and its zones: a class of hosts is a zone.

use cascina_core::host::HostState;
use cascina_core::name::Name;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, one};
use crate::wire::xml::Set;

/// That nobody has to ask for a region or a zone first.
const OPT_IN: &str = "opt-in-not-required";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeRegions {
    #[serde(default)]
    region_name: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    /// There are none that one could be left out of.
    #[serde(rename = "AllRegions")]
    _all_regions: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Regions {
    region_info: Set<Region>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    region_name: String,
    region_endpoint: String,
    opt_in_status: &'static str,
}

const REGION: Columns<'_, Region> = Columns {
    columns: &[
        ("endpoint", |row| one(&row.region_endpoint)),
        ("opt-in-status", |row| one(row.opt_in_status)),
        ("region-name", |row| one(&row.region_name)),
    ],
    tags: None,
};

pub async fn describe_regions(call: Call, request: DescribeRegions) -> Result<Regions, Fault> {
    let region = &call.settings.region;
    if let Some(other) = request.region_name.iter().find(|name| *name != region) {
        return Err(Fault::invalid("RegionName", other, &format!("The only region is {region}")));
    }
    let filters = Filters::new(&request.filter, &REGION)?;
    let only = Region {
        region_name: region.clone(),
        region_endpoint: call.settings.endpoint.clone().unwrap_or(call.host),
        opt_in_status: OPT_IN,
    };
    Ok(Regions { region_info: [only].into_iter().filter(|row| filters.accept(row)).collect() })
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeAvailabilityZones {
    #[serde(default)]
    zone_name: Vec<String>,
    #[serde(default)]
    zone_id: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    #[serde(rename = "AllAvailabilityZones")]
    _all_availability_zones: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Zones {
    availability_zone_info: Set<Zone>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Zone {
    zone_name: Name,
    zone_id: String,
    zone_state: &'static str,
    region_name: String,
    group_name: String,
    network_border_group: String,
    opt_in_status: &'static str,
    zone_type: &'static str,
    /// Always empty: euca2ools stops at a message.
    message_set: Set<()>,
}

const ZONE: Columns<'_, Zone> = Columns {
    columns: &[
        ("group-name", |row| one(&row.group_name)),
        ("message", |_| Vec::new()),
        ("opt-in-status", |row| one(row.opt_in_status)),
        ("region-name", |row| one(&row.region_name)),
        ("state", |row| one(row.zone_state)),
        ("zone-id", |row| one(&row.zone_id)),
        ("zone-name", |row| one(row.zone_name.as_str())),
        ("zone-type", |row| one(row.zone_type)),
    ],
    tags: None,
};

/// How zones are called where their names may differ from account to account; ours never do.
pub fn zone_id(region: &str, class: &Name) -> String {
    format!("{region}-{class}")
}

fn unknown(zone: &str) -> Fault {
    let zone = crate::wire::short(zone);
    crate::code::Code::InvalidParameterValue.fault(format!("Invalid availability zone: [{zone}]"))
}

pub async fn describe_availability_zones(call: Call, request: DescribeAvailabilityZones) -> Result<Zones, Fault> {
    let filters = Filters::new(&request.filter, &ZONE)?;
    let region = &call.settings.region;
    let classes: Vec<(Name, bool)> = call.engine.read(|state| {
        let up = |class: &Name| {
            let mut hosts = state.rows.hosts.values();
            hosts.any(|host| host.class == *class && matches!(host.state, HostState::Up))
        };
        state.rows.classes.values().map(|class| (class.name.clone(), up(&class.name))).collect()
    });
    let zones = classes.into_iter().map(|(class, up)| Zone {
        zone_id: zone_id(region, &class),
        zone_name: class,
        zone_state: if up { "available" } else { "unavailable" },
        region_name: region.clone(),
        group_name: region.clone(),
        network_border_group: region.clone(),
        opt_in_status: OPT_IN,
        zone_type: "availability-zone",
        message_set: Set::default(),
    });
    let zones: Vec<Zone> = zones.collect();
    for name in &request.zone_name {
        if !zones.iter().any(|zone| zone.zone_name.as_str() == name) {
            return Err(unknown(name));
        }
    }
    for id in &request.zone_id {
        if !zones.iter().any(|zone| zone.zone_id == *id) {
            return Err(unknown(id));
        }
    }
    let named = |zone: &Zone| {
        let by_name = request.zone_name.iter().any(|name| name == zone.zone_name.as_str());
        let by_id = request.zone_id.contains(&zone.zone_id);
        (request.zone_name.is_empty() && request.zone_id.is_empty()) || by_name || by_id
    };
    let zones = zones.into_iter().filter(|zone| named(zone) && filters.accept(zone));
    Ok(Zones { availability_zone_info: zones.collect() })
}
