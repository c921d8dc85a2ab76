//! Disks that are a host's own go with their guest.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

use crate::libvirt::driver::Site;
use crate::libvirt::names::{Digest, Kept};
use crate::libvirt::parts::backing_of;
use crate::libvirt::seen::Here;
use crate::libvirt::storage::{New, Store};
use crate::libvirt::trouble::{Trouble, never};
use crate::libvirt::xml::{Layer, Media, Target};

impl Site {
    /// Brings them to the other host, where a domain says already that they come. The disk of a guest that runs
    /// is only prepared there; which ones the move itself must fill is said.
    pub(super) fn carry_disks(&self, other: &Site, here: &Here, runs: bool) -> Result<Vec<String>, Trouble> {
        let guest = here.guest();
        let (from, to) = (self.own_store()?, other.own_store()?);
        if from.shared {
            return Ok(Vec::new());
        }
        if let Some(volume) = here.seen.volumes().next() {
            return Err(never(format!("{guest} has {volume}, which is on this host alone: detach it first")));
        }
        let root = Kept::Root(guest);
        let volume = from.find_whole(root)?.ok_or(Trouble::NoDisk(guest))?;
        let below = backing_of(&volume)?.map(|layer| bring_image(&from, other, &to, &layer)).transpose()?;
        // Of an attempt that was cut off.
        to.remove(root)?;
        let filled = if runs {
            let empty = New::file(root, volume.get_info()?.capacity);
            to.make(&match below {
                Some(layer) => empty.over(layer),
                None => empty,
            })?;
            vec![Target::ROOT.to_string()]
        } else {
            // It names what it is laid over by the path that it has there too.
            carry(&from, &to, root, None)?;
            to.set_whole(root)?;
            Vec::new()
        };
        // Guests only read it, so it is the same at any moment.
        let seed = Kept::Seed(guest);
        if from.find(seed)?.is_some() {
            to.remove(seed)?;
            carry(&from, &to, seed, None)?;
        }
        Ok(filled)
    }

    /// The disk of a guest that has run here is all there, even if who moved it died before that was noted.
    pub(super) fn settle_disks(&self, here: &Here) -> Result<(), Trouble> {
        let (store, root) = (self.own_store()?, Kept::Root(here.guest()));
        if here.seen.has_port && !store.shared && store.find(root)?.is_some() {
            store.set_whole(root)?;
        }
        Ok(())
    }
}

/// An image that disks are laid over, if the other host does not have it.
fn bring_image(from: &Store, other: &Site, to: &Store, layer: &Layer) -> Result<Layer, Trouble> {
    let (Media::File(path) | Media::Block(path)) = &layer.media;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let Ok(kept @ Kept::Image(digest, format)) = name.parse() else {
        return Err(never(format!("{} is no image of ours", path.display())));
    };
    let lane = other.lane(to);
    let _alone = lane.alone();
    if to.find_whole(kept)?.is_none() {
        to.remove(kept)?;
        to.remove_marks(kept, None)?;
        carry(from, to, kept, Some(digest))?;
        to.set_whole(kept)?;
    }
    let there = to.find_whole(kept)?.ok_or_else(|| never(format!("the image {digest} went from the other host")))?;
    Ok(Layer { media: Media::File(Store::path(&there)?), format })
}

/// The file, byte by byte, through the server.
fn carry(from: &Store, to: &Store, kept: Kept, digest: Option<Digest>) -> Result<(), Trouble> {
    let volume = from.find(kept)?.ok_or_else(|| never(format!("{kept} is not in this host's store")))?;
    let new = New::file(kept, 0).raw();
    let target = to.make(&if digest.is_some() { new.read_by_all() } else { new })?;
    let mut bytes = Hashing { inner: from.reading(&volume)?, hash: Sha256::new() };
    let count = to.upload(&target, &mut bytes)?;
    let read = Digest(bytes.hash.finalize().into());
    if digest.is_some_and(|digest| digest != read) {
        to.remove(kept)?;
        return Err(never(format!("{kept} of this host's store is broken: its digest is {read}")));
    }
    tracing::debug!(%kept, bytes = count, "carried to another host");
    // What it is shows only now.
    to.refresh()
}

/// Reads, and sums up what it has read.
struct Hashing<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(room)?;
        self.hash.update(&room[..read]);
        Ok(read)
    }
}

/// What comes from a host, until all has come.
pub(in crate::libvirt) struct Reading(Option<virt::stream::Stream>);

impl Reading {
    pub(in crate::libvirt) fn new(stream: virt::stream::Stream) -> Reading {
        Reading(Some(stream))
    }
}

impl Read for Reading {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let Some(stream) = &self.0 else { return Ok(0) };
        let lost =
            |error: virt::error::Error| io::Error::new(io::ErrorKind::ConnectionAborted, error.message().to_owned());
        let read = stream.recv(room).map_err(lost)?;
        if read == 0
            && let Some(stream) = self.0.take()
        {
            stream.finish().map_err(lost)?;
        }
        Ok(read)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(stream) = self.0.take()
            && let Err(error) = stream.abort()
        {
            tracing::debug!(%error, "a stream of libvirt was not ended");
        }
    }
}
