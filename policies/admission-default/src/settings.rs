//! What may be set, with defaults for a lab.

use cascina_policy_sdk::{Failure, Limits};
use schemars::JsonSchema;
use serde::Deserialize;

/// Who says yes to what waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WhoApproves {
    #[default]
    SiteAdmin,
    /// The owner of the share at which the policy is bound.
    Owner,
}

/// Who gets in, and how large a farm may be.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Only tenants in one of these groups are admitted. Empty admits all.
    pub groups_allowed: Vec<String>,
    /// Tenants in one of these groups are denied, whatever else they are in.
    pub groups_denied: Vec<String>,
    /// Most tenants of the site; no limit if left out.
    pub max_tenants: Option<u32>,
    /// Most farms a tenant may have at a time; null for no limit.
    pub max_farms_per_tenant: Option<u32>,
    /// Farms beyond any of these wait for approval.
    pub pend_above: Limits,
    /// By whom: a site administrator, or the owner of the share at which this is bound.
    pub approver: WhoApproves,
    /// Farms beyond any of these are cut down to what fits, or denied if their minimum does not.
    pub max_farm: Limits,
    /// Longest lease in seconds; a farm without an end is then denied too. No limit if left out.
    pub max_lease_s: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        let vcpus = |vcpus| Limits { vcpus: Some(vcpus), ..Limits::default() };
        Self {
            groups_allowed: Vec::new(),
            groups_denied: Vec::new(),
            max_tenants: None,
            max_farms_per_tenant: Some(3),
            pend_above: vcpus(64),
            approver: WhoApproves::default(),
            max_farm: vcpus(512),
            max_lease_s: None,
        }
    }
}

impl Settings {
    pub fn complaints(&self) -> Vec<Failure> {
        let mut complaints = Vec::new();
        for group in &self.groups_allowed {
            if self.groups_denied.contains(group) {
                complaints.push(Failure::new(
                    "group-both-ways",
                    format!("Group \"{group}\" is in groups_allowed and in groups_denied."),
                ));
            }
        }
        if self.max_lease_s == Some(0) {
            complaints
                .push(Failure::new("no-lease", "max_lease_s 0 would deny every farm; leave it out for no limit."));
        }
        complaints
    }
}
