//! Volumes that come and go while their guest runs.

use std::time::Duration;

use cascina_core::id::VolumeId;
use cascina_core::state::Guest;
use virt_sys as sys;

use super::driver::Site;
use super::seen::Here;
use super::trouble::{Trouble, never, not_now};
use crate::{Place, VolumeAt};

/// How long a guest may take to let go of a disk.
const LET_GO: Duration = Duration::from_secs(20);

impl Site {
    pub(super) fn attach(&self, guest: Guest, at: &VolumeAt, place: &Place) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let here = self.needed(&connect, guest)?;
        if !here.seen.has_port {
            return Err(never(format!("{guest} was never booted: boot it")));
        }
        let store = self.shared_store(place)?;
        let disk = self.volume_disk(&connect, &store, guest, at)?;
        let target = disk.target.to_string();
        let has = |disks: &[super::seen::SeenDisk]| -> Result<bool, Trouble> {
            match disks.iter().find(|seen| seen.volume == Some(at.volume)) {
                Some(seen) if seen.target == target => Ok(true),
                Some(seen) => Err(never(format!("{guest} has {} as {}, not {target}", at.volume, seen.target))),
                None => match disks.iter().any(|seen| seen.target == target) {
                    true => Err(never(format!("{guest} has another disk as {target}"))),
                    false => Ok(false),
                },
            }
        };
        let xml = disk.xml()?;
        if here.is_active()? && !has(&here.live()?.disks)? {
            here.domain.attach_device_flags(&xml, sys::VIR_DOMAIN_AFFECT_LIVE)?;
        }
        if !has(&here.seen.disks)? {
            here.domain.attach_device_flags(&xml, sys::VIR_DOMAIN_AFFECT_CONFIG)?;
        }
        Ok(())
    }

    pub(super) fn detach(&self, guest: Guest, volume: VolumeId) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let Some(here) = self.here(&connect, guest)? else { return Ok(()) };
        if let Some(xml) = disk_of(&here, sys::VIR_DOMAIN_XML_INACTIVE, volume)? {
            here.domain.detach_device_flags(&xml, sys::VIR_DOMAIN_AFFECT_CONFIG)?;
        }
        if !here.is_active()? {
            return Ok(());
        }
        if let Some(xml) = disk_of(&here, 0, volume)? {
            here.domain.detach_device_flags(&xml, sys::VIR_DOMAIN_AFFECT_LIVE)?;
        }
        // It is the guest that lets go, and libvirt does not wait long for it.
        let gone = || Ok(!here.is_active()? || !here.live()?.volumes().any(|id| id == volume));
        if self.wait_until(LET_GO, gone)? {
            return Ok(());
        }
        Err(not_now(format!("{guest} does not let go of {volume} yet: unmount it in the guest")))
    }
}

/// As the domain's own document has it, which is what libvirt finds it by.
fn disk_of(here: &Here, kind: u32, volume: VolumeId) -> Result<Option<String>, Trouble> {
    let xml = here.domain.get_xml_desc(kind)?;
    let unreadable = |why: String| Trouble::Unreadable { what: format!("the domain of {}", here.guest()), why };
    let document = roxmltree::Document::parse(&xml).map_err(|error| unreadable(error.to_string()))?;
    let is_it = |node: &roxmltree::Node<'_, '_>| {
        let serial = node.children().find(|child| child.has_tag_name("serial")).and_then(|serial| serial.text());
        node.has_tag_name("disk") && serial.and_then(super::xml::Serial::volume) == Some(volume)
    };
    let found = document.descendants().find(is_it);
    Ok(found.and_then(|node| xml.get(node.range()).map(str::to_owned)))
}
