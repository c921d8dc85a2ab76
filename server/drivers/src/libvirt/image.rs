//! Images: checked, known by what is in them, and brought to a host once.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cascina_core::id::{IdError, SnapshotId};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::driver::Site;
use super::names::{Digest, Kept};
use super::storage::{New, Store};
use super::trouble::{Trouble, never};
use super::xml::{Format, Layer, Media};

/// An image that is read by `qemu-img` may be made to take all memory or time.
const MOST_MEMORY: u64 = 1 << 30;
const MOST_SECONDS: u64 = 20;

/// Of the image on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    path: PathBuf,
    digest: Digest,
    format: Format,
    /// That a guest sees.
    pub(super) bytes: u64,
}

/// By which it is seen that a file is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Stamp {
    path: PathBuf,
    inode: (u64, u64),
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(path: &Path, file: &File) -> io::Result<Stamp> {
        let meta = file.metadata()?;
        let modified = (meta.mtime(), meta.mtime_nsec());
        Ok(Stamp { path: path.into(), inode: (meta.dev(), meta.ino()), size: meta.len(), modified })
    }
}

/// The snapshot that is named instead of an image.
pub(super) fn snapshot_of(image: &str) -> Option<Result<SnapshotId, IdError>> {
    image.strip_prefix("snapshot:").map(str::parse)
}

impl Site {
    fn image_path(&self, image: &str) -> Result<(PathBuf, Format), Trouble> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if image.is_empty() || image.len() > 128 || image.starts_with('.') || !image.chars().all(plain) {
            let image: String = image.chars().take(64).collect();
            return Err(Trouble::Image(format!("`{image}` is not the name of an image")));
        }
        let folder = &self.settings().images;
        let ends = [("qcow2", Format::Qcow2), ("raw", Format::Raw), ("img", Format::Raw)];
        let found = ends
            .into_iter()
            .map(|(end, format)| (folder.join(format!("{image}.{end}")), format))
            .find(|(path, _)| path.is_file());
        found.ok_or_else(|| {
            let folder = folder.display();
            Trouble::Image(format!("there is no image `{image}`: put {image}.qcow2, .raw or .img into {folder}"))
        })
    }

    /// What is read again only when the file is another.
    pub(super) fn image(&self, image: &str) -> Result<Known, Trouble> {
        let (path, format) = self.image_path(image)?;
        self.known_file(&path, format, true)
    }

    fn known_file(&self, path: &Path, format: Format, is_image: bool) -> Result<Known, Trouble> {
        let unread = |error: io::Error| Trouble::Image(format!("{} cannot be read: {error}", path.display()));
        let file = File::open(path).map_err(unread)?;
        let stamp = Stamp::of(path, &file).map_err(unread)?;
        if let Some(known) = self.images().lock().get(&stamp) {
            return Ok(known.clone());
        }
        let bytes = match (is_image, format) {
            (true, Format::Qcow2) => inspect(path)?,
            _ => stamp.size,
        };
        let digest = digest_of(BufReader::with_capacity(1 << 20, &file)).map_err(unread)?;
        let known = Known { path: path.into(), digest, format, bytes };
        let mut images = self.images().lock();
        images.retain(|other, _| other.path != stamp.path);
        images.insert(stamp, known.clone());
        Ok(known)
    }

    /// What a disk is laid over, on the host when this ends.
    pub(super) fn import(&self, store: &Store, image: &Known) -> Result<Layer, Trouble> {
        let kept = Kept::Image(image.digest, image.format);
        let path = self.bring(store, image, kept)?;
        Ok(Layer { media: Media::File(path), format: image.format })
    }

    /// A kernel or a first root, on the host when this ends.
    pub(super) fn import_boot(&self, store: &Store, path: &Path) -> Result<PathBuf, Trouble> {
        let known = self.known_file(path, Format::Raw, false)?;
        self.bring(store, &known, Kept::Boot(known.digest))
    }

    fn bring(&self, store: &Store, known: &Known, kept: Kept) -> Result<PathBuf, Trouble> {
        if let Some(there) = store.find_whole(kept)? {
            return Store::path(&there);
        }
        let _turn = self.link.importing.lock();
        if let Some(there) = store.find_whole(kept)? {
            return Store::path(&there);
        }
        // Of an attempt that was cut off.
        store.remove(kept)?;
        let unread = |error: io::Error| Trouble::Image(format!("{} cannot be read: {error}", known.path.display()));
        let file = File::open(&known.path).map_err(unread)?;
        let size = file.metadata().map_err(unread)?.len();
        let volume = store.make(&New::file(kept, size).raw().read_by_all())?;
        let mut hashing = Hashing { inner: BufReader::with_capacity(1 << 20, file), hash: Sha256::new() };
        let sent = store.upload(&volume, &mut hashing)?;
        let digest = Digest(hashing.hash.finalize().into());
        if digest != known.digest || sent != size {
            store.remove(kept)?;
            let path = known.path.display();
            return Err(never(format!("{path} was changed while it was read: put images there by renaming them")));
        }
        store.set_whole(kept)?;
        tracing::info!(host = %self.host.name, image = %known.path.display(), %digest, bytes = sent, "image brought");
        Store::path(&volume)
    }
}

