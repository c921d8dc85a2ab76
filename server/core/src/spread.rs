//! Images spread in waves: whoever has one gives it to somebody who has not, so that the number of those
//! who have it doubles from one round to the next.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{HostId, ImageId};
use crate::replica::Source;

/// Whether and how images are looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageCare {
    /// New images go to all hosts with disks of their own, and all images to new hosts, without being asked
    /// for.
    pub spread: bool,
    pub bounds: Bounds,
}

/// Copies at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Of one source; the server is one.
    pub per_source: u32,
    pub in_all: u32,
}

impl Default for ImageCare {
    fn default() -> ImageCare {
        ImageCare { spread: true, bounds: Bounds::default() }
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { per_source: 1, in_all: 16 }
    }
}

/// Who is to get an image, and who can give it beside the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Demand {
    pub image: ImageId,
    pub sources: Vec<HostId>,
    /// In the order of their turn, with where it came from when it failed last.
    pub targets: Vec<(HostId, Option<Source>)>,
}

/// One copy, under way or about to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copy {
    pub image: ImageId,
    pub to: HostId,
    pub from: Source,
}

/// The copies to begin now. A host gets one at a time.
pub fn plan(demands: &[Demand], under_way: &[Copy], bounds: Bounds) -> Vec<Copy> {
    let mut load: BTreeMap<Source, u32> = BTreeMap::new();
    for copy in under_way {
        *load.entry(copy.from).or_default() += 1;
    }
    let mut busy: BTreeSet<HostId> = under_way.iter().map(|copy| copy.to).collect();
    let room = (bounds.in_all as usize).saturating_sub(under_way.len());
    let mut begun = Vec::new();
    // One of each image after the other, so that none waits for all of another.
    let mut turns: Vec<_> = demands.iter().map(|demand| (demand, demand.targets.iter())).collect();
    while begun.len() < room && !turns.is_empty() {
        turns.retain_mut(|(demand, targets)| {
            if begun.len() >= room {
                return false;
            }
            for (to, failed) in targets.by_ref() {
                if busy.contains(to) {
                    continue;
                }
                if let Some(from) = source(demand, *to, *failed, &load, bounds) {
                    busy.insert(*to);
                    *load.entry(from).or_default() += 1;
                    begun.push(Copy { image: demand.image, to: *to, from });
                    return true;
                }
            }
            false
        });
    }
    begun
}

