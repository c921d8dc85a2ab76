//! Key pairs: SSH public keys by name, given to instances at launch. The private half is never kept.

use serde::{Deserialize, Serialize};

use crate::id::{FarmId, KeyPairId, TenantId};
use crate::units::Timestamp;

/// Key pairs of a farm.
pub const MOST: usize = 500;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyKind {
    Rsa,
    Ed25519,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPair {
    pub id: KeyPairId,
    pub farm: FarmId,
    pub tenant: TenantId,
    /// Of the farm's key pairs, no other has it.
    pub name: String,
    pub kind: KeyKind,
    /// As EC2 computes it, which depends on how the pair came to be.
    pub fingerprint: String,
    /// One line, as in `authorized_keys`.
    pub public: String,
    pub created: Timestamp,
}
