//! Guests that go to other hosts while they run.
//!
//! The server itself speaks with both hosts: if it ends half-way, so does the move, and the guest goes on where it was.

use virt::domain::{Domain, MigrateParameters};
use virt_sys as sys;

use super::driver::Site;
use super::trouble::{Trouble, never};
use crate::{GuestSpec, HostRef};

impl Site {
    pub(super) fn migrate(&self, spec: &GuestSpec, to: &HostRef) -> Result<(), Trouble> {
        let guest = spec.guest;
        let other = self.at(to);
        let (connect, there_connect) = (self.link.long()?, other.link.long()?);
        let (here, there) = (self.here(&connect, guest)?, other.here(&there_connect, guest)?);
        let there_runs = match &there {
            Some(there) => there.is_active()?,
            None => false,
        };
        let Some(here) = here else {
            return if there.is_some() { Ok(()) } else { Err(Trouble::NoGuest(guest)) };
        };
        if there_runs || there.is_some() && !here.is_active()? {
            return self.evict(guest);
        }
        if !self.own_store()?.shared || self.host.class != to.class {
            return Err(never(format!(
                "the disk of {guest} is on this host alone: only guests of a class with a shared store can be moved"
            )));
        }
        if !here.is_active()? {
            let xml = here.domain.get_xml_desc(sys::VIR_DOMAIN_XML_INACTIVE | sys::VIR_DOMAIN_XML_SECURE)?;
            Domain::define_xml(&there_connect, &xml)?;
            return self.evict(guest);
        }
        let network = other.needed_network(&there_connect, spec.network)?;
        other.port_filter(&there_connect, &network, spec.ip)?;
        other.consoles()?;
        // What is on the other host must know the disk before it is opened there.
        other.own_store()?.refresh()?;
        let peer = self.settings().peers.get(&to.name);
        let parameters =
            MigrateParameters { uri: peer.and_then(|peer| peer.migrate.clone()), ..MigrateParameters::default() };
        let flags = sys::VIR_MIGRATE_LIVE
            | sys::VIR_MIGRATE_PERSIST_DEST
            | sys::VIR_MIGRATE_UNDEFINE_SOURCE
            | sys::VIR_MIGRATE_AUTO_CONVERGE;
        here.domain.migrate3(&there_connect, parameters, flags)?;
        self.consoles()?.remove_named(&super::life::log_name(guest))
    }
}
