//! One question to one policy, whole, as people write it down; and what came of it.
//!
//! A case holds everything that an answer may depend on, so whoever has one can ask again: the tests of a
//! policy, the generated ones, and a decision taken home from a server are all cases, and all go through
//! the hooks that decide for real.

mod answer;
mod check;
mod expect;
mod worlds;

use std::collections::BTreeMap;

use cascina_core::decision::Amounts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use answer::{Answered, CaseError};
pub(crate) use answer::{total, usage};
pub use check::{Checked, Failing, Quantiles, check, quantiles};
pub use expect::{Expect, Said, Word};
pub use worlds::{QUESTIONS, generate, sized};

use crate::chain::Subject;
use crate::hook::placement::ShareFacts;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Case {
    /// What it shows, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub settings: Map<String, Value>,
    #[serde(skip_serializing_if = "is_default")]
    pub context: Context,
    #[serde(skip_serializing_if = "is_default")]
    pub subject: Subject,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admit_tenant: Option<AdmitTenant>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admit_farm: Option<AdmitFarm>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assign: Option<Assign>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<Rank>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A file of cases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cases {
    pub case: Vec<Case>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Context {
    pub decision: String,
    pub now_ms: u64,
    pub seed: u64,
    pub revision: u64,
    pub dry_run: bool,
}

impl Default for Context {
    fn default() -> Context {
        Context {
            decision: "decision-00000000000000001".into(),
            now_ms: 1_760_000_000_000,
            seed: 1,
            revision: 1,
            dry_run: false,
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmitTenant {
    /// Tenants that exist now.
    pub tenants: u32,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdmitFarm {
    pub items: Vec<Item>,
    /// None: the sum of the items at their `max_count`, one address and one network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<Amounts>,
    pub lease_s: u64,
    pub farms: u32,
    pub usage: Vec<Usage>,
    pub attributes: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Item {
    pub flavor: String,
    pub class: String,
    pub image: String,
    pub min_count: u32,
    pub max_count: u32,
    pub size: Size,
}

impl Default for Item {
    fn default() -> Item {
        let size = Size::default();
        let (flavor, class, image) = ("m1.small".into(), "workers".into(), "ami-00000000000000001".into());
        Item { flavor, class, image, min_count: 1, max_count: 1, size }
    }
}

/// Of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Size {
    pub vcpus: u32,
    pub memory_mib: u64,
    pub disk_gib: u64,
}

impl Default for Size {
    fn default() -> Size {
        Size { vcpus: 1, memory_mib: 2_048, disk_gib: 10 }
    }
}

/// What is used in one scope. Limits that are left out do not limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Usage {
    /// Empty for the tenant as a whole.
    pub class: String,
    pub limit: Limit,
    pub used: Amounts,
    pub held: Amounts,
}

impl Default for Usage {
    fn default() -> Usage {
        let nothing = Amounts::default();
        Usage { class: String::new(), limit: Limit(Amounts::UNLIMITED), used: nothing, held: nothing }
    }
}

/// Amounts of which those left out are unlimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Amounts);

impl Serialize for Limit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let most = Amounts::UNLIMITED.fields();
        // Numbers beyond 2^63 are none that every reader of JSON and TOML understands.
        let limited = self.0.fields().into_iter().zip(most).filter(|(own, most)| own.1 != most.1).map(|(own, _)| own);
        serializer.collect_map(limited)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Limit, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Given {
            instances: Option<u32>,
            vcpus: Option<u32>,
            memory_mib: Option<u64>,
            disk_gib: Option<u64>,
            addresses: Option<u32>,
            networks: Option<u32>,
        }
        let (given, most) = (Given::deserialize(deserializer)?, Amounts::UNLIMITED);
        Ok(Limit(Amounts {
            instances: given.instances.unwrap_or(most.instances),
            vcpus: given.vcpus.unwrap_or(most.vcpus),
            memory_mib: given.memory_mib.unwrap_or(most.memory_mib),
            disk_gib: given.disk_gib.unwrap_or(most.disk_gib),
            addresses: given.addresses.unwrap_or(most.addresses),
            networks: given.networks.unwrap_or(most.networks),
        }))
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Assign {
    pub classes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Check {
    pub verb: String,
    pub class: String,
    pub wanted: Amounts,
    pub usage: Vec<Usage>,
}

impl Default for Check {
    fn default() -> Check {
        let (verb, class) = ("create-instances".into(), "workers".into());
        Check { verb, class, wanted: Amounts::default(), usage: Vec::new() }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rank {
    pub router: bool,
    pub flavor: String,
    pub image: String,
    pub class: String,
    pub size: Size,
    pub count: u32,
    pub cause: String,
    /// What the owner of a share sees of it, if it is the owner's policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share: Option<ShareFacts>,
    pub hosts: Vec<Host>,
}

impl Default for Rank {
    fn default() -> Rank {
        Rank {
            router: false,
            flavor: "m1.small".into(),
            image: "ami-00000000000000001".into(),
            class: "workers".into(),
            size: Size::default(),
            count: 1,
            cause: "create".into(),
            share: None,
            hosts: Vec::new(),
        }
    }
}

/// A candidate; what is left out is as on an empty host of 16 cores and 64 GiB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Host {
    pub id: u32,
    pub vcpus: u32,
    pub vcpus_free: u32,
    pub memory_mib: u32,
    pub memory_free_mib: u32,
    pub disk_free_gib: u32,
    pub load_permille: u32,
    pub same_farm: u32,
    pub share: u32,
    pub traits: u32,
}

impl Default for Host {
    fn default() -> Host {
        Host {
            id: 0,
            vcpus: 16,
            vcpus_free: 16,
            memory_mib: 65_536,
            memory_free_mib: 65_536,
            disk_free_gib: 1_000,
            load_permille: 0,
            same_farm: 0,
            share: 0,
            traits: 0,
        }
    }
}
