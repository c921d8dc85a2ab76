//! Whose signatures count, and which components may be put to work at all.
//!
//! A signature is ed25519 over the component's bytes, in base64: what `cosign sign-blob` with an ed25519 key
//! gives, or `openssl pkeyutl -sign -rawin`. It is checked once, when it comes, and kept with the component; at
//! each activation the signer must still be on the site's list, for the scope that the rule is for.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cascina_core::policy::{Digest, PolicyVersion, Scope, Signature, matches};
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use ed25519_dalek::VerifyingKey;

/// Before the 32 bytes of a key in SubjectPublicKeyInfo.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// What the site asks of components that did not ship with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Supply {
    pub signers: Vec<Signer>,
    /// Also in scopes for which nobody is on the list.
    pub always: bool,
    /// `name@version` and the digest that it must have; none: any.
    pub lock: Option<BTreeMap<String, Digest>>,
}

/// Somebody whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    pub name: String,
    pub key: [u8; 32],
    /// `site`, `share:NAME` or `tenant:NAME`, with `*` for any text.
    pub scopes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("it is no ed25519 public key: a PEM block `PUBLIC KEY`, or its 32 bytes in base64 ({0})")]
pub struct KeyError(String);

/// A public key as people keep it.
///
/// # Errors
///
/// If it is none.
pub fn public_key(text: &str) -> Result<[u8; 32], KeyError> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
    let bytes = STANDARD.decode(lines.collect::<String>()).map_err(|error| KeyError(error.to_string()))?;
    let raw = bytes.strip_prefix(&SPKI[..]).unwrap_or(&bytes);
    let key: [u8; 32] = raw.try_into().map_err(|_| KeyError(format!("{} bytes", raw.len())))?;
    VerifyingKey::from_bytes(&key).map_err(|error| KeyError(error.to_string()))?;
    Ok(key)
}

/// Is `signature`, in base64, by this key over these bytes?
pub fn verifies(key: &[u8; 32], bytes: &[u8], signature: &str) -> bool {
    let decoded =
        STANDARD.decode(signature.trim()).ok().and_then(|raw| ed25519_dalek::Signature::from_slice(&raw).ok());
    let key = VerifyingKey::from_bytes(key).ok();
    // Strict: no two signatures for the same bytes, no weak keys.
    decoded.zip(key).is_some_and(|(signature, key)| key.verify_strict(bytes, &signature).is_ok())
}

impl Supply {
    /// The signatures among these that are by somebody on the list.
    ///
    /// # Errors
    ///
    /// If one is by nobody whom the site knows.
    pub fn check(&self, bytes: &[u8], given: &[String]) -> Result<Vec<Signature>, Refusal> {
        let check = |text: &String| {
            let by = self.signers.iter().find(|signer| verifies(&signer.key, bytes, text));
            let by = by.ok_or_else(|| {
                let allowed = "an ed25519 signature of these very bytes by somebody on the site's list of signers";
                Refusal::invalid("signature", text, allowed)
            })?;
            let (signer, key) = (by.name.clone(), hex::encode(by.key));
            Ok(Signature { signer, key, value: text.trim().to_owned() })
        };
        given.iter().map(check).collect()
    }

    /// May this component decide in this scope?
    ///
    /// # Errors
    ///
    /// If it is not signed by whom the site asks for, or is not the one that is locked.
    pub fn admits(&self, state: &State, version: &PolicyVersion, scope: Scope) -> Result<(), Refusal> {
        if version.embedded {
            return Ok(());
        }
        let label = version.label();
        if let Some(lock) = &self.lock {
            match lock.get(&label) {
                Some(digest) if *digest == version.digest => {}
                Some(digest) => {
                    let text = format!("{label} is {}, but the lock says {digest}", version.digest);
                    return Err(Refusal::Conflict(text));
                }
                None => {
                    let text =
                        format!("{label} is not in the lock; `cascina policy lock` says how it would stand there");
                    return Err(Refusal::Conflict(text));
                }
            }
        }
        let scope = word(state, scope);
        let here: Vec<&Signer> =
            self.signers.iter().filter(|signer| signer.scopes.iter().any(|pattern| matches(pattern, &scope))).collect();
        if here.is_empty() && !self.always {
            return Ok(());
        }
        let signed = |signer: &&&Signer| version.about.signatures.iter().any(|one| one.key == hex::encode(signer.key));
        if here.iter().any(|signer| signed(&signer)) {
            return Ok(());
        }
        let names: Vec<&str> = here.iter().map(|signer| signer.name.as_str()).collect();
        let whom = if names.is_empty() {
            "nobody's signature counts there".into()
        } else {
            format!("signed by {}", names.join(" or "))
        };
        Err(Refusal::Forbidden(format!(
            "{label} may not decide for {scope}: what does must be {whom}; upload it again with such a signature"
        )))
    }
}

