//! What may be set, and the tiers of a site that sets nothing.

use cascina_policy_sdk::{Failure, Limits};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Limits by tier and host class.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Tier, then host class ("" for the tenant as a whole), then limits. Replaces the three
    /// built-in tiers altogether.
    pub tiers: BTreeMap<String, BTreeMap<String, Limits>>,
    /// Tier of tenants whose own tier is not listed.
    pub default_tier: String,
    /// Most instances that one request may ask for; no such rule if left out.
    pub max_instances_at_once: Option<u32>,
}

impl Default for Settings {
    fn default() -> Self {
        let restricted = Limits {
            instances: Some(4),
            vcpus: Some(8),
            memory_mib: Some(16_384),
            disk_gib: Some(200),
            addresses: Some(1),
            networks: Some(1),
        };
        let standard = Limits {
            instances: Some(32),
            vcpus: Some(64),
            memory_mib: Some(131_072),
            disk_gib: Some(2000),
            addresses: Some(4),
            networks: Some(3),
        };
        let overall = |limits| BTreeMap::from([(String::new(), limits)]);
        Self {
            tiers: BTreeMap::from([
                ("restricted".to_owned(), overall(restricted)),
                ("standard".to_owned(), overall(standard)),
                ("unlimited".to_owned(), overall(Limits::default())),
            ]),
            default_tier: "restricted".to_owned(),
            max_instances_at_once: None,
        }
    }
}

impl Settings {
    pub fn complaints(&self) -> Vec<Failure> {
        if self.tiers.contains_key(&self.default_tier) {
            return Vec::new();
        }
        vec![Failure::new(
            "no-default-tier",
            format!(
                "default_tier \"{}\" is none of the tiers ({}): add it, or set default_tier to one \
                 of them.",
                self.default_tier,
                self.names()
            ),
        )]
    }

    pub fn names(&self) -> String {
        let names: Vec<&str> = self.tiers.keys().map(String::as_str).collect();
        names.join(", ")
    }
}
