//! Stores: a folder on the host as a pool of libvirt, one a class.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cascina_core::name::Name;
use virt::storage_pool::StoragePool;
use virt::storage_vol::StorageVol;
use virt::stream::Stream;

use super::driver::Site;
use super::link::Open;
use super::migrate::Reading;
use super::names::Kept;
use super::trouble::{Trouble, found, never, not_now};
use super::xml::{Element, Format, Layer, Media};

/// As much as one message of libvirt's carries.
pub(super) const PIECE: usize = 256 << 10;

pub(super) struct Store {
    pub(super) pool: StoragePool,
    pub(super) open: Arc<Open>,
    site: Site,
    /// All hosts of the class have the same.
    pub(super) shared: bool,
}

/// A volume of libvirt's that is to be.
pub(super) struct New {
    name: String,
    bytes: u64,
    format: Format,
    backing: Option<Layer>,
    mode: &'static str,
}

impl New {
    pub(super) fn file(kept: Kept, bytes: u64) -> New {
        New { name: kept.to_string(), bytes, format: kept.format(), backing: None, mode: "0600" }
    }

    pub(super) fn over(self, layer: Layer) -> New {
        New { backing: Some(layer), ..self }
    }

    /// As it comes, whatever is in it.
    pub(super) fn raw(self) -> New {
        New { format: Format::Raw, ..self }
    }

    /// Other guests' disks are laid over it: no guest may change it, and all read it.
    pub(super) fn read_by_all(self) -> New {
        New { mode: "0644", ..self }
    }

    fn xml(&self) -> Result<String, Trouble> {
        let permissions = Element::new("permissions").child(Element::new("mode").text(self.mode));
        let format = |format: Format| Element::new("format").with("type", format);
        let volume = Element::new("volume")
            .child(Element::new("name").text(&self.name))
            .child(Element::new("capacity").with("unit", "bytes").text(self.bytes))
            .child(Element::new("allocation").with("unit", "bytes").text(0))
            .child(Element::new("target").child(format(self.format)).child(permissions));
        let below = self.backing.as_ref().map(|layer| {
            let (Media::File(path) | Media::Block(path)) = &layer.media;
            Element::new("backingStore").child(Element::new("path").path(path)).child(format(layer.format))
        });
        Ok(volume.children(below).document()?)
    }
}

impl Site {
    pub(super) fn store(&self, class: &Name) -> Result<Store, Trouble> {
        let settings = self.settings().classes.get(class).ok_or_else(|| Trouble::NoClass(class.clone()))?;
        self.store_at(&format!("cascina-{class}"), &settings.pool, settings.shared)
    }

    /// That of the host's own class.
    pub(super) fn own_store(&self) -> Result<Store, Trouble> {
        self.store(&self.host.class)
    }

    /// Where consoles are written.
    pub(super) fn consoles(&self) -> Result<Store, Trouble> {
        self.store_at("cascina-console", &self.settings().consoles, false)
    }

    fn store_at(&self, name: &str, path: &Path, shared: bool) -> Result<Store, Trouble> {
        let open = self.link.quick()?;
        let pool = match found(StoragePool::lookup_by_name(&open, name))? {
            Some(pool) => pool,
            None => {
                let xml = Element::new("pool")
                    .with("type", "dir")
                    .child(Element::new("name").text(name))
                    .child(Element::new("target").child(Element::new("path").path(path)))
                    .document()?;
                let pool = StoragePool::define_xml(&open, &xml, 0)?;
                pool.set_autostart(true)?;
                pool
            }
        };
        if !pool.is_active()? {
            let there = target_of(&pool)?;
            if there != path {
                let (there, path) = (there.display(), path.display());
                return Err(never(format!("the pool {name} of this host is at {there}, and the settings say {path}")));
            }
            pool.build(0)?;
            // Somebody else may be as quick.
            if let Err(error) = pool.create(0)
                && !pool.is_active()?
            {
                return Err(error.into());
            }
        }
        Ok(Store { pool, open, site: self.clone(), shared })
    }
}

fn target_of(pool: &StoragePool) -> Result<PathBuf, Trouble> {
    let xml = pool.get_xml_desc(0)?;
    let unreadable = |why: String| Trouble::Unreadable { what: "a pool".into(), why };
    let document = roxmltree::Document::parse(&xml).map_err(|error| unreadable(error.to_string()))?;
    let path = document.descendants().find(|node| node.has_tag_name("path")).and_then(|node| node.text());
    path.map(PathBuf::from).ok_or_else(|| unreadable("it has no path".into()))
}

