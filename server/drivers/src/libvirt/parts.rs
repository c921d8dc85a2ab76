//! What a guest's domain is made of.

use cascina_core::id::{InstanceId, SnapshotId};
use virt::connect::Connect;
use virt::storage_vol::StorageVol;

use super::driver::Site;
use super::filters::FilterName;
use super::names::Kept;
use super::network::bridge;
use super::storage::{New, Store};
use super::trouble::{Trouble, never};
use super::xml::{CpuShares, Disk, Domain, FilterRef, Format, Kernel, Layer, Marks, Media, Nic, Port, Serial, Target};
use crate::{GuestSpec, NetworkSpec, VolumeAt};
use cascina_core::id::RouterId;
use cascina_core::state::Guest;
use std::path::Path;

use crate::router::wan_mac;

/// The public side is the site's own network.
const PUBLIC_MTU: u16 = 1500;

impl Site {
    /// Without disks and ports.
    pub(super) fn domain(&self, spec: &GuestSpec, before: Option<&Marks>) -> Result<Domain, Trouble> {
        let settings = self.settings();
        Ok(Domain {
            marks: Marks {
                guest: spec.guest,
                farm: spec.farm,
                network: spec.network,
                name: spec.name.clone(),
                ip: spec.ip,
                mac: spec.mac,
                rebooted: before.and_then(|marks| marks.rebooted),
                revision: before.and_then(|marks| marks.revision),
                arriving: false,
            },
            vcpus: spec.size.vcpus,
            memory: spec.size.memory,
            accelerator: self.accelerator()?,
            machine: settings.machine.clone(),
            shares: if settings.cpu_shares { CpuShares::ByVcpus } else { CpuShares::Unsaid },
            kernel: None,
            disks: Vec::new(),
            nics: Vec::new(),
            console: self.log_path(spec.guest),
        })
    }

    fn disk(&self, target: Target, volume: &StorageVol, format: Format) -> Result<Disk, Trouble> {
        let settings = self.settings();
        Ok(Disk {
            unsafe_cache: settings.unsafe_disks,
            throttle: settings.throttle(),
            ..Disk::new(target, Media::File(Store::path(volume)?), format)
        })
    }

    pub(super) fn root_disk(&self, store: &Store, id: InstanceId) -> Result<Disk, Trouble> {
        let guest = Guest::Instance(id);
        let volume = store.find_whole(Kept::Root(guest))?.ok_or(Trouble::NoDisk(guest))?;
        let backing = backing_of(&volume)?;
        let disk = self.disk(Target::ROOT, &volume, Format::Qcow2)?;
        Ok(Disk { backing: backing.into_iter().collect(), serial: Some(Serial::of_root(id)), ..disk })
    }

    /// Refused while another guest has it.
    pub(super) fn volume_disk(
        &self,
        connect: &Connect,
        store: &Store,
        guest: Guest,
        at: &VolumeAt,
    ) -> Result<Disk, Trouble> {
        let target: Target = at.device.parse()?;
        if [Target::ROOT, Target::CONFIG].contains(&target) {
            return Err(never(format!("{} is not for volumes", at.device)));
        }
        let (_, volume) = self.volume(store, at.volume)?;
        match self.holder(connect, at.volume)? {
            Some(holder) if holder.guest() != guest => {
                return Err(Trouble::VolumeInUse { volume: at.volume, guest: holder.guest() });
            }
            _ => {}
        }
        let disk = self.disk(target, &volume, Format::Qcow2)?;
        Ok(Disk { serial: Some(Serial::of_volume(at.volume)), ..disk })
    }

    /// Written anew: the guest does not run.
    pub(super) fn seed_disk(&self, store: &Store, spec: &GuestSpec) -> Result<Disk, Trouble> {
        let bytes = self.seeds().disk(spec).map_err(|why| never(format!("{} can have no seed: {why}", spec.guest)))?;
        let volume = self.write(store, Kept::Seed(spec.guest), &bytes, bytes.len() as u64)?;
        self.config(&volume)
    }

