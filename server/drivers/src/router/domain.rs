//! Domains of the DNS.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};

/// Labels of `a-z 0-9 -` joined by dots, and short enough that a [`Name`](cascina_core::name::Name)
/// may stand before it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Domain(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a domain: labels of a-z, 0-9 and `-`, at most 63 characters each and {most} in all, joined by dots",
    most = Domain::MOST
)]
pub struct DomainError(pub String);

impl Domain {
    /// A name in the DNS has 253 characters, and 64 are kept for a guest's.
    pub const MOST: usize = 189;

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether each part between dots is a label of the DNS.
pub(super) fn are_labels(text: &str) -> bool {
    let label = |label: &str| {
        let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = label.as_bytes();
        matches!(bytes, [first, .., last] | [first @ last] if inner(*first) && inner(*last))
            && bytes.len() <= 63
            && bytes.iter().all(|&b| inner(b) || b == b'-')
    };
    text.split('.').all(label)
}

impl FromStr for Domain {
    type Err = DomainError;

    fn from_str(text: &str) -> Result<Domain, DomainError> {
        match text.len() <= Domain::MOST && are_labels(text) {
            true => Ok(Domain(text.into())),
            false => Err(DomainError(text.chars().take(Domain::MOST).collect())),
        }
    }
}

impl<'de> Deserialize<'de> for Domain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Domain, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_domain() {
        for good in ["internal", "a", "farm-0.cloud.internal", "1.2"] {
            assert!(good.parse::<Domain>().is_ok(), "{good}");
        }
        let (label, domain) = ("x".repeat(64), vec!["abcdefghi"; 19].join("."));
        assert_eq!(domain.len(), 189);
        assert!(domain.parse::<Domain>().is_ok());
        for bad in ["", ".", "a.", ".a", "a..b", "-a", "a-", "A", "a_b", "a b", "a\n", &label, &format!("x{domain}")] {
            assert!(bad.parse::<Domain>().is_err(), "{bad:?}");
        }
    }
}
