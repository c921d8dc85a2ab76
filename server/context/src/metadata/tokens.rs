//! Tokens of the metadata service: known again by their seal, so that nothing has to be kept of them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use cascina_core::id::InstanceId;
use cascina_core::units::Timestamp;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// Seconds that a token may last: six hours.
pub const MOST_TTL: u32 = 21_600;
/// Bytes of a token: when it ends, and the seal.
const END: usize = 8;
const SEAL: usize = 32;
/// In base64: as long as Amazon's.
const LENGTH: usize = 56;
/// Says what is sealed, in case the key should ever seal other things.
const WHAT: &[u8] = b"cascina metadata token 1";

/// What seals tokens. All servers that answer for the same instances have the same key; whoever has it can
/// make tokens, which are worth nothing but to the instances themselves.
#[derive(Clone)]
pub struct Tokens {
    mac: Hmac<Sha256>,
}

impl Tokens {
    pub fn new(key: &[u8; 32]) -> Tokens {
        let mac = Hmac::new_from_slice(key).unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        Tokens { mac }
    }

    /// A token that is good for so many seconds, for this instance.
    pub(super) fn issue(&self, instance: InstanceId, seconds: u32, now: Timestamp) -> String {
        let end = now.plus_ms(u64::from(seconds) * 1000).0.to_be_bytes();
        let seal = self.over(instance, &end).finalize().into_bytes();
        URL_SAFE.encode([&end[..], &seal[..]].concat())
    }

    /// Seconds that a token is still good for; None: it is not.
    pub(super) fn rest(&self, token: &str, instance: InstanceId, now: Timestamp) -> Option<u64> {
        if token.len() != LENGTH {
            return None;
        }
        let bytes = URL_SAFE.decode(token).ok().filter(|bytes| bytes.len() == END + SEAL)?;
        let (end, seal) = bytes.split_at(END);
        // In the same time for every wrong seal.
        self.over(instance, end).verify_slice(seal).ok()?;
        let end = u64::from_be_bytes(end.try_into().ok()?);
        // The last second counts until it is over.
        end.checked_sub(now.0).filter(|left| *left > 0).map(|left| left.div_ceil(1000))
    }

    fn over(&self, instance: InstanceId, end: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(WHAT);
        mac.update(&instance.0.to_be_bytes());
        mac.update(end);
        mac
    }
}

/// How long a token was asked to last: digits alone, from 1 to [`MOST_TTL`].
pub(super) fn ttl(text: &str) -> Option<u32> {
    let digits = (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|seconds| digits && (1..=MOST_TTL).contains(seconds))
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tokens")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: InstanceId = InstanceId(1);
    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    #[test]
    fn a_token_lasts_as_long_as_it_was_asked_to() {
        let tokens = Tokens::new(&[7; 32]);
        let token = tokens.issue(ONE, 60, NOW);
        assert_eq!(token.len(), LENGTH);
        assert_eq!(tokens.rest(&token, ONE, NOW), Some(60));
        assert_eq!(tokens.rest(&token, ONE, NOW.plus_ms(59_999)), Some(1));
        assert_eq!(tokens.rest(&token, ONE, NOW.plus_ms(60_000)), None);
        assert_eq!(Tokens::new(&[7; 32]).rest(&token, ONE, NOW), Some(60), "a server that was started again knows it");
    }

    #[test]
    fn a_token_is_of_one_instance_and_one_key() {
        let tokens = Tokens::new(&[7; 32]);
        let token = tokens.issue(ONE, 60, NOW);
        assert_eq!(tokens.rest(&token, InstanceId(2), NOW), None);
        assert_eq!(Tokens::new(&[8; 32]).rest(&token, ONE, NOW), None);
        assert_eq!(format!("{tokens:?}"), "Tokens");
    }

    #[test]
    fn no_bit_of_a_token_can_be_changed() {
        let tokens = Tokens::new(&[7; 32]);
        let bytes = URL_SAFE.decode(tokens.issue(ONE, 60, NOW)).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(tokens.rest(&URL_SAFE.encode(forged), ONE, NOW), None, "bit {bit}");
        }
        let token = tokens.issue(ONE, 60, NOW);
        for wrong in ["", " ", &token[..55], &format!("{token}="), &format!(" {}", &token[1..]), &"=".repeat(56)] {
            assert_eq!(tokens.rest(wrong, ONE, NOW), None, "{wrong}");
        }
    }

    #[test]
    fn how_long() {
        for (text, seconds) in [("1", 1), ("21600", 21_600), ("060", 60)] {
            assert_eq!(ttl(text), Some(seconds));
        }
        for text in ["", "0", "21601", "-1", "+5", " 5", "5 ", "1e3", "99999999999999", "6O", "٣"] {
            assert_eq!(ttl(text), None, "{text}");
        }
    }
}
