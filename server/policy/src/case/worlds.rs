//! Made-up worlds: every one follows from its seed, and what is odd comes often.

use cascina_core::decision::Amounts;
use cascina_core::policy::Hook;
use serde_json::{Map, Value};

use super::{AdmitFarm, AdmitTenant, Assign, Case, Check, Context, Host, Item, Limit, Rank, Size, Usage};
use crate::chain::Subject;
use crate::hook::placement::ShareFacts;

/// What can be asked of a hook, one more for each of its functions.
pub const QUESTIONS: [(Hook, u64); 3] = [(Hook::Admission, 2), (Hook::Quota, 2), (Hook::Placement, 1)];

/// SplitMix64: a few lines that stay the same for ever, so that a seed means the same next year.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// 0 to `most`, both included.
    fn upto(&mut self, most: u32) -> u32 {
        (self.next() % (u64::from(most) + 1)) as u32
    }

    fn one_in(&mut self, n: u32) -> bool {
        self.upto(n - 1) == 0
    }

    fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.upto(from.len() as u32 - 1) as usize].clone()
    }

    fn text(&mut self, from: &[&str]) -> String {
        self.pick(from).to_owned()
    }
}

const TENANTS: [&str; 7] = ["alice", "atlas", "lhcb", "a", "grid-2", "x9", "t-0123456789abcdef"];
const GROUPS: [&str; 5] = ["grid", "theory", "physics", "alice", "nobody"];
const TIERS: [&str; 4] = ["standard", "bronze", "gold", "unheard-of"];
const CLASSES: [&str; 4] = ["workers", "services", "gpu", "big-memory"];
const FLAVORS: [&str; 4] = ["m1.small", "m1.large", "c5.xlarge", "huge"];
const ROLES: [&str; 5] = ["member", "tenant-admin", "owner", "site-admin", "viewer"];

fn subject(chance: &mut Chance, farm: bool) -> Subject {
    let groups = GROUPS.iter().filter(|_| chance.one_in(3)).map(|group| (*group).to_owned()).collect();
    Subject {
        tenant: chance.text(&TENANTS),
        groups,
        tier: chance.text(&TIERS),
        farm: if farm { chance.text(&["farm", "prod", "test-17"]) } else { String::new() },
        actor: chance.text(&["ann", "bob", "system"]),
        roles: vec![chance.text(&ROLES)],
    }
}

fn size(chance: &mut Chance) -> Size {
    let vcpus = chance.pick(&[1, 1, 2, 4, 8, 64]);
    Size {
        vcpus,
        memory_mib: u64::from(vcpus) * chance.pick(&[512, 2_048, 16_384]),
        disk_gib: chance.pick(&[0, 10, 80, 4_000]),
    }
}

fn amounts(chance: &mut Chance, most: u32) -> Amounts {
    let instances = chance.upto(most);
    let vcpus = instances.saturating_mul(chance.pick(&[1, 2, 8]));
    Amounts {
        instances,
        vcpus,
        memory_mib: u64::from(vcpus) * chance.pick(&[512, 2_048, 8_192]),
        disk_gib: u64::from(instances) * chance.pick(&[0, 10, 80]),
        addresses: chance.upto(3),
        networks: chance.upto(2),
    }
}

fn usage(chance: &mut Chance) -> Vec<Usage> {
    let mut rows = Vec::new();
    for class in ["", "workers", "services"] {
        if chance.one_in(3) {
            continue;
        }
        let limit = if chance.one_in(2) { Amounts::UNLIMITED } else { amounts(chance, 200) };
        // What is used may be more than what is allowed by now.
        let (used, held) =
            (amounts(chance, 100), if chance.one_in(3) { amounts(chance, 20) } else { Amounts::default() });
        rows.push(Usage { class: class.into(), limit: Limit(limit), used, held });
    }
    rows
}

fn host(chance: &mut Chance, id: u32) -> Host {
    let vcpus = chance.pick(&[1, 8, 16, 16, 16, 64, 128, 256]);
    let memory = vcpus * chance.pick(&[1_024, 4_096, 16_384]);
    // Full, empty, and all between.
    let mut left = |all: u32| match chance.upto(9) {
        0 => 0,
        1..=3 => all,
        _ => chance.upto(all),
    };
    let (vcpus_free, memory_free_mib) = (left(vcpus), left(memory));
    Host {
        id,
        vcpus,
        vcpus_free,
        memory_mib: memory,
        memory_free_mib,
        disk_free_gib: chance.pick(&[0, 10, 500, 4_000, u32::MAX]),
        load_permille: chance.pick(&[0, 0, 1, 250, 500, 800, 999, 1_000]),
        same_farm: if chance.one_in(4) { chance.upto(5) } else { 0 },
        share: chance.upto(3),
        traits: chance.upto(1),
    }
}

fn hosts(chance: &mut Chance, count: u32) -> Vec<Host> {
    let mut id = 0;
    (0..count)
        .map(|_| {
            id += 1 + if chance.one_in(5) { chance.upto(40) } else { 0 };
            host(chance, id)
        })
        .collect()
}

