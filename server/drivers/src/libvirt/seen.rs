//! What a domain of ours is, as libvirt describes it.

use std::path::PathBuf;

use cascina_core::id::VolumeId;
use virt::connect::Connect;
use virt::domain::Domain;
use virt_sys as sys;

use super::driver::Site;
use super::trouble::{Trouble, found};
use super::xml::{Marks, NAMESPACE, Serial, domain_name, guest_of};
use crate::GuestState;
use cascina_core::state::Guest;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SeenDisk {
    /// `vdb`
    pub(super) target: String,
    pub(super) path: PathBuf,
    pub(super) volume: Option<VolumeId>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) marks: Marks,
    /// Guests have none before their first boot.
    pub(super) has_port: bool,
    pub(super) disks: Vec<SeenDisk>,
}

impl Seen {
    pub(super) fn read(xml: &str) -> Result<Seen, Trouble> {
        let marks = Marks::read(xml)?;
        let unreadable = |why: String| Trouble::Unreadable { what: format!("the domain of {}", marks.guest), why };
        let document = roxmltree::Document::parse(xml).map_err(|error| unreadable(error.to_string()))?;
        let devices = document.root_element().children().find(|node| node.has_tag_name("devices"));
        let devices = devices.ok_or_else(|| unreadable("it has no devices".into()))?;
        let disk = |node: roxmltree::Node<'_, '_>| {
            let child = |name| node.children().find(|child| child.has_tag_name(name));
            let source = child("source")?;
            let path = source.attribute("file").or_else(|| source.attribute("dev"))?;
            let serial = child("serial").and_then(|serial| serial.text());
            Some(SeenDisk {
                target: child("target")?.attribute("dev")?.to_owned(),
                path: path.into(),
                volume: serial.and_then(Serial::volume),
            })
        };
        let disks = devices.children().filter(|node| node.has_tag_name("disk")).filter_map(disk).collect();
        let has_port = devices.children().any(|node| node.has_tag_name("interface"));
        Ok(Seen { marks, has_port, disks })
    }

    pub(super) fn volumes(&self) -> impl Iterator<Item = VolumeId> + '_ {
        self.disks.iter().filter_map(|disk| disk.volume)
    }
}

/// A domain of ours.
pub(super) struct Here {
    pub(super) domain: Domain,
    pub(super) seen: Seen,
}

impl Here {
    /// As it will be when it is started again; running guests may have less.
    fn new(domain: Domain) -> Result<Option<Here>, Trouble> {
        // While one comes, libvirt tells nothing else of it before it is all there, and has everybody wait.
        if let Some((sys::VIR_DOMAIN_PAUSED, _)) = found(domain.get_state())? {
            let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).unwrap_or_default();
            let marks = domain.get_metadata(kind, Some(NAMESPACE), sys::VIR_DOMAIN_AFFECT_CONFIG);
            if let Some(marks) = marks.ok().and_then(|xml| Marks::read(&xml).ok()).filter(|marks| marks.arriving) {
                return Ok(Some(Here { domain, seen: Seen { marks, has_port: false, disks: Vec::new() } }));
            }
        }
        match found(domain.get_xml_desc(sys::VIR_DOMAIN_XML_INACTIVE))? {
            Some(xml) => Ok(Some(Here { seen: Seen::read(&xml)?, domain })),
            None => Ok(None),
        }
    }

    /// As it is now.
    pub(super) fn live(&self) -> Result<Seen, Trouble> {
        Seen::read(&self.domain.get_xml_desc(0)?)
    }

    pub(super) fn guest(&self) -> Guest {
        self.seen.marks.guest
    }

    pub(super) fn is_active(&self) -> Result<bool, Trouble> {
        Ok(found(self.domain.is_active())?.unwrap_or(false))
    }

    pub(super) fn state(&self) -> Result<Option<GuestState>, Trouble> {
        let Some((state, reason)) = found(self.domain.get_state())? else { return Ok(None) };
        if self.seen.marks.arriving {
            return Ok(Some(GuestState::Staged));
        }
        Ok(Some(match state {
            sys::VIR_DOMAIN_CRASHED => GuestState::Crashed,
            sys::VIR_DOMAIN_SHUTOFF if !self.seen.has_port => GuestState::Staged,
            sys::VIR_DOMAIN_SHUTOFF if is_crash(reason) => GuestState::Crashed,
            sys::VIR_DOMAIN_SHUTOFF => GuestState::Stopped,
            _ => GuestState::Running,
        }))
    }
}

fn is_crash(reason: i32) -> bool {
    [sys::VIR_DOMAIN_SHUTOFF_CRASHED, sys::VIR_DOMAIN_SHUTOFF_FAILED]
        .iter()
        .any(|crash| i64::from(*crash) == i64::from(reason))
}

impl Site {
    pub(super) fn here(&self, connect: &Connect, guest: Guest) -> Result<Option<Here>, Trouble> {
        match found(Domain::lookup_by_name(connect, &domain_name(guest)))? {
            Some(domain) => Here::new(domain),
            None => Ok(None),
        }
    }

    pub(super) fn needed(&self, connect: &Connect, guest: Guest) -> Result<Here, Trouble> {
        self.here(connect, guest)?.ok_or(Trouble::NoGuest(guest))
    }

    /// All guests on the host.
    pub(super) fn all_here(&self, connect: &Connect) -> Result<Vec<Here>, Trouble> {
        let mut all = Vec::new();
        for domain in connect.list_all_domains(0)? {
            // Somebody else's domains are none of our business.
            let Some(name) = found(domain.get_name())? else { continue };
            if guest_of(&name).is_err() {
                continue;
            }
            match Here::new(domain) {
                Ok(here) => all.extend(here),
                Err(Trouble::Marks(error)) => tracing::warn!(host = %self.host.name, name, %error, "not ours"),
                Err(trouble) => return Err(trouble),
            }
        }
        Ok(all)
    }

    /// Which guest of the host has the volume.
    pub(super) fn holder(&self, connect: &Connect, volume: VolumeId) -> Result<Option<Here>, Trouble> {
        for here in self.all_here(connect)? {
            let has = here.seen.volumes().any(|id| id == volume);
            if has || !here.seen.marks.arriving && here.is_active()? && here.live()?.volumes().any(|id| id == volume) {
                return Ok(Some(here));
            }
        }
        Ok(None)
    }
}
