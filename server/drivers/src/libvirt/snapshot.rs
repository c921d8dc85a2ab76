//! Snapshots: whole copies in the class's store.
//!
//! QEMU itself copies the disk of a guest that runs, as it was when that was begun, while the guest goes on
//! writing. The job is the host's: it goes on when nobody waits for it, and is found again by whoever asks again.

use std::path::{Path, PathBuf};

use cascina_core::id::SnapshotId;
use cascina_core::snapshot::Disk;
use cascina_core::state::Guest;
use virt::storage_vol::StorageVol;

use super::driver::Site;
use super::job;
use super::names::Kept;
use super::seen::Here;
use super::storage::{New, Store};
use super::trouble::{Trouble, not_now};
use super::xml::{Element, Format};
use crate::Place;

/// What is to be copied.
struct Original {
    volume: StorageVol,
    /// Who has it.
    user: Option<Here>,
}

impl Site {
    pub(super) fn make_snapshot(&self, id: SnapshotId, at: &Place, of: Disk) -> Result<(), Trouble> {
        let store = self.shared_store(at)?;
        let kept = Kept::Snapshot(id, at.farm);
        if store.find_whole(kept)?.is_some() {
            return Ok(());
        }
        let Original { volume, user } = self.original(&store, of)?;
        let running = user.map(|here| Ok::<_, Trouble>(here.is_active()?.then_some(here))).transpose()?.flatten();
        match running {
            Some(here) => self.copy_running(&here, &store, kept, &volume)?,
            None => {
                store.remove(kept)?;
                store.copy(&New::file(kept, volume.get_info()?.capacity), &volume)?;
            }
        }
        store.set_whole(kept)
    }

    fn original(&self, store: &Store, of: Disk) -> Result<Original, Trouble> {
        let connect = self.link.quick()?;
        Ok(match of {
            Disk::Root(instance) => {
                let guest = Guest::Instance(instance);
                let here = self.needed(&connect, guest)?;
                let volume = self.own_store()?.find_whole(Kept::Root(guest))?.ok_or(Trouble::NoDisk(guest))?;
                Original { volume, user: Some(here) }
            }
            Disk::Volume(id) => Original { volume: self.volume(store, id)?.1, user: self.holder(&connect, id)? },
            Disk::Copy(other) => Original { volume: self.snapshot_volume(store, other)?, user: None },
        })
    }

    fn copy_running(&self, here: &Here, store: &Store, kept: Kept, of: &StorageVol) -> Result<(), Trouble> {
        let guest = here.guest();
        let path = Store::path(of)?;
        let disks = here.live()?.disks;
        let Some(disk) = disks.iter().find(|disk| disk.path == path) else {
            return Err(not_now(format!("{guest} does not have {} open yet: try again", path.display())));
        };
        match job::backup(&here.domain)? {
            // Begun before a crash, for this.
            Some(xml) if target_of(&xml)?.is_some_and(|target| target.ends_with(kept.to_string())) => {
                self.thaw_left(here);
            }
            Some(_) => return Err(not_now(format!("another disk of {guest} is being copied: one at a time"))),
            None => {
                store.remove(kept)?;
                let copy = store.make(&New::file(kept, of.get_info()?.capacity))?;
                let others = disks.iter().map(|disk| disk.target.as_str()).filter(|target| *target != disk.target);
                let xml = document(&disk.target, others, &Store::path(&copy)?)?;
                // What is said of an earlier job would be taken for this one's.
                job::ended(&here.domain)?;
                // Its file systems are whole on the disk when the copy is begun; if they cannot be, the copy is as
                // after a loss of power.
                let frozen = self.freeze(here);
                let begun = job::begin_backup(&here.domain, &xml);
                if let Some(frozen) = frozen {
                    self.thaw(here, frozen);
                }
                begun?;
            }
        }
        self.wait_for_job(&here.domain)?;
        match job::ended(&here.domain)? {
            Some(job::Ended { is_backup: true, good: true, .. }) => store.refresh(),
            Some(job::Ended { is_backup: true, why, .. }) => {
                let why = why.unwrap_or_else(|| "it was ended".into());
                Err(not_now(format!("the disk of {guest} could not be copied while it runs: {why}")))
            }
            _ => Err(not_now(format!("{guest} ended, or its host's libvirt did, while its disk was copied"))),
        }
    }
}

fn document<'a>(target: &str, others: impl Iterator<Item = &'a str>, copy: &Path) -> Result<String, Trouble> {
    let disk = |name: &str, copied| Element::new("disk").with("name", name).with("backup", copied);
    let this = disk(target, "yes")
        .with("type", "file")
        .child(Element::new("driver").with("type", Format::Qcow2))
        .child(Element::new("target").with_path("file", copy));
    let disks = Element::new("disks").child(this).children(others.map(|other| disk(other, "no")));
    Ok(Element::new("domainbackup").with("mode", "push").child(disks).document()?)
}

/// Where a copy that is under way goes.
fn target_of(backup: &str) -> Result<Option<PathBuf>, Trouble> {
    let unreadable = |why: String| Trouble::Unreadable { what: "a copy that is under way".into(), why };
    let document = roxmltree::Document::parse(backup).map_err(|error| unreadable(error.to_string()))?;
    let target = document.descendants().find(|node| node.has_tag_name("target"));
    Ok(target.and_then(|target| target.attribute("file")).map(PathBuf::from))
}

impl Site {
    pub(super) fn remove_snapshot(&self, id: SnapshotId, at: &Place) -> Result<(), Trouble> {
        let store = self.shared_store(at)?;
        let listed = store.list()?.into_iter().filter(|kept| matches!(kept, Kept::Snapshot(there, _) if *there == id));
        listed.into_iter().try_for_each(|kept| store.remove(kept))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_disk_is_copied_and_the_others_are_not() {
        let xml = document("vda", ["vdb", "vdzz"].into_iter(), Path::new("/pool/a&b.qcow2")).unwrap();
        insta::assert_snapshot!(xml, @r#"
        <domainbackup mode="push">
          <disks>
            <disk name="vda" backup="yes" type="file">
              <driver type="qcow2"/>
              <target file="/pool/a&amp;b.qcow2"/>
            </disk>
            <disk name="vdb" backup="no"/>
            <disk name="vdzz" backup="no"/>
          </disks>
        </domainbackup>
        "#);
        assert_eq!(target_of(&xml).unwrap(), Some("/pool/a&b.qcow2".into()));
        assert_eq!(target_of("<domainbackup/>").unwrap(), None);
        assert!(target_of("<").is_err());
    }
}
