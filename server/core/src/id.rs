//! Ids: 64 bits inside, stable text outside (`farm-0…`, `i-` + 17 hex digits as EC2 clients expect).
//!
//! A newtype a noun, so that a farm's id can never be passed where an instance's is meant.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not an id of the form {prefix}<17 hex digits>")]
pub struct IdError {
    pub given: String,
    pub prefix: &'static str,
}

fn parse(text: &str, prefix: &'static str) -> Result<u64, IdError> {
    let error = || IdError { given: text.chars().take(64).collect(), prefix };
    let digits = text.strip_prefix(prefix).ok_or_else(error)?;
    let canonical = digits.len() == 17
        && digits.starts_with('0')
        && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    if !canonical {
        return Err(error());
    }
    u64::from_str_radix(digits, 16).map_err(|_| error())
}

/// The number as 17 hex digits. By hand, since a commit writes dozens of ids.
fn digits(number: u64, room: &mut [u8; 17]) -> &str {
    room[0] = b'0';
    for (place, digit) in room[1..].iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (60 - 4 * place) & 15) as usize];
    }
    std::str::from_utf8(room).unwrap_or_else(|_| unreachable!("hex digits are UTF-8"))
}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident $prefix:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            pub const PREFIX: &'static str = $prefix;
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(digits(self.0, &mut [0; 17]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                parse(text, $prefix).map($name)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

ids! {
    TenantId "tenant-";
    UserId "user-";
    /// The row of an access key; what clients send is the key's `public` text.
    AccessKeyId "access-";
    FarmId "farm-";
    InstanceId "i-";
    NetworkId "vpc-";
    RouterId "router-";
    /// An elastic IP's allocation.
    AddressId "eipalloc-";
    ImageId "ami-";
    QuotaId "quota-";
    HoldId "hold-";
    BindingId "binding-";
    DecisionId "decision-";
    OperationId "op-";
    /// An answer kept for a client that may ask again with the same idempotency key.
    ReceiptId "receipt-";
    SecurityGroupId "sg-";
    /// A rule of a security group.
    RuleId "sgr-";
    KeyPairId "key-";
    VolumeId "vol-";
    SnapshotId "snap-";
    /// The instances of one request.
    ReservationId "r-";
    PlanId "plan-";
}

/// A host's number, stable over its life; `0` is never used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostId(pub u32);

/// A share's number; `0` stands for the site itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShareId(pub u32);

impl ShareId {
    pub const SITE: ShareId = ShareId(0);
}

impl fmt::Display for HostId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ShareId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let id = InstanceId(0xdead_beef_0000_0001);
        assert_eq!(id.to_string(), "i-0deadbeef00000001");
        assert_eq!("i-0deadbeef00000001".parse(), Ok(id));
        assert_eq!(serde_json::from_str::<InstanceId>("\"i-0deadbeef00000001\"").unwrap(), id);
    }

    #[test]
    fn only_one_spelling() {
        for wrong in
            ["i-0DEADBEEF00000001", "i-1deadbeef00000001", "i-", "farm-0deadbeef00000001", "i-+deadbeef00000001"]
        {
            assert!(wrong.parse::<InstanceId>().is_err(), "{wrong}");
        }
    }
}
