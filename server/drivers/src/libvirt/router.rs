//! Routers: an appliance that takes its configuration from a disk when it boots, and through its agent
//! while it runs.

use std::net::Ipv4Addr;

use cascina_core::id::RouterId;
use cascina_core::network::{Mac, RouterConfig};
use cascina_core::state::Guest;
use ipnet::Ipv4Net;
use virt::connect::Connect;

use super::agent::Ran;
use super::driver::Site;
use super::filters::{self, FilterName};
use super::names::Kept;
use super::storage::Store;
use super::trouble::{Trouble, never, not_now};
use super::xml::{Disk, Marks};
use crate::router::{self, RouterPlan, Target, wan_mac};
use crate::{GuestSpec, NetworkSpec};

/// Room for a router's configuration: a disk does not grow while it is read.
const ROOM: u64 = 4 << 20;
const APPLY: &str = "/usr/sbin/router-apply";

impl Site {
    /// What it has is kept, else it gets what serves its network and has no outside.
    pub(super) fn config_disk(&self, store: &Store, network: &NetworkSpec, spec: &GuestSpec) -> Result<Disk, Trouble> {
        let kept = Kept::Config(spec.guest);
        let volume = match store.find_whole(kept)? {
            Some(volume) => volume,
            None => {
                let plan = router::plan(&self.settings().router, network, spec, 0, &RouterConfig::default())?;
                self.write_config(store, spec.guest, &archive(&plan, spec.mac))?
            }
        };
        self.config(&volume)
    }

    fn write_config(
        &self,
        store: &Store,
        guest: Guest,
        archive: &[u8],
    ) -> Result<virt::storage_vol::StorageVol, Trouble> {
        let kept = Kept::Config(guest);
        if archive.len() as u64 > ROOM {
            return Err(never(format!("the configuration of {guest} has {} bytes: {ROOM} is the most", archive.len())));
        }
        match store.find_whole(kept)? {
            // The file stays the same one: the router may have it open.
            Some(volume) => {
                let mut padded = archive.to_vec();
                padded.resize(ROOM as usize, 0);
                store.upload(&volume, padded.as_slice())?;
                Ok(volume)
            }
            None => {
                let volume = self.write(store, kept, archive, ROOM)?;
                store.set_whole(kept)?;
                Ok(volume)
            }
        }
    }

    /// Of the public side, there when this ends.
    pub(super) fn outside_filter(&self, connect: &Connect, router: RouterId, lan: Mac) -> Result<FilterName, Trouble> {
        let name = FilterName::Outside(router);
        if !self.is_defined(connect, name)? {
            self.define_filter(connect, &filters::outside(router, wan_mac(lan), &[], &[])?)?;
        }
        Ok(name)
    }

    pub(super) fn apply_router(&self, guest: Guest, revision: u64, config: &RouterConfig) -> Result<(), Trouble> {
        let Guest::Router(id) = guest else { return Err(Trouble::NotARouter(guest)) };
        let connect = self.link.quick()?;
        let here = self.needed(&connect, guest)?;
        let marks = &here.seen.marks;
        // A late older one must not undo a newer one.
        if marks.revision.is_some_and(|there| there > revision) {
            return Ok(());
        }
        let (_, network) = self.network(&connect, marks.network)?.ok_or(Trouble::NoNetwork(marks.network))?;
        let plan = router::plan(&self.settings().router, &network, &spec_of(marks), revision, config)?;
        let archive = archive(&plan, marks.mac);
        let public: Vec<Ipv4Addr> = plan.public().collect();
        let beside: Vec<Ipv4Net> = plan.metadata.iter().filter_map(|metadata| metadata.seen_as).collect();
        // Before the router has the addresses, or what it says about them is lost.
        self.define_filter(&connect, &filters::outside(id, wan_mac(marks.mac), &public, &beside)?)?;
        self.write_config(&self.own_store()?, guest, &archive)?;
        self.mark(&here, &Marks { revision: Some(revision), ..marks.clone() })?;
        if !here.is_active()? {
            return Err(not_now(format!("{guest} does not run: it will have its configuration when it is booted")));
        }
        let ran = self.run(&here, APPLY, &[], &archive)?;
        match ran.code {
            0 => Ok(()),
            2 => Err(never(format!("{guest} does not take its configuration: {}", ran.complaint()))),
            _ => Err(not_now(format!("{guest} could not be configured: {}", ran.complaint()))),
        }
    }

    /// Its revision, if the router has all that goes with it.
    pub(super) fn probe_router(&self, guest: Guest) -> Result<u64, Trouble> {
        let connect = self.link.quick()?;
        let here = self.needed(&connect, guest)?;
        if !here.is_active()? {
            return Err(not_now(format!("{guest} does not run")));
        }
        let Some(wanted) = here.seen.marks.revision else {
            return Err(never(format!("{guest} has no configuration yet")));
        };
        let ran = self.run(&here, APPLY, &["-p"], &[])?;
        if ran.code != 0 {
            return Err(Trouble::Drift(format!("{guest} is not as it was configured: {}", ran.complaint())));
        }
        let Ran { out, .. } = &ran;
        match String::from_utf8_lossy(out).trim().parse::<u64>() {
            Ok(there) if there == wanted => Ok(there),
            Ok(there) => {
                Err(Trouble::Drift(format!("{guest} has revision {there} of its configuration, not {wanted}")))
            }
            Err(_) => Err(not_now(format!("{guest} does not say which configuration it has"))),
        }
    }
}

fn archive(plan: &RouterPlan, lan: Mac) -> Vec<u8> {
    router::disk(&router::render(plan, &Target::Linux), lan, wan_mac(lan))
}

/// As much of it as its plan follows from.
fn spec_of(marks: &Marks) -> GuestSpec {
    GuestSpec {
        guest: marks.guest,
        farm: marks.farm,
        network: marks.network,
        name: marks.name.clone(),
        size: cascina_core::units::Size::ZERO,
        ip: marks.ip,
        mac: marks.mac,
        volumes: Vec::new(),
        ssh_keys: Vec::new(),
        user_data: None,
    }
}
