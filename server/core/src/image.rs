//! Images that instances boot from.

use serde::{Deserialize, Serialize};

use crate::id::{ImageId, TenantId};
use crate::name::Name;
use crate::units::{Gib, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageState {
    Available,
    /// Existing instances keep it; new ones are refused.
    Deprecated,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub id: ImageId,
    pub name: Name,
    /// None: everybody's.
    pub tenant: Option<TenantId>,
    /// Where the hosts find it.
    pub source: String,
    /// The smallest disk that holds it.
    pub min_disk: Gib,
    pub state: ImageState,
    pub created: Timestamp,
    pub updated: Timestamp,
}
