//! An instance as EC2 shows it.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use cascina_core::id::{FarmId, ImageId, InstanceId, NetworkId, ReservationId, VolumeId};
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::name::Name;
use cascina_core::state::State;
use cascina_core::tag::Resource;
use cascina_core::volume::AttachmentState;
use serde::Serialize;

use super::metadata::MetadataView;
use super::state::{SHUTTING_DOWN, STOPPED, STOPPING, StateView, TERMINATED, ending};
use crate::action::image::ROOT_DEVICE;
use crate::action::interface::{Group, Interface, Interfaces, private_name, public_name};
use crate::tags::TagSet;
use crate::wire::xml::{Set, Time};

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceView {
    pub instance_id: InstanceId,
    pub image_id: ImageId,
    pub instance_state: StateView,
    pub private_dns_name: String,
    /// The elastic IP itself: this site has no DNS for it.
    pub dns_name: String,
    /// Empty while nobody has stopped or ended it.
    pub reason: String,
    pub key_name: Option<String>,
    pub ami_launch_index: u32,
    product_codes: Set<()>,
    pub instance_type: Name,
    pub launch_time: Time,
    pub placement: Placement,
    monitoring: Monitoring,
    /// Not of one that is over.
    pub subnet_id: Option<String>,
    pub vpc_id: Option<NetworkId>,
    pub private_ip_address: Option<Ipv4Addr>,
    pub ip_address: Option<Ipv4Addr>,
    source_dest_check: bool,
    pub group_set: Set<Group>,
    pub state_reason: Option<StateReason>,
    pub architecture: &'static str,
    pub root_device_type: &'static str,
    pub root_device_name: &'static str,
    pub block_device_mapping: Set<Disk>,
    pub virtualization_type: &'static str,
    pub client_token: String,
    pub tag_set: TagSet,
    pub hypervisor: &'static str,
    pub network_interface_set: Set<Interface>,
    ebs_optimized: bool,
    ena_support: bool,
    cpu_options: CpuOptions,
    capacity_reservation_specification: CapacityReservation,
    hibernation_options: Hibernation,
    metadata_options: MetadataView,
    enclave_options: Enclave,
    maintenance_options: Maintenance,
    platform_details: &'static str,
    usage_operation: &'static str,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Placement {
    pub availability_zone: Name,
    group_name: &'static str,
    pub tenancy: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct Monitoring {
    state: &'static str,
}

#[derive(Debug, Clone, Serialize)]
pub struct StateReason {
    pub code: &'static str,
    pub message: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Disk {
    pub device_name: String,
    pub ebs: Attached,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attached {
    pub volume_id: VolumeId,
    pub status: &'static str,
    pub attach_time: Time,
    pub delete_on_termination: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct CpuOptions {
    core_count: u32,
    threads_per_core: u32,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct CapacityReservation {
    capacity_reservation_preference: &'static str,
}

#[derive(Debug, Clone, Serialize)]
struct Hibernation {
    configured: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Enclave {
    enabled: bool,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct Maintenance {
    auto_recovery: &'static str,
}

/// What views of a farm's instances have in common, found once.
pub struct Farm<'a> {
    state: &'a State,
    ending: BTreeSet<InstanceId>,
    interfaces: Interfaces<'a>,
    /// There is a metadata service.
    metadata: bool,
}

impl<'a> Farm<'a> {
    pub fn of(state: &'a State, farm: FarmId, metadata: bool) -> Farm<'a> {
        Farm { state, ending: ending(state, farm), interfaces: Interfaces::new(state, farm), metadata }
    }

    pub fn view(&self, row: &Instance) -> InstanceView {
        let is = StateView::of(row, &self.ending);
        let live = is != TERMINATED;
        let interface = live.then(|| self.interfaces.of(row));
        let public = interface.as_ref().and_then(|nic| nic.association.as_ref()).map(|held| held.public_ip);
        InstanceView {
            instance_id: row.id,
            image_id: row.image,
            instance_state: is,
            private_dns_name: if live { private_name(row.ip) } else { String::new() },
            dns_name: public.map(public_name).unwrap_or_default(),
            reason: reason(row, is),
            key_name: row.key.as_ref().map(|key| key.name.clone()),
            ami_launch_index: row.launch_index,
            product_codes: Set::default(),
            instance_type: row.flavor.clone(),
            launch_time: Time(row.launched),
            placement: Placement { availability_zone: row.class.clone(), group_name: "", tenancy: "default" },
            monitoring: Monitoring { state: "disabled" },
            subnet_id: interface.as_ref().and_then(|nic| nic.subnet_id).map(|id| id.to_string()),
            vpc_id: interface.as_ref().and_then(|nic| nic.vpc_id),
            private_ip_address: live.then_some(row.ip),
            ip_address: public,
            source_dest_check: true,
            group_set: interface.as_ref().map(|nic| nic.group_set.clone()).unwrap_or_default(),
            state_reason: state_reason(row, is),
            architecture: "x86_64",
            root_device_type: "ebs",
            root_device_name: ROOT_DEVICE,
            block_device_mapping: self.disks(row, live),
            virtualization_type: "hvm",
            client_token: row.client_token.clone().unwrap_or_default(),
            tag_set: TagSet::of(self.state, row.farm, Resource::Instance(row.id)),
            hypervisor: "kvm",
            network_interface_set: interface.into_iter().collect(),
            ebs_optimized: false,
            ena_support: false,
            cpu_options: CpuOptions { core_count: row.size.vcpus.0, threads_per_core: 1 },
            capacity_reservation_specification: CapacityReservation { capacity_reservation_preference: "open" },
            hibernation_options: Hibernation { configured: false },
            metadata_options: MetadataView::new(row.metadata, self.metadata),
            enclave_options: Enclave { enabled: false },
            maintenance_options: Maintenance { auto_recovery: "default" },
            platform_details: "Linux/UNIX",
            usage_operation: "RunInstances",
        }
    }

    fn disks(&self, row: &Instance, live: bool) -> Set<Disk> {
        if !live {
            return Set::default();
        }
        let root = Disk {
            device_name: ROOT_DEVICE.into(),
            ebs: Attached {
                volume_id: VolumeId(row.id.0),
                status: if row.state == InstanceState::Scheduled { "attaching" } else { "attached" },
                attach_time: Time(row.created),
                delete_on_termination: true,
            },
        };
        let volumes = self.state.indexes.volumes_by_instance.of(&row.id);
        let volumes = volumes.filter_map(|id| self.state.rows.volumes.get(&id));
        let held = volumes.filter_map(|volume| volume.attachment.as_ref().map(|held| (volume.id, held)));
        let disks = held.map(|(volume_id, held)| Disk {
            device_name: held.device.clone(),
            ebs: Attached {
                volume_id,
                status: match held.state {
                    AttachmentState::Attaching => "attaching",
                    AttachmentState::Attached => "attached",
                    AttachmentState::Detaching => "detaching",
                },
                attach_time: Time(held.since),
                delete_on_termination: held.delete_on_termination,
            },
        });
        [root].into_iter().chain(disks).collect()
    }
}

fn reason(row: &Instance, is: StateView) -> String {
    if is == STOPPED || is == STOPPING || is == SHUTTING_DOWN || is == TERMINATED {
        format!("User initiated ({})", Time(row.updated))
    } else {
        String::new()
    }
}

fn state_reason(row: &Instance, is: StateView) -> Option<StateReason> {
    let own = |code, message: &str| Some(StateReason { code, message: message.into() });
    match (row.state, &row.note) {
        (InstanceState::Error, note) => own("Server.InternalError", note.as_deref().unwrap_or("internal error")),
        (InstanceState::Terminated, Some(note)) if note != "terminated" => own("Server.InternalError", note),
        (InstanceState::Stopped, Some(note)) if note == "it ended by itself" => {
            own("Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown")
        }
        _ if is == STOPPED || is == STOPPING || is == SHUTTING_DOWN || is == TERMINATED => {
            own("Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown")
        }
        _ => None,
    }
}

/// Instances of one request, as far as they are shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reservation {
    pub reservation_id: ReservationId,
    pub owner_id: String,
    /// Groups are instances', not reservations'.
    group_set: Set<Group>,
    pub instances_set: Set<InstanceView>,
}

impl Reservation {
    pub fn new(reservation_id: ReservationId, owner_id: &str, instances: Vec<InstanceView>) -> Reservation {
        Reservation {
            reservation_id,
            owner_id: owner_id.into(),
            group_set: Set::default(),
            instances_set: instances.into(),
        }
    }
}
