//! Files as one archive, byte for byte the same for the same files.

use cascina_core::network::Mac;

use super::files::Files;

const BLOCK: usize = 512;

/// First on the appliance's disk: how the disk is told from others, and which port is which.
const PORTS: &str = "cascina-router";

/// A POSIX `ustar` archive: mode 0644, owned by root, without times.
///
/// Paths of more than 100 bytes, and files of 8 GiB, have no place in it: that of a router has none.
pub fn tar(files: &Files) -> Vec<u8> {
    archive(files.iter().map(|(path, content)| (path.as_str(), content.as_slice())))
}

/// The disk from which an appliance takes what to do at boot: an archive as that of [`tar`], but that its
/// first entry says which MAC address each of its ports has.
pub fn disk(files: &Files, lan: Mac, wan: Mac) -> Vec<u8> {
    let ports = format!("lan {lan}\nwan {wan}\n");
    let rest = files.iter().map(|(path, content)| (path.as_str(), content.as_slice()));
    archive(std::iter::once((PORTS, ports.as_bytes())).chain(rest.filter(|(path, _)| *path != PORTS)))
}

fn archive<'a>(entries: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut archive = Vec::new();
    for (path, content) in entries {
        archive.extend_from_slice(&header(path, content.len()));
        archive.extend_from_slice(content);
        archive.resize(archive.len().next_multiple_of(BLOCK), 0);
    }
    archive.resize(archive.len() + 2 * BLOCK, 0);
    archive
}

fn header(path: &str, size: usize) -> [u8; BLOCK] {
    debug_assert!(path.len() <= 100, "{path}");
    let mut block = [0; BLOCK];
    let mut put = |at: usize, bytes: &[u8]| block[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, &path.as_bytes()[..path.len().min(100)]);
    put(100, b"0000644\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The checksum is that of a header with blanks in its place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}
