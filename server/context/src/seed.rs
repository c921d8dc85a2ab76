//! What a guest is told when it boots: who it is, whose keys open it, what its tenant gave it to read.
//!
//! A [`Seed`] is the same whatever an image expects; a [`Format`] is how an image expects it. Formats
//! are files of a disk, which [`crate::disk`] makes. There is nothing secret of ours in a seed, and
//! user-data may well be secret of the tenant's: it goes onto the disk and nowhere else.

mod config_drive;
mod network;
mod no_cloud;
mod open_nebula;

use std::fmt;

use cascina_core::id::InstanceId;
use cascina_core::launch::{Bytes, MOST_USER_DATA};
use cascina_core::name::Name;

use crate::disk::{DiskError, Image};
use crate::hostname::Hostname;

pub use network::{Addressing, Fixed, Network};

/// Keys of a guest.
pub const MOST_KEYS: usize = 100;
/// Bytes of one.
pub const MOST_KEY: usize = 16 << 10;
/// What is read where a tenant gave nothing: a file that says so, rather than none, since some versions
/// of cloud-init take a disk without user-data for no seed.
const NOTHING: &[u8] = b"#cloud-config\n";

/// What a guest is told. Everything in it has been checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Seed {
    instance: InstanceId,
    hostname: Hostname,
    user_data: Option<Bytes>,
    ssh_keys: Vec<String>,
    network: Option<Network>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SeedError {
    #[error(
        "SSH key {place} is not one line of printable text of at most {MOST_KEY} bytes: give it as in authorized_keys"
    )]
    Key { place: usize },
    #[error("{given} SSH keys are too many: give at most {MOST_KEYS}, others can be in the user-data")]
    Keys { given: usize },
    #[error("{given} bytes of user-data are too many: give at most {MOST_USER_DATA}, or compress them with gzip")]
    UserData { given: usize },
    #[error("an MTU of {given} is no MTU for IPv4: give 576 or more")]
    Mtu { given: u16 },
    #[error("{gateway} is not within {network}: give a gateway that the guest reaches directly")]
    Gateway { gateway: std::net::Ipv4Addr, network: ipnet::Ipv4Net },
}

/// How an image expects it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// cloud-init's own, read by all its versions and by most of its likes. The one to take.
    NoCloud,
    /// OpenStack's, version 2: for images where NoCloud is off, for cloudbase-init, Ignition, Afterburn.
    ConfigDrive,
    /// `context.sh`: for images made for OpenNebula. cloud-init reads it through `sudo -u nobody`, so an
    /// image without `sudo` does not; and it knows no instance's id from it.
    OpenNebula,
}

/// A file of the context disk.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// Below the root, joined by `/`.
    pub path: &'static str,
    pub bytes: Vec<u8>,
}

impl Format {
    pub const ALL: [Format; 3] = [Format::NoCloud, Format::ConfigDrive, Format::OpenNebula];

    /// The label by which images know the disk.
    ///
    /// Labels of FAT are at most 11 characters and upper case. That is fine with cloud-init, which looks
    /// for either case: its NoCloud for `LABEL=` with `label.upper()` and `label.lower()`
    /// (`DataSourceNoCloud._get_devices`), its ConfigDrive for `config-2` and `CONFIG-2`
    /// (`DataSourceConfigDrive.LABEL_TYPES`), and `ds-identify`, which comes before both, for the same
    /// four; OpenNebula's is upper case in the first place. cloudbase-init and Ignition too know both
    /// of `config-2`.
    pub fn label(self) -> &'static str {
        match self {
            Format::NoCloud => "CIDATA",
            Format::ConfigDrive => "CONFIG-2",
            Format::OpenNebula => "CONTEXT",
        }
    }
}

impl Seed {
    /// Of what an instance was launched with. User-data are kept to the byte; none, or empty ones, are
    /// none.
    ///
    /// # Errors
    ///
    /// What guests could not read, or could read as something else.
    pub fn new(
        instance: InstanceId,
        name: &Name,
        ssh_keys: &[String],
        user_data: Option<Bytes>,
        network: Option<Network>,
    ) -> Result<Seed, SeedError> {
        if ssh_keys.len() > MOST_KEYS {
            return Err(SeedError::Keys { given: ssh_keys.len() });
        }
        let mut lines = Vec::new();
        for (place, key) in ssh_keys.iter().enumerate() {
            let line = key.trim_matches([' ', '\t', '\r', '\n']);
            if line.is_empty() || line.len() > MOST_KEY || !line.chars().all(printable) {
                return Err(SeedError::Key { place });
            }
            lines.push(line.to_owned());
        }
        let user_data = user_data.filter(|bytes| !bytes.0.is_empty());
        if let Some(bytes) = user_data.as_ref().filter(|bytes| bytes.0.len() > MOST_USER_DATA) {
            return Err(SeedError::UserData { given: bytes.0.len() });
        }
        if let Some(network) = &network {
            network.check()?;
        }
        Ok(Seed { instance, hostname: Hostname::of(name), user_data, ssh_keys: lines, network })
    }

    pub fn hostname(&self) -> &Hostname {
        &self.hostname
    }

    /// The files of the disk.
    pub fn files(&self, format: Format) -> Vec<File> {
        match format {
            Format::NoCloud => no_cloud::files(self),
            Format::ConfigDrive => config_drive::files(self),
            Format::OpenNebula => open_nebula::files(self),
        }
    }

    /// The disk itself: always the same bytes for the same seed.
    ///
    /// # Errors
    ///
    /// None that is known for a seed; what the maker of file systems says.
    pub fn disk(&self, format: Format) -> Result<Image, DiskError> {
        Image::new(format.label(), &self.files(format))
    }

    fn user_data(&self) -> &[u8] {
        self.user_data.as_ref().map_or(NOTHING, |bytes| &bytes.0)
    }
}

/// Whether YAML and JSON both take it within quotes for what it is. YAML has more ends of lines.
fn printable(letter: char) -> bool {
    !letter.is_control() && !matches!(letter, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

impl File {
    fn new(path: &'static str, bytes: impl Into<Vec<u8>>) -> File {
        File { path, bytes: bytes.into() }
    }

    /// JSON, which YAML takes for YAML.
    fn json(path: &'static str, value: &serde_json::Value) -> File {
        // `Display` with `#` is serde_json's pretty form, and cannot fail.
        File::new(path, format!("{value:#}\n"))
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seed { instance, hostname, user_data, ssh_keys, network } = self;
        let bytes = user_data.as_ref().map_or(0, |bytes| bytes.0.len());
        f.debug_struct("Seed")
            .field("instance", instance)
            .field("hostname", &hostname.as_str())
            .field("user_data", &format_args!("{bytes} bytes"))
            .field("ssh_keys", &ssh_keys.len())
            .field("network", network)
            .finish()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} bytes)", self.path, self.bytes.len())
    }
}

#[cfg(test)]
mod tests;
