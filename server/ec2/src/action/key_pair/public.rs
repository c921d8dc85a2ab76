//! Public keys as people have them.

use cascina_core::key_pair::KeyKind;
use md5::{Digest, Md5};
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::der::Document;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey};
use rsa::traits::PublicKeyParts;
use rsa::{BigUint, RsaPublicKey};
use sha2::Sha256;
use ssh_key::public::{Ed25519PublicKey, KeyData};

use crate::wire::Blob;

/// Bits of an RSA key.
pub const FEWEST: usize = 1024;
pub const MOST: usize = RsaPublicKey::MAX_SIZE;

const RFC4716: [&str; 2] = ["---- BEGIN SSH2 PUBLIC KEY ----", "---- END SSH2 PUBLIC KEY ----"];
/// What comes before the 32 bytes of an Ed25519 key in a SubjectPublicKeyInfo: the same each time.
const ED25519: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// What DER begins with, if it is a sequence.
const SEQUENCE: u8 = 0x30;

/// How the types of SSH keys begin that we do not have.
const OTHERS: [&str; 4] = ["ssh-dss", "ecdsa-", "sk-", "ssh-ed448"];
/// Characters of a type's name, which goes into messages.
const LONGEST: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Public {
    Rsa(RsaPublicKey),
    Ed25519([u8; 32]),
}

/// Why something is not a key for us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreadable {
    NoKey,
    /// A key of a type that we do not have.
    Kind(String),
    /// Of an RSA key, in bits.
    Length(usize),
}

impl Public {
    /// Reads a line as in `authorized_keys`, a file in the form of RFC 4716, or DER, also as PEM.
    ///
    /// # Errors
    ///
    /// For what is none of these, and for keys of other types and lengths.
    pub fn read(bytes: &[u8]) -> Result<Public, Unreadable> {
        if bytes.first() == Some(&SEQUENCE)
            && let Ok(key) = of_der(bytes)
        {
            return Ok(key);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| Unreadable::NoKey)?.trim();
        if text.starts_with("-----BEGIN ") {
            return of_pem(text);
        }
        if let Some(inside) = text.strip_prefix(RFC4716[0]) {
            return of_rfc4716(inside);
        }
        let mut words = text.split_whitespace();
        match (words.next(), words.next()) {
            (Some(kind), Some(blob)) if !text.contains(['\n', '\r']) => of_blob(&base64(blob)?, Some(kind)),
            // DER once more.
            _ => of_der(&base64(text)?),
        }
    }

    pub fn kind(&self) -> KeyKind {
        match self {
            Public::Rsa(_) => KeyKind::Rsa,
            Public::Ed25519(_) => KeyKind::Ed25519,
        }
    }

    fn blob(&self) -> Vec<u8> {
        let mut blob = Vec::new();
        let mut part = |bytes: &[u8]| {
            // Keys are a few hundred bytes long.
            blob.extend((bytes.len() as u32).to_be_bytes());
            blob.extend(bytes);
        };
        match self {
            Public::Rsa(key) => {
                part(b"ssh-rsa");
                part(&mpint(key.e()));
                part(&mpint(key.n()));
            }
            Public::Ed25519(key) => {
                part(b"ssh-ed25519");
                part(key);
            }
        }
        blob
    }

    /// As in `authorized_keys`, and as Amazon has it: with the pair's name at the end.
    pub fn line(&self, name: &str) -> String {
        let kind = match self {
            Public::Rsa(_) => "ssh-rsa",
            Public::Ed25519(_) => "ssh-ed25519",
        };
        format!("{kind} {} {name}", Blob::encode(&self.blob()))
    }

    /// Of a key that was made elsewhere: all that we know is its public half.
    pub fn fingerprint(&self) -> String {
        match self {
            Public::Rsa(key) => {
                let der = key.to_public_key_der().map(Document::into_vec).unwrap_or_default();
                colons(&Md5::digest(der))
            }
            // Amazon keeps the padding, unlike OpenSSH.
            Public::Ed25519(_) => Blob::encode(&Sha256::digest(self.blob())),
        }
    }
}

