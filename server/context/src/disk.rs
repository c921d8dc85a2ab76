//! The disk that a seed travels on: a small FAT file system in memory.
//!
//! FAT rather than ISO 9660, since every kernel of a cloud image has it (`vfat`, `nls_cp437` and
//! `nls_ascii` where these are modules), long names need no extension of it, and a plain virtio disk
//! carries it; a CD-ROM drive is there too late for small initrds. The same files make the same bytes:
//! times are fixed and the volume's id follows from what is in it, so that a disk can be compared with
//! what it should be.

mod dots;

use std::fmt;
use std::io::{Cursor, Write as _};

use fatfs::{Date, DateTime, FileSystem, FormatVolumeOptions, FsOptions, Time, TimeProvider, format_volume};
use sha2::{Digest, Sha256};

use crate::seed::File;

const SECTOR: usize = 512;
/// An image is at least so large, and grows in steps of it.
const STEP: usize = 1 << 20;
/// What all files together may be. User-data at their most make 1.4 MiB in base64, keys a little more.
pub const MOST_CONTENT: usize = 8 << 20;
/// Boot sector, tables, the root's 512 entries, folders, and what files leave empty in their last clusters.
const OVERHEAD: usize = 128 << 10;

#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    #[error("`{0}` is not a label of FAT: 1 to 11 of A-Z, 0-9, `-` and `_`")]
    Label(String),
    #[error("{0} bytes are too many for a context disk of at most {MOST_CONTENT}: give less user-data")]
    Large(usize),
    #[error("`{path}` could not be written to the context disk")]
    Write { path: &'static str, source: std::io::Error },
    #[error("no file system could be made on the context disk")]
    Format(#[source] std::io::Error),
}

/// A disk image. Whoever writes it to a file makes that readable for nobody else (mode 0600) and takes
/// it away with the guest: what a tenant keeps secret is in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    bytes: Vec<u8>,
    volume: u32,
}

impl Image {
    /// A file system with these files.
    ///
    /// # Errors
    ///
    /// A label that FAT has not, and more than [`MOST_CONTENT`].
    pub fn new(label: &str, files: &[File]) -> Result<Image, DiskError> {
        let padded = padded(label)?;
        let content = files.iter().map(|file| file.bytes.len()).sum();
        if content > MOST_CONTENT {
            return Err(DiskError::Large(content));
        }
        let volume = volume(label, files);
        // A sixteenth more for the tables, which have 12 or 16 bits a cluster, twice.
        let size = (content + content / 16 + OVERHEAD).next_multiple_of(STEP);
        let mut bytes = vec![0; size];
        debug_assert!(bytes.len().is_multiple_of(SECTOR));
        let options = FormatVolumeOptions::new().volume_id(volume).volume_label(padded);
        format_volume(Cursor::new(bytes.as_mut_slice()), options).map_err(DiskError::Format)?;
        write(&mut bytes, files)?;
        dots::straighten(&mut bytes);
        Ok(Image { bytes, volume })
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The serial number of the file system. It differs wherever contents do, one in four thousand million
    /// times excepted.
    pub fn volume(&self) -> u32 {
        self.volume
    }
}

fn write(disk: &mut [u8], files: &[File]) -> Result<(), DiskError> {
    let options = FsOptions::new().time_provider(&DAWN);
    let system = FileSystem::new(Cursor::new(disk), options).map_err(DiskError::Format)?;
    for file in files {
        let failed = |source| DiskError::Write { path: file.path, source };
        let mut folder = system.root_dir();
        let mut parts = file.path.split('/').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_some() {
                folder = folder.create_dir(part).map_err(failed)?;
            } else {
                let mut open = folder.create_file(part).map_err(failed)?;
                open.write_all(&file.bytes).map_err(failed)?;
                open.flush().map_err(failed)?;
            }
        }
    }
    system.unmount().map_err(DiskError::Format)
}

fn padded(label: &str) -> Result<[u8; 11], DiskError> {
    let allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
    if !(1..=11).contains(&label.len()) || !label.bytes().all(allowed) {
        return Err(DiskError::Label(label.chars().take(32).collect()));
    }
    let mut padded = [b' '; 11];
    padded[..label.len()].copy_from_slice(label.as_bytes());
    Ok(padded)
}

fn volume(label: &str, files: &[File]) -> u32 {
    let mut hash = Sha256::new();
    // Lengths before what they are of, so that no two contents are one text.
    let mut take = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    take(label.as_bytes());
    for file in files {
        take(file.path.as_bytes());
        take(&file.bytes);
    }
    let digest = hash.finalize();
    u32::from_be_bytes([digest[0], digest[1], digest[2], digest[3]])
}

/// The first moment that FAT knows: 1 January 1980.
#[derive(Debug)]
struct Dawn;

static DAWN: Dawn = Dawn;

impl TimeProvider for Dawn {
    fn get_current_date(&self) -> Date {
        Date { year: 1980, month: 1, day: 1 }
    }

    fn get_current_date_time(&self) -> DateTime {
        DateTime { date: self.get_current_date(), time: Time { hour: 0, min: 0, sec: 0, millis: 0 } }
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes, volume {:08x})", self.bytes.len(), self.volume)
    }
}

#[cfg(test)]
mod tests;
