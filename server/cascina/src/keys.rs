//! What the server signs tokens with, and the token of the site's first admin: two files in the data
//! folder that only the owner may read. Without them they are made.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use cascina_api::Auth;
use cascina_context::metadata::Tokens;
use cascina_core::units::Timestamp;
use cascina_engine::seal::Sealer;
use rand::{TryRngCore, rngs::OsRng};
use secrecy::{ExposeSecret, SecretBox};

/// A year: whoever may read the file may make a new one.
const ADMIN_TTL_S: u64 = 365 * 24 * 3600;

pub struct Keys {
    pub auth: Auth,
    /// Where the admin's token is.
    pub admin_token: PathBuf,
}

/// What seals the secrets of access keys: a third file, without which they are of no use any more.
pub fn sealer(data: &Path) -> anyhow::Result<Sealer> {
    Ok(Sealer::new(secret(&data.join("seal-secret"))?.expose_secret()))
}

/// What seals the tokens of the metadata service: a fourth file. Without it guests ask for new ones.
pub fn metadata_tokens(data: &Path) -> anyhow::Result<Tokens> {
    Ok(Tokens::new(secret(&data.join("metadata-secret"))?.expose_secret()))
}

pub fn open(data: &Path, token_ttl_s: u64, now: Timestamp) -> anyhow::Result<Keys> {
    let auth = Auth::new(&secret(&data.join("token-secret"))?, token_ttl_s);
    let admin_token = data.join("admin.token");
    let kept = match fs::read_to_string(&admin_token) {
        Ok(text) => auth.is_good(text.trim(), now),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", admin_token.display())),
    };
    if !kept {
        let token = auth.admin_token(now, ADMIN_TTL_S).context("no token could be signed")?;
        // Expired, or signed with a secret that was since removed.
        match fs::remove_file(&admin_token) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot replace {}", admin_token.display()));
            }
            _ => {}
        }
        write(&admin_token, &token)?;
    }
    Ok(Keys { auth, admin_token })
}

fn secret(path: &Path) -> anyhow::Result<SecretBox<[u8; 32]>> {
    let mut bytes = Box::new([0; 32]);
    match fs::read_to_string(path) {
        Ok(text) => {
            if hex::decode_to_slice(text.trim(), bytes.as_mut()).is_err() {
                bail!("{} must hold 64 hexadecimal digits; remove it, and a new one is made", path.display());
            }
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            OsRng.try_fill_bytes(bytes.as_mut()).context("the system has no random numbers")?;
            write(path, &hex::encode(bytes.as_ref()))?;
        }
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
    Ok(SecretBox::new(bytes))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| writeln!(file, "{text}").and_then(|()| file.sync_all()))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn token(data: &Path, now: Timestamp) -> String {
        fs::read_to_string(open(data, 60, now).unwrap().admin_token).unwrap()
    }

    #[test]
    fn made_once_and_readable_by_the_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let first = token(folder.path(), NOW);
        for file in ["token-secret", "admin.token"] {
            assert_eq!(fs::metadata(folder.path().join(file)).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(token(folder.path(), NOW.plus_ms(1000)), first);
    }

    #[test]
    fn made_anew_when_it_is_no_good_any_more() {
        let folder = tempfile::tempdir().unwrap();
        let first = token(folder.path(), NOW);
        let later = NOW.plus_ms(ADMIN_TTL_S * 1000);
        let second = token(folder.path(), later);
        assert_ne!(second, first, "expired");
        fs::remove_file(folder.path().join("token-secret")).unwrap();
        assert_ne!(token(folder.path(), later), second, "signed with another secret");
    }

    #[test]
    fn a_broken_secret_is_not_replaced_unasked() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token-secret"), "short").unwrap();
        let error = open(folder.path(), 60, NOW).err().unwrap().to_string();
        assert!(error.contains("token-secret") && error.contains("64"), "{error}");
    }
}
