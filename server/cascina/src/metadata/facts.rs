//! What the service knows of an instance, out of the rows: the same that EC2's other side tells its tenant.

use cascina_context::Hostname;
use cascina_context::metadata::{Access, Facts, Group, LoginKey};
use cascina_core::address::Target;
use cascina_core::instance::Instance;
use cascina_core::network::VirtualNetwork;
use cascina_core::state::State;
use cascina_core::tag::{InterfaceNumber, subnet};
use cascina_ec2::account;
use cascina_ec2::action::interface::private_name;

/// The disk that real hosts give a guest to boot from.
const ROOT_DEVICE: &str = "/dev/vda";

pub fn facts(state: &State, instance: &Instance, network: &VirtualNetwork, region: &str) -> Facts {
    Facts {
        access: Access::of(&instance.metadata),
        instance: instance.id,
        image: instance.image,
        reservation: instance.reservation,
        launch_index: instance.launch_index,
        instance_type: instance.flavor.clone(),
        hostname: private_name(instance.ip).parse().unwrap_or_else(|_| Hostname::of(&instance.name)),
        local_ipv4: instance.ip,
        public_ipv4: public(state, instance),
        mac: instance.mac,
        interface: InterfaceNumber(instance.id.0),
        network: network.id,
        subnet: subnet(network.id, &instance.class),
        cidr: network.cidr,
        account: account::of(instance.farm),
        region: region.to_owned(),
        zone: instance.class.clone(),
        groups: groups(state, instance),
        keys: key(state, instance).into_iter().collect(),
        user_data: state.rows.user_data.get(&instance.id).map(|row| row.bytes.clone()),
        root_device: ROOT_DEVICE.into(),
        volume_devices: volume_devices(state, instance),
        launched: instance.launched,
    }
}

fn public(state: &State, instance: &Instance) -> Option<std::net::Ipv4Addr> {
    let mut addresses =
        state.indexes.addresses_by_farm.of(&instance.farm).filter_map(|id| state.rows.addresses.get(&id));
    addresses.find(|row| row.target() == Some(Target::Instance(instance.id))).map(|row| row.ip)
}

fn groups(state: &State, instance: &Instance) -> Vec<Group> {
    let rows = instance.groups.iter().filter_map(|id| state.rows.security_groups.get(id));
    rows.map(|row| Group { id: row.id, name: row.name.clone() }).collect()
}

/// The key that it was launched with, or else that of the farm's user, as on the context disk.
fn key(state: &State, instance: &Instance) -> Option<LoginKey> {
    if let Some(key) = &instance.key {
        return Some(LoginKey { name: key.name.clone(), public: key.public.clone() });
    }
    let user = state.rows.farms.get(&instance.farm).and_then(|farm| farm.user)?;
    let user = state.rows.users.get(&user)?;
    user.ssh_key.as_ref().map(|public| LoginKey { name: user.name.to_string(), public: public.clone() })
}

fn volume_devices(state: &State, instance: &Instance) -> Vec<String> {
    let volumes = state.indexes.volumes_by_instance.of(&instance.id).filter_map(|id| state.rows.volumes.get(&id));
    let mut devices: Vec<_> = volumes.filter_map(|row| Some(row.attachment.as_ref()?.device.clone())).collect();
    devices.sort_unstable();
    devices
}
