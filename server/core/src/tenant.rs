//! Tenants, their users, and the keys that users sign with.

use serde::{Deserialize, Serialize};

use crate::decision::Approver;
use crate::id::{AccessKeyId, DecisionId, FarmId, TenantId, UserId};
use crate::name::Name;
use crate::principal::Role;
use crate::units::Timestamp;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TenantState {
    Requested,
    PendingApproval,
    Active,
    Suspended,
    Closed,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRequest {
    pub name: Name,
    pub groups: Vec<Name>,
    /// Service tier, which quota policies read.
    pub tier: Name,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tenant {
    pub id: TenantId,
    pub name: Name,
    pub groups: Vec<Name>,
    pub tier: Name,
    pub state: TenantState,
    /// Who must approve, while the state is `PendingApproval`.
    pub approver: Option<Approver>,
    pub decision: Option<DecisionId>,
    /// Came with a farm, and goes with the last one.
    pub with_farm: bool,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    /// None for people of the site: admins, owners, policy authors.
    pub tenant: Option<TenantId>,
    pub name: Name,
    pub role: Role,
    /// Groups whose shares the user speaks for, if the role is `Owner`.
    pub groups: Vec<Name>,
    pub ssh_key: Option<String>,
    /// Came with a farm, and goes with the tenant's last one.
    pub with_farm: bool,
    pub active: bool,
    pub created: Timestamp,
    pub updated: Timestamp,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessKey {
    pub id: AccessKeyId,
    pub user: UserId,
    /// What clients send with every request.
    pub public: String,
    /// The farm that calls signed with it act on; None: they can only fetch tokens.
    #[serde(default)]
    pub farm: Option<FarmId>,
    /// What clients sign with, sealed with the site's key. Signatures need the text itself, so it cannot
    /// be a hash.
    #[serde(default)]
    pub sealed: String,
    /// Its secret has been given to somebody.
    #[serde(default)]
    pub shown: bool,
    #[serde(default)]
    pub disabled: bool,
    #[serde(default)]
    pub last_used: Option<LastUse>,
    pub created: Timestamp,
}

/// Kept to the minute: a busy key is not written with every call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    pub at: Timestamp,
    pub action: String,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).field("public", &self.public).finish_non_exhaustive()
    }
}
