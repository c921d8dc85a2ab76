//! What people do with images of disks.

use cascina_core::command::{Command, ImageChange};
use cascina_core::id::{FarmId, ImageId};
use cascina_core::image::Title;
use cascina_core::instance::InstanceState;
use cascina_core::name::Name;
use cascina_core::replica::ReplicaId;
use cascina_core::snapshot::SnapshotState;

use super::farms::tenant_of;
use super::launches::tags;
use super::play::Play;

/// A new name most of the time.
fn named(play: &mut Play) -> Name {
    if play.chance.permille(50) { super::site::name("debian") } else { play.name("image-") }
}

fn title(name: &cascina_core::name::Name) -> Title {
    name.as_str().parse().unwrap_or_else(|_| unreachable!("the schedules' names are titles"))
}

pub fn create(play: &mut Play) {
    let instance = play.pick(|state| {
        let rows = state.rows.instances.values();
        let can = rows.filter(|row| matches!(row.state, InstanceState::Running | InstanceState::Stopped));
        can.map(|row| (row.id, row.farm)).collect()
    });
    let Some((instance, farm)) = instance else { return };
    let (name, tags, snapshot_tags) = (named(play), tags(play), tags(play));
    let tenant = tenant_of(play.state(), farm);
    let description = "of a schedule".into();
    play.ask_for(tenant, Command::CreateImage { instance, title: title(&name), description, tags, snapshot_tags });
}

pub fn of_snapshot(play: &mut Play) {
    let snapshot = play.pick(|state| {
        let rows = state.rows.snapshots.values().filter(|row| row.state == SnapshotState::Completed);
        rows.map(|row| (row.id, row.farm)).collect()
    });
    let Some((snapshot, farm)) = snapshot else { return };
    let (name, tags, tenant) = (named(play), tags(play), tenant_of(play.state(), farm));
    let description = String::new();
    play.ask_for(tenant, Command::ImageOfSnapshot { farm, title: title(&name), description, snapshot, tags });
}

/// One that a farm made.
fn image(play: &mut Play) -> Option<(ImageId, FarmId)> {
    play.pick(|state| state.rows.images.values().filter_map(|row| Some((row.id, row.farm?))).collect())
}

pub fn set(play: &mut Play) {
    let Some((image, farm)) = image(play) else { return };
    let other = play.pick(|state| state.rows.farms.keys().copied().collect());
    let change = ImageChange {
        description: play.chance.permille(200).then(|| "another".into()),
        public: play.chance.permille(400).then(|| play.chance.permille(500)),
        share_with: other.filter(|_| play.chance.permille(500)).into_iter().collect(),
        unshare_with: other.filter(|_| play.chance.permille(200)).into_iter().collect(),
        ..ImageChange::default()
    };
    let tenant = tenant_of(play.state(), farm);
    play.ask_for(tenant, Command::SetImage { image, change });
}

pub fn deregister(play: &mut Play) {
    if let Some((image, farm)) = image(play) {
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::DeregisterImage { image });
    }
}

/// To all hosts that should have it, or to some host.
pub fn spread(play: &mut Play) {
    let Some(image) = play.pick(|state| state.rows.images.keys().copied().collect()) else { return };
    let host = play.pick(|state| state.rows.hosts.keys().copied().collect());
    let to = host.filter(|_| play.chance.permille(500)).into_iter().collect();
    play.ask(Command::SpreadImage { image, to });
}

pub fn evict(play: &mut Play) {
    let copy = play.pick(|state| state.rows.replicas.keys().copied().collect());
    if let Some(ReplicaId { image, host }) = copy {
        play.ask(Command::EvictImage { image, host });
    }
}

/// The image for some instances: a farm's own, or any that a farm made.
pub fn choose(play: &mut Play, farm: FarmId) -> Option<ImageId> {
    let own = play.chance.permille(700);
    play.pick(|state| {
        let rows = state.rows.images.values().filter(|row| row.farm.is_some());
        rows.filter(|row| !own || row.farm == Some(farm)).map(|row| row.id).collect()
    })
}
