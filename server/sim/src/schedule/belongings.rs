//! What people do with key pairs and tags.

use std::collections::BTreeMap;

use cascina_core::command::Command;
use cascina_core::farm::FarmState;
use cascina_core::id::FarmId;
use cascina_core::key_pair::KeyKind;
use cascina_core::tag::{InterfaceNumber, Resource};

use super::farms::{farms, tenant_of};
use super::launches::tags;
use super::play::Play;

pub fn key_pairs(play: &mut Play) {
    let old = play.pick(|state| state.rows.key_pairs.values().map(|row| (row.id, row.farm)).collect());
    if let Some((pair, farm)) = old.filter(|_| play.chance.permille(300)) {
        let tenant = tenant_of(play.state(), farm);
        return play.ask_for(tenant, Command::DeleteKeyPair { pair });
    }
    let Some(farm) = play.pick(|state| farms(state, FarmState::is_usable)) else { return };
    let name = play.name("pair-").to_string();
    let public = format!("ssh-ed25519 AAAA{} {name}", play.chance.below(1000));
    let (tenant, tags) = (tenant_of(play.state(), farm), tags(play));
    let fingerprint = "SHA256:of-nothing".into();
    play.ask_for(tenant, Command::AddKeyPair { farm, name, kind: KeyKind::Ed25519, fingerprint, public, tags });
}

/// Something of a farm, or a stranger's thing, which must not be found.
fn resource(play: &mut Play, farm: FarmId) -> Option<Resource> {
    let strange = play.chance.permille(60);
    play.pick(|state| {
        let rows = &state.rows;
        let own = |of: FarmId| strange || of == farm;
        let mut all: Vec<Resource> = Vec::new();
        let instances = rows.instances.values().filter(|row| own(row.farm));
        all.extend(
            instances.flat_map(|row| [Resource::Instance(row.id), Resource::Interface(InterfaceNumber(row.id.0))]),
        );
        all.extend(rows.volumes.values().filter(|row| own(row.farm)).map(|row| Resource::Volume(row.id)));
        all.extend(rows.snapshots.values().filter(|row| own(row.farm)).map(|row| Resource::Snapshot(row.id)));
        all.extend(rows.images.keys().map(|id| Resource::Image(*id)));
        let groups = rows.security_groups.values().filter(|row| own(row.farm));
        all.extend(groups.flat_map(|row| {
            let rules = row.rules.iter().map(|rule| Resource::Rule(rule.id));
            rules.chain([Resource::SecurityGroup(row.id)])
        }));
        all.extend(rows.key_pairs.values().filter(|row| own(row.farm)).map(|row| Resource::KeyPair(row.id)));
        all.extend(rows.addresses.values().filter(|row| own(row.farm)).map(|row| Resource::Address(row.id)));
        all.extend(rows.networks.values().filter(|row| own(row.farm)).map(|row| Resource::Network(row.id)));
        all
    })
}

pub fn tag(play: &mut Play) {
    let Some(farm) = play.pick(|state| farms(state, FarmState::is_usable)) else { return };
    let count = play.chance.between((1, 3));
    let resources: Vec<_> = (0..count).filter_map(|_| resource(play, farm)).collect();
    let (tenant, tags) = (tenant_of(play.state(), farm), tags(play));
    let command = match play.chance.below(4) {
        0 => Command::RemoveTags { farm, resources, tags: only(play, tags) },
        _ => Command::SetTags { farm, resources, tags },
    };
    play.ask_for(tenant, command);
}

/// Whatever values the tags have, or only if they have these.
fn only(play: &mut Play, tags: BTreeMap<String, String>) -> Vec<(String, Option<String>)> {
    tags.into_iter().map(|(key, value)| (key, Some(value).filter(|_| play.chance.permille(500)))).collect()
}
