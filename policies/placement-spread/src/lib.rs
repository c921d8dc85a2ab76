//! Spreads: the host with the most free capacity wins, then the one with the fewest instances of
//! the same farm, then the least loaded one. See the README beside this crate.

use cascina_policy_sdk::placement::{BEST, Host, Outcome, Placement, Ranking, Request};
use cascina_policy_sdk::{Context, Failure, Policy};
use schemars::JsonSchema;
use serde::Deserialize;

/// How much each consideration counts. Only their proportions matter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Weight of free capacity: the scarcer of free vCPUs and free memory, after placing.
    #[schemars(range(max = 1000))]
    free: u32,
    /// Weight of keeping instances of one farm apart.
    #[schemars(range(max = 1000))]
    apart: u32,
    /// Weight of a low CPU load.
    #[schemars(range(max = 1000))]
    load: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { free: 60, apart: 30, load: 10 }
    }
}

struct Spread {
    settings: Settings,
}

impl Policy for Spread {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Spreads instances over the hosts with the most room, apart from others of their farm.";

    type Settings = Settings;

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn complaints(settings: &Settings) -> Vec<Failure> {
        let weights = [settings.free, settings.apart, settings.load];
        let mut complaints = Vec::new();
        if weights.iter().any(|weight| *weight > 1000) {
            complaints.push(Failure::new("weight-too-large", "free, apart and load are weights of at most 1000 each."));
        }
        if weights.iter().all(|weight| *weight == 0) {
            complaints.push(Failure::new(
                "no-weight",
                "At least one of free, apart and load must be above 0, or nothing is ranked.",
            ));
        }
        complaints
    }
}

impl Placement for Spread {
    fn rank(&self, _ctx: &Context, request: &Request) -> Result<Outcome, Failure> {
        let Settings { free, apart, load } = self.settings;
        let needs_vcpus = request.workload.size.vcpus;
        let needs_memory = request.workload.memory_mib();
        // Weights in parts of 65536 of the best score, so that a host costs no division by them.
        let sum = (free + apart + load).max(1);
        let part = |weight: u32| (weight << 16) / sum;
        let (free, apart, load) = (part(free), part(apart), part(load));

        let score = |host: Host| {
            let left = host.left_after(needs_vcpus, needs_memory);
            let room = left.vcpus_permille.min(left.memory_permille);
            // Halves with each neighbour of the same farm: the first one matters most.
            let alone = 1000 >> host.same_farm.min(10);
            let idle = 1000 - host.load_permille.min(1000);
            ((room * free + alone * apart + idle * load) >> 16) * (BEST / 1000)
        };
        Ok(Ranking::score_by(&request.hosts, score).into())
    }
}

cascina_policy_sdk::export!(Spread: placement);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{
        HostBuilder, assert_describes_itself, complaints, context, host, hosts, placement, policy, ranking,
    };

    fn order(settings: &str, candidates: impl IntoIterator<Item = HostBuilder>) -> Vec<u32> {
        let request = placement(hosts(candidates));
        let outcome = policy::<Spread>(settings).rank(&context(settings), &request).unwrap();
        ranking(outcome).order(&request.hosts)
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<Spread>();
    }

    #[test]
    fn the_emptiest_host_comes_first() {
        let rows = [host(1).vcpus(16, 4), host(2).vcpus(16, 16), host(3).vcpus(16, 10)];
        assert_eq!(order("{}", rows), [1, 2, 0]);
    }

    #[test]
    fn the_scarcer_of_cores_and_memory_counts() {
        let rows = [host(1).vcpus(16, 16).memory(65_536, 9_000), host(2).vcpus(16, 8).memory(65_536, 32_768)];
        assert_eq!(order("{}", rows), [1, 0]);
    }

    #[test]
    fn instances_of_one_farm_keep_apart() {
        let rows = [host(1).same_farm(1), host(2).vcpus(16, 14)];
        assert_eq!(order("{}", rows), [1, 0]);
        assert_eq!(order(r#"{"apart":0}"#, rows), [0, 1]);
    }

    #[test]
    fn load_decides_between_equals() {
        let rows = [host(1).load(400), host(2).load(100), host(3).load(2500)];
        assert_eq!(order("{}", rows), [1, 0, 2]);
    }

    #[test]
    fn scores_stay_in_range() {
        let request = placement(hosts([host(1).cached(), host(2).vcpus(1, 0)]));
        let outcome = policy::<Spread>("{}").rank(&context("{}"), &request).unwrap();
        assert!(ranking(outcome).scores.iter().all(|score| *score <= BEST));
    }

    #[test]
    fn settings_that_rank_nothing_are_refused() {
        let zero = complaints::<Spread>(r#"{"free":0,"apart":0,"load":0}"#);
        assert!(zero[0].contains("above 0"), "{zero:?}");
        assert!(complaints::<Spread>(r#"{"fre":1}"#)[0].contains("unknown field `fre`"));
        assert_eq!(complaints::<Spread>(r#"{"load":5000}"#).len(), 1);
    }
}
