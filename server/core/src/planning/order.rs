//! An order in which no step overcommits a host.

use super::Wanted;
use super::room::Rooms;
use crate::id::HostId;
use crate::plan::{DroppedMove, Move, Step};
use crate::state::State;
use crate::units::Size;

/// Moves that can be made one after the other, with what each waits for. What cannot be made at any place is
/// dropped; of a circle of guests that wait for one another's room, the one that was proposed first is.
///
/// `rooms` are afterwards as they are when all is done.
pub(crate) fn order(
    state: &State,
    rooms: &mut Rooms,
    wanted: Vec<Wanted>,
    dropped: &mut Vec<DroppedMove>,
    make: impl Fn(Wanted) -> Move,
) -> Vec<Move> {
    // Room as if nobody had left yet: what does not fit there waits for those who leave.
    let mut crowded = rooms.clone();
    let mut left: Vec<Wanted> = wanted;
    let mut moves: Vec<Move> = Vec::new();
    // By place among the wishes: where it came to be.
    let mut made: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
    let mut gone: std::collections::BTreeSet<u32> = std::collections::BTreeSet::new();
    while !left.is_empty() {
        let waiting: std::collections::BTreeSet<u32> = left.iter().map(|one| one.place).collect();
        let ready = left.iter().position(|one| {
            let waits = one.after.iter().any(|before| waiting.contains(before) && *before != one.place);
            !waits && refusal(state, rooms, one).is_none()
        });
        let Some(ready) = ready else {
            // Nobody can go: the first of those that wait for no other move gives way.
            let stuck = left
                .iter()
                .position(|one| !one.after.iter().any(|before| waiting.contains(before) && *before != one.place))
                .unwrap_or(0);
            let one = left.remove(stuck);
            let code = refusal(state, rooms, &one).unwrap_or("circle");
            drop_move(dropped, &one, code);
            gone.insert(one.place);
            continue;
        };
        let mut one = left.remove(ready);
        if one.after.iter().any(|before| gone.contains(before)) {
            drop_move(dropped, &one, "needs-dropped");
            gone.insert(one.place);
            continue;
        }
        let mut after: Vec<u32> = one.after.iter().filter_map(|before| made.get(before).copied()).collect();
        let size = one.size;
        if let (Some(guest), Some((from, Some(to)))) = (one.step.guest(), one.step.way()) {
            if !fits(&crowded, to, size) || rooms_apart(state, &crowded, &one, to) {
                after.extend(leavers(&moves, to));
            }
            if let Some(room) = crowded.hosts.get_mut(&to) {
                room.used += size;
            }
            rooms.carry(state, guest, size, from, to);
        } else {
            if let Step::PowerOff { host } = one.step {
                after.extend(leavers(&moves, host));
            }
            rooms.carry_out(state, &one.step);
        }
        after.sort_unstable();
        after.dedup();
        one.after = after;
        made.insert(one.place, moves.len() as u32);
        moves.push(make(one));
    }
    moves
}

fn fits(rooms: &Rooms, to: HostId, size: Size) -> bool {
    rooms.hosts.get(&to).is_some_and(|room| (room.used + size).fits_in(room.capacity))
}

/// Another of its farm was there at first.
fn rooms_apart(state: &State, crowded: &Rooms, one: &Wanted, to: HostId) -> bool {
    one.step.guest().is_some_and(|guest| crowded.refuses(state, guest, Size::ZERO, to) == Some("not-apart"))
}

/// Moves so far that leave a host, or end something on it.
fn leavers(moves: &[Move], host: HostId) -> impl Iterator<Item = u32> + '_ {
    let leaves = move |one: &Move| match (&one.step, one.step.way()) {
        (_, Some((from, _))) => from == host,
        // Where it was is not written in it; waiting for it does no harm.
        (Step::Reclaim { .. } | Step::PowerOn { .. }, None) => true,
        _ => false,
    };
    (0u32..).zip(moves).filter(move |(_, one)| leaves(one)).map(|(place, _)| place)
}

fn refusal(state: &State, rooms: &Rooms, one: &Wanted) -> Option<&'static str> {
    match (one.step.guest(), one.step.way(), &one.step) {
        (Some(guest), Some((_, Some(to))), _) => rooms.refuses(state, guest, one.size, to),
        (_, _, Step::PowerOff { host }) => {
            rooms.hosts.get(host).is_some_and(|room| room.guests > 0).then_some("not-empty")
        }
        _ => None,
    }
}

fn drop_move(dropped: &mut Vec<DroppedMove>, one: &Wanted, code: &str) {
    let text = match code {
        "no-room" => "the host that it is for has no room for it, in any order",
        "host-closed" => "the host that it is for takes no new guests",
        "not-apart" => "another instance of its farm is there, and the farm wants them apart",
        "not-empty" => "guests would still run there",
        "needs-dropped" => "it waits for a move that was dropped",
        _ => "these moves wait for one another",
    };
    let what = format!("{} {}", one.step.as_str(), one.step.subject());
    dropped.push(DroppedMove { by: one.by.clone(), what, code: code.into(), text: text.into() });
}
