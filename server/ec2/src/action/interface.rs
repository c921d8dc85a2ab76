//! Network interfaces: every instance has one, and so has the farm's router.

mod describe;
mod modify;

use std::collections::HashMap;
use std::net::Ipv4Addr;

use cascina_core::address::{ElasticIp, Target};
use cascina_core::id::{AddressId, FarmId, InstanceId, NetworkId, RouterId, SecurityGroupId};
use cascina_core::instance::{Instance, InstanceState};
use cascina_core::name::Name;
use cascina_core::network::{Mac, VRouter};
use cascina_core::state::State;
use cascina_core::tag::{InterfaceNumber, Resource};
use cascina_core::units::Timestamp;
use serde::Serialize;

use super::address::AssociationId;
use super::vpc::{network_of, subnet_of, vpc_of};
use crate::account;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::tags::TagSet;
use crate::wire::xml::{Set, Time};

pub use describe::{describe_network_interface_attribute, describe_network_interfaces};
pub use modify::modify_network_interface_attribute;

/// Who has interfaces in a farm that are not the farm's own to change.
const REQUESTER: &str = "cascina";

/// An interface as DescribeNetworkInterfaces has it, and DescribeInstances within instances.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    pub network_interface_id: Resource,
    pub subnet_id: Option<Resource>,
    pub vpc_id: Option<NetworkId>,
    pub availability_zone: Name,
    /// Where the region is known, by which zones have their ids.
    pub availability_zone_id: Option<String>,
    pub description: &'static str,
    pub owner_id: String,
    pub requester_id: Option<&'static str>,
    pub requester_managed: bool,
    pub status: &'static str,
    pub mac_address: Mac,
    pub private_ip_address: Ipv4Addr,
    pub private_dns_name: String,
    pub source_dest_check: bool,
    pub group_set: Set<Group>,
    pub attachment: Attachment,
    pub association: Option<Association>,
    pub private_ip_addresses_set: Set<PrivateAddress>,
    pub ipv6_addresses_set: Set<()>,
    pub tag_set: TagSet,
    pub interface_type: &'static str,
}

/// A security group where only its id and name are told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    pub group_id: SecurityGroupId,
    pub group_name: String,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    pub attachment_id: String,
    /// None: the router, which is no instance.
    pub instance_id: Option<InstanceId>,
    pub instance_owner_id: String,
    pub device_index: u32,
    pub network_card_index: u32,
    pub status: &'static str,
    pub attach_time: Time,
    pub delete_on_termination: bool,
}

/// The elastic IP that leads to an interface.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Association {
    pub public_ip: Ipv4Addr,
    pub public_dns_name: String,
    pub ip_owner_id: String,
    pub allocation_id: AddressId,
    pub association_id: AssociationId,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivateAddress {
    pub private_ip_address: Ipv4Addr,
    pub private_dns_name: String,
    pub primary: bool,
    pub association: Option<Association>,
}

/// The name that goes with a private address. No server knows it, but clients want one.
pub fn private_name(ip: Ipv4Addr) -> String {
    let [a, b, c, d] = ip.octets();
    format!("ip-{a}-{b}-{c}-{d}.internal")
}

/// The name that goes with a public address: as no server would know one, the address, which works
/// wherever a name does.
pub fn public_name(ip: Ipv4Addr) -> String {
    ip.to_string()
}

impl Group {
    /// The groups of an instance.
    pub fn of(state: &State, instance: &Instance) -> Set<Group> {
        let rows = instance.groups.iter().filter_map(|id| state.rows.security_groups.get(id));
        rows.map(|row| Group { group_id: row.id, group_name: row.name.clone() }).collect()
    }
}

impl Association {
    fn new(address: &ElasticIp) -> Association {
        Association {
            public_ip: address.ip,
            public_dns_name: public_name(address.ip),
            ip_owner_id: account::of(address.farm),
            allocation_id: address.id,
            association_id: AssociationId(address.id),
        }
    }
}

/// What interfaces of a farm have in common, looked up once for many.
pub struct Interfaces<'s> {
    state: &'s State,
    farm: FarmId,
    account: String,
    associations: HashMap<Target, Association>,
}

