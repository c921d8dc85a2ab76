//! Evens hosts out: guests leave hot spots, stranded capacity becomes whole again, and room is made for what
//! was refused. See the README beside this crate.

use cascina_policy_sdk::reallocation::{Cluster, Host, Instance, Migration, Plan, Reallocation, Step};
use cascina_policy_sdk::{Context, Failure, Policy, Reason, Resources};
use schemars::JsonSchema;
use serde::Deserialize;

/// When to begin, when to stop, and what counts.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Begins when the fullest host of a class is so many thousandths above the mean of its class …
    #[schemars(range(max = 1000))]
    start_permille: u32,
    /// … and goes on until it is no more than so many.
    #[schemars(range(max = 1000))]
    stop_permille: u32,
    /// Also begins when so many thousandths of all are free and of no use, since the other resource is out
    /// there, beyond what no arrangement could mend.
    #[schemars(range(max = 1000))]
    stranded_permille: u32,
    /// Make room for requests that were refused lately.
    make_room: bool,
    /// Most guests that are moved to make room for one.
    #[schemars(range(min = 1, max = 64))]
    room_moves: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { start_permille: 400, stop_permille: 200, stranded_permille: 30, make_room: true, room_moves: 4 }
    }
}

struct Balance {
    settings: Settings,
}

impl Policy for Balance {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Moves guests off hot spots, makes stranded capacity whole, and room for what was refused.";

    type Settings = Settings;

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn complaints(settings: &Settings) -> Vec<Failure> {
        let mut complaints = Vec::new();
        if settings.stop_permille > settings.start_permille {
            complaints.push(Failure::new(
                "stop-above-start",
                "stop_permille must not be above start_permille, or nothing would ever come to rest.",
            ));
        }
        if settings.start_permille > 1000 || settings.stranded_permille > 1000 {
            complaints.push(Failure::new("too-large", "start_permille and stranded_permille are at most 1000."));
        }
        complaints
    }
}

/// Hosts that are looked at as sources, and as targets of each guest.
const SOURCES: usize = 8;
const TARGETS: usize = 48;
const GUESTS: usize = 64;

struct Board {
    hosts: Vec<Host>,
    guests: Vec<Vec<u32>>,
    /// Mean use of vCPUs and of memory of each class, in thousandths.
    means: Vec<(i64, i64)>,
    moved: Vec<bool>,
    /// Evenness counts; otherwise only that vCPUs and memory run out together.
    even: bool,
}

fn used(all: u32, free: u32) -> i64 {
    i64::from(all.saturating_sub(free)) * 1000 / i64::from(all.max(1))
}

impl Board {
    fn new(cluster: &Cluster) -> Self {
        let hosts = cluster.hosts();
        let guests = cluster.guests_by_host(&hosts);
        let classes = hosts.iter().map(|host| host.class as usize + 1).max().unwrap_or(0);
        let mut sums = vec![(0u64, 0u64, 0u64, 0u64); classes];
        for host in hosts.iter().filter(|host| host.is_open()) {
            let sum = &mut sums[host.class as usize];
            sum.0 += u64::from(host.vcpus - host.vcpus_free.min(host.vcpus));
            sum.1 += u64::from(host.vcpus);
            sum.2 += u64::from(host.memory_mib - host.memory_free_mib.min(host.memory_mib));
            sum.3 += u64::from(host.memory_mib);
        }
        let part = |part: u64, whole: u64| (part * 1000 / whole.max(1)) as i64;
        let means = sums.into_iter().map(|(a, b, c, d)| (part(a, b), part(c, d))).collect();
        let moved = vec![false; cluster.instance_count()];
        Self { hosts, guests, means, moved, even: false }
    }

    /// How bad a host is: far from the mean of its class, or full of one resource and empty of the other.
    fn badness(&self, host: &Host) -> i64 {
        let (cpu, memory) = (used(host.vcpus, host.vcpus_free), used(host.memory_mib, host.memory_free_mib));
        let (mean_cpu, mean_memory) = self.means.get(host.class as usize).copied().unwrap_or_default();
        let (a, b, c) = (cpu - mean_cpu, memory - mean_memory, (cpu - mean_cpu) - (memory - mean_memory));
        if self.even { a * a + b * b + 2 * c * c } else { 2 * c * c }
    }

    fn spread(&self) -> i64 {
        let over = self.hosts.iter().filter(|host| host.is_open()).map(|host| {
            let (cpu, memory) = self.means[host.class as usize];
            i64::from(host.used_permille()) - cpu.max(memory)
        });
        over.max().unwrap_or(0)
    }

