//! The rule of `policies/placement-pack`, with its default settings, over the view's own columns.

use cascina_core::view::ClusterView;
use cascina_policy::Workload;

const BEST: u32 = 10_000;

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

pub fn rank(view: &ClusterView, work: &Workload<'_>) -> Option<u32> {
    let part = |weight: u32| (weight << 16) / 100;
    let (fill, balance, in_use) = (part(40), part(30), part(20) * 1000);
    let (vcpus, memory) = (work.size.vcpus.0, work.size.memory.0 as u32);
    let mut best: Option<(u32, u32)> = None;
    for row in 0..view.len() {
        let cores = permille(view.vcpus_free[row].saturating_sub(vcpus), view.vcpus[row]);
        let room = permille(view.memory_free_mib[row].saturating_sub(memory), view.memory_mib[row]);
        let full = 1000 - (cores + room) / 2;
        let even = 1000 - cores.abs_diff(room);
        let used = if view.vcpus_free[row] == view.vcpus[row] { 0 } else { in_use };
        let score = (((full * fill + even * balance + used) >> 16) * (BEST / 1000)).min(BEST);
        if best.is_none_or(|(_, known)| score > known) {
            best = Some((row as u32, score));
        }
    }
    best.map(|(row, _)| row)
}
