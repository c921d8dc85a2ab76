//! New keys.

use cascina_core::key_pair::KeyKind;
use rsa::RsaPrivateKey;
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding};
use rsa::rand_core::OsRng;
use sha1::{Digest, Sha1};
use tokio::sync::Semaphore;

use super::public::{Public, colons};
use crate::fault::Fault;

const BITS: usize = 2048;

/// Primes take all of a processor while they are looked for, which others need as well.
static AT_ONCE: Semaphore = Semaphore::const_new(2);

/// It holds a secret, and is not for logs.
pub struct Made {
    pub public: Public,
    pub fingerprint: String,
    /// As PEM: RSA in the form of PKCS #1, Ed25519 in that of OpenSSH, as Amazon has them.
    pub private: String,
}

/// # Errors
///
/// `InternalError` if there is no chance to be had.
pub async fn key(kind: KeyKind) -> Result<Made, Fault> {
    let turn = AT_ONCE.acquire().await;
    let made = tokio::task::spawn_blocking(move || {
        // Until it is made, even if nobody waits for it any more.
        let _turn = turn;
        match kind {
            KeyKind::Rsa => rsa(RsaPrivateKey::new(&mut OsRng, BITS).map_err(|error| error.to_string())?),
            KeyKind::Ed25519 => ed25519(),
        }
    });
    let made = made.await.map_err(|error| error.to_string()).and_then(|made| made);
    made.map_err(|error| {
        tracing::error!(error, "a key could not be made");
        Fault::internal()
    })
}

fn rsa(key: RsaPrivateKey) -> Result<Made, String> {
    let der = key.to_pkcs8_der().map_err(|error| error.to_string())?;
    let private = key.to_pkcs1_pem(LineEnding::LF).map_err(|error| error.to_string())?;
    Ok(Made {
        public: Public::Rsa(key.to_public_key()),
        fingerprint: colons(&Sha1::digest(der.as_bytes())),
        private: private.to_string(),
    })
}

fn ed25519() -> Result<Made, String> {
    let key =
        ssh_key::PrivateKey::random(&mut OsRng, ssh_key::Algorithm::Ed25519).map_err(|error| error.to_string())?;
    let private = key.to_openssh(LineEnding::LF).map_err(|error| error.to_string())?;
    let half = key.public_key().key_data().ed25519().ok_or("it is of another type")?;
    let public = Public::Ed25519(half.0);
    Ok(Made { fingerprint: public.fingerprint(), public, private: private.to_string() })
}

#[cfg(test)]
mod tests {
    use rsa::pkcs1::DecodeRsaPrivateKey;
    use rsa::traits::PublicKeyParts;

    use super::*;

    #[test]
    fn the_fingerprint_of_one_made_here_is_of_its_private_half() {
        // openssl pkcs8 -topk8 -nocrypt -outform DER | openssl sha1 -c
        let made = rsa(RsaPrivateKey::from_pkcs1_pem(include_str!("vectors/rsa.pem")).unwrap()).unwrap();
        assert_eq!(made.fingerprint, "2b:f4:c5:2e:82:30:dd:82:f8:9f:ef:4c:8d:3d:db:8a:f5:91:f1:9a");
        assert_eq!(made.private, include_str!("vectors/rsa.pem"));
        assert_eq!(made.public, Public::read(include_bytes!("vectors/rsa.pub")).unwrap());
    }

    #[tokio::test]
    async fn halves_belong_together() {
        let made = key(KeyKind::Rsa).await.unwrap();
        let private = RsaPrivateKey::from_pkcs1_pem(&made.private).unwrap();
        assert_eq!(private.n().bits(), BITS);
        assert_eq!(made.public, Public::Rsa(private.to_public_key()));
        assert_eq!(made.public, Public::read(made.public.line("a name").as_bytes()).unwrap());

        let made = key(KeyKind::Ed25519).await.unwrap();
        assert!(made.private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"));
        let private = ssh_key::PrivateKey::from_openssh(&made.private).unwrap();
        assert_eq!(made.public, Public::Ed25519(private.public_key().key_data().ed25519().unwrap().0));
        assert_ne!(made.public, key(KeyKind::Ed25519).await.unwrap().public);
    }
}