    fn stranded_permille(&self) -> i64 {
        let (mut vcpus, mut memory, mut all_vcpus, mut all_memory) = (0u64, 0u64, 0u64, 0u64);
        for host in self.hosts.iter().filter(|host| host.is_open()) {
            let (a, b) = host.stranded();
            vcpus += a;
            memory += b;
            all_vcpus += u64::from(host.vcpus);
            all_memory += u64::from(host.memory_mib);
        }
        let part = |part: u64, whole: u64| (part * 1000 / whole.max(1)) as i64;
        // What would be left over of one even if all hosts were one.
        let free = |of: fn(&Host) -> u32| -> u64 {
            self.hosts.iter().filter(|host| host.is_open()).map(|host| u64::from(of(host))).sum()
        };
        let (free_vcpus, free_memory) =
            (part(free(|host| host.vcpus_free), all_vcpus), part(free(|host| host.memory_free_mib), all_memory));
        let (lost_vcpus, lost_memory) = (part(vcpus, all_vcpus), part(memory, all_memory));
        (lost_vcpus - (free_vcpus - free_memory).max(0)).max(lost_memory - (free_memory - free_vcpus).max(0)).max(0)
    }

    fn score(&self) -> u32 {
        (self.spread().max(0) + self.stranded_permille()) as u32
    }

    fn carry(&mut self, guest: u32, instance: &Instance, from: usize, to: usize) {
        self.hosts[from].release(instance);
        self.hosts[to].take(instance);
        self.guests[from].retain(|other| *other != guest);
        self.guests[to].push(guest);
        self.moved[guest as usize] = true;
    }

    /// The move that makes things better by most.
    fn best(&self, cluster: &Cluster) -> Option<(i64, u32, Instance, usize, usize)> {
        let open = |place: &usize| self.hosts[*place].is_open();
        let mut sources: Vec<usize> = (0..self.hosts.len()).filter(open).collect();
        let worst = |place: &usize| (std::cmp::Reverse(self.badness(&self.hosts[*place])), *place);
        let count = sources.len().min(SOURCES);
        if count == 0 {
            return None;
        }
        let mut targets = sources.clone();
        sources.select_nth_unstable_by_key(count - 1, worst);
        sources.truncate(count);
        sources.sort_by_key(worst);
        // Half of the targets are the emptiest, the others those that are worst in some way: what one has
        // too much of another may lack.
        let few = targets.len().min(TARGETS / 2);
        targets.select_nth_unstable_by_key(few - 1, |place| (self.hosts[*place].used_permille(), *place));
        let mut chosen: Vec<usize> = targets[..few].to_vec();
        targets.select_nth_unstable_by_key(few - 1, worst);
        chosen.extend_from_slice(&targets[..few]);
        chosen.sort_unstable();
        chosen.dedup();
        let mut best: Option<(i64, u32, Instance, usize, usize)> = None;
        for from in sources {
            let host = self.hosts[from];
            let before = self.badness(&host);
            for guest in self.guests[from].iter().copied().take(GUESTS) {
                let instance = cluster.instance(guest as usize);
                if !instance.is_movable() || self.moved[guest as usize] {
                    continue;
                }
                let mut left = host;
                left.release(&instance);
                let gone = before - self.badness(&left);
                for to in chosen.iter().copied().filter(|to| *to != from) {
                    let target = self.hosts[to];
                    if target.class != host.class || !target.fits(&instance) {
                        continue;
                    }
                    let mut full = target;
                    full.take(&instance);
                    let gain = gone + self.badness(&target) - self.badness(&full);
                    if best.as_ref().is_none_or(|best| gain > best.0) {
                        best = Some((gain, guest, instance, from, to));
                    }
                }
            }
        }
        best.filter(|best| best.0 > 1000)
    }

    /// Guests whose leaving makes room for this on some host, and where they go: the fewest MiB.
    fn room_for(
        &self,
        cluster: &Cluster,
        vcpus: u32,
        memory_mib: u32,
        most: usize,
    ) -> Vec<(u32, Instance, usize, usize)> {
        let fits = |host: &Host| host.is_open() && host.vcpus_free >= vcpus && host.memory_free_mib >= memory_mib;
        if self.hosts.iter().any(fits) {
            return Vec::new();
        }
        let large = |place: &usize| {
            let host = &self.hosts[*place];
            host.is_open() && host.vcpus >= vcpus && host.memory_mib >= memory_mib
        };
        let mut places: Vec<usize> = (0..self.hosts.len()).filter(large).collect();
        // Those that lack least.
        places.sort_by_key(|place| {
            let host = &self.hosts[*place];
            let lacks =
                |need: u32, free: u32, all: u32| u64::from(need.saturating_sub(free)) * 1000 / u64::from(all.max(1));
            (
                lacks(vcpus, host.vcpus_free, host.vcpus) + lacks(memory_mib, host.memory_free_mib, host.memory_mib),
                *place,
            )
        });
        let mut best = None;
        for from in places.into_iter().take(24) {
            let Some(moves) = self.emptied(cluster, from, vcpus, memory_mib, most) else { continue };
            let mib: u64 = moves.iter().map(|(_, instance, _, _)| u64::from(instance.memory_mib)).sum();
            if best.as_ref().is_none_or(|(least, _)| mib < *least) {
                best = Some((mib, moves));
            }
        }
        best.map(|(_, moves)| moves).unwrap_or_default()
    }

