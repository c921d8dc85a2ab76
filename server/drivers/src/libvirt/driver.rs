//! From calls to what is done on a host.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::broadcast;

use super::copy::{Lane, Lanes};
use super::event;
use super::image::{Known, Stamp};
use super::link::{Link, Links};
use super::settings::{LibvirtSettings, SettingsError};
use super::storage::Store;
use super::trouble::Trouble;
use super::turns::{Turns, keys};
use crate::{DriverError, GuestSpec, HostCall, HostEvent, HostRef, Hypervisor, Reply};

/// Makes the small disk that an instance reads when it boots: who it is, keys, user-data.
pub trait Seeds: Send + Sync {
    /// # Errors
    ///
    /// Why there can be none, for people. It must not repeat what the tenant gave.
    fn disk(&self, spec: &GuestSpec) -> Result<Vec<u8>, String>;
}

impl<F: Fn(&GuestSpec) -> Result<Vec<u8>, String> + Send + Sync> Seeds for F {
    fn disk(&self, spec: &GuestSpec) -> Result<Vec<u8>, String> {
        self(spec)
    }
}

/// Hosts that run guests with QEMU. Clones are the same driver.
#[derive(Clone)]
pub struct LibvirtDriver(Arc<Shared>);

struct Shared {
    settings: LibvirtSettings,
    seeds: Arc<dyn Seeds>,
    links: Links,
    turns: Turns,
    images: Mutex<HashMap<Stamp, Known>>,
    lanes: Lanes,
}

impl LibvirtDriver {
    /// # Errors
    ///
    /// The settings could not work, or libvirt's library does not start.
    pub fn new(settings: LibvirtSettings, seeds: Arc<dyn Seeds>) -> Result<LibvirtDriver, SettingsError> {
        settings.check()?;
        event::start_loop().map_err(SettingsError::Events)?;
        let links = Links::new(settings.calls_per_host);
        Ok(LibvirtDriver(Arc::new(Shared {
            settings,
            seeds,
            links,
            turns: Turns::default(),
            images: Mutex::default(),
            lanes: Lanes::default(),
        })))
    }
}

#[async_trait]
impl Hypervisor for LibvirtDriver {
    async fn call(&self, host: &HostRef, call: HostCall) -> Result<Reply, DriverError> {
        let (host, name, shared) = (host.clone(), call.as_str(), Arc::clone(&self.0));
        let asked = host.clone();
        // By itself, so that it has its turn until it has ended, even if nobody waits for it any more.
        let answer = tokio::spawn(async move {
            let turns = shared.turns.wait(keys(&host, &call)).await;
            let link = shared.links.to(&host);
            let permit = Arc::clone(&link.permits).acquire_owned().await;
            let site = Site { host, link, driver: shared, handle: Handle::current() };
            let answer = tokio::task::spawn_blocking(move || site.answer(call)).await;
            drop((turns, permit));
            answer.unwrap_or_else(|error| Err(Trouble::Died(error.to_string())))
        });
        let answer = answer.await.unwrap_or_else(|error| Err(Trouble::Died(error.to_string())));
        answer.map_err(|trouble| trouble.of(&asked, name))
    }

    fn events(&self) -> Option<broadcast::Receiver<HostEvent>> {
        Some(self.0.links.events.subscribe())
    }
}

/// One host, for the time of a call. Its functions block.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) host: HostRef,
    pub(super) link: Arc<Link>,
    driver: Arc<Shared>,
    handle: Handle,
}

impl Site {
    pub(super) fn settings(&self) -> &LibvirtSettings {
        &self.driver.settings
    }

    pub(super) fn seeds(&self) -> &dyn Seeds {
        &*self.driver.seeds
    }

    pub(super) fn images(&self) -> &Mutex<HashMap<Stamp, Known>> {
        &self.driver.images
    }

    /// The way of images into a store.
    pub(super) fn lane(&self, store: &Store) -> Arc<Lane> {
        self.driver.lanes.to(if store.shared { self.host.class.as_str() } else { &self.host.uri })
    }

    /// The same driver at another host.
    pub(super) fn at(&self, host: &HostRef) -> Site {
        Site { host: host.clone(), link: self.driver.links.to(host), ..self.clone() }
    }

    pub(super) fn pause(&self, time: Duration) {
        self.handle.block_on(tokio::time::sleep(time));
    }

    /// Looks every now and then. False: it did not come true in time.
    pub(super) fn wait_until(
        &self,
        limit: Duration,
        mut is_so: impl FnMut() -> Result<bool, Trouble>,
    ) -> Result<bool, Trouble> {
        let begin = std::time::Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            if is_so()? {
                return Ok(true);
            }
            if begin.elapsed() >= limit {
                return Ok(false);
            }
            self.pause(pause);
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    fn answer(&self, call: HostCall) -> Result<Reply, Trouble> {
        match call {
            HostCall::DefineNetwork { network } => self.define_network(&network)?,
            HostCall::RemoveNetwork { network } => self.remove_network(network)?,
            HostCall::ApplyFirewall { network, revision, firewall } => {
                self.apply_firewall(network, revision, &firewall)?;
            }
            HostCall::StageDisk { spec, image, sha256 } => self.stage(&spec, &image, sha256)?,
            HostCall::CheckImage { image, sha256 } => {
                return Ok(Reply::Image(Box::new(self.image_as(&image, sha256)?.content())));
            }
            HostCall::CopyImage { image, content, from } => {
                return Ok(Reply::Copied(self.copy_image(&image, &content, from.as_ref())?));
            }
            HostCall::DropImage { content, .. } => self.drop_image(&content)?,
            HostCall::Boot { spec } => self.boot(&spec)?,
            HostCall::Stop { guest } => self.stop(guest)?,
            HostCall::Reboot { guest, operation } => self.reboot(guest, operation)?,
            HostCall::Destroy { guest } => self.destroy(guest)?,
            HostCall::Evict { guest } => self.evict(guest)?,
            HostCall::Console { guest } => return Ok(Reply::Console(self.console(guest)?)),
            HostCall::Inventory => return Ok(Reply::Inventory(self.inventory()?)),
            HostCall::Stored { class } => return Ok(Reply::Stored(self.stored(&class)?)),
            HostCall::ApplyRouter { guest, revision, config } => self.apply_router(guest, revision, &config)?,
            HostCall::ProbeRouter { guest } => return Ok(Reply::Revision(self.probe_router(guest)?)),
            HostCall::MakeVolume { volume, at, size, from } => self.make_volume(volume, &at, size, from)?,
            HostCall::ResizeVolume { volume, at, size } => self.resize_volume(volume, &at, size)?,
            HostCall::RemoveVolume { volume, at } => self.remove_volume(volume, &at)?,
            HostCall::AttachVolume { guest, volume, at } => self.attach(guest, &volume, &at)?,
            HostCall::DetachVolume { guest, volume, at: _ } => self.detach(guest, volume)?,
            HostCall::MakeSnapshot { snapshot, at, of } => self.make_snapshot(snapshot, &at, of)?,
            HostCall::RemoveSnapshot { snapshot, at } => self.remove_snapshot(snapshot, &at)?,
            HostCall::Migrate { spec, to } => self.migrate(&spec, &to)?,
            HostCall::Describe => return Ok(Reply::Facts(Box::new(self.facts()?))),
            HostCall::Sample => return Ok(Reply::Samples(self.samples()?)),
        }
        Ok(Reply::Done)
    }
}
