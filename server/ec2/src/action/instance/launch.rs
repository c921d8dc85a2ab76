//! What clients say at launch.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::mapping::Mapping;
use super::metadata::MetadataRequest;
use crate::code::Code;
use crate::fault::Fault;
use crate::tags::TagSpecification;
use crate::wire::Blob;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct RunInstances {
    pub image_id: String,
    pub min_count: i64,
    pub max_count: i64,
    pub instance_type: Option<String>,
    pub key_name: Option<String>,
    #[serde(default)]
    pub security_group: Vec<String>,
    #[serde(default)]
    pub security_group_id: Vec<String>,
    pub user_data: Option<Blob>,
    pub placement: Option<Placement>,
    #[serde(default)]
    pub block_device_mapping: Vec<Mapping>,
    pub client_token: Option<String>,
    pub disable_api_termination: Option<bool>,
    pub disable_api_stop: Option<bool>,
    pub instance_initiated_shutdown_behavior: Option<ShutdownBehavior>,
    pub subnet_id: Option<String>,
    #[serde(default)]
    pub network_interface: Vec<NetworkInterface>,
    #[serde(default)]
    pub tag_specification: Vec<TagSpecification>,
    #[serde(default)]
    pub metadata_options: MetadataRequest,
    private_ip_address: Option<String>,
    monitoring: Option<Switch>,
    ebs_optimized: Option<bool>,
    kernel_id: Option<String>,
    ramdisk_id: Option<String>,
    hibernation_options: Option<Configured>,
    enclave_options: Option<Switch>,
    iam_instance_profile: Option<IgnoredAny>,
    instance_market_options: Option<IgnoredAny>,
    launch_template: Option<IgnoredAny>,
    // What follows tunes things that are not here, or asks for what is anyway.
    #[serde(rename = "AdditionalInfo")]
    _additional_info: Option<IgnoredAny>,
    #[serde(rename = "AddressingType")]
    _addressing_type: Option<IgnoredAny>,
    #[serde(rename = "CapacityReservationSpecification")]
    _capacity_reservation_specification: Option<IgnoredAny>,
    #[serde(rename = "CpuOptions")]
    _cpu_options: Option<IgnoredAny>,
    #[serde(rename = "CreditSpecification")]
    _credit_specification: Option<IgnoredAny>,
    #[serde(rename = "MaintenanceOptions")]
    _maintenance_options: Option<IgnoredAny>,
    #[serde(rename = "PrivateDnsNameOptions")]
    _private_dns_name_options: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Placement {
    pub availability_zone: Option<String>,
    group_name: Option<String>,
    tenancy: Option<String>,
    host_id: Option<String>,
    #[serde(rename = "Affinity")]
    _affinity: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ShutdownBehavior {
    Stop,
    Terminate,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Switch {
    enabled: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Configured {
    configured: Option<bool>,
}

/// The one that every instance has, described at length.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkInterface {
    device_index: Option<i64>,
    pub subnet_id: Option<String>,
    #[serde(default)]
    security_group_id: Vec<String>,
    private_ip_address: Option<String>,
    network_interface_id: Option<String>,
    associate_public_ip_address: Option<bool>,
    delete_on_termination: Option<bool>,
    #[serde(rename = "Description")]
    _description: Option<String>,
    #[serde(rename = "NetworkCardIndex")]
    _network_card_index: Option<i64>,
    interface_type: Option<String>,
}

impl NetworkInterface {
    pub fn groups(&self) -> &[String] {
        &self.security_group_id
    }

    fn refuse_what_is_not_here(&self) -> Result<(), Fault> {
        if self.device_index.unwrap_or(0) != 0 {
            return Err(Fault::invalid("NetworkInterface.DeviceIndex", "", "Instances here have one interface, 0"));
        }
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let unsupported = [
            ("NetworkInterface.NetworkInterfaceId", given(&self.network_interface_id)),
            ("NetworkInterface.PrivateIpAddress", given(&self.private_ip_address)),
            ("NetworkInterface.InterfaceType", self.interface_type.as_ref().is_some_and(|kind| kind != "interface")),
            ("NetworkInterface.DeleteOnTermination=false", self.delete_on_termination == Some(false)),
            (
                "NetworkInterface.AssociatePublicIpAddress (allocate an elastic IP and associate it)",
                self.associate_public_ip_address == Some(true),
            ),
        ];
        refuse(&unsupported)
    }
}

fn refuse(unsupported: &[(&str, bool)]) -> Result<(), Fault> {
    match unsupported.iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(Code::UnsupportedOperation.fault(format!("{what} is not supported here."))),
        None => Ok(()),
    }
}

impl RunInstances {
    /// Whatever would be expected to make a difference and would make none.
    pub fn refuse_what_is_not_here(&self) -> Result<(), Fault> {
        let given = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let on = |switch: &Option<Switch>| switch.as_ref().and_then(|switch| switch.enabled) == Some(true);
        let placement = self.placement.as_ref();
        refuse(&[
            ("PrivateIpAddress", given(&self.private_ip_address)),
            ("Monitoring.Enabled", on(&self.monitoring)),
            ("EbsOptimized", self.ebs_optimized == Some(true)),
            ("KernelId", given(&self.kernel_id)),
            ("RamdiskId", given(&self.ramdisk_id)),
            ("EnclaveOptions.Enabled", on(&self.enclave_options)),
            ("IamInstanceProfile", self.iam_instance_profile.is_some()),
            ("InstanceMarketOptions", self.instance_market_options.is_some()),
            ("LaunchTemplate", self.launch_template.is_some()),
            ("Placement.GroupName", placement.is_some_and(|placement| given(&placement.group_name))),
            ("Placement.HostId", placement.is_some_and(|placement| given(&placement.host_id))),
            (
                "Placement.Tenancy other than default",
                placement
                    .and_then(|placement| placement.tenancy.as_deref())
                    .is_some_and(|t| t != "default" && !t.is_empty()),
            ),
        ])?;
        if self.hibernation_options.as_ref().and_then(|options| options.configured) == Some(true) {
            return Err(Code::UnsupportedHibernationConfiguration.fault("Instances cannot hibernate here."));
        }
        if !self.network_interface.is_empty()
            && (self.subnet_id.is_some() || !self.security_group.is_empty() || !self.security_group_id.is_empty())
        {
            let text = "Network interfaces and an instance-level subnet ID or security groups may not be specified on \
                        the same request";
            return Err(Code::InvalidParameterCombination.fault(text));
        }
        if self.network_interface.len() > 1 {
            return Err(Code::UnsupportedOperation.fault("More than one network interface is not supported here."));
        }
        self.network_interface.iter().try_for_each(NetworkInterface::refuse_what_is_not_here)
    }
}

/// User-data as it was before base64, if it is not too long.
pub fn user_data(blob: &Blob, most: usize) -> Result<Vec<u8>, Fault> {
    let bytes =
        blob.decode().ok_or_else(|| Code::InvalidParameterValue.fault("Invalid BASE64 encoding of user data."))?;
    if bytes.len() > most {
        return Err(Code::InvalidParameterValue.fault(format!("User data is limited to {most} bytes")));
    }
    Ok(bytes)
}
