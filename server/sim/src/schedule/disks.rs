//! What people do with volumes and snapshots.

use cascina_core::command::{Command, Power};
use cascina_core::farm::FarmState;
use cascina_core::id::{FarmId, VolumeId};
use cascina_core::instance::InstanceState;
use cascina_core::snapshot::{Disk, SnapshotState};
use cascina_core::state::State;
use cascina_core::units::Gib;
use cascina_core::volume::{Pace, Volume, VolumeKind};

use super::farms::{farms, tenant_of};
use super::launches::{DEVICES, tags};
use super::play::Play;
use super::site::name;

fn volumes(state: &State, wanted: impl Fn(&Volume) -> bool) -> Vec<(VolumeId, FarmId)> {
    state.rows.volumes.values().filter(|row| wanted(row)).map(|row| (row.id, row.farm)).collect()
}

pub fn create(play: &mut Play) {
    let Some(farm) = play.pick(|state| farms(state, FarmState::is_usable)) else { return };
    let snapshot = play.pick(|state| {
        let own = state.rows.snapshots.values().filter(|row| row.farm == farm);
        own.filter(|row| row.state == SnapshotState::Completed).map(|row| row.id).collect()
    });
    let snapshot = snapshot.filter(|_| play.chance.permille(400));
    let lies = snapshot.and_then(|id| play.state().rows.snapshots.get(&id)).map(|row| row.class.clone());
    let class = if play.chance.permille(850) { "workers" } else { "services" };
    let class = lies.filter(|_| play.chance.permille(950)).unwrap_or_else(|| name(class));
    let size = Gib(play.chance.between((1, 5)));
    let (tenant, tags) = (tenant_of(play.state(), farm), tags(play));
    let size = (snapshot.is_none() || play.chance.permille(200)).then_some(size);
    play.ask_for(
        tenant,
        Command::CreateVolume { farm, class, size, snapshot, kind: VolumeKind::Gp3, pace: Pace::default(), tags },
    );
}

/// To an instance that can have it, most of the time.
pub fn attach(play: &mut Play) {
    let free = play.chance.permille(900);
    let Some((volume, farm)) = play.pick(|state| volumes(state, |row| !free || row.attachment.is_none())) else {
        return;
    };
    let class = play.state().rows.volumes.get(&volume).map(|row| row.class.clone());
    let fits = play.chance.permille(900);
    let instance = play.pick(|state| {
        let own = state.rows.instances.values().filter(|row| row.farm == farm && row.is_live());
        let can = |state| matches!(state, InstanceState::Running | InstanceState::Stopped);
        own.filter(|row| !fits || (Some(&row.class) == class.as_ref() && can(row.state))).map(|row| row.id).collect()
    });
    if let Some(instance) = instance {
        let device = play.chance.pick(&DEVICES).unwrap_or("/dev/sdf").into();
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::AttachVolume { volume, instance, device });
    }
}

pub fn detach(play: &mut Play) {
    if let Some((volume, farm)) = play.pick(|state| volumes(state, |row| row.attachment.is_some())) {
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::DetachVolume { volume });
    }
}

pub fn resize(play: &mut Play) {
    if let Some((volume, farm)) = play.pick(|state| volumes(state, |_| true)) {
        let now = play.state().rows.volumes.get(&volume).map_or(Gib::ZERO, |row| row.size);
        let size = Gib((now.0 + play.chance.below(4)).saturating_sub(play.chance.below(2)));
        let kind = play.chance.permille(300).then_some(VolumeKind::Io1);
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::ResizeVolume { volume, size, kind, pace: None });
    }
}

pub fn delete(play: &mut Play) {
    let free = play.chance.permille(800);
    if let Some((volume, farm)) = play.pick(|state| volumes(state, |row| !free || row.attachment.is_none())) {
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::DeleteVolume { volume });
    }
}

/// Several things at once with one volume, by people who do not know of each other.
pub fn juggle(play: &mut Play) {
    let Some((volume, farm)) = play.pick(|state| volumes(state, |_| true)) else { return };
    let held = play.state().rows.volumes.get(&volume).and_then(|row| row.attachment.clone());
    let instance = held
        .map(|held| held.instance)
        .or_else(|| play.pick(|state| state.indexes.instances_by_farm.of(&farm).collect()));
    for _ in 0..play.chance.between((2, 4)) {
        let device = play.chance.pick(&DEVICES).unwrap_or("/dev/sdf").to_string();
        let power = play.chance.pick(&[Power::Stop, Power::Start, Power::Reboot, Power::Terminate]);
        let command = match (play.chance.below(8), instance, power) {
            (0 | 1, Some(instance), _) => Command::AttachVolume { volume, instance, device },
            (2 | 3, ..) => Command::DetachVolume { volume },
            (4, Some(instance), Some(power)) => Command::Power { instances: vec![instance], power },
            (5, ..) => Command::CreateSnapshot { disk: Disk::Volume(volume), description: "".into(), tags: tags(play) },
            (6, ..) => Command::ResizeVolume { volume, size: Gib(play.chance.between((2, 6))), kind: None, pace: None },
            _ => Command::DeleteVolume { volume },
        };
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, command);
    }
}

/// Of a volume, or of the disk that an instance boots from.
pub fn snapshot(play: &mut Play) {
    let disk = match play.chance.permille(600) {
        true => play.pick(|state| volumes(state, |_| true)).map(|(id, farm)| (Disk::Volume(id), farm)),
        false => play
            .pick(|state| {
                let live = state.rows.instances.values().filter(|row| row.is_live());
                live.map(|row| (row.id, row.farm)).collect()
            })
            .map(|(id, farm)| (Disk::Root(id), farm)),
    };
    if let Some((disk, farm)) = disk {
        let (tenant, tags) = (tenant_of(play.state(), farm), tags(play));
        play.ask_for(tenant, Command::CreateSnapshot { disk, description: "of a schedule".into(), tags });
    }
}

pub fn drop_snapshot(play: &mut Play) {
    let snapshot = play.pick(|state| state.rows.snapshots.values().map(|row| (row.id, row.farm)).collect());
    if let Some((snapshot, farm)) = snapshot {
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::DeleteSnapshot { snapshot });
    }
}
