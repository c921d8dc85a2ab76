//! Images on simulated hosts. What is in one follows from its name.

use std::collections::BTreeMap;

use cascina_core::image::{Content, ImageFormat};
use cascina_core::policy::Digest;
use cascina_core::units::Mib;
use sha2::{Digest as _, Sha256};

use super::answer::{Answer, No, done, never};
use super::change::Effect;
use super::machine::Machine;
use super::state::State;
use super::volumes::FROM_SNAPSHOT;
use crate::{Copied, HostRef, Reply};

/// By the images' names.
pub type Sizes = BTreeMap<String, Mib>;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// As much as one call copies.
const SLICE: u64 = 256 * MIB;

pub(super) fn digest(image: &str) -> Digest {
    Digest(Sha256::digest(image).into())
}

pub(super) fn has_digest(image: &str, sha256: Option<Digest>) -> Result<(), No> {
    match sha256.filter(|wanted| *wanted != digest(image)) {
        Some(wanted) => never(format!("`{image}` has SHA-256 {}, and the catalogue says {wanted}", digest(image))),
        None => Ok(()),
    }
}

pub(super) fn check(sizes: &Sizes, image: &str, sha256: Option<Digest>) -> Answer {
    if image.is_empty() || image.starts_with(FROM_SNAPSHOT) {
        return never(format!("`{image}` is not the name of an image"));
    }
    has_digest(image, sha256)?;
    let bytes = sizes.get(image).map_or(GIB, |mib| mib.0.saturating_mul(MIB));
    let content = Content { digest: digest(image), bytes, disk_bytes: bytes, format: ImageFormat::Qcow2 };
    Ok((Vec::new(), Reply::Image(Box::new(content))))
}

/// Bytes that the next call brings.
pub(super) fn missing(machine: &Machine, image: &str, content: &Content) -> u64 {
    if machine.images.contains(image) {
        return 0;
    }
    content.bytes.saturating_sub(there(machine, image)).min(SLICE)
}

fn there(machine: &Machine, image: &str) -> u64 {
    machine.parts.get(image).copied().unwrap_or_default()
}

/// How long so many bytes take, if a GiB takes so long.
pub(super) fn share_of(gib_ms: u64, bytes: u64) -> u64 {
    u64::try_from(u128::from(gib_ms) * u128::from(bytes) / u128::from(GIB)).unwrap_or(u64::MAX)
}

impl Machine {
    pub(super) fn copy_image(&self, state: &State, image: &str, content: &Content, from: Option<&HostRef>) -> Answer {
        if content.digest != digest(image) {
            return never(format!("`{image}` has SHA-256 {} now, not {}", digest(image), content.digest));
        }
        let whole = |effects| Ok((effects, Reply::Copied(Copied { done: content.bytes, whole: true })));
        if self.images.contains(image) {
            return whole(Vec::new());
        }
        if let Some(from) = from {
            match state.hosts.get(&from.name) {
                Some(source) if source.lost => {
                    return Err(No::NotNow(format!("host {} does not answer", from.name)));
                }
                Some(source) if source.images.contains(image) => {}
                _ => return never(format!("host {} does not have `{image}`", from.name)),
            }
        }
        let bytes = there(self, image) + missing(self, image, content);
        let image = image.to_owned();
        if bytes >= content.bytes {
            return whole(vec![Effect::Image { image }]);
        }
        Ok((vec![Effect::ImagePart { image, bytes }], Reply::Copied(Copied { done: bytes, whole: false })))
    }

    pub(super) fn drop_image(&self, image: &str) -> Answer {
        if let Some(guest) = self.guests.values().find(|guest| guest.image == image) {
            return never(format!("the disk of {} is laid over `{image}`", guest.spec.guest));
        }
        match self.images.contains(image) || self.parts.contains_key(image) {
            true => done(vec![Effect::ImageGone { image: image.to_owned() }]),
            false => done(Vec::new()),
        }
    }
}
