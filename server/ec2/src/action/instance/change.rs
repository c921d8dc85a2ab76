//! Changes attributes of an instance.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascina_core::command::Command;
use cascina_core::id::VolumeId;
use cascina_core::launch::{InstanceChange, OnShutdown};
use cascina_core::metadata::MetadataChange;
use cascina_core::state::State;
use serde::Deserialize;

use super::attribute::{ATTRIBUTES, one_only};
use super::launch::{ShutdownBehavior, user_data};
use super::{find, id};
use crate::action::image::ROOT_DEVICE;
use crate::action::security_group;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::wire::Blob;
use crate::wire::xml::Done;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ModifyInstanceAttribute {
    instance_id: String,
    /// The older way: a name and its value.
    attribute: Option<String>,
    value: Option<String>,
    disable_api_termination: Option<Given<bool>>,
    disable_api_stop: Option<Given<bool>>,
    instance_initiated_shutdown_behavior: Option<Given<ShutdownBehavior>>,
    instance_type: Option<Given<String>>,
    user_data: Option<GivenBlob>,
    #[serde(default)]
    group_id: Vec<String>,
    #[serde(default)]
    block_device_mapping: Vec<Mapping>,
    source_dest_check: Option<Given<bool>>,
    ebs_optimized: Option<Given<bool>>,
    kernel: Option<Given<String>>,
    ramdisk: Option<Given<String>>,
    sriov_net_support: Option<Given<String>>,
    ena_support: Option<Given<bool>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Given<T> {
    value: T,
}

/// Without a value it takes the user-data away.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GivenBlob {
    value: Option<Blob>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Mapping {
    device_name: String,
    ebs: Option<Ebs>,
    no_device: Option<String>,
    virtual_name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Ebs {
    volume_id: Option<String>,
    delete_on_termination: Option<bool>,
}

pub async fn modify_instance_attribute(call: Call, request: ModifyInstanceAttribute) -> Result<Done, Fault> {
    let request = request.structured()?;
    request.refuse_what_is_not_here()?;
    let id = id(&request.instance_id)?;
    let change = call.engine.read(|state| {
        find(state, call.farm, id)?;
        request.change(state, &call)
    })?;
    if change == InstanceChange::default() {
        // What was said is so already.
        return if call.dry_run { Err(Fault::dry_run()) } else { Ok(Done::TRUE) };
    }
    call.submit(Command::SetInstance { instance: id, change }, Code::IncorrectInstanceState).await?;
    Ok(Done::TRUE)
}

impl ModifyInstanceAttribute {
    fn count(&self) -> usize {
        let given = [
            self.disable_api_termination.is_some(),
            self.disable_api_stop.is_some(),
            self.instance_initiated_shutdown_behavior.is_some(),
            self.instance_type.is_some(),
            self.user_data.is_some(),
            !self.group_id.is_empty(),
            !self.block_device_mapping.is_empty(),
            self.source_dest_check.is_some(),
            self.ebs_optimized.is_some(),
            self.kernel.is_some(),
            self.ramdisk.is_some(),
            self.sriov_net_support.is_some(),
            self.ena_support.is_some(),
        ];
        given.into_iter().filter(|given| *given).count()
    }

    /// The older way, put into the newer.
    fn structured(mut self) -> Result<ModifyInstanceAttribute, Fault> {
        let Some(name) = self.attribute.take() else {
            if self.value.is_some() {
                return Err(Code::InvalidParameterCombination.fault("A value was given without an attribute."));
            }
            one_only(self.count())?;
            return Ok(self);
        };
        if !ATTRIBUTES.contains(&name.as_str()) {
            return Err(Fault::invalid("attribute", &name, "Unknown attribute."));
        }
        // These come beside their name.
        if self.count() > 0 {
            let own = match name.as_str() {
                "groupSet" => !self.group_id.is_empty(),
                "blockDeviceMapping" => !self.block_device_mapping.is_empty(),
                _ => false,
            };
            if !own || self.count() > 1 || self.value.is_some() {
                return Err(Code::InvalidParameterCombination.fault("Fields for multiple attribute types specified."));
            }
            return Ok(self);
        }
        let value = self.value.take().ok_or_else(|| Fault::missing("value"))?;
        let truth = |value: &str| match value.to_ascii_lowercase().as_str() {
            "true" | "1" => Ok(Some(Given { value: true })),
            "false" | "0" => Ok(Some(Given { value: false })),
            _ => Err(Fault::invalid("value", value, "It should be true or false")),
        };
        match name.as_str() {
            "disableApiTermination" => self.disable_api_termination = truth(&value)?,
            "disableApiStop" => self.disable_api_stop = truth(&value)?,
            "sourceDestCheck" => self.source_dest_check = truth(&value)?,
            "ebsOptimized" => self.ebs_optimized = truth(&value)?,
            "enaSupport" => self.ena_support = truth(&value)?,
            "instanceInitiatedShutdownBehavior" => {
                let value = match value.as_str() {
                    "stop" => ShutdownBehavior::Stop,
                    "terminate" => ShutdownBehavior::Terminate,
                    _ => return Err(Fault::invalid("value", &value, "It should be stop or terminate")),
                };
                self.instance_initiated_shutdown_behavior = Some(Given { value });
            }
            "instanceType" => self.instance_type = Some(Given { value }),
            "userData" => self.user_data = Some(GivenBlob { value: Some(Blob::from(value)) }),
            "kernel" => self.kernel = Some(Given { value }),
            "ramdisk" => self.ramdisk = Some(Given { value }),
            "sriovNetSupport" => self.sriov_net_support = Some(Given { value }),
            _ => return Err(Fault::invalid("attribute", &name, "It cannot be changed.")),
        }
        Ok(self)
    }

    fn refuse_what_is_not_here(&self) -> Result<(), Fault> {
        let is = |given: &Option<Given<bool>>, value: bool| given.as_ref().is_some_and(|given| given.value == value);
        let text = |given: &Option<Given<String>>| given.as_ref().is_some_and(|given| !given.value.is_empty());
        let unsupported = [
            ("sourceDestCheck=false", is(&self.source_dest_check, false)),
            ("ebsOptimized", is(&self.ebs_optimized, true)),
            ("kernel", text(&self.kernel)),
            ("ramdisk", text(&self.ramdisk)),
            ("sriovNetSupport", text(&self.sriov_net_support)),
            ("enaSupport", is(&self.ena_support, true)),
        ];
        match unsupported.iter().find(|(_, asked)| *asked) {
            Some((what, _)) => Err(Code::UnsupportedOperation.fault(format!("{what} is not supported here."))),
            None => Ok(()),
        }
    }

    fn change(&self, state: &State, call: &Call) -> Result<InstanceChange, Fault> {
        let groups = match self.group_id.is_empty() {
            true => None,
            false => {
                let groups = self.group_id.iter().map(|text| Ok(security_group::by_id(state, call.farm, text)?.id));
                Some(groups.collect::<Result<Vec<_>, Fault>>()?)
            }
        };
        let user_data = match &self.user_data {
            None => None,
            Some(GivenBlob { value: None }) => Some(Arc::default()),
            Some(GivenBlob { value: Some(blob) }) => Some(user_data(blob, call.settings.user_data)?.into()),
        };
        let flavor = match &self.instance_type {
            None => None,
            Some(given) => Some(super::run::flavor(state, &given.value)?),
        };
        Ok(InstanceChange {
            groups,
            user_data,
            flavor,
            terminate_protected: self.disable_api_termination.as_ref().map(|given| given.value),
            stop_protected: self.disable_api_stop.as_ref().map(|given| given.value),
            on_shutdown: self.instance_initiated_shutdown_behavior.as_ref().map(|given| match given.value {
                ShutdownBehavior::Stop => OnShutdown::Stop,
                ShutdownBehavior::Terminate => OnShutdown::Terminate,
            }),
            metadata: MetadataChange::default(),
            delete_on_termination: self.delete_on_termination(state)?,
        })
    }

    /// By device; a volume's id, where there is one, must be that of the device.
    fn delete_on_termination(&self, state: &State) -> Result<BTreeMap<String, bool>, Fault> {
        let mut changes = BTreeMap::new();
        for mapping in &self.block_device_mapping {
            if mapping.no_device.is_some() || mapping.virtual_name.is_some() {
                return Err(Code::UnsupportedOperation.fault("Only deleteOnTermination of a mapping can be changed."));
            }
            let Some(ends) = mapping.ebs.as_ref().and_then(|ebs| ebs.delete_on_termination) else { continue };
            if mapping.device_name == ROOT_DEVICE {
                if ends {
                    continue;
                }
                let text = "A root volume ends with its instance here; make a snapshot or an image of it instead.";
                return Err(Code::UnsupportedOperation.fault(text));
            }
            if let Some(text) = mapping.ebs.as_ref().and_then(|ebs| ebs.volume_id.as_deref()) {
                let volume = text.parse::<VolumeId>().ok().and_then(|id| state.rows.volumes.get(&id));
                let device = volume.and_then(|row| row.attachment.as_ref()).map(|held| held.device.as_str());
                if device != Some(&mapping.device_name) {
                    return Err(crate::noun::Noun::Volume.not_found(text));
                }
            }
            changes.insert(mapping.device_name.clone(), ends);
        }
        Ok(changes)
    }
}
