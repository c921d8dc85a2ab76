//! Signatures: made here with a key that stays here, counted by servers that have its public half on their list.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cascina_engine::signers::{public_key, verifies};
use ed25519_dalek::{Signer as _, SigningKey};
use rand::RngCore;
use serde_json::json;

use super::failed;
use super::table::{component, file};
use crate::client::http::{Done, Failure};
use crate::client::show::Output;

/// Before the 32 bytes of a key in PKCS#8.
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

fn read(path: &Path) -> Done<String> {
    std::fs::read_to_string(path).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn write(path: &Path, text: &str, mode: u32) -> Done {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    made.and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))
}

fn pem(kind: &str, prefix: &[u8], bytes: &[u8]) -> String {
    format!("-----BEGIN {kind}-----\n{}\n-----END {kind}-----\n", STANDARD.encode([prefix, bytes].concat()))
}

/// A new pair: the private half in `path`, the public one beside it.
pub fn keygen(output: Output, path: &Path) -> Done {
    let mut secret = [0; 32];
    rand::rng().fill_bytes(&mut secret);
    let key = SigningKey::from_bytes(&secret);
    let public = path.with_extension("pub");
    write(path, &pem("PRIVATE KEY", &PKCS8, &secret), 0o600)?;
    write(&public, &pem("PUBLIC KEY", &SPKI, key.verifying_key().as_bytes()), 0o644)?;
    let said = format!("{} signs; {} goes onto the server's list ([[signer]])", path.display(), public.display());
    output.said(&said, &json!({"private": path, "public": public}))
}

fn signing_key(path: &Path) -> Done<SigningKey> {
    let text = read(path)?;
    let wrong = || Failure::Usage(format!("{}: no ed25519 private key in PEM (PKCS#8)", path.display()));
    let base64: String = text.lines().map(str::trim).filter(|line| !line.starts_with("-----")).collect();
    let bytes = STANDARD.decode(base64).map_err(|_| wrong())?;
    let secret: [u8; 32] =
        bytes.strip_prefix(&PKCS8[..]).and_then(|raw| raw.get(..32)?.try_into().ok()).ok_or_else(wrong)?;
    Ok(SigningKey::from_bytes(&secret))
}

/// Where the signature of a component lies: beside it.
pub fn beside(policy: &Path) -> Done<PathBuf> {
    let mut path = file(policy)?.into_os_string();
    path.push(".sig");
    Ok(path.into())
}

pub fn sign(output: Output, policy: &Path, key: &Path) -> Done {
    let signature = STANDARD.encode(signing_key(key)?.sign(&component(policy)?).to_bytes());
    let path = beside(policy)?;
    // An older one is of other bytes, or the same.
    std::fs::write(&path, format!("{signature}\n"))
        .map_err(|error| Failure::Fault(format!("{}: {error}", path.display())))?;
    output.said(
        &format!("{} is the signature; `cascina policy push` sends it along", path.display()),
        &json!({"signature": path}),
    )
}

pub fn verify(output: Output, policy: &Path, key: &Path, signature: Option<&Path>) -> Done {
    let public = public_key(&read(key)?).map_err(|error| Failure::Usage(format!("{}: {error}", key.display())))?;
    let path = signature.map_or_else(|| beside(policy), |path| Ok(path.to_owned()))?;
    if !verifies(&public, &component(policy)?, &read(&path)?) {
        return Err(failed(format!("{} is no signature of it by {}", path.display(), key.display())));
    }
    output.said("it is signed by that key", &json!({"verified": true}))
}