/// A scope as lists of signers name it.
fn word(state: &State, scope: Scope) -> String {
    match scope {
        Scope::Site => "site".into(),
        Scope::Share(id) => match state.rows.shares.get(&id) {
            Some(share) => format!("share:{}", share.name),
            None => format!("share:{id}"),
        },
        Scope::Tenant(id) => match state.rows.tenants.get(&id) {
            Some(tenant) => format!("tenant:{}", tenant.name),
            None => format!("tenant:{id}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::{Signer as _, SigningKey};

    fn supply(scopes: &[&str]) -> (Supply, SigningKey) {
        let key = SigningKey::from_bytes(&[7; 32]);
        let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let signer = Signer { name: "release".into(), key: key.verifying_key().to_bytes(), scopes };
        (Supply { signers: vec![signer], ..Supply::default() }, key)
    }

    fn sign(key: &SigningKey, bytes: &[u8]) -> String {
        STANDARD.encode(key.sign(bytes).to_bytes())
    }

    #[test]
    fn only_signatures_of_these_bytes_by_somebody_known() {
        let (supply, key) = supply(&["site"]);
        let good = sign(&key, b"component");
        assert_eq!(supply.check(b"component", std::slice::from_ref(&good)).unwrap()[0].signer, "release");
        assert!(supply.check(b"another", std::slice::from_ref(&good)).is_err());
        let stranger = sign(&SigningKey::from_bytes(&[8; 32]), b"component");
        assert!(supply.check(b"component", &[good, stranger]).is_err());
        assert!(supply.check(b"component", &["not base64!".into()]).is_err());
        assert_eq!(supply.check(b"component", &[]), Ok(Vec::new()));
    }

    #[test]
    fn keys_as_people_keep_them() {
        let key = SigningKey::from_bytes(&[7; 32]).verifying_key().to_bytes();
        let pem = format!(
            "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n",
            STANDARD.encode([&SPKI[..], &key[..]].concat())
        );
        assert_eq!(public_key(&pem), Ok(key));
        assert_eq!(public_key(&STANDARD.encode(key)), Ok(key));
        for wrong in ["", "AAAA", "?", "-----BEGIN PUBLIC KEY-----"] {
            assert!(public_key(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn scopes_ask_for_their_own_signers() {
        let (supply, key) = supply(&["site", "tenant:vip-*"]);
        let state = State::default();
        let mut version = PolicyVersion {
            digest: Digest([1; 32]),
            name: "p".parse().unwrap(),
            version: "1.0.0".into(),
            summary: String::new(),
            hooks: Vec::new(),
            settings_schema: String::new(),
            size: 1,
            embedded: false,
            uploaded_by: "ann".into(),
            created: cascina_core::units::Timestamp(0),
            about: Default::default(),
        };
        let tenant = Scope::Tenant(cascina_core::id::TenantId(1));
        assert!(supply.admits(&state, &version, Scope::Site).unwrap_err().to_string().contains("signed by release"));
        assert_eq!(supply.admits(&state, &version, tenant), Ok(()), "nobody is on the list for it");
        let strict = Supply { always: true, ..supply.clone() };
        assert!(strict.admits(&state, &version, tenant).is_err());
        let signatures = supply.check(b"component", &[sign(&key, b"component")]).unwrap();
        version.about.signatures = signatures;
        assert_eq!(supply.admits(&state, &version, Scope::Site), Ok(()));
        let locked = |digest, version: &PolicyVersion| {
            let lock = Some([("p@1.0.0".to_owned(), Digest([digest; 32]))].into());
            Supply { lock, ..supply.clone() }.admits(&state, version, Scope::Site)
        };
        assert_eq!(locked(1, &version), Ok(()));
        assert!(locked(2, &version).unwrap_err().to_string().contains("the lock says"));
        version.embedded = true;
        assert_eq!(locked(2, &version), Ok(()), "what ships is the program's own");
    }
}