impl<'s> Interfaces<'s> {
    pub fn new(state: &'s State, farm: FarmId) -> Interfaces<'s> {
        let rows = state.indexes.addresses_by_farm.of(&farm).filter_map(|id| state.rows.addresses.get(&id));
        let associations = rows.filter_map(|row| Some((row.target()?, Association::new(row))));
        Interfaces { state, farm, account: account::of(farm), associations: associations.collect() }
    }

    /// Those that are there, the router's among them. An instance that is over has none.
    pub fn all(&self) -> Vec<Interface> {
        let routers = self.state.indexes.routers_by_farm.of(&self.farm);
        let routers = routers.filter_map(|id| self.state.rows.routers.get(&id)).filter_map(|row| self.of_router(row));
        let instances = self.state.indexes.instances_by_farm.with(&self.farm);
        routers.chain(instances.filter(|row| row.is_live()).map(|row| self.of(row))).collect()
    }

    fn numbered(&self, number: InterfaceNumber) -> Option<Interface> {
        let rows = &self.state.rows;
        let instance = rows.instances.get(&InstanceId(number.0)).filter(|row| row.farm == self.farm && row.is_live());
        let router = rows.routers.get(&RouterId(number.0)).filter(|row| row.farm == self.farm);
        instance.map(|row| self.of(row)).or_else(|| self.of_router(router?))
    }

    /// The interface of an instance, which is there for as long as the instance is.
    pub fn of(&self, instance: &Instance) -> Interface {
        let pending = matches!(instance.state, InstanceState::Scheduled | InstanceState::Staging);
        Interface {
            group_set: Group::of(self.state, instance),
            ..self.interface(Port {
                number: instance.id.0,
                instance: Some(instance.id),
                class: &instance.class,
                ip: instance.ip,
                mac: instance.mac,
                attached: if pending { "attaching" } else { "attached" },
                since: instance.created,
            })
        }
    }

    fn of_router(&self, router: &VRouter) -> Option<Interface> {
        let network = network_of(self.state, self.farm)?;
        let RouterId(number) = router.id;
        let interface = self.interface(Port {
            number,
            instance: None,
            class: &router.class,
            ip: network.gateway(),
            mac: network.mac(network.gateway()),
            attached: "attached",
            since: router.created,
        });
        let (description, requester_id) = ("router", Some(REQUESTER));
        // It passes on what is not for itself.
        Some(Interface { description, requester_id, requester_managed: true, source_dest_check: false, ..interface })
    }

    fn interface(&self, port: Port<'_>) -> Interface {
        let target = port.instance.map_or(Target::Router, Target::Instance);
        let association = self.associations.get(&target).cloned();
        let resource = Resource::Interface(InterfaceNumber(port.number));
        let address = PrivateAddress {
            private_ip_address: port.ip,
            private_dns_name: private_name(port.ip),
            primary: true,
            association: association.clone(),
        };
        let attachment = Attachment {
            attachment_id: format!("eni-attach-{:017x}", port.number),
            instance_id: port.instance,
            instance_owner_id: self.account.clone(),
            device_index: 0,
            network_card_index: 0,
            status: port.attached,
            attach_time: Time(port.since),
            delete_on_termination: true,
        };
        Interface {
            network_interface_id: resource,
            subnet_id: subnet_of(self.state, self.farm, port.class),
            vpc_id: vpc_of(self.state, self.farm),
            availability_zone: port.class.clone(),
            availability_zone_id: None,
            description: "",
            owner_id: self.account.clone(),
            requester_id: None,
            requester_managed: false,
            status: "in-use",
            mac_address: port.mac,
            private_ip_address: port.ip,
            private_dns_name: private_name(port.ip),
            source_dest_check: true,
            group_set: Set::default(),
            attachment,
            association,
            private_ip_addresses_set: [address].into_iter().collect(),
            ipv6_addresses_set: Set::default(),
            tag_set: TagSet::of(self.state, self.farm, resource),
            interface_type: "interface",
        }
    }
}

/// What interfaces of instances and of routers differ in.
struct Port<'a> {
    number: u64,
    instance: Option<InstanceId>,
    class: &'a Name,
    ip: Ipv4Addr,
    mac: Mac,
    attached: &'static str,
    since: Timestamp,
}

impl Interface {
    /// The interface of one instance; [`Interfaces`] looks up less for many.
    pub fn of(state: &State, instance: &Instance) -> Interface {
        Interfaces::new(state, instance.farm).of(instance)
    }
}

/// One of the farm's interfaces.
///
/// # Errors
///
/// If there is none with this id.
pub fn find(call: &Call, id: &str) -> Result<Interface, Fault> {
    let found = id.parse().ok().and_then(|resource| match resource {
        Resource::Interface(number) => call.engine.read(|state| Interfaces::new(state, call.farm).numbered(number)),
        _ => None,
    });
    found.ok_or_else(|| describe::INTERFACE.absent(id))
}

/// The router's interface is not the farm's to change.
pub fn routers(interface: &Interface) -> Fault {
    let id = interface.network_interface_id;
    Code::OperationNotPermitted.fault(format!("The interface '{id}' belongs to the router and cannot be changed."))
}