/// Reads, and sums up what it has read.
pub(super) struct Hashing<R> {
    pub(super) inner: R,
    pub(super) hash: Sha256,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(room)?;
        self.hash.update(&room[..read]);
        Ok(read)
    }
}

fn digest_of(mut bytes: impl Read) -> io::Result<Digest> {
    let mut hash = Sha256::new();
    let mut room = vec![0; 1 << 20];
    loop {
        match bytes.read(&mut room)? {
            0 => return Ok(Digest(hash.finalize().into())),
            read => hash.update(&room[..read]),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    format: String,
    virtual_size: u64,
    #[serde(default)]
    encrypted: bool,
    backing_filename: Option<String>,
    format_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct Specific {
    data: Data,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Data {
    data_file: Option<String>,
}

/// The size that a guest will see, of a qcow2 image that hangs on no other file.
fn inspect(path: &Path) -> Result<u64, Trouble> {
    let wrong = |why: String| Trouble::Image(format!("{} is no image to make disks from: {why}", path.display()));
    let output = Command::new("prlimit")
        .args([format!("--as={MOST_MEMORY}"), format!("--cpu={MOST_SECONDS}")])
        .args(["qemu-img", "info", "-f", "qcow2", "--output=json"])
        .arg(path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| never(format!("images cannot be checked: prlimit, of util-linux, does not start: {error}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(wrong(said.trim().chars().take(200).collect()));
    }
    inspected(&output.stdout).map_err(wrong)
}

fn inspected(json: &[u8]) -> Result<u64, String> {
    let info: Info = serde_json::from_slice(json).map_err(|error| format!("what qemu-img says of it: {error}"))?;
    if info.format != "qcow2" {
        return Err(format!("it is {}", info.format));
    }
    if info.backing_filename.is_some() {
        return Err("it is laid over another file: flatten it with qemu-img convert".into());
    }
    if info.format_specific.is_some_and(|specific| specific.data.data_file.is_some()) {
        return Err("its data are in another file: put them into one with qemu-img convert".into());
    }
    if info.encrypted { Err("it is encrypted".into()) } else { Ok(info.virtual_size) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_hang_on_no_other_file() {
        let said = |rest: &str| {
            let json = format!(r#"{{"virtual-size": 1048576, "filename": "a", "format": "qcow2"{rest}}}"#);
            inspected(json.as_bytes())
        };
        assert_eq!(said(""), Ok(1 << 20));
        assert_eq!(said(r#", "format-specific": {"type": "qcow2", "data": {"compat": "1.1"}}"#), Ok(1 << 20));
        for bad in [
            r#", "backing-filename": "/etc/shadow""#,
            r#", "format-specific": {"type": "qcow2", "data": {"data-file": "/etc/shadow"}}"#,
            r#", "encrypted": true"#,
        ] {
            assert!(said(bad).is_err(), "{bad}");
        }
        assert!(inspected(br#"{"virtual-size": 1, "format": "raw"}"#).is_err());
    }
}