    fn emptied(
        &self,
        cluster: &Cluster,
        from: usize,
        vcpus: u32,
        memory_mib: u32,
        most: usize,
    ) -> Option<Vec<(u32, Instance, usize, usize)>> {
        let mut hosts = std::collections::BTreeMap::new();
        let mut host = self.hosts[from];
        let mut guests: Vec<(u32, Instance)> = self.guests[from]
            .iter()
            .map(|guest| (*guest, cluster.instance(*guest as usize)))
            .filter(|(guest, instance)| instance.is_movable() && !self.moved[*guest as usize])
            .collect();
        let mut moves = Vec::new();
        while host.vcpus_free < vcpus || host.memory_free_mib < memory_mib {
            if moves.len() == most {
                return None;
            }
            let (lacks_vcpus, lacks_memory) =
                (vcpus.saturating_sub(host.vcpus_free), memory_mib.saturating_sub(host.memory_free_mib));
            // The smallest that gives all that is lacking, else the one that gives most of it.
            let gives = |instance: &Instance| {
                let part = |has: u32, lacks: u32| (has.min(lacks) * 1000).checked_div(lacks).unwrap_or(1000);
                part(instance.vcpus, lacks_vcpus).min(part(instance.memory_mib, lacks_memory))
            };
            guests.sort_by_key(|(guest, instance)| {
                (std::cmp::Reverse(gives(instance)), instance.memory_mib, instance.vcpus, *guest)
            });
            let found = guests.iter().enumerate().find_map(|(i, (guest, instance))| {
                if gives(instance) == 0 {
                    return None;
                }
                let to = self.best_fit(&hosts, instance, from)?;
                Some((i, *guest, *instance, to))
            });
            let (i, guest, instance, to) = found?;
            guests.swap_remove(i);
            hosts.entry(to).or_insert(self.hosts[to]).take(&instance);
            host.release(&instance);
            moves.push((guest, instance, from, to));
        }
        Some(moves)
    }

    /// The host with least left over.
    fn best_fit(
        &self,
        changed: &std::collections::BTreeMap<usize, Host>,
        instance: &Instance,
        from: usize,
    ) -> Option<usize> {
        let class = self.hosts[from].class;
        let now = |place: usize| changed.get(&place).unwrap_or(&self.hosts[place]);
        (0..self.hosts.len())
            .filter(|place| {
                let host = now(*place);
                *place != from && host.class == class && host.is_open() && host.fits(instance)
            })
            .min_by_key(|place| {
                let mut host = *now(*place);
                host.take(instance);
                let (vcpus, memory) = host.stranded();
                // What would be stranded, then what would be left, in the same measure for both.
                let part = |part: u64, whole: u32| part * 1000 / u64::from(whole.max(1));
                let stranded = part(vcpus, host.vcpus) + part(memory, host.memory_mib);
                (stranded, part(host.vcpus_free.into(), host.vcpus), *place)
            })
    }
}

/// One of what was refused, on average.
fn refused(pending: &Resources) -> Option<(u32, u32)> {
    let count = pending.instances;
    (count > 0).then(|| {
        let memory = pending.memory_mib.div_ceil(u64::from(count));
        (pending.vcpus.div_ceil(count), u32::try_from(memory).unwrap_or(u32::MAX))
    })
}

impl Reallocation for Balance {
    fn propose(&self, _ctx: &Context, cluster: &Cluster, max_moves: u32) -> Result<Plan, Failure> {
        let mut board = Board::new(cluster);
        let before = board.score();
        let mut plan = Plan::unchanged(before);
        if let Some((vcpus, memory_mib)) = refused(&cluster.pending).filter(|_| self.settings.make_room) {
            let most = (self.settings.room_moves.min(max_moves)) as usize;
            for (guest, instance, from, to) in board.room_for(cluster, vcpus, memory_mib, most) {
                let why = Reason::info(
                    "make-room",
                    format!("Makes room for {vcpus} vCPUs and {memory_mib} MiB, which were refused."),
                );
                push(&mut plan, &board, &instance, to, why);
                board.carry(guest, &instance, from, to);
            }
        }
        // While something is refused, whole room counts for more than evenness, which would take it away again.
        let begins = plan.moves.is_empty()
            && (board.spread() > i64::from(self.settings.start_permille)
                || board.stranded_permille() > i64::from(self.settings.stranded_permille));
        board.even = board.spread() > i64::from(self.settings.start_permille);
        while begins && plan.moves.len() < max_moves as usize {
            let rests = (!board.even || board.spread() <= i64::from(self.settings.stop_permille))
                && board.stranded_permille() <= i64::from(self.settings.stranded_permille);
            if rests {
                break;
            }
            let Some((_, guest, instance, from, to)) = board.best(cluster) else { break };
            let (full, empty) = (board.hosts[from].used_permille(), board.hosts[to].used_permille());
            let why = Reason::info("even-out", format!("Its host is {full} ‰ full, the other {empty} ‰."));
            push(&mut plan, &board, &instance, to, why);
            board.carry(guest, &instance, from, to);
        }
        plan.score_after = board.score();
        Ok(plan)
    }
}

