//! After all farms are deleted, nothing is left of them anywhere.

use cascina_core::ipam;
use cascina_core::state::State;
use cascina_drivers::sim::World;

use super::verdict;

pub fn check(state: &State, world: &World) -> Result<(), String> {
    let mut found = Vec::new();
    for host in state.rows.hosts.values() {
        let Some(machine) = world.hosts().get(&host.name) else { continue };
        let (guests, networks) = (machine.guests.len(), machine.networks.len());
        if guests + networks > 0 {
            found.push(format!("{} still has {guests} guests and {networks} networks", host.name));
        }
        let used = state.used_on(host.id);
        if used != cascina_core::units::Size::ZERO {
            found.push(format!("{used} is still claimed on {}", host.name));
        }
    }
    for (class, store) in world.stores() {
        let (volumes, snapshots) = (store.volumes.len(), store.snapshots.len());
        found.push(format!("the store of {class} still has {volumes} volumes and {snapshots} snapshots"));
    }
    let rows = &state.rows;
    for (what, count) in [
        ("networks", rows.networks.len()),
        ("routers", rows.routers.len()),
        ("elastic IPs", rows.addresses.len()),
        ("holds", rows.holds.len()),
        ("tenants", rows.tenants.len()),
        ("tenants' users", rows.users.values().filter(|user| user.tenant.is_some()).count()),
        ("tenants' images", rows.images.values().filter(|image| image.tenant.is_some()).count()),
        ("quotas", rows.quotas.len()),
        ("access keys", rows.access_keys.len()),
        ("volumes", rows.volumes.len()),
        ("snapshots", rows.snapshots.len()),
        ("security groups", rows.security_groups.len()),
        ("key pairs", rows.key_pairs.len()),
        ("tags", rows.tags.len()),
        ("user-data", rows.user_data.len()),
        ("live instances", rows.instances.values().filter(|row| row.is_live()).count()),
        ("farms that are not over", rows.farms.values().filter(|row| !row.state.is_over()).count()),
    ] {
        if count > 0 {
            found.push(format!("{count} {what} are left"));
        }
    }
    let site = state.site();
    let free = (state.indexes.free_segments.len(), state.indexes.free_public_ips.len());
    let all = (ipam::segments(&site) as usize, ipam::public_addresses(&site).count());
    if free != all {
        found.push(format!("segments and elastic IPs free: {free:?} of {all:?}"));
    }
    verdict(found)
}

/// … and after the site's retention, not even the memory of them.
pub fn check_forgotten(state: &State) -> Result<(), String> {
    let rows = &state.rows;
    let counts =
        [("operations", rows.operations.len()), ("instances", rows.instances.len()), ("farms", rows.farms.len())];
    verdict(counts.into_iter().filter(|(_, n)| *n > 0).map(|(what, n)| format!("{n} {what} are remembered")).collect())
}
