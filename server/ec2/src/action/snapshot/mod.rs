//! Snapshots. What an image of the site is kept as is seen as one, with its image's number: it cannot be
//! changed, and only instances are made of it.

pub mod attribute;
pub mod create;
pub mod describe;
pub mod view;

use cascina_core::id::{ImageId, SnapshotId};
use cascina_core::image::{Image, ImageState};
use cascina_core::snapshot::{Snapshot, SnapshotState};
use cascina_core::state::State;

use crate::call::Call;
use crate::fault::Fault;
use crate::ids;
use crate::noun::Noun;

/// What is seen as a snapshot.
#[derive(Debug, Clone, Copy)]
pub enum Found<'a> {
    Own(&'a Snapshot),
    OfImage(&'a Image),
}

/// The id in a parameter.
pub fn id(text: &str) -> Result<SnapshotId, Fault> {
    ids::read(Noun::Snapshot, SnapshotId::PREFIX, text)
}

/// One that the farm can see. One that is being deleted is not there any more.
pub fn find<'a>(state: &'a State, call: &Call, id: SnapshotId) -> Result<Found<'a>, Fault> {
    if let Some(row) = state.rows.snapshots.get(&id).filter(|row| is_there(row, call)) {
        return Ok(Found::Own(row));
    }
    let image = state.rows.images.get(&ImageId(id.0)).filter(|image| is_kept(image, call));
    image.map(|image| Found::OfImage(image)).ok_or_else(|| Noun::Snapshot.not_found(&id.to_string()))
}

fn is_there(row: &Snapshot, call: &Call) -> bool {
    row.farm == call.farm && row.state != SnapshotState::Deleting
}

fn is_kept(image: &Image, call: &Call) -> bool {
    image.snapshot.is_none() && image.state == ImageState::Available && image.is_for(call.farm, call.tenant)
}

/// All that the farm can see, or those that are named, in the order of their ids.
pub fn select<'a>(state: &'a State, call: &Call, named: &[SnapshotId]) -> Result<Vec<(SnapshotId, Found<'a>)>, Fault> {
    if !named.is_empty() {
        return named.iter().map(|id| Ok((*id, find(state, call, *id)?))).collect();
    }
    let own = state.indexes.snapshots_by_farm.of(&call.farm).filter_map(|id| state.rows.snapshots.get(&id));
    let own = own.filter(|row| is_there(row, call)).map(|row| (row.id, Found::Own(row)));
    let images = state.rows.images.values().filter(|image| is_kept(image, call));
    let mut all: Vec<_> = own.chain(images.map(|image| (SnapshotId(image.id.0), Found::OfImage(image)))).collect();
    all.sort_unstable_by_key(|(id, _)| *id);
    Ok(all)
}
