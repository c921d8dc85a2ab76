//! Tenants, users, access keys, tokens and quotas.

use cascina_core::name::Name;
use cascina_core::{principal, quota, tenant};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Amounts, Approver, decision_link, mirror, text, texts, time};

mirror! {
    TenantState = tenant::TenantState { Requested PendingApproval Active Suspended Closed }
    Role = principal::Role { SiteAdmin Owner PolicyAuthor TenantAdmin Member Viewer }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Tenant {
    pub id: String,
    pub name: String,
    pub groups: Vec<String>,
    /// Service tier, which quota policies read.
    pub tier: String,
    pub state: TenantState,
    /// Who must approve, while it waits for that.
    pub approver: Option<Approver>,
    /// Link to the decision that admitted it.
    pub decision: Option<String>,
    pub created: String,
    pub updated: String,
}

impl From<&tenant::Tenant> for Tenant {
    fn from(row: &tenant::Tenant) -> Tenant {
        Tenant {
            id: row.id.to_string(),
            name: row.name.to_string(),
            groups: texts(&row.groups),
            tier: row.tier.to_string(),
            state: row.state.into(),
            approver: row.approver.map(Approver::from),
            decision: row.decision.map(decision_link),
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTenant {
    #[schema(value_type = String)]
    pub name: Name,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub groups: Vec<Name>,
    /// The site's default if left out.
    #[schema(value_type = Option<String>)]
    pub tier: Option<Name>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct User {
    pub id: String,
    pub name: String,
    /// None for people of the site.
    pub tenant: Option<String>,
    pub role: Role,
    /// Groups whose shares an owner speaks for.
    pub groups: Vec<String>,
    pub ssh_key: Option<String>,
    pub active: bool,
    pub created: String,
    pub updated: String,
}

impl From<&tenant::User> for User {
    fn from(row: &tenant::User) -> User {
        User {
            id: row.id.to_string(),
            name: row.name.to_string(),
            tenant: text(&row.tenant),
            role: row.role.into(),
            groups: texts(&row.groups),
            ssh_key: row.ssh_key.clone(),
            active: row.active,
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    #[schema(value_type = String)]
    pub name: Name,
    /// Id or name; left out for people of the site, and by a tenant's own admins.
    pub tenant: Option<String>,
    pub role: Role,
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    pub groups: Vec<Name>,
    pub ssh_key: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct AccessKey {
    pub id: String,
    pub user: String,
    /// What clients send with every request.
    pub access_key: String,
    /// The farm that requests signed with it act on; None: it only fetches tokens.
    pub farm: Option<String>,
    pub disabled: bool,
    /// To the minute.
    pub last_used: Option<String>,
    /// What it was last used for.
    pub last_action: Option<String>,
    pub created: String,
}

impl From<&tenant::AccessKey> for AccessKey {
    fn from(row: &tenant::AccessKey) -> AccessKey {
        AccessKey {
            id: row.id.to_string(),
            user: row.user.to_string(),
            access_key: row.public.clone(),
            farm: text(&row.farm),
            disabled: row.disabled,
            last_used: row.last_used.as_ref().map(|last| time(last.at)),
            last_action: row.last_used.as_ref().map(|last| last.action.clone()),
            created: time(row.created),
        }
    }
}

#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessKeyOrder {
    /// Id or name of the farm that requests signed with it shall act on.
    pub farm: Option<String>,
}

#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessKeyChange {
    /// A disabled key is refused until it is enabled again.
    pub disabled: bool,
}

/// What EC2 clients need to work with a farm. The secret is shown this once.
#[derive(Serialize, ToSchema)]
pub struct FarmCredentials {
    pub farm: String,
    pub farm_name: String,
    /// Whose key it is.
    pub user: String,
    pub key: String,
    pub access_key: String,
    pub secret: String,
    /// Where the EC2 API answers.
    pub url: String,
    pub region: String,
}

/// An access key with its secret: this is the only time that it is shown.
#[derive(Serialize, ToSchema)]
pub struct NewAccessKey {
    #[serde(flatten)]
    pub key: AccessKey,
    pub secret: String,
}

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    pub access_key: String,
    pub secret: String,
}

#[derive(Serialize, ToSchema)]
pub struct Token {
    /// To be sent as `Authorization: Bearer …`.
    pub token: String,
    pub expires: String,
}

/// Who the caller is.
#[derive(Debug, Serialize, ToSchema)]
pub struct Whoami {
    /// None for the site's first admin token.
    pub user: Option<String>,
    pub name: String,
    pub role: Role,
    pub tenant: Option<String>,
    pub groups: Vec<String>,
}

impl From<&principal::Principal> for Whoami {
    fn from(who: &principal::Principal) -> Whoami {
        Whoami {
            user: text(&who.user),
            name: who.name.clone(),
            role: who.role.into(),
            tenant: text(&who.tenant),
            groups: texts(&who.groups),
        }
    }
}

/// One scope of a tenant's quota: the tenant as a whole, or the tenant in a host class.
#[derive(Debug, Serialize, ToSchema)]
pub struct Quota {
    pub tenant: String,
    pub tenant_name: String,
    /// None: the tenant as a whole.
    pub class: Option<String>,
    pub limit: Amounts,
    pub used: Amounts,
    /// Reserved by operations under way.
    pub held: Amounts,
    pub available: Amounts,
}

impl Quota {
    pub fn of(tenant: &tenant::Tenant, usage: &quota::Usage) -> Quota {
        Quota {
            tenant: tenant.id.to_string(),
            tenant_name: tenant.name.to_string(),
            class: text(&usage.class),
            limit: Amounts::limit(usage.limit),
            used: Amounts::limit(usage.used),
            held: Amounts::limit(usage.held),
            available: Amounts::left(usage.limit, usage.available()),
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewQuota {
    /// Left out: the tenant as a whole.
    #[schema(value_type = Option<String>)]
    pub class: Option<Name>,
    /// What is null or left out has no limit.
    pub limit: Amounts,
}
