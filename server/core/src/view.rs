//! The cluster as policies see it: hosts in columns, immutable, standing at one event.
//!
//! Row `i` of every column is the host numbered `ids[i]`; rows are ordered by host number. The
//! columns are what the sandbox copies, so they hold `u32`s and no strings.

use std::sync::Arc;

use crate::host::Host;
use crate::id::{HostId, ShareId};
use crate::name::Name;
use crate::units::Size;

#[derive(Debug, Clone, Default)]
pub struct ClusterView {
    /// Number of the last event that it knows.
    pub revision: u64,
    pub ids: Vec<u32>,
    pub vcpus: Vec<u32>,
    pub vcpus_free: Vec<u32>,
    pub memory_mib: Vec<u32>,
    pub memory_free_mib: Vec<u32>,
    pub disk_free_gib: Vec<u32>,
    pub load_permille: Vec<u32>,
    pub share: Vec<u32>,
    /// Index into `classes`.
    pub class: Vec<u32>,
    /// 1 = takes new guests.
    pub open: Vec<u32>,
    pub names: Arc<Vec<Name>>,
    pub classes: Arc<Vec<Name>>,
    /// Per share number that exists: may others use it?
    pub shares: Arc<Vec<ShareRow>>,
}

/// What placement must know of a share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareRow {
    pub id: ShareId,
    pub name: Name,
    pub group: Name,
    pub lends: bool,
    pub recalled: bool,
}

fn column(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl ClusterView {
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The row of a host, if it has one.
    pub fn row(&self, host: HostId) -> Option<usize> {
        // Numbers are handed out in order, so the first guess nearly always hits.
        let guess = host.0 as usize;
        if guess > 0 && self.ids.get(guess - 1) == Some(&host.0) {
            return Some(guess - 1);
        }
        self.ids.binary_search(&host.0).ok()
    }

    pub fn class_number(&self, class: &Name) -> Option<u32> {
        self.classes.iter().position(|known| known == class).map(|i| i as u32)
    }

    pub fn name(&self, row: usize) -> &Name {
        &self.names[row]
    }

    /// Adds a host at the end; hosts must come in the order of their numbers.
    pub fn push(&mut self, host: &Host, used: Size) {
        debug_assert!(self.ids.last().is_none_or(|last| *last < host.id.0));
        for list in [
            &mut self.ids,
            &mut self.vcpus,
            &mut self.vcpus_free,
            &mut self.memory_mib,
            &mut self.memory_free_mib,
            &mut self.disk_free_gib,
            &mut self.load_permille,
            &mut self.share,
            &mut self.class,
            &mut self.open,
        ] {
            list.push(0);
        }
        Arc::make_mut(&mut self.names).push(host.name.clone());
        self.set(self.ids.len() - 1, host, used);
    }

    /// Writes what is true of a host into its row.
    pub fn set(&mut self, row: usize, host: &Host, used: Size) {
        let free = host.capacity.saturating_sub(used);
        self.ids[row] = host.id.0;
        self.vcpus[row] = host.capacity.vcpus.0;
        self.vcpus_free[row] = free.vcpus.0;
        self.memory_mib[row] = column(host.capacity.memory.0);
        self.memory_free_mib[row] = column(free.memory.0);
        self.disk_free_gib[row] = column(free.disk.0);
        self.share[row] = host.share.0;
        self.class[row] = self.class_number(&host.class).unwrap_or(u32::MAX);
        self.open[row] = u32::from(host.state.takes_guests());
    }

    /// Takes room from a row, for guests of the same request that are placed but not committed.
    pub fn take(&mut self, row: usize, size: Size) {
        self.vcpus_free[row] = self.vcpus_free[row].saturating_sub(size.vcpus.0);
        self.memory_free_mib[row] = self.memory_free_mib[row].saturating_sub(column(size.memory.0));
        self.disk_free_gib[row] = self.disk_free_gib[row].saturating_sub(column(size.disk.0));
    }
}
