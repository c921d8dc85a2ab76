//! Arithmetic on amounts. Saturating, because the largest value means "no limit".

use crate::{Resources, Usage};

impl Resources {
    /// Nothing.
    pub const ZERO: Self = Self { instances: 0, vcpus: 0, memory_mib: 0, disk_gib: 0, addresses: 0, networks: 0 };

    /// No limit on anything.
    pub const UNLIMITED: Self = Self {
        instances: u32::MAX,
        vcpus: u32::MAX,
        memory_mib: u64::MAX,
        disk_gib: u64::MAX,
        addresses: u32::MAX,
        networks: u32::MAX,
    };

    /// The smaller amount of everything.
    pub fn min(self, other: Self) -> Self {
        Self {
            instances: self.instances.min(other.instances),
            vcpus: self.vcpus.min(other.vcpus),
            memory_mib: self.memory_mib.min(other.memory_mib),
            disk_gib: self.disk_gib.min(other.disk_gib),
            addresses: self.addresses.min(other.addresses),
            networks: self.networks.min(other.networks),
        }
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            instances: self.instances.saturating_add(other.instances),
            vcpus: self.vcpus.saturating_add(other.vcpus),
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
            disk_gib: self.disk_gib.saturating_add(other.disk_gib),
            addresses: self.addresses.saturating_add(other.addresses),
            networks: self.networks.saturating_add(other.networks),
        }
    }

    /// What is left of `self` when `other` is gone.
    pub fn minus(self, other: Self) -> Self {
        Self {
            instances: self.instances.saturating_sub(other.instances),
            vcpus: self.vcpus.saturating_sub(other.vcpus),
            memory_mib: self.memory_mib.saturating_sub(other.memory_mib),
            disk_gib: self.disk_gib.saturating_sub(other.disk_gib),
            addresses: self.addresses.saturating_sub(other.addresses),
            networks: self.networks.saturating_sub(other.networks),
        }
    }

    /// `count` of these.
    pub fn times(self, count: u32) -> Self {
        Self {
            instances: self.instances.saturating_mul(count),
            vcpus: self.vcpus.saturating_mul(count),
            memory_mib: self.memory_mib.saturating_mul(u64::from(count)),
            disk_gib: self.disk_gib.saturating_mul(u64::from(count)),
            addresses: self.addresses.saturating_mul(count),
            networks: self.networks.saturating_mul(count),
        }
    }

    /// Every amount with its name for people, in a fixed order.
    pub fn amounts(&self) -> [(&'static str, u64); 6] {
        [
            ("instances", u64::from(self.instances)),
            ("vCPUs", u64::from(self.vcpus)),
            ("MiB of memory", self.memory_mib),
            ("GiB of disk", self.disk_gib),
            ("elastic IPs", u64::from(self.addresses)),
            ("networks", u64::from(self.networks)),
        ]
    }

    /// What goes beyond `limit`: name, amount, and limit.
    pub fn beyond(&self, limit: &Self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        self.amounts()
            .into_iter()
            .zip(limit.amounts())
            .filter(|((_, amount), (_, limit))| amount > limit)
            .map(|((name, amount), (_, limit))| (name, amount, limit))
    }

    /// Is there room for this under `limit`?
    pub fn fits(&self, limit: &Self) -> bool {
        self.beyond(limit).next().is_none()
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Usage {
    /// Taken already: by what exists and by what is under way.
    pub fn taken(&self) -> Resources {
        self.used.plus(self.held)
    }

    /// Still to be had.
    pub fn available(&self) -> Resources {
        self.limit.minus(self.taken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_a_limit_is_named() {
        let asked = Resources { vcpus: 9, disk_gib: 5, ..Resources::ZERO };
        let limit = Resources { vcpus: 8, ..Resources::UNLIMITED };
        assert_eq!(asked.beyond(&limit).collect::<Vec<_>>(), [("vCPUs", 9, 8)]);
        assert!(!asked.fits(&limit));
        assert!(asked.fits(&Resources::UNLIMITED));
    }

    #[test]
    fn no_limit_stays_no_limit() {
        let more = Resources::UNLIMITED.plus(Resources::UNLIMITED).times(3);
        assert_eq!(more, Resources::UNLIMITED);
    }
}
