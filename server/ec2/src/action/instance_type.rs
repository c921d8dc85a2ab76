//! Instance types, which are flavors, and where they are offered.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

use cascina_core::flavor::Flavor;
use cascina_core::name::Name;
use cascina_core::units::Size;
use serde::{Deserialize, Serialize};

use crate::call::Call;
use crate::fault::Fault;
use crate::filter::{Columns, Filter, Filters, one, text};
use crate::noun::Noun;
use crate::page;
use crate::wire::xml::Set;

/// What this action takes as `MaxResults`, other than most.
const PAGE: RangeInclusive<u32> = 5..=100;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeInstanceTypes {
    #[serde(default)]
    instance_type: Vec<String>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
    /// Eucalyptus' own: tell how many more there is room for.
    availability: Option<bool>,
    /// Eucalyptus' own; there is no more to tell.
    #[serde(rename = "Verbose")]
    _verbose: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceTypes {
    instance_type_set: Set<InstanceType>,
    /// The same as Eucalyptus has it.
    instance_type_details: Set<Detail>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct InstanceType {
    instance_type: Name,
    current_generation: bool,
    free_tier_eligible: bool,
    supported_usage_classes: Set<&'static str>,
    supported_root_device_types: Set<&'static str>,
    supported_virtualization_types: Set<&'static str>,
    bare_metal: bool,
    hypervisor: &'static str,
    processor_info: ProcessorInfo,
    v_cpu_info: VcpuInfo,
    memory_info: MemoryInfo,
    instance_storage_supported: bool,
    network_info: NetworkInfo,
    hibernation_supported: bool,
    burstable_performance_supported: bool,
    dedicated_hosts_supported: bool,
    auto_recovery_supported: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProcessorInfo {
    supported_architectures: Set<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct VcpuInfo {
    #[serde(rename = "defaultVCpus")]
    default_vcpus: u32,
    default_cores: u32,
    default_threads_per_core: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MemoryInfo {
    #[serde(rename = "sizeInMiB")]
    size_in_mib: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkInfo {
    maximum_network_interfaces: u32,
    ipv4_addresses_per_interface: u32,
    ipv6_supported: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    name: Name,
    cpu: u32,
    /// MiB
    memory: u64,
    /// GiB
    disk: u64,
    network_interfaces: u32,
    availability: Option<Set<Room>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Room {
    zone_name: Name,
    available: u64,
    max: u64,
}

const COLUMNS: Columns<'_, Flavor> = Columns {
    columns: &[
        ("auto-recovery-supported", |_| one("false")),
        ("bare-metal", |_| one("false")),
        ("burstable-performance-supported", |_| one("false")),
        ("current-generation", |row| text(!row.deprecated)),
        ("dedicated-hosts-supported", |_| one("false")),
        ("free-tier-eligible", |_| one("false")),
        ("hibernation-supported", |_| one("false")),
        ("hypervisor", |_| one("kvm")),
        ("instance-storage-supported", |_| one("false")),
        ("instance-type", |row| one(row.name.as_str())),
        ("memory-info.size-in-mib", |row| text(row.size.memory.0)),
        ("processor-info.supported-architecture", |_| one("x86_64")),
        ("supported-root-device-type", |_| one("ebs")),
        ("supported-usage-class", |_| one("on-demand")),
        ("supported-virtualization-type", |_| one("hvm")),
        ("vcpu-info.default-cores", |row| text(row.size.vcpus.0)),
        ("vcpu-info.default-threads-per-core", |_| one("1")),
        ("vcpu-info.default-vcpus", |row| text(row.size.vcpus.0)),
    ],
    tags: None,
};

impl InstanceType {
    fn of(flavor: &Flavor) -> InstanceType {
        let one = |text| [text].into_iter().collect();
        let vcpus = flavor.size.vcpus.0;
        InstanceType {
            instance_type: flavor.name.clone(),
            current_generation: !flavor.deprecated,
            free_tier_eligible: false,
            supported_usage_classes: one("on-demand"),
            supported_root_device_types: one("ebs"),
            supported_virtualization_types: one("hvm"),
            bare_metal: false,
            hypervisor: "kvm",
            processor_info: ProcessorInfo { supported_architectures: one("x86_64") },
            v_cpu_info: VcpuInfo { default_vcpus: vcpus, default_cores: vcpus, default_threads_per_core: 1 },
            memory_info: MemoryInfo { size_in_mib: flavor.size.memory.0 },
            instance_storage_supported: false,
            network_info: NetworkInfo {
                maximum_network_interfaces: 1,
                ipv4_addresses_per_interface: 1,
                ipv6_supported: false,
            },
            hibernation_supported: false,
            burstable_performance_supported: false,
            dedicated_hosts_supported: false,
            auto_recovery_supported: false,
        }
    }
}

pub async fn describe_instance_types(call: Call, request: DescribeInstanceTypes) -> Result<InstanceTypes, Fault> {
    let wanted = &request.instance_type;
    let filters = Filters::new(&request.filter, &COLUMNS)?;
    let page = call.page::<Name>(request.max_results, request.next_token.as_deref(), !wanted.is_empty(), PAGE)?;
    let flavors: Vec<Arc<Flavor>> = call.engine.read(|state| state.rows.flavors.values().cloned().collect());
    let known = |name: &str| flavors.iter().any(|flavor| flavor.name.as_str() == name);
    if let Some(missing) = wanted.iter().find(|name| !known(name)) {
        return Err(Noun::InstanceType.not_found(missing));
    }
    let fits = |flavor: &&Arc<Flavor>| {
        (wanted.is_empty() || wanted.iter().any(|name| name == flavor.name.as_str())) && filters.accept(flavor)
    };
    let (flavors, next_token) = page.cut(flavors.iter().filter(fits).map(|flavor| (flavor.name.clone(), flavor)));
    let hosts = if request.availability == Some(true) { Some(hosts(&call)) } else { None };
    let detail = |flavor: &&Arc<Flavor>| Detail {
        name: flavor.name.clone(),
        cpu: flavor.size.vcpus.0,
        memory: flavor.size.memory.0,
        disk: flavor.size.disk.0,
        network_interfaces: 1,
        availability: hosts.as_ref().map(|hosts| rooms(hosts, flavor.size)),
    };
    Ok(InstanceTypes {
        instance_type_set: flavors.iter().map(|flavor| InstanceType::of(flavor)).collect(),
        instance_type_details: flavors.iter().map(detail).collect(),
        next_token,
    })
}

/// A host that takes guests: its class, what it has, and what of that is free.
type Host = (Name, Size, Size);

fn hosts(call: &Call) -> Vec<Host> {
    call.engine.read(|state| {
        let open = state.rows.hosts.values().filter(|host| host.state.takes_guests());
        let size = |host: &cascina_core::host::Host| host.capacity.saturating_sub(state.used_on(host.id));
        open.map(|host| (host.class.clone(), host.capacity, size(host))).collect()
    })
}

/// How many there is room for in each zone, now and at all. What quotas and policies leave is another matter.
fn rooms(hosts: &[Host], size: Size) -> Set<Room> {
    let mut zones: BTreeMap<&Name, (u64, u64)> = BTreeMap::new();
    for (class, all, free) in hosts {
        let (available, max) = zones.entry(class).or_default();
        *available += times(*free, size);
        *max += times(*all, size);
    }
    let room =
        |(zone_name, (available, max)): (&Name, (u64, u64))| Room { zone_name: zone_name.clone(), available, max };
    zones.into_iter().map(room).collect()
}

/// How many of a size fit.
fn times(room: Size, size: Size) -> u64 {
    let times = |room: u64, size: u64| room.checked_div(size).unwrap_or(u64::MAX);
    times(room.vcpus.0.into(), size.vcpus.0.into())
        .min(times(room.memory.0, size.memory.0))
        .min(times(room.disk.0, size.disk.0))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeInstanceTypeOfferings {
    location_type: Option<LocationType>,
    #[serde(default)]
    filter: Vec<Filter>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum LocationType {
    Region,
    AvailabilityZone,
    AvailabilityZoneId,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Offerings {
    instance_type_offering_set: Set<Offering>,
    next_token: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Offering {
    instance_type: Name,
    location_type: LocationType,
    location: String,
}

const OFFERING: Columns<'_, Offering> = Columns {
    columns: &[("instance-type", |row| one(row.instance_type.as_str())), ("location", |row| one(&row.location))],
    tags: None,
};

pub async fn describe_instance_type_offerings(
    call: Call,
    request: DescribeInstanceTypeOfferings,
) -> Result<Offerings, Fault> {
    let filters = Filters::new(&request.filter, &OFFERING)?;
    let page = call.page::<String>(request.max_results, request.next_token.as_deref(), false, page::USUAL)?;
    let region = &call.settings.region;
    let location_type = request.location_type.unwrap_or(LocationType::Region);
    let (flavors, classes): (Vec<Name>, Vec<Name>) = call.engine.read(|state| {
        let flavors = state.rows.flavors.values().filter(|flavor| !flavor.deprecated);
        (flavors.map(|flavor| flavor.name.clone()).collect(), state.rows.classes.keys().cloned().collect())
    });
    let locations: Vec<String> = match location_type {
        LocationType::Region => vec![region.clone()],
        LocationType::AvailabilityZone => classes.iter().map(Name::to_string).collect(),
        LocationType::AvailabilityZoneId => classes.iter().map(|class| super::region::zone_id(region, class)).collect(),
    };
    let mut rows = Vec::new();
    for instance_type in &flavors {
        for location in &locations {
            let (instance_type, location) = (instance_type.clone(), location.clone());
            let row = Offering { instance_type, location_type, location };
            if filters.accept(&row) {
                // Neither may hold a space, so that this sorts by type, then by place.
                rows.push((format!("{} {}", row.instance_type, row.location), row));
            }
        }
    }
    rows.sort_by(|(a, _), (b, _)| a.cmp(b));
    let (rows, next_token) = page.cut(rows);
    Ok(Offerings { instance_type_offering_set: rows.into(), next_token })
}