fn rank(chance: &mut Chance, count: u32) -> Rank {
    let share = chance.one_in(3).then(|| ShareFacts {
        number: 1 + chance.upto(2),
        own: chance.one_in(2),
        recalled: chance.one_in(3),
        vcpus: chance.upto(640),
        vcpus_own: chance.upto(320),
        vcpus_lent: chance.upto(320),
    });
    let mut hosts = hosts(chance, count);
    if let Some(share) = &share {
        // An owner sees its own hosts only.
        hosts.iter_mut().for_each(|host| host.share = share.number);
    }
    Rank {
        router: chance.one_in(6),
        flavor: chance.text(&FLAVORS),
        image: "ami-00000000000000001".into(),
        class: chance.text(&CLASSES),
        size: size(chance),
        count: chance.pick(&[1, 1, 2, 10, 1_000]),
        cause: chance.text(&["create", "start", "migrate", "evacuate", "rebuild"]),
        share,
        hosts,
    }
}

/// The world of a seed, for a hook; None for hooks of which none are made up.
#[must_use]
pub fn generate(hook: Hook, settings: &Map<String, Value>, seed: u64) -> Option<Case> {
    let questions = QUESTIONS.iter().find(|(known, _)| *known == hook)?.1;
    let mut chance = Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ hook.as_str().len() as u64);
    let context = Context {
        decision: format!("decision-{:017x}", chance.next() >> 4),
        now_ms: 1_700_000_000_000 + chance.next() % 100_000_000_000,
        seed: chance.next(),
        revision: chance.next() % 1_000_000,
        dry_run: chance.one_in(4),
    };
    let mut case = Case { name: format!("seed {seed}"), settings: settings.clone(), context, ..Case::default() };
    let which = seed % questions;
    let about_tenant = matches!((hook, which), (Hook::Admission, 0) | (Hook::Quota, 0));
    case.subject = subject(&mut chance, !about_tenant);
    let chance = &mut chance;
    match (hook, which) {
        (Hook::Admission, 0) => case.admit_tenant = Some(AdmitTenant { tenants: chance.pick(&[0, 1, 10, 100_000]) }),
        (Hook::Admission, _) => {
            let items = (0..chance.pick(&[0, 1, 1, 2, 5])).map(|_| {
                let max_count = chance.pick(&[1, 1, 2, 10, 500]);
                Item {
                    flavor: chance.text(&FLAVORS),
                    class: chance.text(&CLASSES),
                    image: "ami-00000000000000001".into(),
                    min_count: chance.upto(max_count),
                    max_count,
                    size: size(chance),
                }
            });
            case.admit_farm = Some(AdmitFarm {
                items: items.collect(),
                total: None,
                lease_s: chance.pick(&[0, 3_600, 86_400, 31_536_000, u32::MAX]).into(),
                farms: chance.pick(&[0, 1, 3, 100]),
                usage: usage(chance),
                attributes: if chance.one_in(3) { [("purpose".into(), "test".into())].into() } else { [].into() },
            });
        }
        (Hook::Quota, 0) => {
            let classes = CLASSES.iter().filter(|_| chance.one_in(2)).map(|class| (*class).to_owned()).collect();
            case.assign = Some(Assign { classes });
        }
        (Hook::Quota, _) => {
            case.check = Some(Check {
                verb: chance.text(&["create-instances", "allocate-address", "create-volume", "create-farm"]),
                class: chance.text(&["", "workers", "services"]),
                wanted: amounts(chance, 100),
                usage: usage(chance),
            });
        }
        (_, _) => {
            let most = chance.pick(&[0, 1, 2, 3, 10, 40, 40, 40, 200]);
            let count = if most > 3 { 1 + chance.upto(most - 1) } else { most };
            case.rank = Some(rank(chance, count));
        }
    }
    Some(case)
}

/// A placement question about so many hosts, for measuring.
#[must_use]
pub fn sized(settings: &Map<String, Value>, hosts: u32) -> Case {
    let mut chance = Chance(u64::from(hosts));
    let subject = subject(&mut chance, true);
    let rank = Rank { share: None, size: Size::default(), router: false, ..rank(&mut chance, hosts) };
    Case { name: format!("{hosts} hosts"), settings: settings.clone(), subject, rank: Some(rank), ..Case::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_world_and_another_seed_another() {
        for (hook, _) in QUESTIONS {
            let world = |seed| generate(hook, &Map::new(), seed).unwrap();
            assert_eq!(world(7), world(7));
            assert_ne!(world(7), world(9));
            assert_eq!(world(8).hook(), Ok(hook));
        }
        assert!(generate(Hook::Reallocation, &Map::new(), 1).is_none());
    }

    #[test]
    fn worlds_survive_being_written_down() {
        for (hook, _) in QUESTIONS {
            for seed in 0..200 {
                let case = generate(hook, &Map::new(), seed).unwrap();
                let text = serde_json::to_string(&case).unwrap();
                assert_eq!(serde_json::from_str::<Case>(&text).unwrap(), case, "{text}");
            }
        }
    }
}
