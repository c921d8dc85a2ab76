use std::io::{Read as _, Write as _};

use flate2::bufread::GzDecoder;
use flate2::{Compression, GzBuilder};

/// Without a name or a time: the same bytes for the same bytes.
pub fn compress(bytes: &[u8]) -> Vec<u8> {
    // Unix, whoever makes it.
    let mut writer = GzBuilder::new().operating_system(3).write(Vec::new(), Compression::best());
    // Writing to memory does not fail; what was taken until then would be all there is.
    let _ = writer.write_all(bytes);
    writer.finish().unwrap_or_default()
}

pub fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x1f, 0x8b])
}

pub(super) enum Bomb {
    TooLarge,
    Broken,
}

/// At most so many bytes, whatever is claimed. What follows the first member is refused: it is read by
/// some and not by others.
pub(super) fn decompress(bytes: &[u8], most: usize) -> Result<Vec<u8>, Bomb> {
    let mut decoder = GzDecoder::new(bytes);
    let mut out = Vec::new();
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    decoder.by_ref().take(limit).read_to_end(&mut out).map_err(|_| Bomb::Broken)?;
    if out.len() > most {
        return Err(Bomb::TooLarge);
    }
    if !decoder.into_inner().is_empty() { Err(Bomb::Broken) } else { Ok(out) }
}
