//! A guest's life. Its domain is defined when its disk is staged and until nothing else of it is left, so
//! that whatever there is of a guest on a host shows in the host's list of domains.

use std::path::PathBuf;
use std::time::Duration;

use cascina_core::id::OperationId;
use cascina_core::state::Guest;
use virt::connect::Connect;
use virt::domain::Domain as Virt;
use virt_sys as sys;

use super::driver::Site;
use super::image::snapshot_of;
use super::names::{Digest, Kept};
use super::seen::Here;
use super::storage::{New, Store};
use super::trouble::{Trouble, found, never, not_now};
use super::xml::{Layer, Marks, NAMESPACE, PREFIX, domain_name};
use crate::{GuestSpec, GuestState};

const GIB: u64 = 1 << 30;
/// As much of a console as is given out.
const CONSOLE: u64 = 64 << 10;
/// How often a guest is asked again to shut down: one that has not come up yet does not hear it.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// How long ending a process may take.
const END: Duration = Duration::from_secs(15);

/// What a guest's first disk is made from.
enum Source {
    /// It is laid over this.
    Image(Kept, Layer),
    Snapshot(virt::storage_vol::StorageVol),
}

impl Site {
    pub(super) fn stage(&self, spec: &GuestSpec, image: &str, sha256: Option<Digest>) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let store = self.own_store()?;
        let here = self.here(&connect, spec.guest)?;
        let kept = Kept::Root(spec.guest);
        if let Guest::Router(_) = spec.guest {
            if snapshot_of(image).is_some() {
                return Err(Trouble::Image(format!(
                    "{} is a router: it has no disk that `{image}` could be on",
                    spec.guest
                )));
            }
            self.appliance(&store)?;
            return if here.is_some() { Ok(()) } else { self.define_staged(&connect, spec).map(|_| ()) };
        }
        if here.is_some() && store.find_whole(kept)?.is_some() {
            return Ok(());
        }
        let (source, least) = match snapshot_of(image) {
            Some(id) => {
                let id = id.map_err(|error| Trouble::Image(error.to_string()))?;
                let volume = self.snapshot_volume(&store, id)?;
                let bytes = volume.get_info()?.capacity;
                (Source::Snapshot(volume), bytes)
            }
            None => {
                let image = self.image_as(image, sha256)?;
                (Source::Image(image.kept(), self.import(&store, &image)?), image.bytes)
            }
        };
        let bytes = spec.size.disk.0.saturating_mul(GIB);
        if least > bytes {
            let (least, disk) = (least.div_ceil(GIB), spec.size.disk);
            return Err(Trouble::Image(format!(
                "`{image}` needs a disk of {least} GiB, and {} has {disk}",
                spec.guest
            )));
        }
        let domain = match here {
            Some(_) => None,
            None => Some(self.define_staged(&connect, spec)?),
        };
        let made = self.make_root(&store, kept, bytes, source);
        if let (Err(_), Some(domain)) = (&made, domain) {
            // What was refused is not there.
            store.remove(kept)?;
            found(domain.undefine())?;
        }
        made
    }

    fn make_root(&self, store: &Store, kept: Kept, bytes: u64, source: Source) -> Result<(), Trouble> {
        store.remove(kept)?;
        match source {
            Source::Image(image, layer) => {
                let lane = self.lane(store);
                let _laid = lane.layers.lock();
                if store.find_whole(image)?.is_none() {
                    return Err(not_now("its image was evicted meanwhile"));
                }
                store.make(&New::file(kept, bytes).over(layer))?;
            }
            Source::Snapshot(from) => {
                let there = from.get_info()?.capacity;
                let volume = store.copy(&New::file(kept, there), &from)?;
                if there < bytes {
                    volume.resize(bytes, 0)?;
                }
            }
        }
        store.set_whole(kept)
    }

    /// A domain that has no port yet.
    fn define_staged(&self, connect: &Connect, spec: &GuestSpec) -> Result<Virt, Trouble> {
        let domain = self.domain(spec, None)?;
        Ok(Virt::define_xml(connect, &domain.xml()?)?)
    }

    pub(super) fn boot(&self, spec: &GuestSpec) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let here = self.needed(&connect, spec.guest)?;
        let store = self.own_store()?;
        let network = self.needed_network(&connect, spec.network)?;
        if here.is_active()? {
            return self.unpause(&here);
        }
        let mut domain = self.domain(spec, Some(&here.seen.marks))?;
        match spec.guest {
            Guest::Instance(id) => {
                domain.disks.push(self.root_disk(&store, id)?);
                for at in &spec.volumes {
                    domain.disks.push(self.volume_disk(&connect, &store, spec.guest, at)?);
                }
                domain.disks.push(self.seed_disk(&store, spec)?);
                domain.nics = vec![self.port(&connect, &network, spec)?];
            }
            Guest::Router(id) => {
                domain.kernel = Some(self.appliance(&store)?);
                for at in &spec.volumes {
                    domain.disks.push(self.volume_disk(&connect, &store, spec.guest, at)?);
                }
                domain.disks.push(self.config_disk(&store, &network, spec)?);
                domain.nics = self.router_ports(&connect, &network, id, spec)?;
            }
        }
        let defined = Virt::define_xml(&connect, &domain.xml()?)?;
        self.start(&defined)
    }

    fn start(&self, domain: &Virt) -> Result<(), Trouble> {
        self.consoles()?;
        match domain.create() {
            Ok(_) => Ok(()),
            // Somebody else may be as quick.
            Err(error) => {
                if domain.is_active()? {
                    Ok(())
                } else {
                    Err(error.into())
                }
            }
        }
    }

    /// Guests are halted when the host's disk is full, and by people.
    fn unpause(&self, here: &Here) -> Result<(), Trouble> {
        if here.domain.get_info()?.state == sys::VIR_DOMAIN_PAUSED {
            here.domain.resume()?;
        }
        Ok(())
    }

    pub(super) fn stop(&self, guest: Guest) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let here = self.needed(&connect, guest)?;
        self.shut_down(&here)
    }

    /// Asks it first.
    fn shut_down(&self, here: &Here) -> Result<(), Trouble> {
        let begin = std::time::Instant::now();
        let grace = self.settings().stop_grace();
        while here.is_active()? && begin.elapsed() < grace {
            // One that cannot hear has its time anyway: it may be about to be able to.
            if let Err(error) = here.domain.shutdown_flags(sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN) {
                tracing::debug!(guest = %here.guest(), %error, "not asked to shut down");
            }
            let left = grace.saturating_sub(begin.elapsed());
            if self.wait_until(ASK_AGAIN.min(left), || Ok(!here.is_active()?))? {
                return Ok(());
            }
        }
        self.switch_off(here)
    }

    pub(super) fn switch_off(&self, here: &Here) -> Result<(), Trouble> {
        if !here.is_active()? {
            return Ok(());
        }
        match here.domain.destroy() {
            Ok(()) => Ok(()),
            // It takes its time, or has ended by itself.
            Err(error) => match self.wait_until(END, || Ok(!here.is_active()?))? {
                true => Ok(()),
                false => Err(error.into()),
            },
        }
    }

    pub(super) fn reboot(&self, guest: Guest, operation: OperationId) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let here = self.needed(&connect, guest)?;
        if !here.seen.has_port {
            return Err(never(format!("{guest} has never been booted: boot it")));
        }
        if here.seen.marks.rebooted != Some(operation) {
            self.shut_down(&here)?;
            // Noted only when it is down: repeated after a crash, it either stops again or only starts.
            self.mark(&here, &Marks { rebooted: Some(operation), ..here.seen.marks.clone() })?;
        }
        if here.is_active()? { Ok(()) } else { self.start(&here.domain) }
    }

    pub(super) fn mark(&self, here: &Here, marks: &Marks) -> Result<(), Trouble> {
        let mut affects = sys::VIR_DOMAIN_AFFECT_CONFIG;
        if here.is_active()? {
            affects |= sys::VIR_DOMAIN_AFFECT_LIVE;
        }
        let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or_default();
        here.domain.set_metadata(kind, Some(&marks.xml()?), Some(PREFIX), Some(NAMESPACE), affects)?;
        Ok(())
    }

    pub(super) fn destroy(&self, guest: Guest) -> Result<(), Trouble> {
        self.clear(guest, true)
    }

    pub(super) fn evict(&self, guest: Guest) -> Result<(), Trouble> {
        let shared = self.own_store()?.shared;
        self.clear(guest, !shared)
    }

    /// Nothing of it is left here. Its domain goes last: as long as it is there, so may be the rest.
    fn clear(&self, guest: Guest, with_disk: bool) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let Some(here) = self.here(&connect, guest)? else { return Ok(()) };
        self.switch_off(&here)?;
        let store = self.own_store()?;
        if with_disk {
            for kept in [Kept::Seed(guest), Kept::Config(guest), Kept::Root(guest)] {
                store.remove(kept)?;
            }
        }
        self.consoles()?.remove_named(&log_name(guest))?;
        if here.state()?.is_some_and(|state| state == GuestState::Running) {
            return Err(not_now(format!("{guest} was started meanwhile")));
        }
        let flags = sys::VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | sys::VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | sys::VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA;
        found(here.domain.undefine_flags(flags))?;
        if let Guest::Router(id) = guest {
            self.undefine_filter(&connect, super::filters::FilterName::Outside(id))?;
        }
        Ok(())
    }

    pub(super) fn console(&self, guest: Guest) -> Result<Vec<u8>, Trouble> {
        let connect = self.link.quick()?;
        self.needed(&connect, guest)?;
        let store = self.consoles()?;
        let Some(log) = store.find_named(&log_name(guest))? else { return Ok(Vec::new()) };
        let size = log.get_info()?.capacity;
        let from = size.saturating_sub(CONSOLE);
        if size == from { Ok(Vec::new()) } else { store.download(&log, from, size - from) }
    }

    pub(super) fn log_path(&self, guest: Guest) -> PathBuf {
        self.settings().consoles.join(log_name(guest))
    }
}

pub(super) fn log_name(guest: Guest) -> String {
    format!("{}.log", domain_name(guest))
}
