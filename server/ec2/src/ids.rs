//! Ids in requests.

use std::str::FromStr;

use crate::fault::Fault;
use crate::noun::Noun;

/// Reads the id of a thing: `read::<VolumeId>(Noun::Volume, VolumeId::PREFIX, &request.volume_id)?`.
///
/// # Errors
///
/// What looks like an id of such a thing but is none of ours is not there; anything else is malformed.
pub fn read<I: FromStr>(noun: Noun, prefix: &str, text: &str) -> Result<I, Fault> {
    text.parse().map_err(|_| if looks(prefix, text) { noun.not_found(text) } else { noun.malformed(text) })
}

/// Whether EC2 could have given it: ids used to have 8 digits, and have 17 now.
pub fn looks(prefix: &str, text: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(|digits| {
        matches!(digits.len(), 8 | 17) && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}

#[cfg(test)]
mod tests {
    use cascina_core::id::VolumeId;

    use super::*;
    use crate::code::Code;

    #[test]
    fn what_is_no_id_is_told_apart() {
        let volume = |text| read::<VolumeId>(Noun::Volume, VolumeId::PREFIX, text);
        assert_eq!(volume("vol-0deadbeef00000001"), Ok(VolumeId(0xdead_beef_0000_0001)));
        for text in ["vol-12345678", "vol-1234567890abcdef0"] {
            assert_eq!(volume(text).unwrap_err().code, Code::InvalidVolumeNotFound, "{text}");
        }
        for text in ["", "vol-", "vol-123456789", "vol-1234567X", "VOL-12345678", "i-12345678", "vol-12345678 "] {
            assert_eq!(volume(text).unwrap_err().code, Code::InvalidVolumeIdMalformed, "{text}");
        }
    }
}
