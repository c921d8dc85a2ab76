//! What goes over the wire. The core's types are ours to change; these are a promise.

pub mod catalog;
pub mod decision;
pub mod farm;
pub mod network;
pub mod offer;
pub mod operation;
pub mod plan;
pub mod policy;
pub mod tenant;
pub mod trial;

use cascina_core::units::{self, Timestamp};
use cascina_core::{command, decision as core_decision};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An enum with the same words as one of the core. Both matches are exhaustive, so that neither
/// side gets a word which the other does not have.
macro_rules! mirror {
    ($($(#[$meta:meta])* $name:ident = $core:ty { $($variant:ident)* })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name { $($variant,)* }

        impl From<$core> for $name {
            fn from(value: $core) -> $name {
                match value { $(<$core>::$variant => $name::$variant,)* }
            }
        }

        impl From<$name> for $core {
            fn from(value: $name) -> $core {
                match value { $($name::$variant => <$core>::$variant,)* }
            }
        }
    )*};
}
pub(crate) use mirror;

mirror! {
    Severity = core_decision::Severity { Info Warning Denial }
    Approver = core_decision::Approver { SiteAdmin Owner }
}

/// A time as text, RFC 3339 in UTC.
pub fn time(at: Timestamp) -> String {
    let ms = i64::try_from(at.0).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).map_or_else(|_| at.0.to_string(), |time| time.to_string())
}

/// An id or a name, if there is one, as text.
pub fn text<T: ToString>(value: &Option<T>) -> Option<String> {
    value.as_ref().map(ToString::to_string)
}

pub fn texts<T: ToString>(values: &[T]) -> Vec<String> {
    values.iter().map(ToString::to_string).collect()
}

/// Path of a decision.
pub fn decision_link(id: cascina_core::id::DecisionId) -> String {
    format!("/v1/decisions/{id}")
}

/// What one guest needs, or what a host has.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Size {
    pub vcpus: u32,
    pub memory_mib: u64,
    pub disk_gib: u64,
}

impl From<units::Size> for Size {
    fn from(size: units::Size) -> Size {
        Size { vcpus: size.vcpus.0, memory_mib: size.memory.0, disk_gib: size.disk.0 }
    }
}

impl From<Size> for units::Size {
    fn from(size: Size) -> units::Size {
        units::Size::new(size.vcpus, size.memory_mib, size.disk_gib)
    }
}

/// An amount of everything that is counted; null, or left out, means "no limit".
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Amounts {
    pub instances: Option<u32>,
    pub vcpus: Option<u32>,
    pub memory_mib: Option<u64>,
    pub disk_gib: Option<u64>,
    pub addresses: Option<u32>,
    pub networks: Option<u32>,
}

impl Amounts {
    /// As a limit: the largest number there is means that there is none.
    pub fn limit(amounts: core_decision::Amounts) -> Amounts {
        let narrow = |amount: u32| Some(amount).filter(|amount| *amount < u32::MAX);
        let wide = |amount: u64| Some(amount).filter(|amount| *amount < u64::MAX);
        Amounts {
            instances: narrow(amounts.instances),
            vcpus: narrow(amounts.vcpus),
            memory_mib: wide(amounts.memory_mib),
            disk_gib: wide(amounts.disk_gib),
            addresses: narrow(amounts.addresses),
            networks: narrow(amounts.networks),
        }
    }

    /// What is left of a limit; of no limit everything is.
    pub fn left(limit: core_decision::Amounts, available: core_decision::Amounts) -> Amounts {
        let (limit, left) = (Amounts::limit(limit), Amounts::limit(available));
        Amounts {
            instances: limit.instances.and(left.instances),
            vcpus: limit.vcpus.and(left.vcpus),
            memory_mib: limit.memory_mib.and(left.memory_mib),
            disk_gib: limit.disk_gib.and(left.disk_gib),
            addresses: limit.addresses.and(left.addresses),
            networks: limit.networks.and(left.networks),
        }
    }
}

impl From<Amounts> for core_decision::Amounts {
    fn from(amounts: Amounts) -> core_decision::Amounts {
        core_decision::Amounts {
            instances: amounts.instances.unwrap_or(u32::MAX),
            vcpus: amounts.vcpus.unwrap_or(u32::MAX),
            memory_mib: amounts.memory_mib.unwrap_or(u64::MAX),
            disk_gib: amounts.disk_gib.unwrap_or(u64::MAX),
            addresses: amounts.addresses.unwrap_or(u32::MAX),
            networks: amounts.networks.unwrap_or(u32::MAX),
        }
    }
}

/// Why a policy said what it said.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Reason {
    pub severity: Severity,
    /// Stable, for programs.
    pub code: String,
    /// One sentence, for people.
    pub text: String,
}

impl From<&core_decision::Reason> for Reason {
    fn from(reason: &core_decision::Reason) -> Reason {
        Reason { severity: reason.severity.into(), code: reason.code.clone(), text: reason.text.clone() }
    }
}

/// What came of a request that changes something.
#[derive(Debug, Serialize, ToSchema)]
pub struct Outcome {
    /// Id, or name, of the thing made or changed.
    pub id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub instances: Vec<String>,
    /// Id of work that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Links to the decisions that were made for it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<String>,
    /// A person must approve first.
    pub pending: bool,
    /// Number of the last event of it.
    pub seq: u64,
}

impl From<&command::Outcome> for Outcome {
    fn from(outcome: &command::Outcome) -> Outcome {
        Outcome {
            id: outcome.subject.clone(),
            instances: texts(&outcome.instances),
            operation: text(&outcome.operation),
            decisions: outcome.decisions.iter().copied().map(decision_link).collect(),
            pending: outcome.pending,
            seq: outcome.seq,
        }
    }
}

/// A remark that goes with a yes or a no.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Note {
    pub note: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_limit_is_null_both_ways() {
        let limit = core_decision::Amounts { vcpus: 8, ..core_decision::Amounts::UNLIMITED };
        let wire = Amounts::limit(limit);
        assert_eq!((wire.vcpus, wire.instances), (Some(8), None));
        assert_eq!(core_decision::Amounts::from(wire), limit);
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(time(Timestamp(1_700_000_000_123)), "2023-11-14T22:13:20.123Z");
    }
}
