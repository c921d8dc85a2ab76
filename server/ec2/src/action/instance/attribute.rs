//! One attribute of an instance at a time.

use cascina_core::id::InstanceId;
use cascina_core::launch::OnShutdown;
use cascina_core::name::Name;
use serde::{Deserialize, Serialize};

use super::view::{Disk, Farm};
use super::{find, id};
use crate::action::image::ROOT_DEVICE;
use crate::action::interface::Group;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::wire::Blob;
use crate::wire::xml::{Done, Set, Value};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DescribeInstanceAttribute {
    instance_id: String,
    attribute: String,
}

/// Exactly one beside the id. What has no value is an empty element.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attribute {
    instance_id: String,
    instance_type: Option<Value<Name>>,
    kernel: Option<Nothing>,
    ramdisk: Option<Nothing>,
    user_data: Option<UserData>,
    disable_api_termination: Option<Value<bool>>,
    disable_api_stop: Option<Value<bool>>,
    instance_initiated_shutdown_behavior: Option<Value<&'static str>>,
    root_device_name: Option<Value<&'static str>>,
    block_device_mapping: Option<Set<Disk>>,
    product_codes: Option<Set<()>>,
    source_dest_check: Option<Value<bool>>,
    group_set: Option<Set<Group>>,
    ebs_optimized: Option<Value<bool>>,
    sriov_net_support: Option<Nothing>,
    ena_support: Option<Value<bool>>,
    enclave_options: Option<Enabled>,
}

#[derive(Debug, Serialize)]
struct Nothing {}

#[derive(Debug, Serialize)]
struct UserData {
    value: Option<String>,
}

#[derive(Debug, Serialize)]
struct Enabled {
    enabled: bool,
}

pub async fn describe_instance_attribute(call: Call, request: DescribeInstanceAttribute) -> Result<Attribute, Fault> {
    let name = request.attribute.as_str();
    let mut answer = Attribute { instance_id: request.instance_id.clone(), ..Attribute::default() };
    let no_such = || Fault::invalid("attribute", name, "Unknown attribute.");
    // What it is comes before whose.
    if !ATTRIBUTES.contains(&name) {
        return Err(no_such());
    }
    let id = id(&request.instance_id)?;
    call.engine.read(|state| {
        let row = find(state, call.farm, id)?;
        let view = Farm::of(state, call.farm, call.settings.metadata).view(row);
        match name {
            "instanceType" => answer.instance_type = Some(Value { value: row.flavor.clone() }),
            "kernel" => answer.kernel = Some(Nothing {}),
            "ramdisk" => answer.ramdisk = Some(Nothing {}),
            "userData" => {
                let bytes = state.rows.user_data.get(&id).map(|row| Blob::encode(&row.bytes.0));
                answer.user_data = Some(UserData { value: bytes });
            }
            "disableApiTermination" => answer.disable_api_termination = Some(Value { value: row.terminate_protected }),
            "disableApiStop" => answer.disable_api_stop = Some(Value { value: row.stop_protected }),
            "instanceInitiatedShutdownBehavior" => {
                let value = match row.on_shutdown {
                    OnShutdown::Stop => "stop",
                    OnShutdown::Terminate => "terminate",
                };
                answer.instance_initiated_shutdown_behavior = Some(Value { value });
            }
            "rootDeviceName" => answer.root_device_name = Some(Value { value: ROOT_DEVICE }),
            "blockDeviceMapping" => answer.block_device_mapping = Some(view.block_device_mapping),
            "productCodes" => answer.product_codes = Some(Set::default()),
            "sourceDestCheck" => answer.source_dest_check = Some(Value { value: true }),
            "groupSet" => answer.group_set = Some(view.group_set),
            "ebsOptimized" => answer.ebs_optimized = Some(Value { value: false }),
            "sriovNetSupport" => answer.sriov_net_support = Some(Nothing {}),
            "enaSupport" => answer.ena_support = Some(Value { value: false }),
            "enclaveOptions" => answer.enclave_options = Some(Enabled { enabled: false }),
            _ => return Err(no_such()),
        }
        Ok(())
    })?;
    Ok(answer)
}

pub const ATTRIBUTES: [&str; 16] = [
    "instanceType",
    "kernel",
    "ramdisk",
    "userData",
    "disableApiTermination",
    "disableApiStop",
    "instanceInitiatedShutdownBehavior",
    "rootDeviceName",
    "blockDeviceMapping",
    "productCodes",
    "sourceDestCheck",
    "groupSet",
    "ebsOptimized",
    "sriovNetSupport",
    "enaSupport",
    "enclaveOptions",
];

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ResetInstanceAttribute {
    instance_id: String,
    attribute: String,
}

/// Those that can be reset are always as they were at first.
pub async fn reset_instance_attribute(call: Call, request: ResetInstanceAttribute) -> Result<Done, Fault> {
    if !["kernel", "ramdisk", "sourceDestCheck"].contains(&request.attribute.as_str()) {
        return Err(Fault::invalid("attribute", &request.attribute, "It can be kernel, ramdisk or sourceDestCheck"));
    }
    let id = id(&request.instance_id)?;
    call.engine.read(|state| find(state, call.farm, id).map(|_| ()))?;
    Ok(Done::TRUE)
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MonitorInstances {
    #[serde(default)]
    instance_id: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Monitored {
    instances_set: Set<MonitoredInstance>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct MonitoredInstance {
    instance_id: InstanceId,
    monitoring: State,
}

#[derive(Debug, Serialize)]
struct State {
    state: &'static str,
}

/// Nothing is monitored in detail, so this is always so.
pub async fn unmonitor_instances(call: Call, request: MonitorInstances) -> Result<Monitored, Fault> {
    let ids = super::ids(&request.instance_id)?;
    if ids.is_empty() {
        return Err(Fault::missing("InstanceId"));
    }
    call.engine.read(|state| ids.iter().try_for_each(|id| find(state, call.farm, *id).map(|_| ())))?;
    let disabled = |instance_id| MonitoredInstance { instance_id, monitoring: State { state: "disabled" } };
    Ok(Monitored { instances_set: ids.into_iter().map(disabled).collect() })
}

/// Of two ways to say the same, which one a request takes.
pub fn one_only(count: usize) -> Result<(), Fault> {
    match count {
        0 => Err(Code::InvalidParameterCombination.fault("No attributes specified.")),
        1 => Ok(()),
        _ => Err(Code::InvalidParameterCombination.fault("Fields for multiple attribute types specified.")),
    }
}
