//! Real hosts, through libvirt.
//!
//! A host needs libvirt, QEMU and nothing of ours: networks, filters, disks and guests are libvirt's own
//! objects, and carry in their names and metadata whose they are. So there is nothing to keep in step
//! with a host, and nothing to lose when the server is made anew.
//!
//! Calls of libvirt block, and go on when nobody waits for them any more. Each [`HostCall`] therefore runs
//! on a thread of its own, has its turn at what it is about (a guest, a network, a volume) until it has
//! really ended, and its repetition finds what it did.

pub mod filters;
pub mod xml;

#[cfg(feature = "libvirt")]
mod agent;
#[cfg(feature = "libvirt")]
mod attach;
#[cfg(feature = "libvirt")]
mod copy;
#[cfg(feature = "libvirt")]
mod driver;
#[cfg(feature = "libvirt")]
mod event;
#[cfg(feature = "libvirt")]
mod facts;
#[cfg(feature = "libvirt")]
mod firewall;
#[cfg(feature = "libvirt")]
mod image;
#[cfg(feature = "libvirt")]
mod inventory;
#[cfg(feature = "libvirt")]
mod job;
#[cfg(feature = "libvirt")]
mod life;
#[cfg(feature = "libvirt")]
mod link;
#[cfg(feature = "libvirt")]
mod migrate;
#[cfg(feature = "libvirt")]
mod names;
#[cfg(feature = "libvirt")]
mod network;
#[cfg(feature = "libvirt")]
mod parts;
#[cfg(feature = "libvirt")]
mod probe;
#[cfg(feature = "libvirt")]
mod qcow2;
#[cfg(feature = "libvirt")]
mod router;
#[cfg(feature = "libvirt")]
mod sample;
#[cfg(feature = "libvirt")]
mod seen;
#[cfg(feature = "libvirt")]
mod settings;
#[cfg(feature = "libvirt")]
mod snapshot;
#[cfg(feature = "libvirt")]
mod storage;
#[cfg(feature = "libvirt")]
mod trouble;
#[cfg(feature = "libvirt")]
mod turns;
#[cfg(feature = "libvirt")]
mod volume;

#[cfg(feature = "libvirt")]
pub use driver::{LibvirtDriver, Seeds};
#[cfg(feature = "libvirt")]
pub use settings::{Acceleration, ClassSettings, LibvirtSettings, PeerSettings, SettingsError, Uplink};