fn push(plan: &mut Plan, board: &Board, instance: &Instance, to: usize, why: Reason) {
    let step = Step::Migrate(Migration { instance: instance.id, to: board.hosts[to].id });
    plan.push(step, &[], why);
}

cascina_policy_sdk::export!(Balance: reallocation);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::reallocation::{INSTANCE_MIGRATABLE, INSTANCE_PINNED};
    use cascina_policy_sdk::testing::{assert_describes_itself, cluster, complaints, context, policy, resources};

    fn plan(cluster: &Cluster) -> Plan {
        policy::<Balance>("{}").propose(&context("{}"), cluster, 16).unwrap()
    }

    fn ways(plan: &Plan) -> Vec<(u32, u32)> {
        let way = |one: &cascina_policy_sdk::reallocation::Move| match one.step {
            Step::Migrate(Migration { instance, to }) => (instance, to),
            ref other => panic!("{other:?}"),
        };
        plan.moves.iter().map(way).collect()
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<Balance>();
    }

    #[test]
    fn a_hot_spot_is_relieved() {
        // Host 1 is full, host 2 empty.
        let guests: Vec<_> = (0..8).map(|_| (1, 2, 8192, INSTANCE_MIGRATABLE)).collect();
        let plan = plan(&cluster(3, &guests));
        assert!((3..=6).contains(&plan.moves.len()), "{plan:?}");
        assert!(plan.score_after < plan.score_before);
    }

    #[test]
    fn what_is_even_stays() {
        let guests = [(1, 2, 8192, INSTANCE_MIGRATABLE), (2, 2, 8192, INSTANCE_MIGRATABLE)];
        assert!(plan(&cluster(2, &guests)).moves.is_empty());
    }

    #[test]
    fn what_is_pinned_stays() {
        let guests: Vec<_> = (0..8).map(|_| (1, 2, 8192, INSTANCE_MIGRATABLE | INSTANCE_PINNED)).collect();
        assert!(plan(&cluster(2, &guests)).moves.is_empty());
    }

    #[test]
    fn stranded_capacity_becomes_whole() {
        // One host is out of memory and has vCPUs left, the other nearly the other way round.
        let mut guests: Vec<_> = (0..8).map(|_| (1, 1, 8192, INSTANCE_MIGRATABLE)).collect();
        guests.extend((0..6).map(|_| (2, 2, 1024, INSTANCE_MIGRATABLE)));
        let plan = plan(&cluster(2, &guests));
        assert!(!plan.moves.is_empty() && plan.score_after < plan.score_before, "{plan:?}");
    }

    #[test]
    fn room_is_made_for_what_was_refused() {
        // 10 of 16 vCPUs are free on neither host, though 12 are free in all.
        let guests = [
            (1, 5, 8192, INSTANCE_MIGRATABLE),
            (1, 5, 8192, INSTANCE_MIGRATABLE),
            (2, 5, 8192, INSTANCE_MIGRATABLE),
            (2, 5, 8192, INSTANCE_MIGRATABLE),
        ];
        let mut cluster = cluster(2, &guests);
        assert!(plan(&cluster).moves.is_empty());
        cluster.pending = resources(1, 10, 4096);
        assert_eq!(ways(&plan(&cluster)).len(), 1);
        cluster.pending = resources(1, 17, 4096);
        assert!(plan(&cluster).moves.is_empty(), "no host is so large");
    }

    #[test]
    fn bounds_are_kept() {
        let guests: Vec<_> = (0..8).map(|_| (1, 2, 8192, INSTANCE_MIGRATABLE)).collect();
        let plan = policy::<Balance>("{}").propose(&context("{}"), &cluster(2, &guests), 2).unwrap();
        assert_eq!(plan.moves.len(), 2);
        assert!(plan_of_nothing().moves.is_empty());
    }

    fn plan_of_nothing() -> Plan {
        plan(&cluster(0, &[]))
    }

    #[test]
    fn settings_that_never_rest_are_refused() {
        assert!(complaints::<Balance>(r#"{"start_permille": 150}"#)[0].contains("stop_permille"));
        assert!(complaints::<Balance>(r#"{"moves": 1}"#)[0].contains("unknown field"));
    }
}
