//! The bytes of policies' components.

use cascina_core::policy::Digest;
use rusqlite::{OptionalExtension, params};
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;
use crate::open::Store;
use crate::read::Reader;
use crate::text::Text;

pub fn digest(bytes: &[u8]) -> Digest {
    Digest(Sha256::digest(bytes).into())
}

impl Store {
    /// Keeps a component; on the disk when this returns. To keep one again changes nothing.
    ///
    /// Must come before the event that puts the policy's row. It stays when the policy goes, since
    /// decisions that it took part in can still be run again.
    ///
    /// # Errors
    ///
    /// If the bytes are not what `digest` says, or the disk fails.
    pub fn put_component(&mut self, digest: Digest, bytes: &[u8]) -> Result<(), StoreError> {
        let actual = self::digest(bytes);
        if actual != digest {
            return Err(StoreError::WrongDigest { claimed: digest, actual });
        }
        self.conn
            .prepare_cached("INSERT INTO component (digest, bytes) VALUES (?, ?) ON CONFLICT DO NOTHING")?
            .execute(params![Text::of(&digest), bytes])?;
        Ok(())
    }
}

impl Reader {
    /// A component's bytes.
    ///
    /// # Errors
    ///
    /// If they are no longer what they were, or the disk fails.
    pub fn component(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let conn = self.connection()?;
        let bytes: Option<Vec<u8>> = conn
            .prepare_cached("SELECT bytes FROM component WHERE digest = ?")?
            .query_row([Text::of(digest)], |row| row.get(0))
            .optional()?;
        match bytes {
            Some(bytes) if self::digest(&bytes) != *digest => {
                Err(StoreError::damaged(format!("component {digest} has other bytes")))
            }
            other => Ok(other),
        }
    }
}
