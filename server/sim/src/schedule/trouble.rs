//! What nobody asked for: calls that fail, hosts that are lost, guests that end, power cuts, a full disk.

use cascina_core::name::Name;
use cascina_core::state::Guest;
use cascina_drivers::GuestState;
use cascina_drivers::sim::{CallKind, Fault, Incident, Probability, Rule};

use super::play::Play;

const CALLS: [CallKind; 22] = [
    CallKind::DefineNetwork,
    CallKind::RemoveNetwork,
    CallKind::StageDisk,
    CallKind::Boot,
    CallKind::Stop,
    CallKind::Reboot,
    CallKind::Destroy,
    CallKind::ApplyRouter,
    CallKind::ProbeRouter,
    CallKind::ApplyFirewall,
    CallKind::MakeVolume,
    CallKind::ResizeVolume,
    CallKind::RemoveVolume,
    CallKind::AttachVolume,
    CallKind::DetachVolume,
    CallKind::MakeSnapshot,
    CallKind::RemoveSnapshot,
    CallKind::CheckImage,
    CallKind::CopyImage,
    CallKind::DropImage,
    CallKind::Stored,
    CallKind::Inventory,
];

/// What is done with few farms.
const BUSY: [CallKind; 8] = [
    CallKind::Boot,
    CallKind::Stop,
    CallKind::Destroy,
    CallKind::ApplyFirewall,
    CallKind::MakeVolume,
    CallKind::RemoveVolume,
    CallKind::AttachVolume,
    CallKind::DetachVolume,
];

fn host(play: &mut Play) -> Option<Name> {
    let hosts: Vec<_> = play.sim.world.hosts().keys().cloned().collect();
    hosts.get(play.chance.below(hosts.len() as u64) as usize).cloned()
}

/// Other faults than before, or none.
pub fn faults(play: &mut Play) {
    let count = play.chance.below(5);
    let rules = (0..count).map(|_| rule(play)).collect();
    play.sim.world.set_faults(rules);
}

fn rule(play: &mut Play) -> Rule {
    let effect = play.chance.permille(500);
    let fault = match play.chance.below(4) {
        0 => Fault::Refuse { why: "it does not want to".into() },
        1 => Fault::Hang { effect },
        2 => Fault::Crash { effect },
        _ => Fault::Slow { ms: play.chance.between((1_000, 60_000)) },
    };
    let calls = if play.narrow && play.chance.permille(600) { &BUSY[..] } else { &CALLS[..] };
    let often = play.chance.pick(&[0.1, 0.3, 1.0]).unwrap_or(1.0);
    Rule {
        host: host(play).filter(|_| play.chance.permille(300)),
        call: play.chance.pick(calls).filter(|_| play.chance.permille(750)),
        after: play.chance.below(3) as u32,
        times: play.chance.permille(700).then(|| play.chance.between((1, 8)) as u32),
        probability: Probability::try_from(often).unwrap_or_default(),
        ..Rule::always(fault)
    }
}

pub fn hosts(play: &mut Play) {
    let Some(host) = host(play) else { return };
    let lost = play.sim.world.hosts().get(&host).is_some_and(|machine| machine.lost);
    let incident = match play.chance.below(3) {
        0 => Incident::PowerCycle { host },
        _ if lost => Incident::Restore { host },
        _ => Incident::Lose { host },
    };
    strike(play, &incident);
}

pub fn guests(play: &mut Play) {
    let machines = play.sim.world.hosts().values();
    let running: Vec<Guest> = machines
        .flat_map(|machine| machine.guests.values())
        .filter(|guest| guest.state == GuestState::Running)
        .map(|guest| guest.spec.guest)
        .collect();
    if let Some(guest) = play.chance.pick(&running) {
        let forgets = matches!(guest, Guest::Router(_)) && play.chance.permille(500);
        strike(play, &if forgets { Incident::ForgetRouter { guest } } else { Incident::CrashGuest { guest } });
    }
}

pub fn strike(play: &mut Play, incident: &Incident) {
    play.sim.say(|| format!("{incident:?}"));
    // What cannot happen does not.
    let _ = play.sim.world.strike(incident);
}

/// The power fails: once, or again while the server comes up, or again and again.
pub fn crash(play: &mut Play) {
    for _ in 0..play.chance.between((1, 3)) {
        let within = play.chance.pick(&[1, 50, 3000]).unwrap_or(1);
        let after = play.chance.below(within);
        play.sim.crash_after(after);
    }
}

/// The disk is full for a while.
pub fn disk(play: &mut Play) {
    let longest = play.chance.pick(&[100, 10_000]).unwrap_or(100);
    play.sim.disk_full_until = play.sim.now.plus_ms(play.chance.below(longest));
}
