//! Hard constraints: which hosts can work at all. Policies only ever see what is left.

use serde::{Deserialize, Serialize};

use crate::decision::Dropped;
use crate::id::HostId;
use crate::name::Name;
use crate::units::Size;
use crate::view::ClusterView;

/// Why a host cannot take a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unfit {
    /// Another class was asked for.
    Class,
    /// Down, cordoned, draining or in maintenance.
    Closed,
    /// Its owner does not lend it.
    NotLent,
    /// The request names other hosts.
    NotNamed,
    Vcpus,
    Memory,
    Disk,
}

impl Unfit {
    pub const ALL: [Unfit; 7] =
        [Unfit::Class, Unfit::Closed, Unfit::NotLent, Unfit::NotNamed, Unfit::Vcpus, Unfit::Memory, Unfit::Disk];

    pub fn sentence(self) -> &'static str {
        match self {
            Unfit::Class => "belong to another host class",
            Unfit::Closed => "take no new guests (down, cordoned, draining or in maintenance)",
            Unfit::NotLent => "are not lent by their owner",
            Unfit::NotNamed => "are not among the hosts that the request allows",
            Unfit::Vcpus => "have too few free vCPUs",
            Unfit::Memory => "have too little free memory",
            Unfit::Disk => "have too little free disk",
        }
    }
}

/// What must hold of a host.
#[derive(Debug, Clone)]
pub struct Need<'a> {
    pub class: &'a Name,
    pub size: Size,
    /// Groups of the requesting tenant: a share whose group is among them is its own.
    pub groups: &'a [Name],
    /// Only these hosts, unless empty.
    pub only: &'a [HostId],
    pub avoid: &'a [HostId],
}

/// The rows of a view that can work, and what became of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Rows of the view, ascending.
    pub rows: Vec<u32>,
    pub dropped: Vec<Dropped>,
}

const EXAMPLES: usize = 5;

/// Cuts the hosts down to those that can take the workload.
pub fn candidates(view: &ClusterView, need: &Need<'_>) -> Candidates {
    let Some(class) = view.class_number(need.class) else {
        let examples = view.ids.iter().take(EXAMPLES).map(|id| HostId(*id)).collect();
        let dropped = vec![Dropped { why: Unfit::Class, hosts: view.len() as u32, examples }];
        return Candidates { rows: Vec::new(), dropped };
    };
    // Shares are few: a small table of those that are closed to this tenant.
    let closed: Vec<u32> = view
        .shares
        .iter()
        .filter(|share| !share.lends && !need.groups.contains(&share.group))
        .map(|share| share.id.0)
        .collect();
    let mut rows = Vec::with_capacity(view.len());
    let mut counts = [0u32; Unfit::ALL.len()];
    let mut examples: [Vec<HostId>; Unfit::ALL.len()] = Default::default();
    let memory = u32::try_from(need.size.memory.0).unwrap_or(u32::MAX);
    let disk = u32::try_from(need.size.disk.0).unwrap_or(u32::MAX);
    let vcpus = need.size.vcpus.0;
    let named = !need.only.is_empty() || !need.avoid.is_empty();
    for row in 0..view.len() {
        let why = if view.class[row] != class {
            Unfit::Class
        } else if view.open[row] == 0 {
            Unfit::Closed
        } else if !closed.is_empty() && closed.contains(&view.share[row]) {
            Unfit::NotLent
        } else if named && !allowed(HostId(view.ids[row]), need) {
            Unfit::NotNamed
        } else if view.vcpus_free[row] < vcpus {
            Unfit::Vcpus
        } else if view.memory_free_mib[row] < memory {
            Unfit::Memory
        } else if view.disk_free_gib[row] < disk {
            Unfit::Disk
        } else {
            rows.push(row as u32);
            continue;
        };
        let slot = why as usize;
        counts[slot] += 1;
        if examples[slot].len() < EXAMPLES {
            examples[slot].push(HostId(view.ids[row]));
        }
    }
    let dropped = Unfit::ALL
        .into_iter()
        .zip(counts)
        .zip(examples)
        .filter(|((_, hosts), _)| *hosts > 0)
        .map(|((why, hosts), examples)| Dropped { why, hosts, examples })
        .collect();
    Candidates { rows, dropped }
}

fn allowed(host: HostId, need: &Need<'_>) -> bool {
    (need.only.is_empty() || need.only.contains(&host)) && !need.avoid.contains(&host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::{Host, HostState};
    use crate::id::ShareId;
    use crate::units::Timestamp;
    use crate::view::ShareRow;

    fn view() -> ClusterView {
        let mut view = ClusterView {
            classes: vec!["services".parse().unwrap(), "workers".parse().unwrap()].into(),
            shares: vec![ShareRow {
                id: ShareId(1),
                name: "alice".parse().unwrap(),
                group: "alice".parse().unwrap(),
                lends: false,
                recalled: false,
            }]
            .into(),
            ..ClusterView::default()
        };
        for (number, class, share, state, used) in [
            (1, "services", 0, HostState::Up, 0),
            (2, "workers", 0, HostState::Up, 0),
            (3, "workers", 1, HostState::Up, 0),
            (4, "workers", 0, HostState::Cordoned, 0),
            (5, "workers", 0, HostState::Up, 15),
        ] {
            let host = Host {
                id: HostId(number),
                name: format!("h{number}").parse().unwrap(),
                class: class.parse().unwrap(),
                share: ShareId(share),
                uri: String::new(),
                capacity: Size::new(16, 65536, 1000),
                measured: false,
                facts: None,
                state,
                note: None,
                created: Timestamp(0),
                updated: Timestamp(0),
            };
            view.push(&host, Size::new(used, 0, 0));
        }
        view
    }

    #[test]
    fn each_reason_is_told() {
        let view = view();
        let class = "workers".parse().unwrap();
        let mut need = Need { class: &class, size: Size::new(2, 2048, 10), groups: &[], only: &[], avoid: &[] };
        let found = candidates(&view, &need);
        assert_eq!(found.rows, [1]);
        let told: Vec<_> = found.dropped.iter().map(|d| (d.why, d.examples[0].0)).collect();
        assert_eq!(told, [(Unfit::Class, 1), (Unfit::Closed, 4), (Unfit::NotLent, 3), (Unfit::Vcpus, 5)]);
        let alice = ["alice".parse().unwrap()];
        need.groups = &alice;
        assert_eq!(candidates(&view, &need).rows, [1, 2]);
        need.only = &[HostId(3)];
        assert_eq!(candidates(&view, &need).rows, [2]);
    }

    #[test]
    fn an_unknown_class_has_no_candidates() {
        let class = "gpu".parse().unwrap();
        let need = Need { class: &class, size: Size::ZERO, groups: &[], only: &[], avoid: &[] };
        assert_eq!(candidates(&view(), &need).dropped[0].hosts, 5);
    }
}
