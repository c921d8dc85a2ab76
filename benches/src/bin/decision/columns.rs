//! The candidates in columns: what every engine is given, and what all of them must agree on.

use cascina_core::view::ClusterView;

/// Of the workload that looks for a host.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub vcpus: u32,
    pub memory_mib: u32,
}

/// Weights of `policies/placement-pack`, with its default settings, in parts of 65536.
pub const FILL: u32 = (40 << 16) / 100;
pub const BALANCE: u32 = (30 << 16) / 100;
pub const IN_USE: u32 = (20 << 16) / 100 * 1000;
pub const CACHED: u32 = (10 << 16) / 100 * 1000;

#[derive(Debug, Clone, Default)]
pub struct Columns {
    pub id: Vec<u32>,
    pub vcpus: Vec<u32>,
    pub vcpus_free: Vec<u32>,
    pub memory_mib: Vec<u32>,
    pub memory_free_mib: Vec<u32>,
    pub disk_free_gib: Vec<u32>,
    pub load_permille: Vec<u32>,
    pub same_farm: Vec<u32>,
    pub share: Vec<u32>,
    pub traits: Vec<u32>,
}

impl Columns {
    pub fn of(view: &ClusterView, rows: &[u32], same_farm: &[(u32, u32)]) -> Columns {
        let column = |column: &[u32]| rows.iter().map(|row| column[*row as usize]).collect();
        let neighbours = |row: &u32| same_farm.iter().find(|(at, _)| at == row).map_or(0, |(_, count)| *count);
        Columns {
            id: column(&view.ids),
            vcpus: column(&view.vcpus),
            vcpus_free: column(&view.vcpus_free),
            memory_mib: column(&view.memory_mib),
            memory_free_mib: column(&view.memory_free_mib),
            disk_free_gib: column(&view.disk_free_gib),
            load_permille: column(&view.load_permille),
            same_farm: rows.iter().map(neighbours).collect(),
            share: column(&view.share),
            traits: vec![0; rows.len()],
        }
    }

    pub fn len(&self) -> usize {
        self.id.len()
    }
}

/// The place of the highest score; of equals, the first.
pub fn best(scores: impl Iterator<Item = u32>) -> Option<usize> {
    scores.enumerate().reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(at, _)| at)
}
