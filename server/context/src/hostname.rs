//! Names by which guests call themselves.

use std::fmt;
use std::str::FromStr;

use cascina_core::name::Name;
use serde::Serialize;

/// A host name or a domain as RFC 1123 has them, in lower case: labels of 1 to 63 letters, digits and
/// `-`, not at either end, joined by `.`; 253 characters in all, and no number at the end, which would
/// make it an address.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Hostname(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a host name: give labels of a-z, 0-9 and `-` inside, joined by `.`, that are no IP address")]
pub struct HostnameError(pub String);

/// Characters of a host name with its domain.
const MOST: usize = 253;

impl Hostname {
    /// Of something's name. Names may have dots and dashes where host names may not; those are left out.
    pub fn of(name: &Name) -> Hostname {
        let labels = name.as_str().split('.').map(|label| label.trim_matches('-')).filter(|label| !label.is_empty());
        let joined = labels.collect::<Vec<_>>().join(".");
        joined.parse().unwrap_or_else(|_| {
            // A name that reads as a number or an address, for example `12` or `10.0.0.1`.
            let label: String = "host-".chars().chain(joined.replace('.', "-").chars()).take(63).collect();
            Hostname(label.trim_end_matches('-').to_owned())
        })
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Hostname {
    type Err = HostnameError;

    fn from_str(text: &str) -> Result<Hostname, HostnameError> {
        let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let label = |label: &str| {
            let bytes = label.as_bytes();
            (1..=63).contains(&bytes.len())
                && bytes.iter().all(|&b| letter(b) || b == b'-')
                && letter(bytes[0])
                && letter(bytes[bytes.len() - 1])
        };
        let last = text.rsplit('.').next().unwrap_or_default();
        let number = last.bytes().all(|b| b.is_ascii_digit());
        if text.len() <= MOST && text.split('.').all(label) && !number {
            Ok(Hostname(text.to_owned()))
        } else {
            Err(HostnameError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for Hostname {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_a_host_name() {
        for good in ["a", "web-1", "ip-10-64-7-2.internal", "1a", "a.b.c", &"x".repeat(63)] {
            assert!(good.parse::<Hostname>().is_ok(), "{good}");
        }
        for bad in ["", ".", "a.", ".a", "a..b", "-a", "a-", "a.-b", "A", "a_b", "a b", "a\n", "12", "10.0.0.1", "è"] {
            assert!(bad.parse::<Hostname>().is_err(), "{bad:?}");
        }
        assert!("x".repeat(64).parse::<Hostname>().is_err());
        assert!(format!("{}a", "a.".repeat(127)).parse::<Hostname>().is_err());
    }

    #[test]
    fn of_names() {
        let of = |name: &str| Hostname::of(&name.parse().unwrap()).0;
        assert_eq!(of("web-1"), "web-1");
        assert_eq!(of("web-"), "web");
        assert_eq!(of("a..b.-c-."), "a.b.c");
        assert_eq!(of("12"), "host-12");
        assert_eq!(of("10.0.0.1"), "host-10-0-0-1");
    }

    proptest! {
        #[test]
        fn each_name_has_one(name in "[a-z0-9][a-z0-9.-]{0,62}") {
            let made = Hostname::of(&name.parse().unwrap());
            prop_assert_eq!(made.as_str().parse::<Hostname>(), Ok(made.clone()));
        }
    }
}
