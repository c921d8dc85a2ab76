//! What people do with farms and instances.

use cascina_core::command::{Command, NewFarm, NewInstances, Power, Remedy};
use cascina_core::farm::FarmState;
use cascina_core::id::{FarmId, TenantId};
use cascina_core::instance::InstanceState;
use cascina_core::operation::{OperationState, SagaKind};
use cascina_core::state::State;

use super::images;
use super::launches::launch;
use super::play::Play;
use super::site::name;

pub fn tenant_of(state: &State, farm: FarmId) -> Option<TenantId> {
    state.rows.farms.get(&farm).map(|row| row.tenant)
}

/// Farms in these states.
pub fn farms(state: &State, wanted: impl Fn(FarmState) -> bool) -> Vec<FarmId> {
    state.rows.farms.values().filter(|row| wanted(row.state)).map(|row| row.id).collect()
}

/// With what they are given at launch, if they are for a farm that is there.
fn lines(play: &mut Play, farm: Option<FarmId>) -> NewInstances {
    let flavors: Vec<_> = play.state().rows.flavors.keys().cloned().collect();
    let known = play.chance.permille(900);
    let which = if known { play.chance.below(flavors.len() as u64) as usize } else { flavors.len() };
    let max_count = match play.chance.below(20) {
        0 => 80,
        1..4 => play.chance.between((5, 20)) as u32,
        _ => play.chance.between((1, 3)) as u32,
    };
    let images: &[&str] = if play.chance.permille(30) { &["none"] } else { &["debian", "alma"] };
    let image = play.chance.pick(images).unwrap_or("debian").into();
    let own = farm.filter(|_| play.chance.permille(250)).and_then(|farm| images::choose(play, farm));
    let class = match play.chance.below(8) {
        0 => Some(name("services")),
        1 => Some(name("workers")),
        _ => None,
    };
    let launch = farm.map(|farm| launch(play, farm)).unwrap_or_default();
    NewInstances {
        name: None,
        // Now and then one that there is not.
        flavor: flavors.get(which).cloned().unwrap_or_else(|| name("m1.none")),
        image: own.map_or(image, |id| id.to_string()),
        class,
        min_count: play.chance.between((1, u64::from(max_count))) as u32,
        max_count,
        host: None,
        launch,
    }
}

pub fn create(play: &mut Play) {
    if play.narrow && farms(play.state(), |farm| !farm.is_over()).len() > 1 {
        return run(play);
    }
    let known: Vec<_> = play.state().rows.tenants.values().map(|row| row.name.clone()).collect();
    let tenant = match known.get(play.chance.below(2 * known.len() as u64 + 2) as usize) {
        Some(tenant) => tenant.clone(),
        None => play.name("tenant-"),
    };
    let tiers = ["restricted", "standard", "unlimited", "unlimited"];
    let count = play.chance.below(3);
    let farm = NewFarm {
        name: play.name("farm-"),
        tenant,
        groups: if play.chance.permille(300) { vec![name("astro")] } else { Vec::new() },
        tier: play.chance.pick(&tiers).map(name),
        user: play.chance.permille(300).then(|| name("helper")),
        ssh_key: play.chance.permille(500).then(|| "ssh-ed25519 AAAA of-the-farm".into()),
        instances: (0..count).map(|_| lines(play, None)).collect(),
        lease_s: 0,
        labels: Default::default(),
    };
    play.ask(Command::CreateFarm(farm));
}

pub fn delete(play: &mut Play) {
    // Whatever state it is in.
    if let Some(farm) = play.pick(|state| farms(state, |farm| !farm.is_over())) {
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::DeleteFarm { farm });
    }
}

pub fn decide_pending(play: &mut Play) {
    if let Some(farm) = play.pick(|state| farms(state, |farm| farm == FarmState::PendingApproval)) {
        let approved = play.chance.permille(700);
        play.ask(Command::ApproveFarm { farm, approved, note: None });
    }
}

pub fn run(play: &mut Play) {
    if let Some(farm) = play.pick(|state| farms(state, FarmState::is_usable)) {
        let ask = lines(play, Some(farm));
        let tenant = tenant_of(play.state(), farm);
        play.ask_for(tenant, Command::RunInstances { farm, ask });
    }
}

/// One or more instances of a farm, whatever they are doing.
pub fn power(play: &mut Play) {
    let Some(first) = play.pick(|state| {
        state.rows.instances.values().filter(|row| row.is_live()).map(|row| (row.id, row.farm)).collect()
    }) else {
        return;
    };
    let mut instances = vec![first.0];
    for _ in 0..play.chance.below(3) {
        let more = play.pick(|state| state.indexes.instances_by_farm.of(&first.1).collect());
        instances.extend(more.filter(|id| !instances.contains(id)));
    }
    // What makes sense for the first of them, most of the time.
    let state = play.state().rows.instances.get(&first.0).map(|row| row.state);
    let sensible: &[Power] = match state {
        Some(InstanceState::Running) => &[Power::Stop, Power::Stop, Power::Reboot, Power::Terminate],
        Some(InstanceState::Stopped) => &[Power::Start, Power::Start, Power::Start, Power::Terminate],
        _ => &[Power::Terminate],
    };
    let any = &[Power::Stop, Power::Start, Power::Reboot, Power::Terminate];
    let power = if play.chance.permille(800) { play.chance.pick(sensible) } else { play.chance.pick(any) };
    let tenant = tenant_of(play.state(), first.1);
    play.ask_for(tenant, Command::Power { instances, power: power.unwrap_or(Power::Stop) });
}

/// Retry, skip or adopt what is stuck; cancel what is under way.
pub fn mend(play: &mut Play) {
    let in_state = |state: &State, wanted: fn(OperationState) -> bool| {
        state.rows.operations.values().filter(|row| wanted(row.state)).map(|row| row.id).collect::<Vec<_>>()
    };
    let stuck = play.pick(|state| in_state(state, |state| state == OperationState::Stuck));
    match stuck {
        Some(operation) if play.chance.permille(700) => {
            let remedies = [Remedy::Retry, Remedy::Retry, Remedy::Skip, Remedy::Adopt, Remedy::Cancel];
            let remedy = play.chance.pick(&remedies).unwrap_or(Remedy::Retry);
            // Nobody but the person who says so knows whether a router has its configuration, or a volume
            // its size and its place, so here the person does not lie.
            let believed = play.state().rows.operations.get(&operation).is_some_and(|row| {
                let believed =
                    [SagaKind::RouterApply, SagaKind::VolumeAttach, SagaKind::VolumeDetach, SagaKind::VolumeResize];
                believed.contains(&row.saga) || row.current().is_some_and(|record| record.step == "unmap")
            });
            let remedy = if believed && remedy == Remedy::Adopt { Remedy::Skip } else { remedy };
            play.ask(Command::Mend { operation, remedy });
        }
        _ => {
            if let Some(operation) = play.pick(|state| in_state(state, |state| !state.is_over())) {
                play.ask(Command::Mend { operation, remedy: Remedy::Cancel });
            }
        }
    }
}
