//! Amounts and time.

use std::fmt;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

macro_rules! units {
    ($($(#[$meta:meta])* $name:ident($inner:ty) $unit:literal;)*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl $name {
            pub const ZERO: $name = $name(0);

            #[must_use]
            pub fn saturating_sub(self, other: $name) -> $name {
                $name(self.0.saturating_sub(other.0))
            }
        }

        impl Add for $name {
            type Output = $name;

            /// Saturates: an absurdly large ask stays absurdly large and is refused.
            fn add(self, other: $name) -> $name {
                $name(self.0.saturating_add(other.0))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!("{}", $unit), self.0)
            }
        }
    )*};
}

units! {
    Vcpus(u32) " vCPU";
    Mib(u64) " MiB";
    Gib(u64) " GiB";
}

/// What one guest needs, or what a host has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    pub vcpus: Vcpus,
    pub memory: Mib,
    pub disk: Gib,
}

impl Size {
    pub const ZERO: Size = Size { vcpus: Vcpus(0), memory: Mib(0), disk: Gib(0) };

    pub fn new(vcpus: u32, memory_mib: u64, disk_gib: u64) -> Size {
        Size { vcpus: Vcpus(vcpus), memory: Mib(memory_mib), disk: Gib(disk_gib) }
    }

    pub fn fits_in(self, room: Size) -> bool {
        self.vcpus <= room.vcpus && self.memory <= room.memory && self.disk <= room.disk
    }

    /// Of each the larger.
    #[must_use]
    pub fn at_least(self, other: Size) -> Size {
        Size {
            vcpus: self.vcpus.max(other.vcpus),
            memory: self.memory.max(other.memory),
            disk: self.disk.max(other.disk),
        }
    }

    #[must_use]
    pub fn saturating_sub(self, other: Size) -> Size {
        Size {
            vcpus: self.vcpus.saturating_sub(other.vcpus),
            memory: self.memory.saturating_sub(other.memory),
            disk: self.disk.saturating_sub(other.disk),
        }
    }
}

impl Add for Size {
    type Output = Size;

    fn add(self, other: Size) -> Size {
        Size { vcpus: self.vcpus + other.vcpus, memory: self.memory + other.memory, disk: self.disk + other.disk }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Size) {
        *self = *self + other;
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}, {}", self.vcpus, self.memory, self.disk)
    }
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absurd_sums_saturate() {
        assert_eq!(Vcpus(u32::MAX) + Vcpus(1), Vcpus(u32::MAX));
        assert!(!(Size::new(u32::MAX, 1, 1) + Size::new(1, 1, 1)).fits_in(Size::new(16, 10, 10)));
    }
}
