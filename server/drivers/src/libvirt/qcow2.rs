//! Headers of images, read without trust: nothing of an image reaches QEMU before its header is plain.
//!
//! An image may name other files that a host would open for it, be larger than it looks, or be made to
//! keep who reads it busy. What is refused here is all that images to make disks from have no need of.

const MAGIC: [u8; 4] = *b"QFI\xfb";
/// As much of a file as has to be read.
pub(super) const HEAD: usize = 64 << 10;

const DIRTY: u64 = 1;
const CORRUPT: u64 = 1 << 1;
const DATA_FILE: u64 = 1 << 2;
const COMPRESSION: u64 = 1 << 3;
const EXTENDED_L2: u64 = 1 << 4;

const END: u32 = 0;
const DATA_FILE_NAME: u32 = 0x4441_5441;
const FULL_ENCRYPTION: u32 = 0x0537_be77;

/// What other kinds of disks begin with: a raw image that does is no raw image.
const OTHERS: [(&[u8], &str); 8] = [
    (&MAGIC, "qcow2"),
    (b"QED\0", "QED"),
    (b"KDMV", "VMDK"),
    (b"COWD", "VMDK"),
    (b"# Disk DescriptorFile", "VMDK"),
    (b"vhdxfile", "VHDX"),
    (b"conectix", "VHD"),
    (b"LUKS\xba\xbe", "LUKS, which is encrypted"),
];

/// Of a file that says it is raw: what it is otherwise.
pub(super) fn not_raw(head: &[u8]) -> Option<&'static str> {
    let vdi = head.get(64..68) == Some(&[0x7f, 0x10, 0xda, 0xbe]);
    let other = OTHERS.iter().find(|(magic, _)| head.starts_with(magic)).map(|(_, name)| *name);
    other.or(vdi.then_some("VDI"))
}

struct Header<'a>(&'a [u8]);

impl Header<'_> {
    fn bytes<const N: usize>(&self, at: usize) -> Result<[u8; N], String> {
        let there = at.checked_add(N).and_then(|end| self.0.get(at..end)).and_then(|bytes| bytes.try_into().ok());
        there.ok_or_else(|| format!("its header ends before byte {at}"))
    }

    fn u32(&self, at: usize) -> Result<u32, String> {
        self.bytes(at).map(u32::from_be_bytes)
    }

    fn u64(&self, at: usize) -> Result<u64, String> {
        self.bytes(at).map(u64::from_be_bytes)
    }
}

/// The size of the disk that guests see, out of the first [`HEAD`] bytes of a qcow2 file of this length.
///
/// # Errors
///
/// Why it is no image to make disks from, and what to do about it.
pub(super) fn inspect(head: &[u8], file: u64, most: u64) -> Result<u64, String> {
    let header = Header(head);
    if header.bytes(0)? != MAGIC {
        let other = not_raw(head).map(|other| format!(": it is {other}")).unwrap_or_default();
        return Err(format!("it is called .qcow2 and does not begin as one{other}; convert it with qemu-img convert"));
    }
    let version = header.u32(4)?;
    if !matches!(version, 2 | 3) {
        return Err(format!("it is qcow2 of version {version}; allowed: 2 and 3"));
    }
    if header.u64(8)? != 0 || header.u32(16)? != 0 {
        return Err("it is laid over another file: flatten it with qemu-img convert".into());
    }
    if header.u32(32)? != 0 {
        return Err("it is encrypted: decrypt it with qemu-img convert".into());
    }
    let mut length = 72;
    let mut features = 0;
    if version == 3 {
        features = header.u64(72)?;
        length = header.u32(100)?;
        if length < 104 || !length.is_multiple_of(8) || length as usize > HEAD {
            return Err(format!("its header has {length} bytes; allowed: 104 to {HEAD}, by 8"));
        }
    }
    if features & DATA_FILE != 0 {
        return Err("its data are in another file: put them into one with qemu-img convert".into());
    }
    if features & CORRUPT != 0 {
        return Err("it says of itself that it is damaged: make it anew".into());
    }
    if features & DIRTY != 0 {
        return Err("it was not closed by whoever wrote it: repair it with qemu-img check -r all".into());
    }
    let unknown = features & !(DIRTY | CORRUPT | DATA_FILE | COMPRESSION | EXTENDED_L2);
    if unknown != 0 {
        return Err(format!("it needs features that are not known ({unknown:#x}): convert it with qemu-img convert"));
    }
    let cluster_bits = header.u32(20)?;
    if !(9..=21).contains(&cluster_bits) {
        return Err(format!("its clusters have 2^{cluster_bits} bytes; allowed: 2^9 to 2^21"));
    }
    let size = header.u64(24)?;
    if size == 0 {
        return Err("its disk is empty".into());
    }
    if size > most {
        return Err(too_large(size, most));
    }
    tables(&header, file, size, cluster_bits, features & EXTENDED_L2 != 0)?;
    extensions(&header, length as usize, 1 << cluster_bits)?;
    Ok(size)
}

