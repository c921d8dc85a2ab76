//! Room on hosts, as moves take and give it.

use std::collections::BTreeMap;

use crate::cluster::keeps_apart;
use crate::id::{FarmId, HostId};
use crate::name::Name;
use crate::plan::Step;
use crate::state::{Guest, State};
use crate::units::Size;

#[derive(Debug, Clone)]
pub(crate) struct Room {
    pub capacity: Size,
    pub used: Size,
    pub class: Name,
    /// Takes new guests.
    pub open: bool,
    /// Guests that run there.
    pub guests: u32,
}

/// All hosts, and the farms that want their instances apart.
#[derive(Debug, Clone)]
pub struct Rooms {
    pub(crate) hosts: BTreeMap<HostId, Room>,
    apart: BTreeMap<(FarmId, HostId), u32>,
}

impl Rooms {
    pub fn of(state: &State) -> Rooms {
        let mut hosts: BTreeMap<HostId, Room> = BTreeMap::new();
        for row in state.rows.hosts.values() {
            let powered = state.indexes.guests_by_host.with(&row.id).filter(|size| size.vcpus.0 > 0).count();
            let room = Room {
                capacity: row.capacity,
                used: state.used_on(row.id),
                class: row.class.clone(),
                open: row.state.takes_guests(),
                guests: u32::try_from(powered).unwrap_or(u32::MAX),
            };
            hosts.insert(row.id, room);
        }
        let mut apart = BTreeMap::new();
        for farm in state.rows.farms.keys().filter(|farm| keeps_apart(state, **farm)) {
            for (host, count) in state.indexes.hosts_by_farm.pairs(farm) {
                apart.insert((*farm, host), *count);
            }
        }
        Rooms { hosts, apart }
    }

    /// Why this guest cannot go there; None if it can.
    pub(crate) fn refuses(&self, state: &State, guest: Guest, size: Size, to: HostId) -> Option<&'static str> {
        let room = self.hosts.get(&to)?;
        if !room.open {
            return Some("host-closed");
        }
        if !(room.used + size).fits_in(room.capacity) {
            return Some("no-room");
        }
        let Guest::Instance(id) = guest else { return None };
        let farm = state.rows.instances.get(&id)?.farm;
        (keeps_apart(state, farm) && self.apart.get(&(farm, to)).is_some_and(|count| *count > 0)).then_some("not-apart")
    }

    /// Best fit among the hosts of a class.
    pub(crate) fn fitting(
        &self,
        state: &State,
        guest: Guest,
        size: Size,
        class: &Name,
        from: HostId,
        mut may: impl FnMut(HostId) -> bool,
    ) -> Option<HostId> {
        let fits = self.hosts.iter().filter(|(id, room)| {
            **id != from && room.class == *class && self.refuses(state, guest, size, **id).is_none()
        });
        let left = |room: &Room| room.capacity.saturating_sub(room.used);
        fits.filter(|(id, _)| may(**id))
            .min_by_key(|(id, room)| (left(room).vcpus, left(room).memory, **id))
            .map(|(id, _)| *id)
    }

    pub(crate) fn carry(&mut self, state: &State, guest: Guest, size: Size, from: HostId, to: HostId) {
        if let Some(room) = self.hosts.get_mut(&from) {
            room.used = room.used.saturating_sub(size);
            room.guests = room.guests.saturating_sub(1);
        }
        if let Some(room) = self.hosts.get_mut(&to) {
            room.used += size;
            room.guests += 1;
        }
        let Guest::Instance(id) = guest else { return };
        let Some(farm) = state.rows.instances.get(&id).map(|row| row.farm).filter(|farm| keeps_apart(state, *farm))
        else {
            return;
        };
        if let Some(count) = self.apart.get_mut(&(farm, from)) {
            *count = count.saturating_sub(1);
        }
        *self.apart.entry((farm, to)).or_default() += 1;
    }

    /// Lets a move have happened.
    pub(crate) fn carry_out(&mut self, state: &State, step: &Step) {
        let size = |guest| size_of(state, guest).unwrap_or(Size::ZERO);
        match step {
            Step::Migrate { from, to: Some(to), .. } | Step::MoveRouter { from, to: Some(to), .. } => {
                if let Some(guest) = step.guest() {
                    self.carry(state, guest, size(guest), *from, *to);
                }
            }
            Step::Reclaim { instance } => {
                let Some((host, claim)) = state.rows.instances.get(instance).and_then(|row| row.claim()) else {
                    return;
                };
                if let Some(room) = self.hosts.get_mut(&host) {
                    // Its disk stays.
                    room.used = room.used.saturating_sub(Size { disk: crate::units::Gib::ZERO, ..claim });
                    room.guests = room.guests.saturating_sub(1);
                }
            }
            Step::PowerOff { host } => {
                if let Some(room) = self.hosts.get_mut(host) {
                    room.open = false;
                }
            }
            Step::PowerOn { host } => {
                if let Some(room) = self.hosts.get_mut(host) {
                    room.open = true;
                }
            }
            _ => {}
        }
    }
}

/// What a guest keeps from others.
pub(crate) fn size_of(state: &State, guest: Guest) -> Option<Size> {
    match guest {
        Guest::Instance(id) => state.rows.instances.get(&id).map(|row| row.size),
        Guest::Router(id) => state.rows.routers.get(&id).map(|row| row.size),
    }
}
