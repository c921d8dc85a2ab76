//! Images on their way into a store: out of a file of this machine, or out of another host's store, of
//! which this machine only passes the bytes on.
//!
//! What is there of one that is not whole is said by the name of a mark beside it, so that an attempt that
//! was cut off is gone on with. What an earlier process wrote is read back before it counts.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use cascina_core::image::{Content, ImageFormat};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use super::driver::Site;
use super::image::{Known, called};
use super::link::Open;
use super::names::{Digest, Kept};
use super::parts::backing_of;
use super::storage::{New, PIECE, Store};
use super::trouble::{Trouble, found, never, not_now};
use super::xml::{Format, Media};
use crate::{Copied, HostRef};

/// How long one call goes on, and how much it copies: so much is lost when it is cut off.
const SLICE: Duration = Duration::from_secs(8);
const SLICE_BYTES: u64 = 256 << 20;
/// So many zeros are left out; a hole costs a stream of its own.
const HOLE: u64 = 8 << 20;

/// The way of images into one store.
#[derive(Default)]
pub(super) struct Lane {
    /// One at a time. What is known of those that are not whole.
    partials: Mutex<HashMap<Kept, Partial>>,
    /// Held while a disk is laid over an image, and while one goes.
    pub(super) layers: Mutex<()>,
}

impl Lane {
    /// Nothing else is copied into the store while this is held.
    pub(super) fn alone(&self) -> impl Drop {
        self.partials.lock()
    }
}

/// By what stores are told apart.
#[derive(Default)]
pub(super) struct Lanes(Mutex<HashMap<String, Arc<Lane>>>);

impl Lanes {
    pub(super) fn to(&self, store: &str) -> Arc<Lane> {
        Arc::clone(self.0.lock().entry(store.to_owned()).or_default())
    }
}

/// Of an image that is not all there.
#[derive(Clone)]
struct Partial {
    hash: Sha256,
    /// Bytes in the hash.
    hashed: u64,
    /// Bytes that are in the store.
    written: u64,
    /// Nothing was ever written from here on.
    untouched: u64,
    /// By which it was written: a host that was away may have lost what it had not put on its disk.
    by: Weak<Open>,
}

/// What is copied.
struct Wanted {
    kept: Kept,
    digest: Digest,
    bytes: u64,
}

