//! Empties hosts, the least used first, and switches idle ones off; switches some on again when room runs
//! out. See the README beside this crate.

use cascina_policy_sdk::reallocation::{
    Cluster, HOST_OFF, Host, INSTANCE_ROUTER, Instance, Migration, Plan, Reallocation, Step,
};
use cascina_policy_sdk::{Context, Failure, Policy, Reason};
use schemars::JsonSchema;
use serde::Deserialize;

/// How far to go.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Hosts are filled up to so many thousandths of their vCPUs and memory.
    #[schemars(range(min = 1, max = 1000))]
    fill_permille: u32,
    /// Only hosts below this are emptied.
    #[schemars(range(max = 1000))]
    empty_below_permille: u32,
    /// Switch hosts off that are empty …
    power_off: bool,
    /// … but for so many of each class, which are kept for what may come.
    spare: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fill_permille: 900, empty_below_permille: 400, power_off: false, spare: 1 }
    }
}

struct Consolidate {
    settings: Settings,
}

impl Policy for Consolidate {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Empties the least used hosts and switches idle ones off, and on again when room runs out.";

    type Settings = Settings;

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn complaints(settings: &Settings) -> Vec<Failure> {
        if settings.empty_below_permille > settings.fill_permille {
            return vec![Failure::new(
                "empties-what-it-fills",
                "empty_below_permille must not be above fill_permille, or hosts would be filled and emptied in turn.",
            )];
        }
        Vec::new()
    }
}

impl Consolidate {
    /// Where all guests of a host can go: the fullest hosts that have room, but no empty ones.
    fn targets(&self, hosts: &[Host], order: &[usize], from: usize, guests: &[Instance]) -> Option<Vec<usize>> {
        let mut changed: std::collections::BTreeMap<usize, Host> = std::collections::BTreeMap::new();
        let mut ways = Vec::with_capacity(guests.len());
        for instance in guests {
            let found = order.iter().rev().copied().find(|place| {
                let host = changed.get(place).unwrap_or(&hosts[*place]);
                if *place == from || host.class != hosts[from].class || !host.is_open() || !host.fits(instance) {
                    return false;
                }
                let mut full = *host;
                full.take(instance);
                host.used_permille() > 0 && full.used_permille() <= self.settings.fill_permille
            })?;
            changed.entry(found).or_insert(hosts[found]).take(instance);
            ways.push(found);
        }
        Some(ways)
    }
}

fn score(hosts: &[Host]) -> u32 {
    hosts.iter().filter(|host| host.is_open() && host.used_permille() > 0).count() as u32
}

impl Reallocation for Consolidate {
    fn propose(&self, _ctx: &Context, cluster: &Cluster, max_moves: u32) -> Result<Plan, Failure> {
        let mut hosts = cluster.hosts();
        let guests = cluster.guests_by_host(&hosts);
        let mut plan = Plan::unchanged(score(&hosts));
        let room = |plan: &Plan| (max_moves as usize).saturating_sub(plan.moves.len());
        let short = cluster.pending.instances > 0;
        if short {
            // Nothing is emptied while something is refused.
            for host in hosts.iter().filter(|host| host.state & HOST_OFF != 0).take(room(&plan)) {
                plan.push(Step::PowerOn(host.id), &[], Reason::info("room-wanted", "Requests were refused."));
            }
            return Ok(plan);
        }
        let mut order: Vec<usize> = (0..hosts.len()).filter(|place| hosts[*place].is_open()).collect();
        order.sort_by_key(|place| (hosts[*place].used_permille(), *place));
        let mut filled = vec![false; hosts.len()];
        for from in order.clone() {
            let host = hosts[from];
            let used = host.used_permille();
            // What was just filled is not emptied again.
            if used == 0 || used >= self.settings.empty_below_permille || filled[from] {
                continue;
            }
            let mut here: Vec<Instance> = guests[from].iter().map(|guest| cluster.instance(*guest as usize)).collect();
            if here.len() > room(&plan) || here.iter().any(|guest| !guest.is_movable() || guest.traits & INSTANCE_ROUTER != 0) {
                continue;
            }
            // The largest first: the small ones fit into what is left.
            here.sort_by_key(|guest| (std::cmp::Reverse(guest.memory_mib), std::cmp::Reverse(guest.vcpus), guest.id));
            let Some(ways) = self.targets(&hosts, &order, from, &here) else { continue };
            for (instance, to) in here.iter().zip(ways) {
                let why = Reason::info("empty-host", format!("Its host is {used} ‰ full and can be emptied."));
                plan.push(Step::Migrate(Migration { instance: instance.id, to: hosts[to].id }), &[], why);
                hosts[from].release(instance);
                hosts[to].take(instance);
                filled[to] = true;
            }
        }
        if self.settings.power_off {
            self.switch_off(&hosts, &mut plan, max_moves);
        }
        plan.score_after = score(&hosts);
        Ok(plan)
    }
}

