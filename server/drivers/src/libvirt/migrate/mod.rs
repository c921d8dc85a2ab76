//! Guests that go to other hosts while they run, with their disks where those are a host's own.
//!
//! The server itself speaks with both hosts: if it ends half-way, so does the move, and the guest goes on where it
//! was. What comes to a host is marked there as arriving until it is all there, so that nobody takes it for the
//! guest, and everybody sees what a move that was given up has left.

mod carry;
mod way;

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use cascina_core::state::Guest;
use virt::connect::Connect;
use virt::domain::{Domain, MigrateParameters};
use virt_sys as sys;

pub(super) use self::carry::Reading;
use self::way::{Way, presence, way};
use super::driver::Site;
use super::job;
use super::seen::Here;
use super::trouble::{Trouble, never, not_now};
use super::xml::Marks;
use crate::{GuestSpec, HostRef};

const LOOK: Duration = Duration::from_secs(1);

impl Site {
    pub(super) fn migrate(&self, spec: &GuestSpec, to: &HostRef) -> Result<(), Trouble> {
        let guest = spec.guest;
        if let Guest::Router(_) = guest {
            return Err(never(format!("{guest} is not moved: routers are made anew on another host")));
        }
        let other = self.at(to);
        if Arc::ptr_eq(&self.link, &other.link) {
            return Err(never(format!("{guest} cannot be moved to the host where it is")));
        }
        let (connect, there_connect) = (self.link.long()?, other.link.long()?);
        let (here, there) = (self.here(&connect, guest)?, other.here(&there_connect, guest)?);
        let way = way(presence(here.as_ref())?, presence(there.as_ref())?);
        match (way, here, there) {
            (Way::Arrived | Way::ArrivedHalted, _, Some(there)) => {
                if way == Way::ArrivedHalted {
                    there.domain.resume()?;
                }
                self.leave(&other, &there)
            }
            (Way::Copy, Some(here), there) => {
                let copied = self.copy(&other, spec, &here, there.as_ref());
                other.undo_if_refused(guest, copied)?;
                self.leave(&other, &other.needed(&there_connect, guest)?)
            }
            (Way::Live | Way::LiveHalted, Some(here), there) => {
                if way == Way::LiveHalted {
                    here.domain.resume()?;
                }
                let network = other.needed_network(&there_connect, spec.network)?;
                other.port_filter(&there_connect, &network, spec.ip)?;
                let moved = self.live(&other, &there_connect, spec, &here, there.as_ref());
                other.undo_if_refused(guest, moved)?;
                self.leave(&other, &other.needed(&there_connect, guest)?)
            }
            (Way::NotYet, ..) => Err(not_now(format!("an earlier move of {guest} has not been given up yet"))),
            _ => Err(Trouble::NoGuest(guest)),
        }
    }

    /// The guest is on the other host: nothing of it stays here.
    fn leave(&self, other: &Site, there: &Here) -> Result<(), Trouble> {
        other.settle_disks(there)?;
        self.evict(there.guest())
    }

    /// Both hosts must have the same folders under the same names.
    fn same_class(&self, other: &Site, guest: Guest) -> Result<(), Trouble> {
        if self.host.class == other.host.class {
            return Ok(());
        }
        let (class, there) = (&self.host.class, &other.host.class);
        Err(never(format!("{guest} is on a host of class `{class}`: it cannot be moved to one of class `{there}`")))
    }

    /// A domain in which nothing is right but whose it is.
    fn announce(&self, spec: &GuestSpec, marks: &Marks, before: Option<&Here>) -> Result<(), Trouble> {
        if let Some(before) = before {
            self.switch_off(before)?;
        }
        let connect = self.link.quick()?;
        let mut domain = self.domain(spec, Some(marks))?;
        domain.marks.arriving = true;
        Domain::define_xml(&connect, &domain.xml()?)?;
        Ok(())
    }

    fn copy(&self, other: &Site, spec: &GuestSpec, here: &Here, there: Option<&Here>) -> Result<(), Trouble> {
        self.same_class(other, spec.guest)?;
        self.settle_disks(here)?;
        other.announce(spec, &here.seen.marks, there)?;
        self.carry_disks(other, here, false)?;
        let xml = here.domain.get_xml_desc(sys::VIR_DOMAIN_XML_INACTIVE | sys::VIR_DOMAIN_XML_SECURE)?;
        Domain::define_xml(&*other.link.quick()?, &xml)?;
        Ok(())
    }

    fn live(
        &self,
        other: &Site,
        there_connect: &Connect,
        spec: &GuestSpec,
        here: &Here,
        there: Option<&Here>,
    ) -> Result<(), Trouble> {
        self.same_class(other, spec.guest)?;
        self.settle_disks(here)?;
        other.announce(spec, &here.seen.marks, there)?;
        let shared = self.own_store()?.shared;
        let mut flags = sys::VIR_MIGRATE_LIVE | sys::VIR_MIGRATE_PERSIST_DEST | sys::VIR_MIGRATE_AUTO_CONVERGE;
        let peer = self.settings().peers.get(&other.host.name).cloned().unwrap_or_default();
        let mut parameters = MigrateParameters { uri: peer.migrate, ..MigrateParameters::default() };
        if shared {
            // What is on the other host must know the disk before it is opened there.
            other.own_store()?.refresh()?;
        } else {
            parameters.migrate_disks = self.carry_disks(other, here, true)?;
            parameters.disks_uri = peer.disks;
            // What the image has below the disk is there already.
            flags |= sys::VIR_MIGRATE_NON_SHARED_INC;
        }
        other.consoles()?;
        move_watched(&here.domain, there_connect, parameters, flags)
    }

    /// What was refused is not there. What may yet be done is taken up where it was.
    fn undo_if_refused(&self, guest: Guest, result: Result<(), Trouble>) -> Result<(), Trouble> {
        let Err(trouble) = result else { return Ok(()) };
        if !trouble.is_passing() {
            let undone = self.link.quick().and_then(|connect| match self.here(&connect, guest)? {
                Some(here) if here.seen.marks.arriving => self.evict(guest),
                _ => Ok(()),
            });
            if let Err(error) = undone {
                tracing::warn!(host = %self.host.name, %guest, %error, "what arrived of it is left here");
            }
        }
        Err(trouble)
    }
}

/// Ends a move that gets no further: whoever waits for the guest would wait for ever.
fn move_watched(domain: &Domain, there: &Connect, parameters: MigrateParameters, flags: u32) -> Result<(), Trouble> {
    std::thread::scope(|scope| {
        let (moved, moving) = mpsc::channel::<()>();
        scope.spawn(move || {
            let mut pace = job::Pace::new();
            while let Err(RecvTimeoutError::Timeout) = moving.recv_timeout(LOOK) {
                if let Ok(Some(now)) = job::progress(domain)
                    && pace.stands_still(now)
                {
                    let ended = job::abort(domain);
                    tracing::warn!(?ended, "a move that stood still was ended");
                }
            }
        });
        let answer = domain.migrate3(there, parameters, flags);
        drop(moved);
        answer.map(|_| ()).map_err(Trouble::from)
    })
}