enum Origin<'a> {
    File(&'a Path),
    Host(&'a HostRef),
}

impl Site {
    /// It is in the store when this ends.
    pub(super) fn bring(&self, store: &Store, known: &Known, kept: Kept) -> Result<PathBuf, Trouble> {
        let wanted = Wanted { kept, digest: known.digest, bytes: known.size };
        loop {
            if let Some(there) = store.find_whole(kept)? {
                return Store::path(&there);
            }
            self.go_on(store, &wanted, &Origin::File(&known.path))?;
        }
    }

    pub(super) fn copy_image(&self, image: &str, content: &Content, from: Option<&HostRef>) -> Result<Copied, Trouble> {
        let store = self.own_store()?;
        let wanted = Wanted { kept: kept(content), digest: content.digest, bytes: content.bytes };
        match from {
            Some(host) => self.go_on(&store, &wanted, &Origin::Host(host)),
            None => {
                let known = self.image(image)?;
                if known.content() != *content {
                    return Err(never(format!(
                        "{} was changed since it was checked: it has SHA-256 {} now",
                        called(&known.path),
                        known.digest
                    )));
                }
                self.go_on(&store, &wanted, &Origin::File(&known.path))
            }
        }
    }

    pub(super) fn drop_image(&self, content: &Content) -> Result<(), Trouble> {
        let (store, kept) = (self.own_store()?, kept(content));
        let lane = self.lane(&store);
        let mut partials = lane.partials.lock();
        let _laid = lane.layers.lock();
        for other in store.list()? {
            let Kept::Root(guest) = other else { continue };
            let Some(volume) = store.find(other)? else { continue };
            let Some(below) = backing_of(&volume)? else { continue };
            let (Media::File(path) | Media::Block(path)) = &below.media;
            if path.file_name().is_some_and(|name| name.to_str() == Some(&kept.to_string())) {
                return Err(never(format!("the disk of {guest} is laid over it")));
            }
        }
        partials.remove(&kept);
        store.remove(kept)?;
        store.remove_marks(kept, None)
    }

    /// Digests of images that are whole in the host's own store, as far as libvirt knows without looking.
    pub(super) fn images_here(&self) -> Option<Vec<Digest>> {
        let names = self.own_store().and_then(|store| Ok(store.pool.list_volumes()?));
        let names: std::collections::HashSet<String> = match names {
            Ok(names) => names.into_iter().collect(),
            Err(error) => {
                tracing::debug!(host = %self.host.name, %error, "its images could not be listed");
                return None;
            }
        };
        let whole = names.iter().filter_map(|name| match name.parse() {
            Ok(kept @ Kept::Image(digest, _)) if names.contains(&kept.whole()) => Some(digest),
            _ => None,
        });
        let mut whole: Vec<_> = whole.collect();
        whole.sort_unstable();
        Some(whole)
    }

    /// For a while.
    fn go_on(&self, store: &Store, wanted: &Wanted, origin: &Origin<'_>) -> Result<Copied, Trouble> {
        let until = Instant::now() + SLICE;
        let lane = self.lane(store);
        let mut partials = lane.partials.lock();
        let whole = Copied { done: wanted.bytes, whole: true };
        if store.find_whole(wanted.kept)?.is_some() {
            partials.remove(&wanted.kept);
            return Ok(whole);
        }
        let volume = store.find(wanted.kept)?;
        let known = partials.remove(&wanted.kept).filter(|partial| partial.by.as_ptr() == Arc::as_ptr(&store.open));
        let (volume, mut partial) = match (volume, known) {
            (Some(volume), Some(partial)) => (volume, partial),
            (volume, _) => self.begin(store, wanted, volume)?,
        };
        if partial.hashed < partial.written {
            store.read_back(&volume, &mut partial, until)?;
        }
        if partial.hashed == partial.written && partial.written < wanted.bytes && Instant::now() < until {
            match self.slice(store, &volume, wanted, origin, partial.clone(), until) {
                Ok(further) => partial = further,
                Err(trouble) => {
                    // The slice may have written anywhere, but nothing that counts.
                    partials.insert(wanted.kept, Partial { untouched: wanted.bytes, ..partial });
                    return Err(trouble);
                }
            }
        }
        if partial.hashed < wanted.bytes {
            let done = partial.hashed;
            partials.insert(wanted.kept, partial);
            return Ok(Copied { done, whole: false });
        }
        let digest = Digest(partial.hash.finalize().into());
        if digest != wanted.digest {
            store.remove(wanted.kept)?;
            store.remove_marks(wanted.kept, None)?;
            return Err(never(match origin {
                Origin::File(path) => format!(
                    "what was copied of {} has SHA-256 {digest}, not {}: it was changed meanwhile, so put images there \
                     by renaming them",
                    called(path),
                    wanted.digest
                ),
                Origin::Host(host) => format!(
                    "what was copied, last from host {}, has SHA-256 {digest}, not {}: it is begun anew",
                    host.name, wanted.digest
                ),
            }));
        }
        store.set_whole(wanted.kept)?;
        store.remove_marks(wanted.kept, None)?;
        let from = match origin {
            Origin::File(path) => path.display().to_string(),
            Origin::Host(host) => host.name.to_string(),
        };
        tracing::info!(host = %self.host.name, from, %digest, bytes = wanted.bytes, "image brought");
        Ok(whole)
    }

    /// Where an earlier process ended, or from nothing.
    fn begin(
        &self,
        store: &Store,
        wanted: &Wanted,
        volume: Option<StorageVol>,
    ) -> Result<(StorageVol, Partial), Trouble> {
        let by = Arc::downgrade(&store.open);
        let fresh = Partial { hash: Sha256::new(), hashed: 0, written: 0, untouched: 0, by };
        let written = store.marks(wanted.kept)?.into_iter().max().filter(|written| *written <= wanted.bytes);
        match (volume, written) {
            (Some(volume), Some(written)) => Ok((volume, Partial { written, untouched: wanted.bytes, ..fresh })),
            _ => {
                store.remove(wanted.kept)?;
                store.remove_marks(wanted.kept, None)?;
                let volume = store.make(&New::file(wanted.kept, wanted.bytes).raw().read_by_all())?;
                Ok((volume, fresh))
            }
        }
    }

    fn slice(
        &self,
        store: &Store,
        volume: &StorageVol,
        wanted: &Wanted,
        origin: &Origin<'_>,
        mut partial: Partial,
        until: Instant,
    ) -> Result<Partial, Trouble> {
        let mut from: Box<dyn Read> = match origin {
            Origin::File(path) => {
                let open = || -> io::Result<File> {
                    let mut file = File::open(path)?;
                    file.seek(SeekFrom::Start(partial.written))?;
                    Ok(file)
                };
                Box::new(open().map_err(|error| Trouble::Image(format!("{} cannot be read: {error}", called(path))))?)
            }
            Origin::Host(host) => {
                let theirs = self.at(host).own_store()?;
                let Some(there) = theirs.find_whole(wanted.kept)? else {
                    return Err(never(format!("host {} does not have it", host.name)));
                };
                Box::new(Received::begin(&theirs, &there, partial.written, 0)?)
            }
        };
        let mut writer = Writer { store, volume, at: partial.written, zeros: 0, stream: None };
        let mut room = vec![0; PIECE];
        let most = wanted.bytes.min(partial.written + SLICE_BYTES);
        while Instant::now() < until && writer.end() < most {
            let want = room.len().min(usize::try_from(most - writer.end()).unwrap_or(usize::MAX));
            let filled = fill(&mut *from, &mut room[..want]).map_err(|error| cut_off(origin, &error))?;
            if filled == 0 {
                return Err(not_now(match origin {
                    Origin::File(path) => format!("{} became shorter while it was read", called(path)),
                    Origin::Host(host) => format!("host {} sent less than there is", host.name),
                }));
            }
            let bytes = &room[..filled];
            partial.hash.update(bytes);
            let is_hole = writer.end() >= partial.untouched && bytes.iter().all(|byte| *byte == 0);
            writer.write(bytes, is_hole)?;
        }
        let end = writer.finish()?;
        partial.untouched = partial.untouched.max(end);
        (partial.hashed, partial.written) = (end, end);
        store.mark(wanted.kept, end)?;
        Ok(partial)
    }
}

fn cut_off(origin: &Origin<'_>, error: &io::Error) -> Trouble {
    match origin {
        Origin::File(path) => Trouble::Image(format!("{} cannot be read: {error}", called(path))),
        Origin::Host(host) => not_now(format!("host {} stopped sending: {error}", host.name)),
    }
}

/// As much as there is room for, if there is so much.
fn fill(from: &mut dyn Read, room: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < room.len() {
        match from.read(&mut room[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn kept(content: &Content) -> Kept {
    let format = match content.format {
        ImageFormat::Raw => Format::Raw,
        ImageFormat::Qcow2 => Format::Qcow2,
    };
    Kept::Image(content.digest, format)
}

/// A volume's bytes, as they come.
struct Received(Option<Stream>);

impl Received {
    /// `most` 0: to the end.
    fn begin(store: &Store, volume: &StorageVol, from: u64, most: u64) -> Result<Received, Trouble> {
        let stream = Stream::new(&store.open, 0)?;
        volume.download(&stream, from, most, 0)?;
        Ok(Received(Some(stream)))
    }
}

impl Read for Received {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match &self.0 {
            Some(stream) => stream.recv(room).map_err(|error| io::Error::other(error.message().to_owned())),
            None => Ok(0),
        }
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        // Also of one that came to its end: it is told so, and nothing follows from it.
        if let Some(Err(error)) = self.0.take().map(Stream::abort) {
            tracing::debug!(%error, "a stream of libvirt was not ended");
        }
    }
}

/// Writes into a volume one piece after the other, and leaves holes where it may.
struct Writer<'a> {
    store: &'a Store,
    volume: &'a StorageVol,
    /// Where the stream is.
    at: u64,
    /// That follow and were not written.
    zeros: u64,
    stream: Option<Stream>,
}

impl Writer<'_> {
    fn end(&self) -> u64 {
        self.at + self.zeros
    }

    fn write(&mut self, bytes: &[u8], is_hole: bool) -> Result<(), Trouble> {
        if is_hole {
            self.zeros += bytes.len() as u64;
            return Ok(());
        }
        self.settle_zeros()?;
        self.send(bytes)
    }

    /// Zeros are written, or left out if there are enough of them.
    fn settle_zeros(&mut self) -> Result<(), Trouble> {
        if self.zeros >= HOLE {
            self.end_stream()?;
            self.at += std::mem::take(&mut self.zeros);
            return Ok(());
        }
        let nothing = vec![0; PIECE];
        while self.zeros > 0 {
            let some = self.zeros.min(PIECE as u64);
            self.zeros -= some;
            self.send(&nothing[..some as usize])?;
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        let stream = match &self.stream {
            Some(stream) => stream,
            None => {
                let stream = Stream::new(&self.store.open, 0)?;
                self.volume.upload(&stream, self.at, 0, 0)?;
                self.stream.insert(stream)
            }
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = stream.send(rest)?;
            rest = rest.get(sent..).unwrap_or_default();
        }
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn end_stream(&mut self) -> Result<(), Trouble> {
        if let Some(stream) = self.stream.take() {
            stream.finish()?;
        }
        Ok(())
    }

    /// Everything is in the volume when this ends. Says up to where.
    fn finish(mut self) -> Result<u64, Trouble> {
        self.settle_zeros()?;
        self.end_stream()?;
        Ok(self.at)
    }
}

impl Drop for Writer<'_> {
    fn drop(&mut self) {
        if let Some(Err(error)) = self.stream.take().map(Stream::abort) {
            tracing::debug!(%error, "a stream of libvirt was not ended");
        }
    }
}

impl Store {
    /// Hashes what is in the volume up to where it counts.
    fn read_back(&self, volume: &StorageVol, partial: &mut Partial, until: Instant) -> Result<(), Trouble> {
        let left = partial.written - partial.hashed;
        let mut from = Received::begin(self, volume, partial.hashed, left)?;
        let mut room = vec![0; PIECE];
        while partial.hashed < partial.written && Instant::now() < until {
            let want = room.len().min(usize::try_from(partial.written - partial.hashed).unwrap_or(usize::MAX));
            let read = fill(&mut from, &mut room[..want]).map_err(|error| not_now(error.to_string()))?;
            if read == 0 {
                // Something else happened to it: from nothing.
                (partial.hash, partial.hashed, partial.written) = (Sha256::new(), 0, 0);
                return Ok(());
            }
            partial.hash.update(&room[..read]);
            partial.hashed += read as u64;
        }
        Ok(())
    }

    /// How much of it there may be, by the marks beside it.
    fn marks(&self, kept: Kept) -> Result<Vec<u64>, Trouble> {
        self.refresh()?;
        Ok(self.pool.list_volumes()?.iter().filter_map(|name| kept.part_of(name)).collect())
    }

    /// So much of it is there.
    fn mark(&self, kept: Kept, bytes: u64) -> Result<(), Trouble> {
        self.make_mark(&kept.part(bytes))?;
        self.remove_marks(kept, Some(bytes))
    }

    pub(super) fn remove_marks(&self, kept: Kept, but: Option<u64>) -> Result<(), Trouble> {
        for bytes in self.pool.list_volumes()?.iter().filter_map(|name| kept.part_of(name)) {
            if Some(bytes) != but
                && let Some(mark) = found(StorageVol::lookup_by_name(&self.pool, &kept.part(bytes)))?
            {
                found(mark.delete(0))?;
            }
        }
        Ok(())
    }
}