impl Consolidate {
    fn switch_off(&self, hosts: &[Host], plan: &mut Plan, max_moves: u32) {
        let mut spare: std::collections::BTreeMap<u32, u32> = std::collections::BTreeMap::new();
        for host in hosts.iter().filter(|host| host.is_open() && host.used_permille() == 0) {
            let kept = spare.entry(host.class).or_default();
            if *kept < self.settings.spare {
                *kept += 1;
                continue;
            }
            if plan.moves.len() >= max_moves as usize {
                return;
            }
            let before: Vec<u32> = (0..plan.moves.len() as u32).collect();
            plan.push(Step::PowerOff(host.id), &before, Reason::info("idle-host", "Nothing runs there."));
        }
    }
}

cascina_policy_sdk::export!(Consolidate: reallocation);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::reallocation::{HOST_CORDONED, INSTANCE_MIGRATABLE, INSTANCE_PINNED};
    use cascina_policy_sdk::testing::{assert_describes_itself, cluster, complaints, context, policy, resources};

    fn plan(settings: &str, cluster: &Cluster) -> Plan {
        policy::<Consolidate>(settings).propose(&context(settings), cluster, 32).unwrap()
    }

    const SMALL: (u32, u32, u32, u32) = (1, 2, 4096, INSTANCE_MIGRATABLE);

    fn on(host: u32) -> (u32, u32, u32, u32) {
        (host, SMALL.1, SMALL.2, SMALL.3)
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<Consolidate>();
    }

    #[test]
    fn the_least_used_host_is_emptied() {
        let plan = plan("{}", &cluster(3, &[on(1), on(2), on(2), on(3), on(3), on(3)]));
        assert!(plan.score_after < plan.score_before, "{plan:?}");
        assert!(matches!(plan.moves[0].step, Step::Migrate(Migration { instance: 1, .. })));
    }

    #[test]
    fn a_host_with_somebody_who_stays_is_left() {
        let pinned = (1, 2, 4096, INSTANCE_MIGRATABLE | INSTANCE_PINNED);
        let plan = plan("{}", &cluster(2, &[on(1), pinned, on(2), on(2), on(2), on(2)]));
        assert!(plan.moves.is_empty(), "{plan:?}");
    }

    #[test]
    fn idle_hosts_go_off_but_for_spare_ones() {
        let settings = r#"{"power_off": true, "spare": 1}"#;
        let plan = plan(settings, &cluster(4, &[on(1)]));
        let off: Vec<_> = plan.moves.iter().filter(|one| matches!(one.step, Step::PowerOff(_))).collect();
        assert_eq!(off.len(), 2);
    }

    #[test]
    fn hosts_come_back_when_room_runs_out() {
        let mut cluster = cluster(2, &[on(1)]);
        cluster.hosts.state[1] = HOST_OFF | HOST_CORDONED;
        cluster.pending = resources(1, 4, 4096);
        let plan = plan("{}", &cluster);
        assert_eq!(plan.moves.len(), 1);
        assert!(matches!(plan.moves[0].step, Step::PowerOn(2)));
    }

    #[test]
    fn settings_that_flap_are_refused() {
        let complaints = complaints::<Consolidate>(r#"{"fill_permille": 300}"#);
        assert!(complaints[0].contains("empty_below_permille"), "{complaints:?}");
    }
}
