//! Which guest has which volume.

use cascina_core::id::{FarmId, VolumeId};
use cascina_core::state::Guest;

use super::answer::{Answer, No, done, never, put};
use super::machine::Machine;
use super::stores::Stores;
use super::volumes::missing;
use crate::{GuestSpec, GuestState, Place, VolumeAt};

impl Machine {
    pub(super) fn attach_volume(&self, stores: &Stores, guest: Guest, volume: &VolumeAt, at: &Place) -> Answer {
        let there = self.guest(guest)?;
        let id = volume.volume;
        let Some(of) = stores.volume_at(id, at)? else { return missing(id, at) };
        may_have(stores, guest, there.spec.farm, id, of.farm)?;
        if let Some(has) = there.spec.volumes.iter().find(|has| has.volume == id) {
            return match has.device == volume.device {
                true => done(Vec::new()),
                false => never(format!("{guest} has {id} as {}, not {}", has.device, volume.device)),
            };
        }
        if there.state == GuestState::Staged {
            return never(format!("{guest} was never booted"));
        }
        let mut guest = there.clone();
        guest.spec.volumes.push(volume.clone());
        no_device_twice(&guest.spec)?;
        put(guest)
    }

    pub(super) fn detach_volume(&self, guest: Guest, volume: VolumeId) -> Answer {
        let Some(there) = self.guests.get(&guest).filter(|there| there.has(volume)) else { return done(Vec::new()) };
        let mut guest = there.clone();
        guest.spec.volumes.retain(|at| at.volume != volume);
        put(guest)
    }
}

/// All volumes of a guest that is about to boot are there, its farm's, and nobody else's.
pub(super) fn may_have_all(stores: &Stores, spec: &GuestSpec) -> Result<(), No> {
    for (place, VolumeAt { volume, .. }) in spec.volumes.iter().enumerate() {
        let Some((_, of)) = stores.volume(*volume) else { return never(format!("{volume} is in no store")) };
        may_have(stores, spec.guest, spec.farm, *volume, of.farm)?;
        if spec.volumes[..place].iter().any(|other| other.volume == *volume) {
            return never(format!("{} is to have {volume} twice", spec.guest));
        }
    }
    no_device_twice(spec)
}

fn may_have(stores: &Stores, guest: Guest, farm: FarmId, volume: VolumeId, of: FarmId) -> Result<(), No> {
    if farm != of {
        return never(format!("{volume} belongs to {of}, {guest} to {farm}"));
    }
    match stores.holders(volume).iter().find(|(_, other)| *other != guest) {
        Some((host, other)) => never(format!("{other} on {host} has {volume}")),
        None => Ok(()),
    }
}

fn no_device_twice(spec: &GuestSpec) -> Result<(), No> {
    for (place, VolumeAt { volume, device }) in spec.volumes.iter().enumerate() {
        if let Some(other) = spec.volumes[..place].iter().find(|other| other.device == *device) {
            return never(format!("{} has {} as {device}, so that {volume} cannot be it", spec.guest, other.volume));
        }
    }
    Ok(())
}
