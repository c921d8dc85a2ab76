//! Volumes. The disk that an instance boots from is seen as one, with its instance's number: it is made
//! with the instance, attached to it, and ends with it.

pub mod attach;
pub mod attribute;
pub mod create;
pub mod describe;
pub mod kind;
pub mod modify;
pub mod status;
pub mod view;

use cascina_core::id::{FarmId, InstanceId, VolumeId};
use cascina_core::instance::Instance;
use cascina_core::state::State;
use cascina_core::volume::{Volume, VolumeState};

use crate::fault::Fault;
use crate::ids;
use crate::noun::Noun;

/// What is seen as a volume.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    Volume(&'a Volume),
    /// The disk that this one boots from.
    Root(&'a Instance),
}

/// The id in a parameter.
pub fn id(text: &str) -> Result<VolumeId, Fault> {
    ids::read(Noun::Volume, VolumeId::PREFIX, text)
}

/// All of them, each once.
pub fn all_ids(texts: &[String]) -> Result<Vec<VolumeId>, Fault> {
    let mut all = texts.iter().map(|text| id(text)).collect::<Result<Vec<_>, _>>()?;
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// The farm's volume, as long as it can be seen.
pub fn find(state: &State, farm: FarmId, id: VolumeId) -> Result<Found<'_>, Fault> {
    if let Some(row) = state.rows.volumes.get(&id).filter(|row| row.farm == farm) {
        return Ok(Found::Volume(row));
    }
    let instance = state.rows.instances.get(&InstanceId(id.0)).filter(|row| row.farm == farm && row.is_live());
    instance.map(|row| Found::Root(row)).ok_or_else(|| Noun::Volume.not_found(&id.to_string()))
}

/// … to do something with: one that is being deleted is not there any more.
pub fn find_usable(state: &State, farm: FarmId, id: VolumeId) -> Result<Found<'_>, Fault> {
    match find(state, farm, id)? {
        Found::Volume(row) if row.state == VolumeState::Deleting => Err(Noun::Volume.not_found(&id.to_string())),
        found => Ok(found),
    }
}

/// All of a farm's, or those that are named, in the order of their ids.
pub fn select<'a>(state: &'a State, farm: FarmId, named: &[VolumeId]) -> Result<Vec<(VolumeId, Found<'a>)>, Fault> {
    if !named.is_empty() {
        return named.iter().map(|id| Ok((*id, find(state, farm, *id)?))).collect();
    }
    let volumes = state.indexes.volumes_by_farm.of(&farm).filter_map(|id| state.rows.volumes.get(&id));
    let volumes = volumes.map(|row| (row.id, Found::Volume(row)));
    let live = state.indexes.instances_by_farm.with(&farm).filter(|row| row.is_live());
    let mut all: Vec<_> = volumes.chain(live.map(|row| (VolumeId(row.id.0), Found::Root(row)))).collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    Ok(all)
}
