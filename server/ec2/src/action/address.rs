//! Elastic IPs.

use std::fmt;
use std::str::FromStr;

use cascina_core::id::{AddressId, IdError};
use serde::{Serialize, Serializer};

/// An address and who answers at it. An address leads to one place at most, so that its number will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssociationId(pub AddressId);

impl AssociationId {
    pub const PREFIX: &'static str = "eipassoc-";
}

impl fmt::Display for AssociationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:017x}", AssociationId::PREFIX, self.0.0)
    }
}

impl FromStr for AssociationId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<AssociationId, IdError> {
        // The number is read as that of an address is.
        let digits = text.strip_prefix(AssociationId::PREFIX).unwrap_or_default();
        let address = format!("{}{digits}", AddressId::PREFIX).parse();
        let given = || text.chars().take(64).collect();
        address.map(AssociationId).map_err(|_| IdError { given: given(), prefix: AssociationId::PREFIX })
    }
}

impl Serialize for AssociationId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_association_is_read_as_it_is_written() {
        let id = AssociationId(AddressId(0xdead_beef_0000_0001));
        assert_eq!(id.to_string(), "eipassoc-0deadbeef00000001");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["eipalloc-0deadbeef00000001", "eipassoc-1", "eipassoc-1deadbeef00000001", ""] {
            assert!(text.parse::<AssociationId>().is_err(), "{text}");
        }
    }
}