/// `01:ef:…`
pub fn colons(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

/// As SSH has numbers: with a zero before what would else look negative.
fn mpint(number: &BigUint) -> Vec<u8> {
    let mut bytes = number.to_bytes_be();
    if bytes.first().is_some_and(|byte| *byte >= 0x80) {
        bytes.insert(0, 0);
    }
    bytes
}

fn base64(text: &str) -> Result<Vec<u8>, Unreadable> {
    Blob::from(text.to_owned()).decode().ok_or(Unreadable::NoKey)
}

fn of_rfc4716(inside: &str) -> Result<Public, Unreadable> {
    let (inside, _) = inside.split_once(RFC4716[1]).ok_or(Unreadable::NoKey)?;
    let (mut blob, mut goes_on) = (String::new(), false);
    for line in inside.lines().map(str::trim) {
        let is_header = goes_on || line.contains(':');
        goes_on = is_header && line.ends_with('\\');
        if !is_header {
            blob.push_str(line);
        }
    }
    of_blob(&base64(&blob)?, None)
}

/// A key as SSH has it; `kind` is what was said of it.
fn of_blob(blob: &[u8], kind: Option<&str>) -> Result<Public, Unreadable> {
    let own = own_kind(blob).ok_or(Unreadable::NoKey)?;
    if kind.is_some_and(|kind| kind != own) {
        return Err(Unreadable::NoKey);
    }
    if OTHERS.iter().any(|other| own.starts_with(other)) {
        return Err(Unreadable::Kind(own.to_owned()));
    }
    let key = ssh_key::PublicKey::from_bytes(blob).map_err(|_| Unreadable::NoKey)?;
    match key.key_data() {
        KeyData::Rsa(key) => {
            let number = |mpint: &ssh_key::Mpint| mpint.as_positive_bytes().map(BigUint::from_bytes_be);
            let (Some(n), Some(e)) = (number(&key.n), number(&key.e)) else { return Err(Unreadable::NoKey) };
            rsa(n, e)
        }
        KeyData::Ed25519(Ed25519PublicKey(key)) => Ok(Public::Ed25519(*key)),
        _ => Err(Unreadable::NoKey),
    }
}

/// What it says of itself at its beginning.
fn own_kind(blob: &[u8]) -> Option<&str> {
    let (length, rest) = blob.split_first_chunk::<4>()?;
    let kind = rest.get(..u32::from_be_bytes(*length) as usize)?;
    std::str::from_utf8(kind).ok().filter(|kind| kind.len() <= LONGEST)
}

fn rsa(n: BigUint, e: BigUint) -> Result<Public, Unreadable> {
    let bits = n.bits();
    if !(FEWEST..=MOST).contains(&bits) {
        return Err(Unreadable::Length(bits));
    }
    RsaPublicKey::new(n, e).map(Public::Rsa).map_err(|_| Unreadable::NoKey)
}

fn of_pem(text: &str) -> Result<Public, Unreadable> {
    let (label, der) = Document::from_pem(text).map_err(|_| Unreadable::NoKey)?;
    match label {
        "PUBLIC KEY" => of_der(der.as_bytes()),
        "RSA PUBLIC KEY" => {
            let key = RsaPublicKey::from_pkcs1_der(der.as_bytes()).map_err(|_| Unreadable::NoKey)?;
            rsa(key.n().clone(), key.e().clone())
        }
        _ => Err(Unreadable::NoKey),
    }
}

/// A SubjectPublicKeyInfo.
fn of_der(der: &[u8]) -> Result<Public, Unreadable> {
    if let Some(key) = der.strip_prefix(&ED25519) {
        return key.try_into().map(Public::Ed25519).map_err(|_| Unreadable::NoKey);
    }
    let key = RsaPublicKey::from_public_key_der(der).map_err(|_| Unreadable::NoKey)?;
    rsa(key.n().clone(), key.e().clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RSA: &str = include_str!("vectors/rsa.pub");
    const OF_RSA: &str = "c0:5c:b5:67:14:a7:38:a9:c4:2b:80:75:0f:93:d2:ca";
    const OF_ED25519: &str = "CRODpyIGfYXApntF8Ftfh5yZjYvmRpbwEZOZMlTQdiU=";

    fn read(text: &str) -> Result<Public, Unreadable> {
        Public::read(text.as_bytes())
    }

    #[test]
    fn all_forms_are_the_same_key() {
        // openssl rsa -pubout -outform DER | openssl md5 -c
        let key = read(RSA).unwrap();
        assert_eq!((key.kind(), key.fingerprint().as_str()), (KeyKind::Rsa, OF_RSA));
        for text in [
            include_str!("vectors/rsa.rfc4716"),
            include_str!("vectors/rsa-spki.pem"),
            include_str!("vectors/rsa-pkcs1.pem"),
            &include_str!("vectors/rsa.rfc4716").replace('\n', "\r\n"),
            &format!("\n  {}\r\n", RSA.trim()),
        ] {
            assert_eq!(read(text).as_ref(), Ok(&key), "{text}");
        }
        let der = key_der(include_str!("vectors/rsa-spki.pem"));
        assert_eq!(Public::read(&der).as_ref(), Ok(&key));
        assert_eq!(read(&Blob::encode(&der)).as_ref(), Ok(&key));
        let words: Vec<_> = RSA.split_whitespace().take(2).collect();
        assert_eq!(key.line("a b"), format!("{} a b", words.join(" ")));
    }

    fn key_der(pem: &str) -> Vec<u8> {
        Document::from_pem(pem).unwrap().1.into_vec()
    }

    #[test]
    fn ed25519() {
        // ssh-keygen -l
        let key = read(include_str!("vectors/ed25519.pub")).unwrap();
        assert_eq!((key.kind(), key.fingerprint().as_str()), (KeyKind::Ed25519, OF_ED25519));
        assert_eq!(read(include_str!("vectors/ed25519-spki.pem")).as_ref(), Ok(&key));
        assert_eq!(key.line("x"), format!("{} x", include_str!("vectors/ed25519.pub").trim()));
    }

    #[test]
    fn what_is_no_key_for_us() {
        let of = |blob: &[u8]| Blob::encode(blob);
        let blob = base64(RSA.split_whitespace().nth(1).unwrap()).unwrap();
        for text in [
            "",
            "not a key at all",
            "ssh-rsa",
            "ssh-rsa JUNK someone@somewhere",
            &format!("ssh-ed25519 {}", of(&blob)),
            &format!("ssh-rsa {}", of(&blob[..blob.len() - 1])),
            &format!("ssh-rsa {}", of(&[&blob[..], b"x"].concat())),
            &format!("ssh-rsa {}", of(b"\0\0\0\x07ssh-rsa\0\0\0\x01")),
            &format!("{RSA}{RSA}"),
            &format!("command=\"x\" {RSA}"),
            include_str!("vectors/rsa.pem"),
            "-----BEGIN PUBLIC KEY-----\nMIGf\n-----END PUBLIC KEY-----",
            RFC4716[0],
            "---- BEGIN SSH2 PUBLIC KEY ----\nA: b \\\n---- END SSH2 PUBLIC KEY ----",
        ] {
            assert_eq!(read(text), Err(Unreadable::NoKey), "{text}");
        }
        assert_eq!(Public::read(b"\x30\xff"), Err(Unreadable::NoKey));
        let dsa = [&b"\0\0\0\x07ssh-dss"[..], &b"\0\0\0\x01\x05".repeat(4)].concat();
        assert_eq!(read(&format!("ssh-dss {}", of(&dsa))), Err(Unreadable::Kind("ssh-dss".into())));
        let ecdsa = Unreadable::Kind("ecdsa-sha2-nistp256".into());
        assert_eq!(read(include_str!("vectors/ecdsa.pub")), Err(ecdsa));
    }

    #[test]
    fn lengths_of_rsa() {
        let key = |bits: usize| rsa((BigUint::from(1_u8) << (bits - 1)) + 1_u8, BigUint::from(65537_u32));
        for bits in [FEWEST, 2048, MOST] {
            assert!(key(bits).is_ok(), "{bits}");
        }
        for bits in [512, FEWEST - 1, MOST + 1, 16_384] {
            assert_eq!(key(bits), Err(Unreadable::Length(bits)));
        }
    }
}
