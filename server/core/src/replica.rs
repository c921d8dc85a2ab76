//! Copies of images on hosts: who has one, who is getting one, and who is to get one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::id::{HostId, ImageId};
use crate::policy::Digest;
use crate::units::Timestamp;

/// An image and a host: `ami-…/7`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId {
    pub image: ImageId,
    pub host: HostId,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the id of an image, a slash and the number of a host")]
pub struct ReplicaIdError(String);

impl fmt::Display for ReplicaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.image, self.host)
    }
}

impl FromStr for ReplicaId {
    type Err = ReplicaIdError;

    fn from_str(text: &str) -> Result<ReplicaId, ReplicaIdError> {
        let read = || {
            let (image, host) = text.split_once('/')?;
            Some(ReplicaId { image: image.parse().ok()?, host: HostId(host.parse().ok()?) })
        };
        // In one spelling only.
        let read = read().filter(|id| id.to_string() == text);
        read.ok_or_else(|| ReplicaIdError(text.chars().take(64).collect()))
    }
}

impl Serialize for ReplicaId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ReplicaId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ReplicaId, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum ReplicaState {
    /// It will be copied when a source has time.
    Waiting,
    Copying {
        /// Bytes that are there.
        done: u64,
        /// None: out of the server's own folder.
        from: Option<HostId>,
    },
    /// All of it is there and has the digest.
    Ready,
    /// It is tried again after a while.
    Failed { why: String },
    /// To be removed.
    Evicting,
    /// It was removed, and comes back when somebody asks for it or a guest needs it.
    Evicted,
}

impl ReplicaState {
    pub fn as_str(&self) -> &'static str {
        match self {
            ReplicaState::Waiting => "waiting",
            ReplicaState::Copying { .. } => "copying",
            ReplicaState::Ready => "ready",
            ReplicaState::Failed { .. } => "failed",
            ReplicaState::Evicting => "evicting",
            ReplicaState::Evicted => "evicted",
        }
    }
}

/// Of an image on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageReplica {
    pub image: ImageId,
    pub host: HostId,
    /// Of what is or will be there.
    pub digest: Digest,
    /// All of it.
    pub bytes: u64,
    pub state: ReplicaState,
    /// In a row that failed.
    #[serde(default)]
    pub tries: u32,
    /// Where the last one that failed came from; others are tried first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_from: Option<Source>,
    /// Why it is in this state, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// Where a copy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Its own folder.
    Server,
    Host(HostId),
}

impl Source {
    pub fn host(self) -> Option<HostId> {
        match self {
            Source::Server => None,
            Source::Host(host) => Some(host),
        }
    }
}

impl From<Option<HostId>> for Source {
    fn from(host: Option<HostId>) -> Source {
        host.map_or(Source::Server, Source::Host)
    }
}

/// Pause after the first try that failed; it doubles …
const PAUSE_MS: u64 = 15_000;
/// … up to this.
const LONGEST_MS: u64 = 600_000;

impl ImageReplica {
    pub fn id(&self) -> ReplicaId {
        ReplicaId { image: self.image, host: self.host }
    }

    pub fn is_ready(&self) -> bool {
        self.state == ReplicaState::Ready
    }

    /// How much of it is there, of 100.
    pub fn percent(&self) -> u8 {
        match self.state {
            ReplicaState::Ready => 100,
            ReplicaState::Copying { done, .. } => {
                let whole = u128::from(self.bytes.max(1));
                // All bytes may be there before they have been verified.
                u8::try_from(u128::from(done) * 100 / whole).unwrap_or(99).min(99)
            }
            _ => 0,
        }
    }

    /// From when on it may be copied; None: it is not to be.
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            ReplicaState::Waiting => Some(self.updated),
            ReplicaState::Failed { .. } => {
                let doubled = PAUSE_MS.saturating_mul(1 << self.tries.saturating_sub(1).min(16));
                Some(self.updated.plus_ms(doubled.min(LONGEST_MS)))
            }
            _ => None,
        }
    }
}

/// What came of the work on a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "seen")]
pub enum ReplicaSeen {
    /// So many bytes are there.
    Progress {
        done: u64,
    },
    /// It is all there.
    Ready,
    Failed {
        why: String,
    },
    /// It was ready, and the host does not have it any more.
    Gone,
    /// It was removed as was asked.
    Evicted,
    /// It could not be removed.
    Kept {
        why: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(state: ReplicaState) -> ImageReplica {
        ImageReplica {
            image: ImageId(1),
            host: HostId(2),
            digest: Digest([7; 32]),
            bytes: 1000,
            state,
            tries: 0,
            failed_from: None,
            note: None,
            created: Timestamp(0),
            updated: Timestamp(0),
        }
    }

    #[test]
    fn ids_have_one_spelling() {
        let id = ReplicaId { image: ImageId(0xab), host: HostId(7) };
        assert_eq!(id.to_string(), "ami-000000000000000ab/7");
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["ami-000000000000000ab", "ami-000000000000000ab/07", "ami-ab/7", "/7", "ami-000000000000000ab/+7"]
        {
            assert!(wrong.parse::<ReplicaId>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_what_was_verified_is_whole() {
        let copying = |done| replica(ReplicaState::Copying { done, from: None }).percent();
        assert_eq!((copying(0), copying(505), copying(1000), copying(u64::MAX)), (0, 50, 99, 99));
        assert_eq!(replica(ReplicaState::Ready).percent(), 100);
    }

    #[test]
    fn pauses_double_up_to_a_bound() {
        let after = |tries| {
            let failed = ReplicaState::Failed { why: "no".into() };
            ImageReplica { tries, ..replica(failed) }.due().unwrap().0
        };
        assert_eq!([after(1), after(2), after(3)], [15_000, 30_000, 60_000]);
        assert_eq!([after(7), after(u32::MAX)], [600_000, 600_000]);
        assert_eq!(replica(ReplicaState::Evicted).due(), None);
    }
}
