//! The one list of truths. `fsck`, the property tests and the simulator all call it.

use std::collections::BTreeMap;

use crate::address::Target;
use crate::farm::FarmState;
use crate::id::{FarmId, SecurityGroupId, TenantId};
use crate::instance::InstanceState;
use crate::ipam;
use crate::operation::OperationState;
use crate::policy::Scope;
use crate::replica::ReplicaState;
use crate::security_group::Peer;
use crate::snapshot::SnapshotState;
use crate::state::{Guest, State};

/// Something that must never be, with the ids that it concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    pub rule: &'static str,
    pub text: String,
}

/// Checks everything. An empty list means that the state is sound.
pub fn check(state: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut say = |rule, text: String| found.push(Violation { rule, text });
    indexes(state, &mut say);
    capacity(state, &mut say);
    addresses(state, &mut say);
    networks(state, &mut say);
    instances(state, &mut say);
    owners(state, &mut say);
    farms(state, &mut say);
    operations(state, &mut say);
    volumes(state, &mut say);
    security(state, &mut say);
    replicas(state, &mut say);
    found
}

fn indexes(state: &State, say: &mut impl FnMut(&'static str, String)) {
    if state.rebuilt().indexes != state.indexes {
        say("indexes follow from rows", "an index differs from what the rows say".into());
    }
}

fn capacity(state: &State, say: &mut impl FnMut(&'static str, String)) {
    for host in state.rows.hosts.values() {
        let used = state.used_on(host.id);
        if !used.fits_in(host.capacity) {
            say("usage within capacity", format!("host {}: {used} used of {}", host.name, host.capacity));
        }
    }
    for instance in state.rows.instances.values() {
        for (host, _) in instance.claims() {
            if !state.rows.hosts.contains_key(&host) {
                say("claims are on hosts that exist", format!("{} claims host {host}", instance.id));
            }
            if !state.indexes.guests_by_host.of(&host).any(|guest| guest == Guest::Instance(instance.id)) {
                say("claims match instances", format!("{} is not among the guests of host {host}", instance.id));
            }
        }
    }
}

fn addresses(state: &State, say: &mut impl FnMut(&'static str, String)) {
    let mut owners = BTreeMap::new();
    for address in state.rows.addresses.values() {
        if let Some(other) = owners.insert(address.ip, address.id) {
            say("an elastic IP has one owner", format!("{}: {other} and {}", address.ip, address.id));
        }
        if !address.is_held() {
            continue;
        }
        if state.rows.farms.get(&address.farm).is_none_or(|farm| farm.state.is_over()) {
            say("an elastic IP belongs to a farm", format!("{} of {}", address.id, address.farm));
        }
        if let Some(Target::Instance(id)) = address.target() {
            let target = state.rows.instances.get(&id);
            if target.is_none_or(|instance| instance.farm != address.farm || !instance.is_live()) {
                say("an elastic IP points at a guest of its farm", format!("{} at {id}", address.id));
            }
        }
    }
}

fn networks(state: &State, say: &mut impl FnMut(&'static str, String)) {
    let mut segments = BTreeMap::new();
    for network in state.rows.networks.values() {
        if let Some(other) = segments.insert(network.segment, network.id) {
            say("a segment has one network", format!("{}: {other} and {}", network.segment, network.id));
        }
        if ipam::subnet(&state.site(), network.segment) != Some(network.cidr) {
            say("a subnet follows from its segment", format!("{}: {}", network.id, network.cidr));
        }
    }
}

fn instances(state: &State, say: &mut impl FnMut(&'static str, String)) {
    let mut macs = BTreeMap::new();
    let mut ips = BTreeMap::new();
    for instance in state.rows.instances.values().filter(|row| row.is_live()) {
        if let Some(other) = macs.insert(instance.mac, instance.id) {
            say("a MAC has one owner", format!("{}: {other} and {}", instance.mac, instance.id));
        }
        if let Some(other) = ips.insert((instance.farm, instance.ip), instance.id) {
            say("an address has one guest", format!("{}: {other} and {}", instance.ip, instance.id));
        }
        let network = state.indexes.networks_by_farm.of(&instance.farm).find_map(|id| state.rows.networks.get(&id));
        if network.is_none_or(|network| !network.cidr.contains(&instance.ip)) {
            say("a guest's address is of its farm's subnet", format!("{} has {}", instance.id, instance.ip));
        }
        let moving = matches!(
            instance.state,
            InstanceState::Scheduled | InstanceState::Staging | InstanceState::Stopping | InstanceState::ShuttingDown
        );
        if moving && !state.indexes.operations_by_farm.of(&instance.farm).any(|_| true) {
            say(
                "a guest on the way has an operation",
                format!("{} is {} and nothing moves it", instance.id, instance.state.as_str()),
            );
        }
    }
}

fn owners(state: &State, say: &mut impl FnMut(&'static str, String)) {
    let rows = &state.rows;
    let rule = "nothing is without its owner";
    let gone = |tenant: Option<TenantId>| tenant.is_some_and(|tenant| !rows.tenants.contains_key(&tenant));
    for user in rows.users.values() {
        if gone(user.tenant) {
            say(rule, format!("{} of a tenant that is gone", user.id));
        }
    }
    for key in rows.access_keys.values().filter(|key| !rows.users.contains_key(&key.user)) {
        say(rule, format!("{} of a user who is gone", key.id));
    }
    for quota in rows.quotas.values().filter(|quota| !rows.tenants.contains_key(&quota.tenant)) {
        say(rule, format!("{} of a tenant that is gone", quota.id));
    }
    for instance in rows.instances.values().filter(|row| row.is_live() && !rows.farms.contains_key(&row.farm)) {
        say(rule, format!("{} of a farm that is gone", instance.id));
    }
    for hold in rows.holds.values().filter(|hold| hold.operation.0 != 0) {
        if rows.operations.get(&hold.operation).is_none_or(|operation| operation.state.is_over()) {
            say(rule, format!("{} of an operation that is over", hold.id));
        }
    }
    for image in rows.images.values().filter(|image| gone(image.tenant)) {
        say(rule, format!("image {} of a tenant that is gone", image.name));
    }
    for binding in rows.bindings.values() {
        let whose = match binding.scope {
            Scope::Site => false,
            Scope::Tenant(tenant) => gone(Some(tenant)),
            Scope::Share(share) => !rows.shares.contains_key(&share),
        };
        if whose {
            say(rule, format!("binding {} of a tenant or share that is gone", binding.name));
        }
    }
    for binding in rows.bindings.values().filter(|binding| !rows.policies.contains_key(&binding.digest)) {
        say(rule, format!("binding {} of a policy that is gone", binding.name));
    }
}

fn farms(state: &State, say: &mut impl FnMut(&'static str, String)) {
    let ix = &state.indexes;
    for farm in state.rows.farms.values() {
        let left = ix.networks_by_farm.of(&farm.id).count()
            + ix.routers_by_farm.of(&farm.id).count()
            + ix.addresses_by_farm.of(&farm.id).count()
            + ix.volumes_by_farm.of(&farm.id).count()
            + ix.snapshots_by_farm.of(&farm.id).count()
            + ix.groups_by_farm.of(&farm.id).count()
            + ix.key_pairs_by_farm.of(&farm.id).count()
            + ix.instances_by_farm.with(&farm.id).filter(|row| row.is_live()).count();
        if farm.state.is_over() && left > 0 {
            say("a farm that is over leaves nothing", format!("{} leaves {left} things", farm.id));
        }
        let moving = matches!(
            farm.state,
            FarmState::Provisioning | FarmState::Compensating | FarmState::Deleting | FarmState::Stuck
        );
        if moving && !ix.operations_by_farm.of(&farm.id).any(|_| true) {
            say("a farm on the way has an operation", format!("{} is {:?} and nothing moves it", farm.id, farm.state));
        }
    }
}

fn operations(state: &State, say: &mut impl FnMut(&'static str, String)) {
    for operation in state.rows.operations.values() {
        let beyond = operation.cursor as usize >= operation.steps.len();
        if beyond && matches!(operation.state, OperationState::Running | OperationState::Stuck) {
            say("an operation under way has a step", format!("{} points beyond its last", operation.id));
        }
    }
}

fn volumes(state: &State, say: &mut impl FnMut(&'static str, String)) {
    let under_way = |farm: &FarmId| state.indexes.operations_by_farm.of(farm).next().is_some();
    for class in state.rows.classes.values() {
        let stored = state.stored_in(&class.name);
        if stored > class.volumes {
            say("a volume store holds what it can", format!("class {}: {stored} of {}", class.name, class.volumes));
        }
    }
    for volume in state.rows.volumes.values() {
        if let Some(attachment) = &volume.attachment {
            let instance = state.rows.instances.get(&attachment.instance).filter(|row| row.is_live());
            if instance.is_none_or(|row| row.farm != volume.farm || row.class != volume.class) {
                say(
                    "a volume is attached within its farm and class",
                    format!("{} to {}", volume.id, attachment.instance),
                );
            }
            let twin = state.indexes.volumes_by_instance.of(&attachment.instance).any(|id| {
                id != volume.id
                    && state
                        .rows
                        .volumes
                        .get(&id)
                        .and_then(|row| row.attachment.as_ref())
                        .is_some_and(|other| other.device == attachment.device)
            });
            if twin {
                say("a device has one volume", format!("{} of {}", attachment.device, attachment.instance));
            }
        }
        if !volume.is_settled() && !under_way(&volume.farm) {
            say("a volume on the way has an operation", format!("{} and nothing moves it", volume.id));
        }
    }
    for snapshot in state.rows.snapshots.values() {
        let moving = matches!(snapshot.state, SnapshotState::Pending | SnapshotState::Deleting);
        if moving && !under_way(&snapshot.farm) {
            say("a snapshot on the way has an operation", format!("{} and nothing moves it", snapshot.id));
        }
    }
    for image in state.rows.images.values() {
        if image.snapshot.is_some_and(|id| !state.rows.snapshots.contains_key(&id)) {
            say("an image keeps its snapshot", format!("{} has lost its own", image.id));
        }
    }
}

fn replicas(state: &State, say: &mut impl FnMut(&'static str, String)) {
    let mut targets = BTreeMap::new();
    for row in state.rows.replicas.values() {
        let image = state.rows.images.get(&row.image);
        if image.is_none() || !state.rows.hosts.contains_key(&row.host) {
            say("a copy is of an image and on a host", format!("{}: one of them is gone", row.id()));
        }
        if image.is_some_and(|image| image.content.as_ref().is_some_and(|content| content.digest != row.digest)) {
            say("a copy is of what its image is", format!("{} has {}", row.id(), row.digest));
        }
        if matches!(row.state, ReplicaState::Copying { .. })
            && let Some(other) = targets.insert(row.host, row.image)
        {
            say("a host gets one copy at a time", format!("host {}: {other} and {}", row.host, row.image));
        }
    }
}

fn security(state: &State, say: &mut impl FnMut(&'static str, String)) {
    let rows = &state.rows;
    let own = |farm: FarmId, id: &SecurityGroupId| rows.security_groups.get(id).is_some_and(|row| row.farm == farm);
    for instance in rows.instances.values().filter(|row| row.is_live()) {
        if let Some(group) = instance.groups.iter().find(|id| !own(instance.farm, id)) {
            say("a guest's security groups are its farm's", format!("{} is in {group}", instance.id));
        }
    }
    for group in rows.security_groups.values() {
        for rule in &group.rules {
            if let Peer::Group(peer) = rule.peer
                && !own(group.farm, &peer)
            {
                say("a rule names a group of its farm", format!("{} of {} names {peer}", rule.id, group.id));
            }
        }
    }
    for tags in rows.tags.values().filter(|row| rows.farms.get(&row.farm).is_none_or(|farm| farm.state.is_over())) {
        say("tags go with their farm", format!("{} of {}", tags.resource, tags.farm));
    }
    for id in rows.user_data.keys().filter(|id| !rows.instances.contains_key(id)) {
        say("user-data goes with its instance", format!("of {id}"));
    }
}
