//! Disks of a domain.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use cascina_core::id::{InstanceId, VolumeId};

use super::element::{Element, XmlError};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    Raw,
    Qcow2,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow2 => "qcow2",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Media {
    File(PathBuf),
    Block(PathBuf),
}

impl Media {
    fn kind(&self) -> &'static str {
        match self {
            Media::File(_) => "file",
            Media::Block(_) => "block",
        }
    }

    fn source(&self) -> Element {
        match self {
            Media::File(path) => Element::new("source").with_path("file", path),
            Media::Block(path) => Element::new("source").with_path("dev", path),
        }
    }
}

/// An image below another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub media: Media,
    pub format: Format,
}

/// `vda`, `vdb` … `vdzz`, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(u16);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a disk's device: sda to sdzz, vda … or xvda …, with or without /dev/")]
pub struct TargetError(String);

impl Target {
    /// What a guest boots from.
    pub const ROOT: Target = Target(0);
    /// The last there is, so that no volume wants it.
    pub const CONFIG: Target = Target(26 + 26 * 26 - 1);

    /// The first that is not taken.
    pub fn free(taken: &[Target]) -> Option<Target> {
        (0..Target::CONFIG.0).map(Target).find(|target| !taken.contains(target))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = |place: u16| char::from(b'a' + u8::try_from(place % 26).unwrap_or_default());
        match self.0 {
            place @ 0..26 => write!(f, "vd{}", letter(place)),
            place => write!(f, "vd{}{}", letter(place / 26 - 1), letter(place)),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// As tenants name devices: what the bus is called means nothing, nor does a partition's number.
    fn from_str(device: &str) -> Result<Self, TargetError> {
        let name = device.strip_prefix("/dev/").unwrap_or(device);
        let rest = ["xvd", "sd", "vd"].iter().find_map(|bus| name.strip_prefix(bus));
        let letters = rest.map(|rest| rest.trim_end_matches(|c: char| c.is_ascii_digit()).as_bytes());
        let place = |letter: u8| u16::from(letter - b'a');
        match letters {
            Some(&[one @ b'a'..=b'z']) => Ok(Target(place(one))),
            Some(&[one @ b'a'..=b'z', two @ b'a'..=b'z']) => Ok(Target(26 + 26 * place(one) + place(two))),
            _ => Err(TargetError(device.chars().take(40).collect())),
        }
    }
}

/// What a guest reads as the disk's serial: at most 20 characters fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial(String);

impl Serial {
    /// As on EC2: the volume's id without its dash.
    pub fn of_volume(volume: VolumeId) -> Serial {
        Serial(volume.to_string().replace('-', ""))
    }

    pub fn of_root(instance: InstanceId) -> Serial {
        Serial(instance.to_string())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn volume(text: &str) -> Option<VolumeId> {
        format!("vol-{}", text.strip_prefix("vol")?).parse().ok()
    }
}

/// At most so much, in a second.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Throttle {
    pub bytes: Option<u64>,
    pub operations: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    pub target: Target,
    pub media: Media,
    pub format: Format,
    /// All images that it is laid over, the uppermost first. What an image's own header says of
    /// others is not believed: only these are opened.
    pub backing: Vec<Layer>,
    pub readonly: bool,
    pub serial: Option<Serial>,
    /// For disks of tests, which may be lost: writes are not waited for.
    pub unsafe_cache: bool,
    pub throttle: Throttle,
}

impl Disk {
    pub fn new(target: Target, media: Media, format: Format) -> Disk {
        Disk {
            target,
            media,
            format,
            backing: Vec::new(),
            readonly: false,
            serial: None,
            unsafe_cache: false,
            throttle: Throttle::default(),
        }
    }

    pub(super) fn element(&self) -> Element {
        let cache = if self.unsafe_cache { "unsafe" } else { "none" };
        let driver = Element::new("driver").with("name", "qemu").with("type", self.format).with("cache", cache);
        // What a guest frees is given back; a disk that only reads has nothing to free.
        let driver = if self.readonly { driver } else { driver.with("discard", "unmap") };
        let below = self.backing.iter().rev().fold(Element::new("backingStore"), |below, layer| {
            Element::new("backingStore")
                .with("type", layer.media.kind())
                .child(Element::new("format").with("type", layer.format))
                .child(layer.media.source())
                .child(below)
        });
        let mut disk = Element::new("disk")
            .with("type", self.media.kind())
            .with("device", "disk")
            .child(driver)
            .child(self.media.source());
        if self.format == Format::Qcow2 {
            disk = disk.child(below);
        }
        disk = disk.child(Element::new("target").with("dev", self.target).with("bus", "virtio"));
        if self.throttle != Throttle::default() {
            let limit = |name, most: Option<u64>| most.map(|most| Element::new(name).text(most));
            let limits =
                [limit("total_bytes_sec", self.throttle.bytes), limit("total_iops_sec", self.throttle.operations)];
            disk = disk.child(Element::new("iotune").children(limits.into_iter().flatten()));
        }
        if self.readonly {
            disk = disk.child(Element::new("readonly"));
        }
        match &self.serial {
            Some(serial) => disk.child(Element::new("serial").text(&serial.0)),
            None => disk,
        }
    }

    /// For attaching it to a domain, or detaching it.
    ///
    /// # Errors
    ///
    /// A path has a character that XML cannot carry.
    pub fn xml(&self) -> Result<String, XmlError> {
        self.element().document()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_named_in_one_way() {
        let of = |device: &str| device.parse::<Target>().map(|target| target.to_string());
        for (device, target) in
            [("/dev/sda1", "vda"), ("/dev/xvdf", "vdf"), ("vdz", "vdz"), ("/dev/vdaa", "vdaa"), ("sdzz", "vdzz")]
        {
            assert_eq!(of(device).as_deref(), Ok(target));
        }
        for wrong in ["", "/dev/", "sd", "sd1", "/dev/hda", "sdaaa", "sd'a", "/dev/sdA", "vd\u{e0}"] {
            assert!(of(wrong).is_err(), "{wrong}");
        }
        assert_eq!(Target::CONFIG.to_string(), "vdzz");
        let all: Vec<Target> = (0..702).map(Target).collect();
        assert!(all.iter().all(|target| target.to_string().parse() == Ok(*target)));
        assert_eq!(Target::free(&all[..30]), Some(Target(30)));
        assert_eq!(Target::free(&all), None);
    }

    #[test]
    fn serials_fit_and_lead_back() {
        let volume = VolumeId(u64::MAX);
        let serial = Serial::of_volume(volume);
        assert!(serial.as_str().len() <= 20 && Serial::of_root(InstanceId(u64::MAX)).as_str().len() <= 20);
        assert_eq!(Serial::volume(serial.as_str()), Some(volume));
        assert_eq!(Serial::volume("i-00000000000000001"), None);
    }
}
