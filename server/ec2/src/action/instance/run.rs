//! Launches instances.

use std::sync::Arc;

use cascina_core::command::{Command, NewInstances};
use cascina_core::id::{InstanceId, KeyPairId, SecurityGroupId};
use cascina_core::image::{Image, ImageState};
use cascina_core::launch::{Launch, OnShutdown};
use cascina_core::metadata::MetadataOptions;
use cascina_core::name::Name;
use cascina_core::state::State;

use super::launch::{NetworkInterface, RunInstances, ShutdownBehavior};
use super::mapping;
use super::view::{Farm, Reservation};
use crate::action::{image, security_group, vpc};
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::noun::Noun;
use crate::tags;

/// What Amazon takes when a client names no type.
const TYPE: &str = "m1.small";

pub async fn run_instances(call: Call, request: RunInstances) -> Result<Reservation, Fault> {
    request.refuse_what_is_not_here()?;
    let user_data = user_data(&call, &request)?;
    let metadata = MetadataOptions::default().with(&request.metadata_options.change(&call.settings)?);
    // Interfaces come with their instance, and their tags are as good as never asked for.
    let [tags, volume_tags, interface_tags] =
        tags::specified(&request.tag_specification, ["instance", "volume", "network-interface"])?;
    if !interface_tags.is_empty() {
        return Err(Code::UnsupportedOperation.fault("Tags for network interfaces at launch are not supported here."));
    }
    let (min, max) = counts(&request)?;
    let asked = call.engine.read(|state| {
        let image = runnable(state, &call, &request.image_id)?;
        let disks = mapping::read(&request.block_device_mapping, image)?;
        Ok::<_, Fault>(NewInstances {
            name: None,
            flavor: flavor(state, request.instance_type.as_deref().unwrap_or(TYPE))?,
            image: image.id.to_string(),
            class: zone(state, &call, &request)?,
            min_count: min,
            max_count: max,
            host: None,
            launch: Launch {
                groups: groups(state, &call, &request)?,
                key: key(state, &call, request.key_name.as_deref())?,
                user_data,
                root_disk: disks.root,
                volumes: disks.volumes,
                terminate_protected: request.disable_api_termination == Some(true),
                stop_protected: request.disable_api_stop == Some(true),
                on_shutdown: match request.instance_initiated_shutdown_behavior {
                    Some(ShutdownBehavior::Terminate) => OnShutdown::Terminate,
                    Some(ShutdownBehavior::Stop) | None => OnShutdown::Stop,
                },
                metadata,
                tags,
                volume_tags,
                client_token: request.client_token.clone(),
            },
        })
    })?;
    let command = Command::RunInstances { farm: call.farm, ask: asked };
    let submitted = call.submit_once(command.clone(), Code::IncorrectState, request.client_token.as_deref()).await;
    let outcome = match submitted {
        Ok(outcome) => outcome,
        Err(fault) => return Err(with_grants(&call, &command, fault).await),
    };
    Ok(reservation(&call, &outcome.instances))
}

/// A refusal, with what would be granted now if anything would.
async fn with_grants(call: &Call, command: &Command, fault: Fault) -> Fault {
    let about = [
        Code::UnauthorizedOperation,
        Code::InsufficientInstanceCapacity,
        Code::InstanceLimitExceeded,
        Code::VcpuLimitExceeded,
    ];
    if call.dry_run || !about.contains(&fault.code) {
        return fault;
    }
    // The refusal is what was asked about; without an answer to this it stands alone.
    let grants = call.engine.nearest(&call.who, command).await.unwrap_or_default();
    let texts: Vec<String> = grants.into_iter().map(|grant| grant.text).collect();
    if texts.is_empty() {
        return fault;
    }
    let end = if fault.message.ends_with('.') { "" } else { "." };
    fault.code.fault(format!("{}{end} Would be granted: {}.", fault.message, texts.join("; ")))
}

/// As they are now, which need not be the first time that a client asks.
fn reservation(call: &Call, instances: &[InstanceId]) -> Reservation {
    call.engine.read(|state| {
        let farm = Farm::of(state, call.farm, call.settings.metadata);
        let rows = instances.iter().filter_map(|id| state.rows.instances.get(id));
        let id = rows.clone().next().map(|row| row.reservation).unwrap_or_default();
        Reservation::new(id, &call.account, rows.map(|row| farm.view(row)).collect())
    })
}

