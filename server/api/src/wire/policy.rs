//! Policies and their bindings.

use cascina_core::name::Name;
use cascina_core::policy;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{mirror, time};

mirror! {
    Hook = policy::Hook { Admission Quota Placement Reallocation ChooseVictims }
    Mode = policy::Mode { Enforce Shadow Off }
    Fallback = policy::Fallback { Deny Allow Next }
}

/// An uploaded component that passed the checks.
#[derive(Debug, Serialize, ToSchema)]
pub struct Policy {
    /// SHA-256 of its bytes.
    pub digest: String,
    /// `name@version`.
    pub id: String,
    pub name: String,
    pub version: String,
    pub summary: String,
    pub hooks: Vec<Hook>,
    /// JSON Schema of the settings; null if there are none.
    #[schema(value_type = Option<Object>)]
    pub settings_schema: Option<Box<RawValue>>,
    pub size: u64,
    /// Ships inside the program.
    pub embedded: bool,
    pub uploaded_by: String,
    pub created: String,
    /// As its manifest says.
    pub language: String,
    pub author: String,
    /// Interfaces that it calls.
    pub imports: Vec<String>,
    /// Linear memory that it asks for; 0 is the ordinary bound.
    pub memory_mib: u32,
    /// Its instances may be used again.
    pub warm: bool,
    /// Names of those on the site's list who signed it.
    pub signed_by: Vec<String>,
}

impl From<&policy::PolicyVersion> for Policy {
    fn from(row: &policy::PolicyVersion) -> Policy {
        Policy {
            digest: row.digest.to_string(),
            id: row.label(),
            name: row.name.to_string(),
            version: row.version.clone(),
            summary: row.summary.clone(),
            hooks: row.hooks.iter().copied().map(Hook::from).collect(),
            settings_schema: RawValue::from_string(row.settings_schema.clone()).ok(),
            size: row.size,
            embedded: row.embedded,
            uploaded_by: row.uploaded_by.clone(),
            created: time(row.created),
            language: row.about.language.clone(),
            author: row.about.author.clone(),
            imports: row.about.imports.clone(),
            memory_mib: row.about.memory_mib,
            warm: row.about.warm,
            signed_by: row.about.signatures.iter().map(|one| one.signer.clone()).collect(),
        }
    }
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeKind {
    Site,
    Share,
    Tenant,
}

/// A policy at work.
#[derive(Debug, Serialize, ToSchema)]
pub struct Binding {
    pub id: String,
    pub name: String,
    pub hook: Hook,
    pub scope: ScopeKind,
    /// Name of the share whose owner's rule it is.
    pub share: Option<String>,
    /// Id of the tenant whose rule it is.
    pub tenant: Option<String>,
    pub policy: String,
    pub digest: String,
    #[schema(value_type = Object)]
    pub settings: Value,
    /// Within a scope, lower comes first.
    pub order: u32,
    pub weight: u32,
    pub mode: Mode,
    pub on_error: Fallback,
    /// Why it was put out of action, if it was.
    pub quarantined: Option<String>,
    pub created: String,
    pub updated: String,
}

impl Binding {
    pub fn of(row: &policy::Binding, share: Option<String>) -> Binding {
        let (scope, tenant) = match row.scope {
            policy::Scope::Site => (ScopeKind::Site, None),
            policy::Scope::Share(_) => (ScopeKind::Share, None),
            policy::Scope::Tenant(id) => (ScopeKind::Tenant, Some(id.to_string())),
        };
        Binding {
            id: row.id.to_string(),
            name: row.name.to_string(),
            hook: row.hook.into(),
            scope,
            share,
            tenant,
            policy: row.policy.clone(),
            digest: row.digest.to_string(),
            settings: serde_json::from_str(&row.settings).unwrap_or(Value::Null),
            order: row.order,
            weight: row.weight,
            mode: row.mode.into(),
            on_error: row.on_error.into(),
            quarantined: row.quarantined.clone(),
            created: time(row.created),
            updated: time(row.updated),
        }
    }
}

fn middle() -> u32 {
    100
}

fn enforce() -> Mode {
    Mode::Enforce
}

fn deny() -> Fallback {
    Fallback::Deny
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBinding {
    #[schema(value_type = String)]
    pub name: Name,
    pub hook: Hook,
    /// `name`, `name@version` or a digest; a bare name means its newest version.
    pub policy: String,
    /// Name of a share: its owner's rule. With neither share nor tenant, the site's rule.
    pub share: Option<String>,
    /// Id or name of a tenant: its own rule.
    pub tenant: Option<String>,
    #[serde(default)]
    #[schema(value_type = Object)]
    pub settings: Map<String, Value>,
    #[serde(default = "middle")]
    pub order: u32,
    /// Multiplies scores, 1 to 1000.
    #[serde(default = "middle")]
    pub weight: u32,
    #[serde(default = "enforce")]
    pub mode: Mode,
    /// What happens when the policy fails.
    #[serde(default = "deny")]
    pub on_error: Fallback,
}

/// What of a binding changes; what is left out stays.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BindingChange {
    pub policy: Option<String>,
    #[schema(value_type = Option<Object>)]
    pub settings: Option<Map<String, Value>>,
    pub order: Option<u32>,
    pub weight: Option<u32>,
    pub mode: Option<Mode>,
    pub on_error: Option<Fallback>,
    /// Let it out of quarantine.
    #[serde(default)]
    pub release: bool,
}
