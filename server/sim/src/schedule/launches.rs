//! What instances are given at launch, and what of it is changed later.

use std::collections::BTreeMap;
use std::sync::Arc;

use cascina_core::command::Command;
use cascina_core::id::FarmId;
use cascina_core::instance::InstanceState;
use cascina_core::launch::{InstanceChange, Launch, NewVolume, OnShutdown};
use cascina_core::metadata::{MetadataChange, MetadataOptions, MetadataTokens};
use cascina_core::snapshot::SnapshotState;
use cascina_core::units::Gib;
use cascina_core::volume::VolumeKind;

use super::farms::tenant_of;
use super::play::Play;
use super::site::name;

/// Few, so that two disks want the same one now and then.
pub const DEVICES: [&str; 4] = ["/dev/sdf", "/dev/sdg", "/dev/vdb", "xvdc"];

/// Every second instance gets nothing beside its image.
pub fn launch(play: &mut Play, farm: FarmId) -> Launch {
    if play.chance.permille(500) {
        return Launch::default();
    }
    let groups = play.chance.below(3);
    let groups = (0..groups).filter_map(|_| play.pick(|state| state.indexes.groups_by_farm.of(&farm).collect()));
    let groups = groups.collect();
    let key = play.pick(|state| state.indexes.key_pairs_by_farm.of(&farm).collect());
    let volumes = play.chance.below(3);
    Launch {
        groups,
        key: key.filter(|_| play.chance.permille(500)),
        user_data: play.chance.permille(400).then(|| bytes(play)),
        root_disk: play.chance.permille(200).then(|| Gib(play.chance.between((1, 12)))),
        volumes: (0..volumes).map(|_| volume(play, farm)).collect(),
        terminate_protected: play.chance.permille(100),
        stop_protected: play.chance.permille(100),
        on_shutdown: if play.chance.permille(300) { OnShutdown::Terminate } else { OnShutdown::Stop },
        metadata: metadata(play),
        tags: tags(play),
        volume_tags: tags(play),
        client_token: play.chance.permille(100).then(|| "token".into()),
    }
}

fn metadata(play: &mut Play) -> MetadataOptions {
    let tokens = if play.chance.permille(200) { MetadataTokens::Required } else { MetadataTokens::Optional };
    MetadataOptions { enabled: play.chance.permille(900), tokens, ..MetadataOptions::default() }
}

fn bytes(play: &mut Play) -> Arc<[u8]> {
    format!("#!/bin/sh\necho {}\n", play.chance.below(1000)).into_bytes().into()
}

pub fn tags(play: &mut Play) -> BTreeMap<String, String> {
    let count = play.chance.below(3);
    let pair = |play: &mut Play| (format!("key-{}", play.chance.below(4)), format!("{}", play.chance.below(100)));
    (0..count).map(|_| pair(play)).collect()
}

fn volume(play: &mut Play, farm: FarmId) -> NewVolume {
    let snapshot = play.pick(|state| {
        let own = state.indexes.snapshots_by_farm.of(&farm);
        own.filter(|id| state.rows.snapshots.get(id).is_some_and(|row| row.state == SnapshotState::Completed)).collect()
    });
    let snapshot = snapshot.filter(|_| play.chance.permille(400));
    let size = play.chance.between((1, 3));
    NewVolume {
        device: play.chance.pick(&DEVICES).unwrap_or("/dev/sdf").into(),
        size: (snapshot.is_none() || play.chance.permille(100)).then_some(Gib(size)),
        snapshot,
        kind: VolumeKind::Gp2,
        pace: cascina_core::volume::Pace::default(),
        delete_on_termination: play.chance.permille(500),
    }
}

/// Changes an instance; a stopped one most of the time, since more can be changed of that.
pub fn change(play: &mut Play) {
    let stopped = play.chance.permille(600);
    let instance = play.pick(|state| {
        let rows = state.rows.instances.values();
        rows.filter(|row| if stopped { row.state == InstanceState::Stopped } else { row.is_live() })
            .map(|row| (row.id, row.farm))
            .collect()
    });
    let Some((instance, farm)) = instance else { return };
    let groups = play.chance.between((0, 2));
    let groups: Vec<_> =
        (0..groups).filter_map(|_| play.pick(|state| state.indexes.groups_by_farm.of(&farm).collect())).collect();
    let flavors = ["m1.small", "m1.medium", "m1.large", "m1.none"];
    let device = play.pick(|state| state.indexes.volumes_by_instance.of(&instance).collect());
    let device = device.and_then(|id| play.state().rows.volumes.get(&id)?.attachment.clone()).map(|held| held.device);
    let shutdown = play.chance.pick(&[OnShutdown::Stop, OnShutdown::Terminate]);
    // Empty ones take it away.
    let user_data = if play.chance.permille(300) { Arc::from([]) } else { bytes(play) };
    let change = InstanceChange {
        groups: Some(groups).filter(|_| play.chance.permille(400)),
        user_data: Some(user_data).filter(|_| play.chance.permille(if stopped { 500 } else { 100 })),
        terminate_protected: play.chance.permille(300).then(|| play.chance.permille(300)),
        stop_protected: play.chance.permille(300).then(|| play.chance.permille(300)),
        on_shutdown: shutdown.filter(|_| play.chance.permille(300)),
        metadata: MetadataChange {
            enabled: play.chance.permille(100).then(|| play.chance.permille(500)),
            ..MetadataChange::default()
        },
        flavor: play.chance.pick(&flavors).map(name).filter(|_| play.chance.permille(if stopped { 400 } else { 50 })),
        delete_on_termination: device.map(|device| (device, play.chance.permille(500))).into_iter().collect(),
    };
    let tenant = tenant_of(play.state(), farm);
    play.ask_for(tenant, Command::SetInstance { instance, change });
}
