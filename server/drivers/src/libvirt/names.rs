//! Names of what is in a store. They say whose it is, since volumes of libvirt carry no marks.

use std::fmt;
use std::str::FromStr;

use cascina_core::id::{FarmId, SnapshotId, VolumeId};
pub(super) use cascina_core::policy::Digest;
use cascina_core::state::Guest;

use super::xml::{Format, domain_name, guest_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Kept {
    /// What disks of guests are laid over.
    Image(Digest, Format),
    /// A kernel or a first root.
    Boot(Digest),
    /// What an instance boots from.
    Root(Guest),
    /// What an instance reads when it boots.
    Seed(Guest),
    /// What a router reads when it boots.
    Config(Guest),
    Volume(VolumeId, FarmId),
    Snapshot(SnapshotId, FarmId),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kept::Image(digest, format) => write!(f, "image-{digest}.{format}"),
            Kept::Boot(digest) => write!(f, "boot-{digest}.raw"),
            Kept::Root(guest) => write!(f, "{}.qcow2", domain_name(*guest)),
            Kept::Seed(guest) => write!(f, "{}.seed", domain_name(*guest)),
            Kept::Config(guest) => write!(f, "{}.config", domain_name(*guest)),
            Kept::Volume(volume, farm) => write!(f, "{volume}.{farm}.qcow2"),
            Kept::Snapshot(snapshot, farm) => write!(f, "{snapshot}.{farm}.qcow2"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Foreign;

impl FromStr for Kept {
    type Err = Foreign;

    fn from_str(name: &str) -> Result<Kept, Foreign> {
        let read = || {
            let (stem, end) = name.rsplit_once('.')?;
            let of_guest = |kept: fn(Guest) -> Kept| guest_of(stem).ok().map(kept);
            match end {
                "seed" => of_guest(Kept::Seed),
                "config" => of_guest(Kept::Config),
                "raw" | "qcow2" => {
                    let format = if end == "raw" { Format::Raw } else { Format::Qcow2 };
                    if let Some(digest) = stem.strip_prefix("image-") {
                        return Some(Kept::Image(digest.parse().ok()?, format));
                    }
                    if let Some(digest) = stem.strip_prefix("boot-") {
                        return Some(Kept::Boot(digest.parse().ok()?));
                    }
                    if let Some((id, farm)) = stem.split_once('.') {
                        let farm = farm.parse().ok()?;
                        let volume = id.parse().ok().map(|id| Kept::Volume(id, farm));
                        return volume.or_else(|| id.parse().ok().map(|id| Kept::Snapshot(id, farm)));
                    }
                    of_guest(Kept::Root)
                }
                _ => None,
            }
        };
        // In one spelling only.
        read().filter(|kept| kept.to_string() == name).ok_or(Foreign)
    }
}

impl Kept {
    pub(super) fn format(self) -> Format {
        match self {
            Kept::Image(_, format) => format,
            Kept::Root(_) | Kept::Volume(..) | Kept::Snapshot(..) => Format::Qcow2,
            Kept::Boot(_) | Kept::Seed(_) | Kept::Config(_) => Format::Raw,
        }
    }

    /// Beside what takes long to make, when it is all there.
    pub(super) fn whole(self) -> String {
        format!("{self}.whole")
    }

    /// Beside what is not, up to where it is there.
    pub(super) fn part(self, bytes: u64) -> String {
        format!("{self}.at-{bytes}")
    }

    /// How much of it is there, out of a name.
    pub(super) fn part_of(self, name: &str) -> Option<u64> {
        let bytes = name.strip_prefix(&self.to_string())?.strip_prefix(".at-")?.parse().ok()?;
        (self.part(bytes) == name).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use cascina_core::id::{InstanceId, RouterId};

    use super::*;

    #[test]
    fn names_say_what_they_are_of() {
        let (instance, router) = (Guest::Instance(InstanceId(7)), Guest::Router(RouterId(8)));
        let digest = Digest([0xa5; 32]);
        for kept in [
            Kept::Image(digest, Format::Raw),
            Kept::Image(digest, Format::Qcow2),
            Kept::Boot(digest),
            Kept::Root(instance),
            Kept::Seed(instance),
            Kept::Config(router),
            Kept::Volume(VolumeId(1), FarmId(2)),
            Kept::Snapshot(SnapshotId(1), FarmId(2)),
        ] {
            assert_eq!(kept.to_string().parse(), Ok(kept), "{kept}");
            assert_eq!(kept.whole().parse::<Kept>(), Err(Foreign));
            assert_eq!(kept.part(77).parse::<Kept>(), Err(Foreign));
            assert_eq!(kept.part_of(&kept.part(77)), Some(77));
            assert_eq!((kept.part_of(&kept.whole()), kept.part_of("x.at-7")), (None, None));
        }
        for foreign in ["", "a.qcow2", "vol-1.farm-1.qcow2", "image-a5.raw", "cascina-x.seed", "lost+found"] {
            assert_eq!(foreign.parse::<Kept>(), Err(Foreign), "{foreign}");
        }
    }
}
