//! Images that instances boot from.

use serde::{Deserialize, Serialize};

use std::collections::BTreeSet;

use crate::id::{FarmId, ImageId, SnapshotId, TenantId};
use crate::name::Name;
use crate::units::{Gib, Timestamp};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImageState {
    /// Being made from a disk.
    Pending,
    Available,
    /// It could not be made.
    Failed,
    /// Existing instances keep it; new ones are refused.
    Deprecated,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    pub id: ImageId,
    pub name: Name,
    /// None: the site's.
    pub tenant: Option<TenantId>,
    /// The farm that made it, if one did: it goes with the farm.
    #[serde(default)]
    pub farm: Option<FarmId>,
    /// Others than its owner may launch it. The site's always may be.
    #[serde(default)]
    pub public: bool,
    /// Farms that may launch it beside.
    #[serde(default)]
    pub shared: BTreeSet<FarmId>,
    #[serde(default)]
    pub description: String,
    /// The snapshot that holds its disk, if it was made from one.
    #[serde(default)]
    pub snapshot: Option<SnapshotId>,
    /// Where the hosts find it.
    pub source: String,
    /// The smallest disk that holds it.
    pub min_disk: Gib,
    pub state: ImageState,
    pub created: Timestamp,
    pub updated: Timestamp,
}

impl Image {
    /// One of the site, which everybody may launch. It gets its number when it is put into the books.
    pub fn of_site(name: Name, source: &str, min_disk: Gib) -> Image {
        Image {
            id: ImageId(0),
            name,
            tenant: None,
            farm: None,
            public: true,
            shared: BTreeSet::new(),
            description: String::new(),
            snapshot: None,
            source: source.into(),
            min_disk,
            state: ImageState::Available,
            created: Timestamp(0),
            updated: Timestamp(0),
        }
    }

    /// Whether this farm, of this tenant, may launch instances from it.
    pub fn is_for(&self, farm: FarmId, tenant: TenantId) -> bool {
        self.public || self.is_of(farm, tenant) || self.shared.contains(&farm)
    }

    /// Whether it is this farm's own, or its tenant's.
    pub fn is_of(&self, farm: FarmId, tenant: TenantId) -> bool {
        match self.farm {
            Some(own) => own == farm,
            None => self.tenant == Some(tenant),
        }
    }
}
