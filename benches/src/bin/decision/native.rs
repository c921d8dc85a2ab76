//! The rule in Rust, in this process.

use crate::columns::{BALANCE, CACHED, Columns, FILL, IN_USE, Wanted, best};

fn permille(part: u32, whole: u32) -> u32 {
    if whole == 0 {
        return 0;
    }
    match part.checked_mul(1000) {
        Some(product) => product / whole,
        None => (part >> 10) * 1000 / (whole >> 10).max(1),
    }
    .min(1000)
}

pub fn rank(hosts: &Columns, wanted: Wanted) -> Option<usize> {
    best((0..hosts.len()).map(|row| {
        let cores = permille(hosts.vcpus_free[row].saturating_sub(wanted.vcpus), hosts.vcpus[row]);
        let room = permille(hosts.memory_free_mib[row].saturating_sub(wanted.memory_mib), hosts.memory_mib[row]);
        let full = 1000 - (cores + room) / 2;
        let even = 1000 - cores.abs_diff(room);
        let used = if hosts.vcpus_free[row] == hosts.vcpus[row] { 0 } else { IN_USE };
        let near = if hosts.traits[row] & 1 == 0 { 0 } else { CACHED };
        ((full * FILL + even * BALANCE + used + near) >> 16) * 10
    }))
}
