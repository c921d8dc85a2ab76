//! What people do with elastic IPs and port forwards.

use std::net::Ipv4Addr;

use cascina_core::command::Command;
use cascina_core::farm::FarmState;
use cascina_core::id::AddressId;
use cascina_core::instance::InstanceState;
use cascina_core::network::{NatRule, Protocol};

use super::farms::{farms, tenant_of};
use super::play::Play;

pub fn allocate(play: &mut Play) {
    if let Some(farm) = play.pick(|state| farms(state, FarmState::is_usable)) {
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::AllocateAddress { farm, tags: std::collections::BTreeMap::new() });
    }
}

/// One that is not the farm's own, most of the time.
fn address(play: &mut Play) -> Option<AddressId> {
    let own = play.chance.permille(200);
    play.pick(|state| {
        let held = state.rows.addresses.values().filter(|row| row.is_held() && row.primary == own);
        held.map(|row| row.id).collect()
    })
}

/// With an instance of the same farm, most of the time; with its router; or with a stranger's.
pub fn associate(play: &mut Play) {
    let Some(address) = address(play) else { return };
    let Some(row) = play.state().rows.addresses.get(&address).cloned() else { return };
    let instance = match play.chance.below(8) {
        0 => None,
        1 => play.pick(|state| state.rows.instances.keys().copied().collect()),
        2 => play.pick(|state| state.indexes.instances_by_farm.of(&row.farm).collect()),
        _ => play.pick(|state| {
            let own = state.rows.instances.values().filter(|instance| instance.farm == row.farm);
            own.filter(|instance| instance.state == InstanceState::Running).map(|instance| instance.id).collect()
        }),
    };
    play.ask_for(Some(row.tenant), Command::AssociateAddress { address, instance });
}

pub fn disassociate(play: &mut Play) {
    if let Some(address) = address(play) {
        let tenant = play.state().rows.addresses.get(&address).map(|row| row.tenant);
        play.ask_for(tenant, Command::DisassociateAddress { address });
    }
}

pub fn release(play: &mut Play) {
    if let Some(address) = address(play) {
        let tenant = play.state().rows.addresses.get(&address).map(|row| row.tenant);
        play.ask_for(tenant, Command::ReleaseAddress { address });
    }
}

pub fn forward(play: &mut Play) {
    let found = play.pick(|state| state.rows.routers.values().map(|row| (row.id, row.network)).collect());
    let Some((router, network)) = found else { return };
    let Some(row) = play.state().rows.networks.get(&network).cloned() else { return };
    let to = Ipv4Addr::from(u32::from(row.cidr.network()) + play.chance.between((10, 20)) as u32);
    let count = play.chance.below(4);
    let rule = |chance: &mut crate::chance::Chance, i: u64| NatRule {
        protocol: if chance.permille(500) { Protocol::Tcp } else { Protocol::Udp },
        public_port: 8000 + i as u16,
        to,
        to_port: 22,
    };
    let forwards = (0..count).map(|i| rule(&mut play.chance, i)).collect();
    play.ask_for(Some(row.tenant), Command::SetForwards { router, forwards });
}