fn counts(request: &RunInstances) -> Result<(u32, u32), Fault> {
    let (min, max) = (request.min_count, request.max_count);
    let count = |name: &str, value: i64| match u32::try_from(value) {
        Ok(count) if count >= 1 => Ok(count),
        _ => Err(Fault::invalid(name, &value.to_string(), "It should be at least 1")),
    };
    let (least, most) = (count("MinCount", min)?, count("MaxCount", max)?);
    if least > most {
        return Err(Fault::invalid("MinCount", &min.to_string(), "It should be at most MaxCount"));
    }
    Ok((least, most))
}

fn user_data(call: &Call, request: &RunInstances) -> Result<Option<Arc<[u8]>>, Fault> {
    let Some(blob) = &request.user_data else { return Ok(None) };
    let bytes = super::launch::user_data(blob, call.settings.user_data)?;
    Ok(Some(bytes).filter(|bytes| !bytes.is_empty()).map(Into::into))
}

/// An image that instances can be run from.
fn runnable<'a>(state: &'a State, call: &Call, text: &str) -> Result<&'a Image, Fault> {
    let id = image::id(text)?;
    match image::find(state, call, id)? {
        row if row.state == ImageState::Available => Ok(row),
        row => Err(Code::InvalidAmiIdUnavailable.fault(format!("The image ID '{}' is not available", row.id))),
    }
}

pub fn flavor(state: &State, text: &str) -> Result<Name, Fault> {
    let name = text.parse::<Name>().ok().filter(|name| state.rows.flavors.get(name).is_some_and(|row| !row.deprecated));
    name.ok_or_else(|| {
        let known: Vec<_> = state.rows.flavors.values().filter(|row| !row.deprecated).collect();
        let known: Vec<_> = known.iter().map(|row| row.name.as_str()).collect();
        let text =
            format!("Invalid value '{}' for InstanceType. Types here: {}.", crate::wire::short(text), known.join(", "));
        Code::InvalidParameterValue.fault(text)
    })
}

fn key(state: &State, call: &Call, name: Option<&str>) -> Result<Option<KeyPairId>, Fault> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    let id = state.indexes.key_pair_names.get(&(call.farm, name.to_owned()));
    id.copied().map(Some).ok_or_else(|| Noun::KeyPair.not_found(name))
}

/// By name and by id, of the request or of its one interface.
fn groups(state: &State, call: &Call, request: &RunInstances) -> Result<Vec<SecurityGroupId>, Fault> {
    let of_interface = request.network_interface.first().map_or(&[][..], NetworkInterface::groups);
    let mut groups = Vec::new();
    for name in &request.security_group {
        groups.push(security_group::by_name(state, call.farm, name)?.id);
    }
    for text in request.security_group_id.iter().chain(of_interface) {
        groups.push(security_group::by_id(state, call.farm, text)?.id);
    }
    Ok(groups)
}

/// Named by itself or through a subnet; None leaves it to the site.
fn zone(state: &State, call: &Call, request: &RunInstances) -> Result<Option<Name>, Fault> {
    let of_interface = request.network_interface.first().and_then(|interface| interface.subnet_id.as_deref());
    let named = request.placement.as_ref().and_then(|placement| placement.availability_zone.as_deref());
    // An empty one is what some clients send for none.
    let named = match named.filter(|zone| !zone.is_empty()) {
        None => None,
        Some(zone) => {
            let class = zone.parse::<Name>().ok().filter(|class| state.rows.classes.contains_key(class));
            Some(class.ok_or_else(|| Fault::invalid("AvailabilityZone", zone, "It is not a zone of this region"))?)
        }
    };
    let Some(subnet) = request.subnet_id.as_deref().or(of_interface).filter(|id| !id.is_empty()) else {
        return Ok(named);
    };
    let class = subnet.parse().ok().and_then(|id| vpc::zone_of(state, call.farm, id));
    let class = class.ok_or_else(|| Noun::Subnet.not_found(subnet))?;
    match named {
        Some(named) if named != class => {
            let text =
                format!("The availability zone '{named}' does not match the zone of subnet {subnet}, which is {class}");
            Err(Code::InvalidParameterValue.fault(text))
        }
        _ => Ok(Some(class)),
    }
}
