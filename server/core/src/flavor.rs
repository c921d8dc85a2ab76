//! Flavors: the sizes that instances come in.

use serde::{Deserialize, Serialize};

use crate::name::Name;
use crate::units::{Size, Timestamp};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flavor {
    pub name: Name,
    pub size: Size,
    /// Existing instances keep it; new ones are refused.
    pub deprecated: bool,
    pub created: Timestamp,
    pub updated: Timestamp,
}
