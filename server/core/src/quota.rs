//! Quotas: limits a tenant, or a tenant in a host class, and reservations against them.
//!
//! There is no counter here. What is used is the sum over live rows and what is held is the sum
//! over unexpired holds, both computed when the question is asked (`State::usage`).

use serde::{Deserialize, Serialize};

use crate::decision::Amounts;
use crate::id::{HoldId, OperationId, QuotaId, TenantId};
use crate::name::Name;
use crate::units::{Size, Timestamp};

impl Amounts {
    pub const UNLIMITED: Amounts = Amounts {
        instances: u32::MAX,
        vcpus: u32::MAX,
        memory_mib: u64::MAX,
        disk_gib: u64::MAX,
        addresses: u32::MAX,
        networks: u32::MAX,
    };

    pub const ADDRESS: Amounts =
        Amounts { addresses: 1, instances: 0, vcpus: 0, memory_mib: 0, disk_gib: 0, networks: 0 };

    /// Of a volume or a snapshot.
    pub fn of_disk(size: crate::units::Gib) -> Amounts {
        Amounts { disk_gib: size.0, ..Amounts::default() }
    }

    pub fn of_instances(size: Size, count: u32) -> Amounts {
        Amounts {
            instances: count,
            vcpus: size.vcpus.0.saturating_mul(count),
            memory_mib: size.memory.0.saturating_mul(count.into()),
            disk_gib: size.disk.0.saturating_mul(count.into()),
            addresses: 0,
            networks: 0,
        }
    }

    fn zip(self, other: Amounts, narrow: fn(u32, u32) -> u32, wide: fn(u64, u64) -> u64) -> Amounts {
        Amounts {
            instances: narrow(self.instances, other.instances),
            vcpus: narrow(self.vcpus, other.vcpus),
            memory_mib: wide(self.memory_mib, other.memory_mib),
            disk_gib: wide(self.disk_gib, other.disk_gib),
            addresses: narrow(self.addresses, other.addresses),
            networks: narrow(self.networks, other.networks),
        }
    }

    /// Saturates.
    #[must_use]
    pub fn plus(self, other: Amounts) -> Amounts {
        self.zip(other, u32::saturating_add, u64::saturating_add)
    }

    /// Never below zero.
    #[must_use]
    pub fn minus(self, other: Amounts) -> Amounts {
        self.zip(other, u32::saturating_sub, u64::saturating_sub)
    }

    /// The smaller of each.
    #[must_use]
    pub fn min(self, other: Amounts) -> Amounts {
        self.zip(other, u32::min, u64::min)
    }

    pub fn is_zero(self) -> bool {
        self == Amounts::default()
    }

    /// Name, amount: in the order in which people list them.
    pub fn fields(self) -> [(&'static str, u64); 6] {
        [
            ("instances", self.instances.into()),
            ("vcpus", self.vcpus.into()),
            ("memory_mib", self.memory_mib),
            ("disk_gib", self.disk_gib),
            ("addresses", self.addresses.into()),
            ("networks", self.networks.into()),
        ]
    }

    /// The first thing of which there would be more than `limit`: (name, wanted, limit).
    pub fn excess_over(self, limit: Amounts) -> Option<(&'static str, u64, u64)> {
        self.fields()
            .into_iter()
            .zip(limit.fields())
            .find(|((_, wanted), (_, limit))| wanted > limit)
            .map(|((name, wanted), (_, limit))| (name, wanted, limit))
    }
}

/// The limits of one scope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    pub id: QuotaId,
    pub tenant: TenantId,
    /// None: the tenant as a whole.
    pub class: Option<Name>,
    pub limit: Amounts,
    pub created: Timestamp,
    pub updated: Timestamp,
}

/// Quota set aside for an operation under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    pub id: HoldId,
    pub tenant: TenantId,
    /// 0: of an offer that somebody may yet take.
    pub operation: OperationId,
    /// By class; the `None` row holds what belongs to no class (addresses, networks).
    pub amounts: Vec<(Option<Name>, Amounts)>,
    pub expires: Timestamp,
}

/// One scope as people ask for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    pub class: Option<Name>,
    pub limit: Amounts,
    pub used: Amounts,
    pub held: Amounts,
}

impl Usage {
    pub fn available(&self) -> Amounts {
        self.limit.minus(self.used.plus(self.held))
    }
}