pub(super) fn too_large(size: u64, most: u64) -> String {
    const GIB: u64 = 1 << 30;
    format!("it is a disk of {} GiB; allowed: {} GiB (`most_image_gib`)", size.div_ceil(GIB), most / GIB)
}

/// Where its tables are and how large they are, which is what readers take memory for.
fn tables(header: &Header<'_>, file: u64, size: u64, cluster_bits: u32, extended: bool) -> Result<(), String> {
    let cluster = 1_u64 << cluster_bits;
    let entry = if extended { 16 } else { 8 };
    let needed = size.div_ceil(cluster).div_ceil(cluster / entry);
    let (l1, l1_at) = (u64::from(header.u32(36)?), header.u64(40)?);
    if l1 < needed || l1 > (32 << 20) / 8 {
        return Err(format!("its first table has {l1} entries for a disk that needs {needed}: it is damaged"));
    }
    let inside = |what: &str, at: u64, bytes: u64| {
        let end = at.checked_add(bytes);
        match at.is_multiple_of(cluster) && at >= cluster && end.is_some_and(|end| end <= file) {
            true => Ok(()),
            false => Err(format!("its {what} would be at {at}, and the file has {file} bytes: it was cut off")),
        }
    };
    inside("first table", l1_at, l1 * 8)?;
    let (counts_at, counts) = (header.u64(48)?, u64::from(header.u32(56)?));
    if counts == 0 || counts.saturating_mul(cluster) > 8 << 20 {
        return Err(format!("its table of counts has {counts} clusters: it is damaged"));
    }
    // It may be given more room than there is of the file yet.
    inside("table of counts", counts_at, 8)?;
    match header.u32(60)? {
        0 => Ok(()),
        snapshots => Err(format!("it has {snapshots} snapshots inside: leave them out with qemu-img convert")),
    }
}

