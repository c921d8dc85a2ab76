//! What a site says about its hosts.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cascina_core::name::Name;
use serde::{Deserialize, Serialize};

use super::xml::Throttle;
use crate::router::{LinkName, RouterSettings};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LibvirtSettings {
    #[serde(default)]
    pub accelerator: Acceleration,
    /// Of guests. `pc` is the newest that a host has; where hosts differ in their QEMU, name a version that
    /// all of them have, such as `pc-i440fx-7.2`, or guests cannot move to the older ones.
    #[serde(default = "machine")]
    pub machine: String,
    /// Guests share processors by how many they have. Hosts without the `cpu` controller of cgroups
    /// cannot do that.
    #[serde(default = "yes")]
    pub cpu_shares: bool,
    /// Disks of guests are written without waiting for the medium: for tests, since a crash of the host loses
    /// what was written.
    #[serde(default)]
    pub unsafe_disks: bool,
    /// On this machine: the image called `debian` is `debian.qcow2`, `debian.raw` or `debian.img` in it.
    pub images: PathBuf,
    /// Images of larger disks are refused.
    #[serde(default = "most_image")]
    pub most_image_gib: u64,
    /// The store of each class.
    pub classes: BTreeMap<Name, ClassSettings>,
    /// On this machine: of the appliance that is a farm's router.
    pub router_kernel: PathBuf,
    pub router_initrd: PathBuf,
    pub router: RouterSettings,
    /// On which the outside of routers is. The site makes it on each host.
    #[serde(default = "public_bridge")]
    pub public_bridge: LinkName,
    /// How long a guest may take to shut down before it is switched off.
    #[serde(default = "stop_grace")]
    pub stop_grace_seconds: u64,
    /// On the hosts: what guests write to their consoles.
    #[serde(default = "consoles")]
    pub consoles: PathBuf,
    /// What each disk of a guest may do in a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_bytes_per_second: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk_operations_per_second: Option<u64>,
    /// How hosts reach each other when guests move, by their names.
    #[serde(default)]
    pub peers: BTreeMap<Name, PeerSettings>,
    /// Calls that may be under way at a host.
    #[serde(default = "calls_per_host")]
    pub calls_per_host: usize,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Acceleration {
    /// KVM where a host has it. It is tried out with a guest, since a device alone proves nothing.
    #[default]
    Auto,
    Kvm,
    /// Processors are emulated.
    Tcg,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassSettings {
    /// The folder on each host in which disks are. It is ours alone.
    pub pool: PathBuf,
    /// All hosts of the class have the same files there (or there is one host only). Only then there can be
    /// volumes, and guests move without their disks.
    #[serde(default)]
    pub shared: bool,
    #[serde(default)]
    pub uplink: Uplink,
}

/// How a farm's network reaches other hosts. libvirt cannot make links: the hook of `deploy/libvirt` does,
/// which reads this from the network's metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Uplink {
    /// It does not, or the site sees to it.
    #[default]
    None,
    /// Not encrypted: hosts need a wire of their own.
    Vxlan {
        /// A network's number on the wire is this and its segment.
        base: u32,
        device: LinkName,
        /// Addresses of all hosts on that wire.
        peers: Vec<Ipv4Addr>,
    },
    /// The tag is this and the segment.
    Vlan { base: u16, device: LinkName },
}

impl Uplink {
    /// The network's number on the wire.
    ///
    /// # Errors
    ///
    /// There are not so many.
    pub fn tag(&self, segment: u32) -> Result<Option<u32>, SettingsError> {
        let (base, most) = match self {
            Uplink::None => return Ok(None),
            Uplink::Vxlan { base, .. } => (*base, (1 << 24) - 1),
            Uplink::Vlan { base, .. } => (u32::from(*base), 4094),
        };
        let tag = base.checked_add(segment).filter(|tag| (1..=most).contains(tag));
        tag.map(Some).ok_or(SettingsError::Segment { segment, most })
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerSettings {
    /// By which other hosts reach this host's libvirt; its own uri if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uri: Option<String>,
    /// To which guests are sent, such as `tcp://10.99.0.12`; else what the host says its name is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub migrate: Option<String>,
    /// To which disks are sent that are a host's own, such as `tcp://10.99.0.12:49300`; else where guests are,
    /// on a port that libvirt chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disks: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("`{field}` is {path}: it must be a path from the root, without `..`")]
    Path { field: &'static str, path: PathBuf },
    #[error("`{field}` is {path}, and there is no such file or folder on this machine: {why}")]
    Missing { field: &'static str, path: PathBuf, why: String },
    #[error("`machine` is `{0}`: letters, digits, `.`, `-` and `_` only")]
    Machine(String),
    #[error("`most_image_gib` is {0}; allowed: 1 to 65536")]
    ImageSize(u64),
    #[error("`calls_per_host` must be 1 at least")]
    Calls,
    #[error("segment {segment} is too large for the uplink: its `base` and segment must not exceed {most}")]
    Segment { segment: u32, most: u32 },
    #[error("events of libvirt cannot be listened to: {0}")]
    Events(String),
}

fn machine() -> String {
    "pc".into()
}

fn yes() -> bool {
    true
}

fn public_bridge() -> LinkName {
    "cbpub".parse().unwrap_or_else(|_| unreachable!("a literal that is the name of a link"))
}

fn stop_grace() -> u64 {
    60
}

fn consoles() -> PathBuf {
    "/var/log/cascina".into()
}

fn most_image() -> u64 {
    256
}

fn calls_per_host() -> usize {
    16
}

impl LibvirtSettings {
    /// # Errors
    ///
    /// What could not work.
    pub fn check(&self) -> Result<(), SettingsError> {
        let there = [("images", &self.images), ("router_kernel", &self.router_kernel)];
        for (field, path) in there.into_iter().chain([("router_initrd", &self.router_initrd)]) {
            std::fs::metadata(path).map_err(|error| SettingsError::Missing {
                field,
                path: path.clone(),
                why: error.to_string(),
            })?;
        }
        let pools = self.classes.values().map(|class| ("pool", &class.pool));
        for (field, path) in pools.chain([("consoles", &self.consoles)]) {
            if !is_plain(path) {
                return Err(SettingsError::Path { field, path: path.clone() });
            }
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if self.machine.is_empty() || !self.machine.chars().all(plain) {
            return Err(SettingsError::Machine(self.machine.chars().take(64).collect()));
        }
        if !(1..=65_536).contains(&self.most_image_gib) {
            return Err(SettingsError::ImageSize(self.most_image_gib));
        }
        if self.calls_per_host == 0 { Err(SettingsError::Calls) } else { Ok(()) }
    }

    pub(super) fn stop_grace(&self) -> Duration {
        Duration::from_secs(self.stop_grace_seconds)
    }

    /// In bytes.
    pub(super) fn most_image(&self) -> u64 {
        self.most_image_gib.saturating_mul(1 << 30)
    }

    pub(super) fn throttle(&self) -> Throttle {
        Throttle { bytes: self.disk_bytes_per_second, operations: self.disk_operations_per_second }
    }
}

fn is_plain(path: &Path) -> bool {
    use std::path::Component;
    path.is_absolute() && path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> LibvirtSettings {
        serde_json::from_str(
            r#"{"images": "/", "classes": {"services": {"pool": "/srv/cascina"}}, "router_kernel": "/",
                "router_initrd": "/", "router": {"public": [], "domain_suffix": "internal", "mtu": 1450}}"#,
        )
        .unwrap()
    }

    #[test]
    fn little_has_to_be_said() {
        let settings = settings();
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(settings.accelerator, Acceleration::Auto);
        assert!(settings.cpu_shares && !settings.unsafe_disks);
        assert_eq!(settings.classes.values().next().unwrap().uplink, Uplink::None);
    }

    #[test]
    fn what_could_not_work_is_said() {
        let with = |change: fn(&mut LibvirtSettings)| {
            let mut settings = settings();
            change(&mut settings);
            settings.check().unwrap_err()
        };
        assert_eq!(with(|settings| settings.calls_per_host = 0), SettingsError::Calls);
        assert_eq!(with(|settings| settings.most_image_gib = 0), SettingsError::ImageSize(0));
        assert!(matches!(with(|settings| settings.machine = "pc'".into()), SettingsError::Machine(_)));
        assert!(matches!(with(|settings| settings.consoles = "/a/../b".into()), SettingsError::Path { .. }));
        assert!(matches!(with(|settings| settings.images = "/nowhere/at/all".into()), SettingsError::Missing { .. }));
    }

    #[test]
    fn numbers_on_the_wire_are_bounded() {
        let device: LinkName = "eth1".parse().unwrap();
        let vlan = Uplink::Vlan { base: 100, device: device.clone() };
        assert_eq!(vlan.tag(5), Ok(Some(105)));
        assert!(vlan.tag(3995).is_err());
        let vxlan = Uplink::Vxlan { base: u32::MAX, device, peers: Vec::new() };
        assert!(vxlan.tag(1).is_err());
        assert_eq!(Uplink::None.tag(1), Ok(None));
    }
}