/// The least busy one that has room; hosts before the server, which has other things to do.
fn source(
    demand: &Demand,
    to: HostId,
    failed: Option<Source>,
    load: &BTreeMap<Source, u32>,
    bounds: Bounds,
) -> Option<Source> {
    let hosts = demand.sources.iter().filter(|host| **host != to).map(|host| Source::Host(*host));
    let all = hosts.chain([Source::Server]);
    let others = all.clone().any(|source| Some(source) != failed);
    let loaded = |source: &Source| load.get(source).copied().unwrap_or_default();
    let may = all.filter(|source| !others || Some(*source) != failed);
    // The server is the least of all sources: `min_by_key` must not be led by that.
    let last = |source: &Source| (loaded(source), *source == Source::Server, *source);
    may.filter(|source| loaded(source) < bounds.per_source).min_by_key(last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const IMAGE: ImageId = ImageId(1);

    fn hosts(from: u32, to: u32) -> Vec<HostId> {
        (from..to).map(HostId).collect()
    }

    fn fresh(hosts: Vec<HostId>) -> Vec<(HostId, Option<Source>)> {
        hosts.into_iter().map(|host| (host, None)).collect()
    }

    fn wide() -> Bounds {
        Bounds { per_source: 1, in_all: u32::MAX }
    }

    /// All copies of a round end before the next begins.
    fn rounds(count: u32, bounds: Bounds) -> u32 {
        let (mut have, mut rounds) = (BTreeSet::new(), 0);
        while (have.len() as u32) < count {
            let missing = hosts(0, count).into_iter().filter(|host| !have.contains(host)).collect();
            let demand = Demand { image: IMAGE, sources: have.iter().copied().collect(), targets: fresh(missing) };
            let begun = plan(&[demand], &[], bounds);
            assert!(!begun.is_empty());
            have.extend(begun.iter().map(|copy| copy.to));
            rounds += 1;
        }
        rounds
    }

    #[test]
    fn who_has_it_doubles_in_every_round() {
        for (count, expected) in [(1, 1), (2, 2), (3, 2), (7, 3), (35, 6), (63, 6), (64, 7), (1023, 10)] {
            assert_eq!(rounds(count, wide()), expected, "{count} hosts");
        }
        // As is the default.
        assert_eq!(rounds(35, Bounds::default()), 6);
    }

    #[test]
    fn who_failed_last_is_not_asked_again_if_there_are_others() {
        let demand = |failed| Demand { image: IMAGE, sources: hosts(1, 3), targets: vec![(HostId(9), failed)] };
        let from = |failed| plan(&[demand(failed)], &[], wide())[0].from;
        assert_eq!(from(None), Source::Host(HostId(1)));
        assert_eq!(from(Some(Source::Host(HostId(1)))), Source::Host(HostId(2)));
        let alone = Demand { image: IMAGE, sources: Vec::new(), targets: vec![(HostId(9), Some(Source::Server))] };
        assert_eq!(plan(&[alone], &[], wide())[0].from, Source::Server);
    }

    fn copy(image: u64, to: u32, from: Option<u32>) -> Copy {
        Copy { image: ImageId(image), to: HostId(to), from: from.map(HostId).into() }
    }

    #[test]
    fn images_take_turns() {
        let demand = |image, first| Demand {
            image: ImageId(image),
            sources: Vec::new(),
            targets: fresh(hosts(first, first + 5)),
        };
        let begun = plan(&[demand(1, 0), demand(2, 0)], &[], Bounds { per_source: 4, in_all: 10 });
        assert_eq!(begun, [copy(1, 0, None), copy(2, 1, None), copy(1, 2, None), copy(2, 3, None)]);
    }

    fn any_demand() -> impl Strategy<Value = Vec<Demand>> {
        let one = |image: u64| {
            (proptest::collection::btree_set(0..20u32, 0..8), proptest::collection::btree_map(0..20u32, 0..4u32, 0..12))
                .prop_map(move |(sources, targets)| Demand {
                    image: ImageId(image),
                    targets: targets
                        .into_iter()
                        .filter(|(host, _)| !sources.contains(host))
                        .map(|(host, failed)| {
                            let failed = match failed {
                                0 => None,
                                1 => Some(Source::Server),
                                host => Some(Source::Host(HostId(host))),
                            };
                            (HostId(host), failed)
                        })
                        .collect(),
                    sources: sources.into_iter().map(HostId).collect(),
                })
        };
        (one(1), one(2), one(3)).prop_map(|(one, two, three)| vec![one, two, three])
    }

    proptest! {
        #[test]
        fn bounds_are_kept(
            demands in any_demand(),
            busy in proptest::collection::btree_map(0..20u32, proptest::option::of(0..20u32), 0..6),
            per_source in 1..4u32,
            in_all in 0..12u32,
        ) {
            let under_way: Vec<_> = busy.into_iter().map(|(to, from)| copy(9, to, from)).collect();
            let begun = plan(&demands, &under_way, Bounds { per_source, in_all });
            prop_assert!(begun.is_empty() || under_way.len() + begun.len() <= in_all as usize);
            let mut targets: BTreeSet<_> = under_way.iter().map(|copy| copy.to).collect();
            let mut load: BTreeMap<Source, u32> = BTreeMap::new();
            for copy in &under_way {
                *load.entry(copy.from).or_default() += 1;
            }
            for copy in &begun {
                prop_assert!(targets.insert(copy.to), "{} gets two at once", copy.to);
                let demand = demands.iter().find(|demand| demand.image == copy.image).unwrap();
                prop_assert!(demand.targets.iter().any(|(host, _)| *host == copy.to));
                prop_assert!(copy.from.host().is_none_or(|host| demand.sources.contains(&host)));
                let loaded = load.entry(copy.from).or_default();
                *loaded += 1;
                prop_assert!(*loaded <= per_source);
            }
        }

        /// Sources that die take the copies of that round with them, and nobody asks them again.
        #[test]
        fn sources_that_fail_do_not_stop_it(count in 1..80u32, deaths in proptest::collection::vec(0..80u32, 0..6)) {
            let mut have: BTreeSet<HostId> = BTreeSet::new();
            let mut missing: BTreeMap<HostId, Option<Source>> = hosts(0, count).into_iter().map(|host| (host, None)).collect();
            let mut deaths = deaths.into_iter();
            let mut rounds = 0;
            let least = 32 - count.leading_zeros();
            let mut lost = 0;
            while !missing.is_empty() {
                let demand = Demand {
                    image: IMAGE,
                    sources: have.iter().copied().collect(),
                    targets: missing.iter().map(|(host, failed)| (*host, *failed)).collect(),
                };
                let begun = plan(&[demand], &[], wide());
                prop_assert!(!begun.is_empty());
                let dead = deaths.next().and_then(|at| have.iter().nth(at as usize % have.len().max(1)).copied());
                for copy in begun {
                    if copy.from.host() == dead && dead.is_some() {
                        lost += 1;
                        missing.insert(copy.to, Some(copy.from));
                    } else {
                        missing.remove(&copy.to);
                        have.insert(copy.to);
                    }
                }
                if let Some(dead) = dead {
                    have.remove(&dead);
                }
                rounds += 1;
                prop_assert!(rounds <= least + 6 + lost, "{rounds} rounds for {count}");
            }
        }

        #[test]
        fn rounds_are_a_logarithm(count in 1..600u32) {
            // The smallest r for which 2^r - 1 hosts are enough.
            prop_assert_eq!(rounds(count, wide()), 32 - count.leading_zeros());
        }
    }
}
