//! What a site is used for, at a moment.

use cascina_core::name::Name;
use cascina_core::state::State;
use cascina_core::units::Size;
use cascina_core::view::ClusterView;

use super::drawn::Capacity;
use super::report::Share;

/// The hosts on which instances run.
#[derive(Debug, Clone)]
pub struct Workers {
    pub class: Name,
    pub sizes: Vec<Size>,
    pub capacity: Capacity,
    /// The largest first.
    vcpus: Vec<u64>,
    memory: Vec<u64>,
}

impl Workers {
    pub fn of(state: &State) -> Workers {
        let class = state.default_class();
        let sizes: Vec<Size> =
            state.rows.hosts.values().filter(|host| host.class == class).map(|host| host.capacity).collect();
        Workers::with(class, sizes)
    }

    fn with(class: Name, sizes: Vec<Size>) -> Workers {
        let mut capacity = Capacity::default();
        sizes.iter().for_each(|size| capacity.add(*size));
        let falling = |of: fn(&Size) -> u64| {
            let mut all: Vec<u64> = sizes.iter().map(of).collect();
            all.sort_unstable_by(|a, b| b.cmp(a));
            all
        };
        let (vcpus, memory) = (falling(|size| size.vcpus.0.into()), falling(|size| size.memory.0));
        Workers { class, sizes, capacity, vcpus, memory }
    }

    pub fn holds(&self, size: Size) -> bool {
        self.sizes.iter().any(|host| size.fits_in(*host))
    }

    /// What is claimed, and on how many hosts.
    pub fn used(&self, view: &ClusterView) -> (Capacity, u64) {
        let Some(class) = view.class_number(&self.class) else { return Default::default() };
        let mut used = Capacity::default();
        let mut hosts = 0;
        for row in (0..view.len()).filter(|row| view.class[*row] == class) {
            let vcpus = view.vcpus[row].saturating_sub(view.vcpus_free[row]);
            let memory = view.memory_mib[row].saturating_sub(view.memory_free_mib[row]);
            used.vcpus += u64::from(vcpus);
            used.memory_mib += u64::from(memory);
            hosts += u64::from(vcpus + memory > 0);
        }
        (used, hosts)
    }

    /// Of what they have, in parts: free of one resource, and of no use, since too little of the other is free
    /// beside it; the worse of both. And vCPUs of hosts without guests.
    pub fn stranded(&self, view: &ClusterView) -> (f64, u64) {
        let Some(class) = view.class_number(&self.class) else { return Default::default() };
        let (mut vcpus, mut memory, mut idle) = (0.0, 0.0, 0u64);
        for row in (0..view.len()).filter(|row| view.class[*row] == class) {
            let all = (f64::from(view.vcpus[row].max(1)), f64::from(view.memory_mib[row].max(1)));
            let free = (f64::from(view.vcpus_free[row]), f64::from(view.memory_free_mib[row]));
            vcpus += (free.0 - free.1 * all.0 / all.1).max(0.0);
            memory += (free.1 - free.0 * all.1 / all.0).max(0.0);
            if view.vcpus_free[row] == view.vcpus[row] {
                idle += u64::from(view.vcpus[row]);
            }
        }
        let part = |part: f64, whole: u64| if whole == 0 { 0.0 } else { part / whole as f64 };
        (part(vcpus, self.capacity.vcpus).max(part(memory, self.capacity.memory_mib)), idle)
    }

    pub fn share(&self, used: Capacity) -> Share {
        let part = |part: u64, whole: u64| if whole == 0 { 0.0 } else { part as f64 / whole as f64 };
        Share { vcpus: part(used.vcpus, self.capacity.vcpus), memory: part(used.memory_mib, self.capacity.memory_mib) }
    }

    /// Fewest hosts that could give this: for each resource the largest hosts first, and the worse of both.
    pub fn lower_bound(&self, demand: Capacity) -> u64 {
        let fewest = |demand: u64, sizes: &[u64]| {
            let mut left = demand;
            let needed = sizes.iter().take_while(|size| {
                let more = left > 0;
                left = left.saturating_sub(**size);
                more
            });
            needed.count() as u64
        };
        fewest(demand.vcpus, &self.vcpus).max(fewest(demand.memory_mib, &self.memory))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lower_bound_takes_the_largest_hosts_of_the_scarcer_resource() {
        let workers = Workers::with("workers".parse().unwrap(), vec![Size::new(4, 100, 0), Size::new(16, 10, 0)]);
        let bound = |vcpus, memory_mib| workers.lower_bound(Capacity { vcpus, memory_mib });
        assert_eq!([bound(0, 0), bound(16, 10), bound(17, 10), bound(1, 101), bound(20, 110)], [0, 1, 2, 2, 2]);
    }
}
