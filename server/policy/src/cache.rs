//! Compiled components on disk, so that a restart compiles nothing.
//!
//! What lies here is native code that the server will run. The folder belongs to the server alone
//! (mode 0700), files are named by what they are made of (digest of the component, and
//! fingerprint of the engine that compiled it), and each carries a checksum against torn writes
//! and bad disks. Uploads never come here: only the compiler's output does.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use cascina_core::policy::Digest;
use sha2::{Digest as _, Sha256};

use crate::error::SandboxError;
use crate::native::Compiled;

const MAGIC: &[u8; 8] = b"casc-pc1";
const HEADER: usize = 8 + 32;

pub(crate) struct Cache {
    folder: PathBuf,
    /// Fingerprint of the engine.
    fingerprint: String,
    /// Makes names of unfinished files unique within this process.
    unfinished: AtomicU64,
}

impl Cache {
    pub fn open(folder: PathBuf, fingerprint: String) -> Result<Cache, SandboxError> {
        let fail = |source| SandboxError::Cache { path: folder.clone(), source };
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).map_err(fail)?;
        let meta = fs::metadata(&folder).map_err(fail)?;
        let ours = meta.uid() == rustix::process::geteuid().as_raw();
        if !ours || meta.mode() & 0o022 != 0 {
            return Err(SandboxError::CacheExposed { path: folder });
        }
        let cache = Cache { folder, fingerprint, unfinished: AtomicU64::new(0) };
        cache.sweep().map_err(|source| SandboxError::Cache { path: cache.folder.clone(), source })?;
        Ok(cache)
    }

    /// Removes what no engine of this kind can use any more, and what was never finished.
    fn sweep(&self) -> io::Result<()> {
        let suffix = format!("-{}.cwasm", self.fingerprint);
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let stale = name.ends_with(".cwasm") && !name.ends_with(&suffix);
            if stale || name.ends_with(".unfinished") {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{}.cwasm", self.fingerprint))
    }

    /// None if there is nothing usable: whatever is wrong here, compiling again mends it.
    pub fn get(&self, digest: &Digest) -> Option<Compiled> {
        let path = self.path(digest);
        match read(&path, digest) {
            Ok(bytes) => Some(Compiled::vouch(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "compiled policy is not usable and will be made again");
                None
            }
        }
    }

    /// A cache that cannot be written costs time at the next start, and nothing else.
    pub fn put(&self, digest: &Digest, compiled: &Compiled) {
        let path = self.path(digest);
        if let Err(error) = self.write(&path, digest, compiled.bytes()) {
            tracing::warn!(path = %path.display(), %error, "compiled policy could not be kept");
        }
    }

    fn write(&self, path: &Path, digest: &Digest, bytes: &[u8]) -> io::Result<()> {
        let number = self.unfinished.fetch_add(1, Ordering::Relaxed);
        let draft = self.folder.join(format!("{digest}-{}-{number}.unfinished", std::process::id()));
        let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft).and_then(|mut file| {
            file.write_all(MAGIC)?;
            file.write_all(&checksum(digest, bytes))?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&draft, path)
        });
        if written.is_err() {
            // Swept at the next start if this fails too.
            let _ = fs::remove_file(&draft);
        }
        written
    }
}

/// Bound to the digest, so that a file under another's name is not taken for it.
fn checksum(digest: &Digest, bytes: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(digest.0).chain_update(bytes).finalize().into()
}

fn read(path: &Path, digest: &Digest) -> io::Result<Vec<u8>> {
    let damaged = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
    let mut file = File::open(path)?;
    let mut header = [0; HEADER];
    file.read_exact(&mut header).map_err(|_| damaged("it is cut short"))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    if &header[..8] != MAGIC || header[8..] != checksum(digest, &bytes) {
        return Err(damaged("its checksum is wrong"));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_what_was_put_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("cache");
        let cache = Cache::open(folder.clone(), "f1".into()).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
        let (one, two) = (Digest([1; 32]), Digest([2; 32]));
        assert!(cache.get(&one).is_none());
        cache.put(&one, &Compiled::vouch(b"native code".to_vec()));
        assert_eq!(cache.get(&one).unwrap().bytes(), b"native code");

        fs::copy(cache.path(&one), cache.path(&two)).unwrap();
        assert!(cache.get(&two).is_none(), "under another's name");
        let mut bytes = fs::read(cache.path(&one)).unwrap();
        bytes[HEADER + 2] ^= 1;
        fs::write(cache.path(&one), &bytes).unwrap();
        assert!(cache.get(&one).is_none(), "a flipped bit");
        fs::write(cache.path(&one), &bytes[..20]).unwrap();
        assert!(cache.get(&one).is_none(), "cut short");

        Cache::open(folder.clone(), "f2".into()).unwrap();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0, "another engine's files are swept");
    }

    #[test]
    fn a_folder_that_others_can_write_is_refused() {
        let home = tempfile::tempdir().unwrap();
        fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let opened = Cache::open(home.path().to_owned(), "f".into());
        assert!(matches!(opened, Err(SandboxError::CacheExposed { .. })));
    }
}
