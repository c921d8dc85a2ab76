//! Images: those of the site, which are for everybody, and those that farms make.

pub mod attribute;
pub mod change;
pub mod create;
pub mod describe;
pub mod permission;
pub mod register;
pub mod view;

use cascina_core::id::{ImageId, SnapshotId};
use cascina_core::image::{Image, ImageState};
use cascina_core::state::State;

use crate::account;
use crate::call::Call;
use crate::code::Code;
use crate::fault::Fault;
use crate::ids;
use crate::noun::Noun;

/// What images and instances call the disk that they boot from.
pub const ROOT_DEVICE: &str = ROOT_DEVICES[0];
/// What others call it.
pub const ROOT_DEVICES: [&str; 4] = ["/dev/sda1", "/dev/sda", "/dev/vda", "/dev/xvda"];

/// The id in a parameter.
pub fn id(text: &str) -> Result<ImageId, Fault> {
    text.parse().map_err(|_| match ids::looks(ImageId::PREFIX, text) {
        true => Noun::Image.not_found(text),
        // Clients know this text.
        false => Code::InvalidAmiIdMalformed
            .fault(format!("Invalid id: \"{}\" (expecting \"ami-...\")", crate::wire::short(text))),
    })
}

/// An image that the farm may see.
pub fn find<'a>(state: &'a State, call: &Call, id: ImageId) -> Result<&'a Image, Fault> {
    let row = state.rows.images.get(&id).filter(|image| image.is_for(call.farm, call.tenant));
    let row = row.ok_or_else(|| Noun::Image.not_found(&id.to_string()))?;
    match row.state {
        ImageState::Deprecated => {
            Err(Code::InvalidAmiIdUnavailable.fault(format!("The image ID '{id}' is no longer available")))
        }
        ImageState::Pending | ImageState::Available | ImageState::Failed => Ok(row),
    }
}

/// … and change.
pub fn find_own<'a>(state: &'a State, call: &Call, id: ImageId) -> Result<&'a Image, Fault> {
    let row = find(state, call, id)?;
    if row.is_of(call.farm, call.tenant) {
        return Ok(row);
    }
    Err(Code::NotAuthorized.fault(format!("Not authorized for image:{id}")))
}

/// The account that an image is of, as this farm sees it: its tenant's are its own.
pub fn owner(image: &Image, call: &Call) -> String {
    match image.farm {
        Some(farm) => account::of(farm),
        None if image.tenant == Some(call.tenant) => call.account.clone(),
        None => account::of_site(),
    }
}

/// The snapshot that holds its disk; one that is kept in another way has a number all the same.
pub fn snapshot_of(image: &Image) -> SnapshotId {
    image.snapshot.unwrap_or(SnapshotId(image.id.0))
}

/// GiB of its disk, as EC2 has it: there are none without any.
pub fn size_of(image: &Image) -> u64 {
    image.min_disk.0.max(1)
}

/// A name that the farm has for one image already is not for another.
pub fn is_free(state: &State, call: &Call, title: &str) -> Result<(), Fault> {
    let images = state.indexes.images_by_farm.of(&call.farm).filter_map(|id| state.rows.images.get(&id));
    let mut images = images.filter(|image| matches!(image.state, ImageState::Pending | ImageState::Available));
    match images.find(|image| image.title() == title) {
        Some(image) => {
            let text = format!("AMI name {title} is already in use by AMI {}", image.id);
            Err(Code::InvalidAmiNameDuplicate.fault(text))
        }
        None => Ok(()),
    }
}
