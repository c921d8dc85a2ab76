//! Limits as people write them in settings: what is left out is not limited.

use crate::Resources;
use schemars::JsonSchema;
use serde::Deserialize;

/// Highest amounts, for use in a policy's settings. What is left out has no limit.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most instances.
    pub instances: Option<u32>,
    /// Most vCPUs.
    pub vcpus: Option<u32>,
    /// Most memory, in MiB.
    pub memory_mib: Option<u64>,
    /// Most disk, in GiB.
    pub disk_gib: Option<u64>,
    /// Most elastic IPs.
    pub addresses: Option<u32>,
    /// Most virtual networks.
    pub networks: Option<u32>,
}

impl From<Limits> for Resources {
    fn from(limits: Limits) -> Self {
        let none = Self::UNLIMITED;
        Self {
            instances: limits.instances.unwrap_or(none.instances),
            vcpus: limits.vcpus.unwrap_or(none.vcpus),
            memory_mib: limits.memory_mib.unwrap_or(none.memory_mib),
            disk_gib: limits.disk_gib.unwrap_or(none.disk_gib),
            addresses: limits.addresses.unwrap_or(none.addresses),
            networks: limits.networks.unwrap_or(none.networks),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_not_limited() {
        let limits = Limits { vcpus: Some(8), ..Limits::default() };
        let resources = Resources::from(limits);
        assert_eq!(resources.vcpus, 8);
        assert_eq!(resources.memory_mib, u64::MAX);
    }
}