    /// What guests only read, beside what they boot from.
    pub(super) fn config(&self, volume: &StorageVol) -> Result<Disk, Trouble> {
        let disk = Disk::new(Target::CONFIG, Media::File(Store::path(volume)?), Format::Raw);
        Ok(Disk { readonly: true, unsafe_cache: self.settings().unsafe_disks, ..disk })
    }

    /// A volume with this in it, of that size.
    pub(super) fn write(&self, store: &Store, kept: Kept, bytes: &[u8], size: u64) -> Result<StorageVol, Trouble> {
        store.remove(kept)?;
        let volume = store.make(&New::file(kept, size))?;
        store.upload(&volume, bytes)?;
        Ok(volume)
    }

    /// An instance's port on its farm's network.
    pub(super) fn port(&self, connect: &Connect, network: &NetworkSpec, spec: &GuestSpec) -> Result<Nic, Trouble> {
        let filter = self.port_filter(connect, network, spec.ip)?;
        Ok(self.nic(network, spec, filter))
    }

    fn nic(&self, network: &NetworkSpec, spec: &GuestSpec, filter: FilterName) -> Nic {
        Nic {
            bridge: bridge(network.segment),
            mac: spec.mac,
            mtu: self.settings().router.mtu,
            port: Port::inside(spec.guest),
            filter: Some(FilterRef::to(filter.to_string())),
        }
    }

    /// A router's inside and outside.
    pub(super) fn router_ports(
        &self,
        connect: &Connect,
        network: &NetworkSpec,
        router: RouterId,
        spec: &GuestSpec,
    ) -> Result<Vec<Nic>, Trouble> {
        let inside = self.nic(network, spec, FilterName::Router(network.id));
        let filter = self.outside_filter(connect, router, spec.mac)?;
        let outside = Nic {
            bridge: self.settings().public_bridge.to_string(),
            mac: wan_mac(spec.mac),
            mtu: PUBLIC_MTU,
            port: Port::outside(router),
            filter: Some(FilterRef::to(filter.to_string())),
        };
        Ok(vec![inside, outside])
    }

    /// What a router boots from, on the host.
    pub(super) fn appliance(&self, store: &Store) -> Result<Kernel, Trouble> {
        let settings = self.settings();
        Ok(Kernel {
            kernel: self.import_boot(store, &settings.router_kernel)?,
            initrd: Some(self.import_boot(store, &settings.router_initrd)?),
            command_line: "console=ttyS0 quiet panic=-1".into(),
        })
    }

    pub(super) fn snapshot_volume(&self, store: &Store, id: SnapshotId) -> Result<StorageVol, Trouble> {
        let listed = store.list()?.into_iter().find(|kept| matches!(kept, Kept::Snapshot(there, _) if *there == id));
        let volume = listed.map(|kept| store.find_whole(kept)).transpose()?.flatten();
        volume.ok_or(Trouble::NoSnapshot(id))
    }
}

/// The image that a disk is laid over: one of ours, whose name says its format.
pub(super) fn backing_of(volume: &StorageVol) -> Result<Option<Layer>, Trouble> {
    let xml = volume.get_xml_desc(0)?;
    let unreadable = |why: String| Trouble::Unreadable { what: "a volume".into(), why };
    let document = roxmltree::Document::parse(&xml).map_err(|error| unreadable(error.to_string()))?;
    let Some(backing) = document.descendants().find(|node| node.has_tag_name("backingStore")) else { return Ok(None) };
    let Some(path) = backing.children().find(|node| node.has_tag_name("path")).and_then(|node| node.text()) else {
        return Ok(None);
    };
    let name = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    match name.parse() {
        Ok(Kept::Image(_, format)) => Ok(Some(Layer { media: Media::File(path.into()), format })),
        _ => Err(unreadable(format!("it is laid over {path}, which is no image of ours"))),
    }
}
