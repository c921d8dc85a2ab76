//! Names of network interfaces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// 1 to 15 of `a-z A-Z 0-9 . _ -`, beginning with a letter: an interface that the kernel takes and
/// that no program reads as an option.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct LinkName(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not the name of an interface: 1 to 15 of a-z, A-Z, 0-9, `.`, `_` and `-`, beginning with a letter")]
pub struct LinkNameError(pub String);

impl LinkName {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = LinkNameError;

    fn from_str(text: &str) -> Result<LinkName, LinkNameError> {
        let bytes = text.as_bytes();
        let valid = (1..=15).contains(&bytes.len())
            && bytes[0].is_ascii_alphabetic()
            && bytes.iter().all(|&b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if valid { Ok(LinkName(text.into())) } else { Err(LinkNameError(text.chars().take(32).collect())) }
    }
}

impl<'de> Deserialize<'de> for LinkName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LinkName, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_link() {
        for good in ["a", "vx65535", "br-farms", "eth0.100", "clzzzzzzzzzzzzz"] {
            assert!(good.parse::<LinkName>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "0a", "a b", "a/b", "a@b", "a'", "a\n", "clzzzzzzzzzzzzzz"] {
            assert!(bad.parse::<LinkName>().is_err(), "{bad:?}");
        }
    }
}
