//! What an instance may ask of the metadata service at 169.254.169.254, and how.

use serde::{Deserialize, Deserializer, Serialize};

/// Whether a request must show a token, which only what runs in the guest itself gets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MetadataTokens {
    #[default]
    Optional,
    Required,
}

impl MetadataTokens {
    pub fn as_str(self) -> &'static str {
        match self {
            MetadataTokens::Optional => "optional",
            MetadataTokens::Required => "required",
        }
    }
}

/// Hops that a token may travel from the guest's port on: 1 to 64, where 1 keeps it in the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct HopLimit(u8);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hop limit of {0} is none: 1 to {most}", most = HopLimit::MOST)]
pub struct HopLimitError(pub i64);

impl HopLimit {
    pub const MOST: u8 = 64;

    /// # Errors
    ///
    /// It is not between 1 and 64.
    pub fn new(hops: i64) -> Result<HopLimit, HopLimitError> {
        let limit = u8::try_from(hops).ok().filter(|hops| (1..=HopLimit::MOST).contains(hops));
        limit.map(HopLimit).ok_or(HopLimitError(hops))
    }

    pub fn get(self) -> u8 {
        self.0
    }
}

impl Default for HopLimit {
    fn default() -> HopLimit {
        HopLimit(1)
    }
}

impl<'de> Deserialize<'de> for HopLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<HopLimit, D::Error> {
        HopLimit::new(i64::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What its owner said about an instance. What is not said is as with Amazon of old.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MetadataOptions {
    /// The service answers it at all.
    pub enabled: bool,
    pub tokens: MetadataTokens,
    pub hop_limit: HopLimit,
}

impl Default for MetadataOptions {
    fn default() -> MetadataOptions {
        MetadataOptions { enabled: true, tokens: MetadataTokens::Optional, hop_limit: HopLimit::default() }
    }
}

impl MetadataOptions {
    pub fn is_default(&self) -> bool {
        *self == MetadataOptions::default()
    }

    #[must_use]
    pub fn with(self, change: &MetadataChange) -> MetadataOptions {
        MetadataOptions {
            enabled: change.enabled.unwrap_or(self.enabled),
            tokens: change.tokens.unwrap_or(self.tokens),
            hop_limit: change.hop_limit.unwrap_or(self.hop_limit),
        }
    }
}

/// `None` leaves it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MetadataChange {
    pub enabled: Option<bool>,
    pub tokens: Option<MetadataTokens>,
    pub hop_limit: Option<HopLimit>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_are_bounded_however_they_come() {
        assert_eq!(HopLimit::new(64).unwrap().get(), 64);
        for wrong in [i64::MIN, -1, 0, 65, 256, 257, i64::MAX] {
            assert_eq!(HopLimit::new(wrong), Err(HopLimitError(wrong)));
        }
        assert!(serde_json::from_str::<HopLimit>("65").is_err());
        assert_eq!(serde_json::from_str::<HopLimit>("2").unwrap(), HopLimit::new(2).unwrap());
    }
}
