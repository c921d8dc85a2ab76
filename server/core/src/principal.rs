//! Who acts.

use serde::{Deserialize, Serialize};

use crate::id::{TenantId, UserId};
use crate::name::Name;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Everything.
    SiteAdmin,
    /// Speaks for shares: their policies, approvals and recalls.
    Owner,
    /// Uploads policies.
    PolicyAuthor,
    /// Its tenant's users, farms and policies.
    TenantAdmin,
    /// Its tenant's farms.
    Member,
    /// Looks at its tenant's things.
    Viewer,
}

impl Role {
    pub const ALL: [Role; 6] =
        [Role::SiteAdmin, Role::Owner, Role::PolicyAuthor, Role::TenantAdmin, Role::Member, Role::Viewer];

    pub fn as_str(self) -> &'static str {
        match self {
            Role::SiteAdmin => "site-admin",
            Role::Owner => "owner",
            Role::PolicyAuthor => "policy-author",
            Role::TenantAdmin => "tenant-admin",
            Role::Member => "member",
            Role::Viewer => "viewer",
        }
    }

    /// Belongs to a tenant, rather than to the site.
    pub fn of_tenant(self) -> bool {
        matches!(self, Role::TenantAdmin | Role::Member | Role::Viewer)
    }
}

/// An authenticated caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// None for the server's own agents and for the first admin token.
    pub user: Option<UserId>,
    /// For the audit trail.
    pub name: String,
    pub role: Role,
    pub tenant: Option<TenantId>,
    /// Groups whose shares it speaks for.
    pub groups: Vec<Name>,
}

impl Principal {
    /// The server's own agents.
    pub fn system() -> Principal {
        Principal { user: None, name: "system".into(), role: Role::SiteAdmin, tenant: None, groups: Vec::new() }
    }

    pub fn is_admin(&self) -> bool {
        self.role == Role::SiteAdmin
    }

    /// May see things of this tenant. What it may not see does not exist for it.
    pub fn sees(&self, tenant: TenantId) -> bool {
        self.is_admin() || (self.role.of_tenant() && self.tenant == Some(tenant))
    }

    /// May change things of this tenant.
    pub fn changes(&self, tenant: TenantId) -> bool {
        self.sees(tenant) && self.role != Role::Viewer
    }

    /// May change who belongs to this tenant.
    pub fn administers(&self, tenant: TenantId) -> bool {
        self.sees(tenant) && matches!(self.role, Role::SiteAdmin | Role::TenantAdmin)
    }

    /// Speaks for the shares of this group.
    pub fn owns(&self, group: &Name) -> bool {
        self.is_admin() || (self.role == Role::Owner && self.groups.contains(group))
    }
}
