//! The first two entries of folders.
//!
//! FAT wants `.` and `..` there, short and bare. `fatfs` up to 0.3.6 gives each a long name before it, as
//! to any other file. Kernels look past that; `fsck.fat` does not, and would not leave such a folder
//! whole. So they are put where they belong; what a later `fatfs` writes right stays as it is.

const ENTRY: usize = 32;
const DELETED: u8 = 0xe5;
const LONG_NAME: u8 = 0x0f;
const FOLDER: u8 = 0x10;

/// Where things are on a FAT12 or FAT16, of which the root has a place of its own.
struct Layout {
    root: usize,
    data: usize,
    cluster: usize,
}

impl Layout {
    fn of(disk: &[u8]) -> Option<Layout> {
        let short = |at: usize| Some(usize::from(u16::from_le_bytes([*disk.get(at)?, *disk.get(at + 1)?])));
        let byte = |at: usize| disk.get(at).map(|byte| usize::from(*byte));
        let sector = short(11)?;
        let root = (short(14)? + byte(16)? * short(22)?) * sector;
        Some(Layout { root, data: root + short(17)? * ENTRY, cluster: byte(13)? * sector })
    }

    /// Clusters are counted from 2.
    fn folder(&self, entry: &[u8]) -> Option<usize> {
        let number = usize::from(u16::from_le_bytes([entry[26], entry[27]]));
        Some(self.data + number.checked_sub(2)? * self.cluster)
    }
}

/// Puts the two first in every folder. Folders of a context disk are no larger than a cluster.
pub(super) fn straighten(disk: &mut [u8]) {
    let Some(layout) = Layout::of(disk) else { return };
    let mut todo: Vec<usize> = folders(disk, &layout, layout.root, layout.data);
    while let Some(start) = todo.pop() {
        let end = start + layout.cluster;
        if let Some(entries) = disk.get_mut(start..end) {
            swap(entries);
        }
        todo.extend(folders(disk, &layout, start, end));
    }
}

/// Where the folders are that are listed there.
fn folders(disk: &[u8], layout: &Layout, start: usize, end: usize) -> Vec<usize> {
    let entries = disk.get(start..end).unwrap_or_default().chunks_exact(ENTRY);
    let used = entries.take_while(|entry| entry[0] != 0).filter(|entry| entry[0] != DELETED);
    let real = used.filter(|entry| entry[11] != LONG_NAME && entry[11] & FOLDER != 0 && entry[0] != b'.');
    real.filter_map(|entry| layout.folder(entry)).collect()
}

/// From long name, `.`, long name, `..` to `.`, `..` and two that are free.
fn swap(entries: &mut [u8]) {
    let is_long = |place: usize| entries.get(place * ENTRY + 11) == Some(&LONG_NAME);
    let is = |place: usize, name: &[u8; 11]| entries.get(place * ENTRY..place * ENTRY + 11) == Some(name);
    if is_long(0) && is(1, b".          ") && is_long(2) && is(3, b"..         ") {
        entries.copy_within(ENTRY..2 * ENTRY, 0);
        entries.copy_within(3 * ENTRY..4 * ENTRY, ENTRY);
        for place in [2, 3] {
            entries[place * ENTRY..(place + 1) * ENTRY].fill(0);
            entries[place * ENTRY] = DELETED;
        }
    }
}
