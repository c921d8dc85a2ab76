//! How good a state of the hosts is.

use std::collections::BTreeMap;

use super::room::{Room, Rooms};
use crate::name::Name;
use crate::plan::Score;
use crate::state::State;
use crate::units::{Size, Timestamp};

/// The size that was refused last, and of which class.
fn refused(state: &State, now: Timestamp) -> Option<(Name, Size)> {
    let live = state.rows.shortages.values().filter(|row| row.expires > now);
    live.max_by_key(|row| (row.at, row.decision)).map(|row| (row.class.clone(), row.size))
}

/// Used in thousandths, of vCPUs or of memory, whichever is more.
fn used_permille(room: &Room) -> u64 {
    let part = |used: u64, all: u64| used * 1000 / all.max(1);
    part(room.used.vcpus.0.into(), room.capacity.vcpus.0.into()).max(part(room.used.memory.0, room.capacity.memory.0))
}

/// Free vCPUs and memory that cannot be used, since too little of the other is free beside them.
fn stranded(room: &Room) -> (u64, u64) {
    let free = room.capacity.saturating_sub(room.used);
    let (vcpus, memory) = (u64::from(room.capacity.vcpus.0.max(1)), room.capacity.memory.0.max(1));
    let (free_vcpus, free_memory) = (u64::from(free.vcpus.0), free.memory.0);
    let usable_vcpus = (u128::from(free_memory) * u128::from(vcpus) / u128::from(memory)).min(free_vcpus.into()) as u64;
    let usable_memory =
        (u128::from(free_vcpus) * u128::from(memory) / u128::from(vcpus)).min(free_memory.into()) as u64;
    (free_vcpus - usable_vcpus, free_memory - usable_memory)
}

fn slots(room: &Room, size: Size) -> u64 {
    let free = room.capacity.saturating_sub(room.used);
    let count = |free: u64, one: u64| free.checked_div(one).unwrap_or(u64::MAX);
    let count = count(free.vcpus.0.into(), size.vcpus.0.into())
        .min(count(free.memory.0, size.memory.0))
        .min(count(free.disk.0, size.disk.0));
    if count == u64::MAX { 0 } else { count }
}

pub fn score(rooms: &Rooms, state: &State, now: Timestamp) -> Score {
    let wanted = refused(state, now);
    let mut score = Score::default();
    let (mut vcpus, mut memory) = (0u64, 0u64);
    // By class: the fullest, the sum, how many.
    let mut classes: BTreeMap<&Name, (u64, u64, u64)> = BTreeMap::new();
    let mut fitting = 0u64;
    for room in rooms.hosts.values().filter(|room| room.open) {
        vcpus += u64::from(room.capacity.vcpus.0);
        memory += room.capacity.memory.0;
        let (stranded_vcpus, stranded_mib) = stranded(room);
        score.stranded_vcpus += stranded_vcpus;
        score.stranded_mib += stranded_mib;
        let used = used_permille(room);
        let (most, sum, count) = classes.entry(&room.class).or_default();
        (*most, *sum, *count) = ((*most).max(used), *sum + used, *count + 1);
        if room.guests > 0 {
            score.hosts_used += 1;
        } else {
            score.empty += 1;
        }
        if let Some((_, size)) = wanted.as_ref().filter(|(class, _)| *class == room.class) {
            fitting += slots(room, *size);
        }
    }
    let part = |part: u64, all: u64| u32::try_from(part * 1000 / all.max(1)).unwrap_or(u32::MAX);
    score.stranded_permille = part(score.stranded_vcpus, vcpus).max(part(score.stranded_mib, memory));
    let above = classes.values().map(|(most, sum, count)| most.saturating_sub(sum / (*count).max(1)));
    score.imbalance_permille = u32::try_from(above.max().unwrap_or(0)).unwrap_or(u32::MAX);
    score.slots = u32::try_from(fitting).unwrap_or(u32::MAX);
    score
}
