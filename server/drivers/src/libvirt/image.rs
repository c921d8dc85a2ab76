//! Images: checked, known by what is in them, and brought to a host once.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cascina_core::id::{IdError, SnapshotId};
use cascina_core::image::{Content, ImageFormat};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::driver::Site;
use super::names::{Digest, Kept};
use super::qcow2;
use super::storage::Store;
use super::trouble::{Trouble, never, not_now};
use super::xml::{Format, Layer, Media};

/// An image that is read by `qemu-img` may be made to take all memory or time.
const MOST_MEMORY: u64 = 1 << 30;
const MOST_SECONDS: u64 = 20;

/// Of the image on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) path: PathBuf,
    pub(super) digest: Digest,
    format: Format,
    /// That a guest sees.
    pub(super) bytes: u64,
    /// Of the file.
    pub(super) size: u64,
}

impl Known {
    pub(super) fn kept(&self) -> Kept {
        Kept::Image(self.digest, self.format)
    }

    pub(super) fn content(&self) -> Content {
        let format = match self.format {
            Format::Raw => ImageFormat::Raw,
            Format::Qcow2 => ImageFormat::Qcow2,
        };
        Content { digest: self.digest, bytes: self.size, disk_bytes: self.bytes, format }
    }
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

/// Tenants read why an image is of no use, and where it lies is not theirs to know.
pub(super) fn called(path: &Path) -> std::path::Display<'_> {
    path.file_name().map_or(path, Path::new).display()
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
            Trouble::Image(format!(
                "there is no image `{image}`: put {image}.qcow2, .raw or .img into the folder `images`"
            ))
        })
    }

    /// What is read again only when the file is another.
    pub(super) fn image(&self, image: &str) -> Result<Known, Trouble> {
        let (path, format) = self.image_path(image)?;
        self.known_file(&path, format, true)
    }

    /// … which must have this digest, if one is given.
    pub(super) fn image_as(&self, image: &str, sha256: Option<Digest>) -> Result<Known, Trouble> {
        let known = self.image(image)?;
        match sha256.filter(|wanted| *wanted != known.digest) {
            None => Ok(known),
            Some(wanted) => Err(Trouble::Image(format!(
                "{} has SHA-256 {}, and the catalogue says {wanted}: put the right file there, or correct the catalogue",
                called(&known.path),
                known.digest
            ))),
        }
    }

    fn known_file(&self, path: &Path, format: Format, is_image: bool) -> Result<Known, Trouble> {
        let unread = |error: io::Error| Trouble::Image(format!("{} cannot be read: {error}", called(path)));
        let mut file = File::open(path).map_err(unread)?;
        let stamp = Stamp::of(path, &file).map_err(unread)?;
        if let Some(known) = self.images().lock().get(&stamp) {
            return Ok(known.clone());
        }
        let bytes = match is_image {
            true => self.inspect(path, &mut file, stamp.size, format)?,
            false => stamp.size,
        };
        let digest = digest_of(BufReader::with_capacity(1 << 20, &file)).map_err(unread)?;
        if Stamp::of(path, &file).map_err(unread)? != stamp {
            return Err(not_now(format!("{} is being written: put images there by renaming them", called(path))));
        }
        let known = Known { path: path.into(), digest, format, bytes, size: stamp.size };
        let mut images = self.images().lock();
        images.retain(|other, _| other.path != stamp.path);
        images.insert(stamp, known.clone());
        Ok(known)
    }

    /// The size of the disk that guests will see. First the header is read without trust, then QEMU is asked.
    fn inspect(&self, path: &Path, file: &mut File, size: u64, format: Format) -> Result<u64, Trouble> {
        let wrong = |why: String| Trouble::Image(format!("{} is no image to make disks from: {why}", called(path)));
        let unread = |error: io::Error| Trouble::Image(format!("{} cannot be read: {error}", called(path)));
        let most = self.settings().most_image();
        let mut head = Vec::new();
        file.take(qcow2::HEAD as u64).read_to_end(&mut head).map_err(unread)?;
        file.seek(SeekFrom::Start(0)).map_err(unread)?;
        if size > most {
            return Err(wrong(qcow2::too_large(size, most)));
        }
        match format {
            Format::Raw if size == 0 => Err(wrong("it is empty".into())),
            Format::Raw => match qcow2::not_raw(&head) {
                Some(other) => Err(wrong(format!("it is called raw and is {other}"))),
                None => Ok(size),
            },
            Format::Qcow2 => {
                let bytes = qcow2::inspect(&head, size, most).map_err(wrong)?;
                match ask_qemu(path)? {
                    said if said == bytes => Ok(bytes),
                    said => Err(wrong(format!("its header says {bytes} bytes, and qemu-img {said}"))),
                }
            }
        }
    }

    /// What a disk is laid over, on the host when this ends.
    pub(super) fn import(&self, store: &Store, image: &Known) -> Result<Layer, Trouble> {
        let path = self.bring(store, image, image.kept())?;
        Ok(Layer { media: Media::File(path), format: image.format })
    }

    /// A kernel or a first root, on the host when this ends.
    pub(super) fn import_boot(&self, store: &Store, path: &Path) -> Result<PathBuf, Trouble> {
        let known = self.known_file(path, Format::Raw, false)?;
        self.bring(store, &known, Kept::Boot(known.digest))
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
fn ask_qemu(path: &Path) -> Result<u64, Trouble> {
    let wrong = |why: String| Trouble::Image(format!("{} is no image to make disks from: {why}", called(path)));
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