impl Store {
    /// libvirt knows what was there when it looked last, and other hosts may have changed that.
    pub(super) fn refresh(&self) -> Result<(), Trouble> {
        let mut tries = 0;
        loop {
            match self.pool.refresh(0) {
                Ok(_) => return Ok(()),
                // While something is written into the pool it cannot be looked at; what is known must do.
                Err(error) if error.message().contains("asynchronous jobs running") => {
                    tries += 1;
                    if tries == 20 {
                        return Err(not_now("the host's store is busy: something long is being written there"));
                    }
                    self.site.pause(Duration::from_millis(100));
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn known(&self, name: &str) -> Result<Option<StorageVol>, Trouble> {
        let Some(volume) = found(StorageVol::lookup_by_name(&self.pool, name))? else { return Ok(None) };
        // This looks at the file, which may have gone.
        Ok(volume.get_info().is_ok().then_some(volume))
    }

    pub(super) fn find_named(&self, name: &str) -> Result<Option<StorageVol>, Trouble> {
        if let Some(volume) = self.known(name)? {
            return Ok(Some(volume));
        }
        self.refresh()?;
        self.known(name)
    }

    pub(super) fn find(&self, kept: Kept) -> Result<Option<StorageVol>, Trouble> {
        self.find_named(&kept.to_string())
    }

    /// It, if it is not half made.
    pub(super) fn find_whole(&self, kept: Kept) -> Result<Option<StorageVol>, Trouble> {
        match self.find_named(&kept.whole())? {
            Some(_) => self.find(kept),
            None => Ok(None),
        }
    }

    pub(super) fn make(&self, new: &New) -> Result<StorageVol, Trouble> {
        Ok(StorageVol::create_xml(&self.pool, &new.xml()?, 0)?)
    }

    /// All of what is on `from`, and below it, in one file.
    pub(super) fn copy(&self, new: &New, from: &StorageVol) -> Result<StorageVol, Trouble> {
        Ok(StorageVol::create_xml_from(&self.pool, &new.xml()?, from, 0)?)
    }

    pub(super) fn set_whole(&self, kept: Kept) -> Result<(), Trouble> {
        self.make_mark(&kept.whole())
    }

    /// A volume that says something by being there.
    pub(super) fn make_mark(&self, name: &str) -> Result<(), Trouble> {
        let mark = New { name: name.into(), bytes: 0, format: Format::Raw, backing: None, mode: "0644" };
        if self.known(&mark.name)?.is_none() {
            self.make(&mark)?;
        }
        Ok(())
    }

    /// It is not whole any more before it goes.
    pub(super) fn remove(&self, kept: Kept) -> Result<(), Trouble> {
        for name in [kept.whole(), kept.to_string()] {
            self.remove_named(&name)?;
        }
        Ok(())
    }

    pub(super) fn remove_named(&self, name: &str) -> Result<(), Trouble> {
        match self.find_named(name)? {
            Some(volume) => Ok(found(volume.delete(0)).map(|_| ())?),
            None => Ok(()),
        }
    }

    /// Everything of ours that is there now.
    pub(super) fn list(&self) -> Result<Vec<Kept>, Trouble> {
        self.refresh()?;
        let names = self.pool.list_volumes()?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    pub(super) fn path(volume: &StorageVol) -> Result<PathBuf, Trouble> {
        Ok(volume.get_path()?.into())
    }

    /// Reads `bytes` to the end and writes them to the volume. Says how many there were.
    pub(super) fn upload(&self, volume: &StorageVol, mut bytes: impl Read) -> Result<u64, Trouble> {
        let stream = Stream::new(&self.open, 0)?;
        volume.upload(&stream, 0, 0, 0)?;
        let mut room = vec![0; PIECE];
        let mut total = 0;
        let mut send = || -> Result<u64, Trouble> {
            loop {
                let read = match bytes.read(&mut room) {
                    Ok(0) => return Ok(total),
                    Ok(read) => read,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                    // It comes from another host.
                    Err(error) if error.kind() == std::io::ErrorKind::ConnectionAborted => {
                        return Err(not_now(format!("what was to be written did not come: {error}")));
                    }
                    Err(error) => return Err(never(format!("what was to be written cannot be read: {error}"))),
                };
                let mut rest = &room[..read];
                while !rest.is_empty() {
                    let sent = stream.send(rest)?;
                    rest = rest.get(sent..).unwrap_or_default();
                }
                total += read as u64;
            }
        };
        match send() {
            Ok(total) => {
                stream.finish()?;
                Ok(total)
            }
            Err(trouble) => {
                if let Err(error) = stream.abort() {
                    tracing::debug!(%error, "a stream of libvirt was not ended");
                }
                Err(trouble)
            }
        }
    }

    /// All that is in the volume's file.
    pub(super) fn reading(&self, volume: &StorageVol) -> Result<Reading, Trouble> {
        let stream = Stream::new(&self.open, 0)?;
        volume.download(&stream, 0, 0, 0)?;
        Ok(Reading::new(stream))
    }

    pub(super) fn download(&self, volume: &StorageVol, from: u64, most: u64) -> Result<Vec<u8>, Trouble> {
        let stream = Stream::new(&self.open, 0)?;
        volume.download(&stream, from, most, 0)?;
        let mut bytes = Vec::new();
        let mut room = vec![0; PIECE];
        loop {
            let read = stream.recv(&mut room)?;
            if read == 0 {
                stream.finish()?;
                return Ok(bytes);
            }
            bytes.extend_from_slice(&room[..read]);
        }
    }
}
