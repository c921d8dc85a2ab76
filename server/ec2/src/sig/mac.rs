//! Keyed hashes, and how they are compared.

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What unknown keys are checked with, so that they take as long as others.
const NOBODYS: &str = "0000000000000000000000000000000000000000";

pub fn sha256(key: &[u8], text: &[u8]) -> [u8; 32] {
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key);
    let mac = mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.chain_update(text).finalize().into_bytes().into()
}

pub fn sha1(key: &[u8], text: &[u8]) -> [u8; 20] {
    let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key);
    let mac = mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.chain_update(text).finalize().into_bytes().into()
}

/// SHA-256 in hex, lower case.
pub fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Whether two texts are the same, in a time that depends on their lengths only.
pub fn same(given: &str, expected: &str) -> bool {
    given.as_bytes().ct_eq(expected.as_bytes()).into()
}

/// Whether `good` says that the secret of a key made the signature. Unknown keys are given to it all the
/// same, with a secret that nobody has.
pub fn is_signed(secret: Option<SecretString>, good: impl FnOnce(&str) -> bool) -> bool {
    let known = secret.is_some();
    let secret = secret.unwrap_or_else(|| NOBODYS.into());
    good(secret.expose_secret()) & known
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From RFC 2202 and RFC 4231.
    #[test]
    fn vectors() {
        let (key, text) = (b"Jefe", b"what do ya want for nothing?");
        assert_eq!(hex::encode(sha1(key, text)), "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79");
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(sha256(key, text)), expected);
        assert_eq!(hash(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }

    #[test]
    fn nobody_signs() {
        assert!(is_signed(Some("secret".into()), |secret| secret == "secret"));
        assert!(!is_signed(Some("secret".into()), |secret| secret != "secret"));
        assert!(!is_signed(None, |_| true));
        assert!(!same("abc", "abcd") && !same("abc", "abd") && same("abc", "abc"));
    }
}
