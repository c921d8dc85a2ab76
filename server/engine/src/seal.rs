//! Seals the secrets of access keys: who reads the database without the site's key cannot sign with them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use cascina_core::id::UserId;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};

/// Bytes of a nonce, which is drawn anew for each secret.
const NONCE: usize = 24;
/// Letters of secrets: those of base64, as Amazon's.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub struct Sealer(XChaCha20Poly1305);

/// A secret that nobody has seen, and its sealed form, which is what is kept.
pub struct NewSecret {
    pub secret: String,
    pub sealed: String,
}

impl Sealer {
    pub fn new(key: &[u8; 32]) -> Sealer {
        Sealer(XChaCha20Poly1305::new(key.into()))
    }

    /// A new secret of 40 letters for a key of this user.
    pub fn make(&self, user: UserId) -> NewSecret {
        let mut rng = StdRng::from_os_rng();
        let mut bytes = [0; 40];
        rng.fill_bytes(&mut bytes);
        let secret: String = bytes.iter().map(|byte| LETTERS[usize::from(byte & 63)] as char).collect();
        let mut nonce = [0; NONCE];
        rng.fill_bytes(&mut nonce);
        let mut sealed = nonce.to_vec();
        let nonce = XNonce::from(nonce);
        let owner = user.to_string();
        let payload = Payload { msg: secret.as_bytes(), aad: owner.as_bytes() };
        // It fails only for messages of many gigabytes.
        sealed.extend(self.0.encrypt(&nonce, payload).unwrap_or_default());
        NewSecret { secret, sealed: STANDARD_NO_PAD.encode(sealed) }
    }

    /// None: it was sealed with another key, for another user, or never.
    pub fn open(&self, user: UserId, sealed: &str) -> Option<String> {
        let bytes = STANDARD_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE>()?;
        let owner = user.to_string();
        let payload = Payload { msg: sealed, aad: owner.as_bytes() };
        let opened = self.0.decrypt(&XNonce::from(*nonce), payload).ok()?;
        String::from_utf8(opened).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opens_with_its_own_key_and_for_its_own_user() {
        let sealer = Sealer::new(&[7; 32]);
        let made = sealer.make(UserId(1));
        assert_eq!(made.secret.len(), 40);
        assert!(!made.sealed.contains(&made.secret));
        assert_eq!(sealer.open(UserId(1), &made.sealed), Some(made.secret));
        assert_eq!(sealer.open(UserId(2), &made.sealed), None);
        assert_eq!(Sealer::new(&[8; 32]).open(UserId(1), &made.sealed), None);
        assert_eq!(sealer.open(UserId(1), ""), None);
        assert_eq!(sealer.open(UserId(1), "nonsense"), None);
    }
}