/// What follows the header: a name of another file may be there although no feature says so.
fn extensions(header: &Header<'_>, length: usize, cluster: usize) -> Result<(), String> {
    let end = cluster.min(header.0.len());
    let mut at = length;
    while at + 8 <= end {
        let (kind, bytes) = (header.u32(at)?, header.u32(at + 4)? as usize);
        match kind {
            END => return Ok(()),
            DATA_FILE_NAME => return Err("it names another file for its data".into()),
            FULL_ENCRYPTION => return Err("it is encrypted: decrypt it with qemu-img convert".into()),
            _ => {}
        }
        let next = bytes.checked_next_multiple_of(8).and_then(|bytes| at.checked_add(8 + bytes));
        at = next.filter(|next| *next <= end).ok_or("an extension of its header is longer than the header")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GIB: u64 = 1 << 30;
    const MOST: u64 = 64 * GIB;

    /// As `qemu-img create -f qcow2 a 1G` makes it, so far as it is looked at.
    fn sound() -> Vec<u8> {
        let mut head = vec![0; HEAD];
        put(&mut head, 0, &MAGIC);
        put(&mut head, 4, &3_u32.to_be_bytes());
        put(&mut head, 20, &16_u32.to_be_bytes());
        put(&mut head, 24, &GIB.to_be_bytes());
        put(&mut head, 36, &2_u32.to_be_bytes());
        put(&mut head, 40, &0x3_0000_u64.to_be_bytes());
        put(&mut head, 48, &0x1_0000_u64.to_be_bytes());
        put(&mut head, 56, &1_u32.to_be_bytes());
        put(&mut head, 96, &4_u32.to_be_bytes());
        put(&mut head, 100, &112_u32.to_be_bytes());
        // Names of features.
        put(&mut head, 112, &0x6803_f857_u32.to_be_bytes());
        put(&mut head, 116, &96_u32.to_be_bytes());
        head
    }

    fn put(head: &mut [u8], at: usize, bytes: &[u8]) {
        head[at..at + bytes.len()].copy_from_slice(bytes);
    }

    const FILE: u64 = 0x3_0080;

    #[track_caller]
    fn refused(at: usize, bytes: &[u8], why: &str) {
        let mut head = sound();
        put(&mut head, at, bytes);
        let said = inspect(&head, FILE, MOST).unwrap_err();
        assert!(said.contains(why), "{said}");
    }

    #[test]
    fn a_plain_one_is_taken() {
        assert_eq!(inspect(&sound(), FILE, MOST), Ok(GIB));
        let mut old = sound();
        put(&mut old, 4, &2_u32.to_be_bytes());
        put(&mut old, 72, &[0; 128]);
        assert_eq!(inspect(&old, FILE, MOST), Ok(GIB));
    }

    #[test]
    fn what_hosts_would_open_for_it_is_refused() {
        refused(8, &512_u64.to_be_bytes(), "laid over another file");
        refused(16, &11_u32.to_be_bytes(), "laid over another file");
        refused(72, &DATA_FILE.to_be_bytes(), "data are in another file");
        // With the name but without the feature.
        refused(112, &DATA_FILE_NAME.to_be_bytes(), "names another file");
        refused(112, &FULL_ENCRYPTION.to_be_bytes(), "encrypted");
        refused(32, &1_u32.to_be_bytes(), "encrypted");
        refused(32, &2_u32.to_be_bytes(), "encrypted");
    }

    #[test]
    fn what_is_larger_than_it_looks_is_refused() {
        refused(24, &(MOST + 1).to_be_bytes(), "65 GiB; allowed: 64 GiB");
        refused(24, &u64::MAX.to_be_bytes(), "GiB");
        refused(24, &0_u64.to_be_bytes(), "empty");
        refused(36, &u32::MAX.to_be_bytes(), "first table");
        refused(36, &1_u32.to_be_bytes(), "first table");
        refused(56, &u32::MAX.to_be_bytes(), "table of counts");
        refused(56, &0_u32.to_be_bytes(), "table of counts");
        refused(60, &1_u32.to_be_bytes(), "snapshots");
    }

    #[test]
    fn what_is_damaged_is_refused() {
        refused(0, b"QFJ\xfb", "does not begin as one");
        refused(0, b"KDMV", "it is VMDK");
        refused(4, &4_u32.to_be_bytes(), "version 4");
        refused(20, &8_u32.to_be_bytes(), "2^8");
        refused(20, &63_u32.to_be_bytes(), "2^63");
        refused(40, &0x3_0001_u64.to_be_bytes(), "cut off");
        refused(40, &0_u64.to_be_bytes(), "cut off");
        refused(40, &(u64::MAX - 0xffff).to_be_bytes(), "cut off");
        refused(48, &GIB.to_be_bytes(), "cut off");
        refused(72, &CORRUPT.to_be_bytes(), "damaged");
        refused(72, &DIRTY.to_be_bytes(), "not closed");
        refused(72, &(1_u64 << 60).to_be_bytes(), "not known");
        refused(100, &96_u32.to_be_bytes(), "header has 96");
        refused(100, &u32::MAX.to_be_bytes(), "header has");
        refused(116, &u32::MAX.to_be_bytes(), "longer than the header");
        for cut in [0, 3, 4, 50, 103] {
            assert!(inspect(&sound()[..cut], FILE, MOST).is_err(), "{cut}");
        }
    }

    #[test]
    fn other_kinds_do_not_pass_for_raw() {
        for (magic, name) in OTHERS {
            assert_eq!(not_raw(magic), Some(name));
        }
        let mut vdi = vec![0; 512];
        put(&mut vdi, 64, &[0x7f, 0x10, 0xda, 0xbe]);
        assert_eq!(not_raw(&vdi), Some("VDI"));
        assert_eq!(not_raw(&[0xeb, 0x63, 0x90]), None);
        assert_eq!(not_raw(b""), None);
    }

    proptest! {
        /// Whatever is in a header, it is read or refused, and what is taken names no other file.
        #[test]
        fn any_bytes_are_read_or_refused(
            changes in proptest::collection::vec((0..300_usize, any::<u8>()), 0..12),
            cut in 0..HEAD,
            file in any::<u64>(),
        ) {
            let mut head = sound();
            for (at, byte) in changes {
                head[at] = byte;
            }
            for head in [&head[..], &head[..cut]] {
                if let Ok(size) = inspect(head, file, MOST) {
                    prop_assert!(size > 0 && size <= MOST);
                    prop_assert_eq!(&head[8..20], &[0; 12]);
                    prop_assert_eq!(&head[32..36], &[0; 4]);
                }
            }
        }
    }
}
