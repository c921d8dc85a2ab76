//! Packs: the host that is left fullest wins, unless that would strand cores without memory or
//! memory without cores. See the README beside this crate.

use cascina_policy_sdk::placement::{BEST, Host, Outcome, Placement, Ranking, Request};
use cascina_policy_sdk::{Context, Failure, Policy};
use schemars::JsonSchema;
use serde::Deserialize;

/// How much each consideration counts. Only their proportions matter.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Weight of leaving little free on the host.
    #[schemars(range(max = 1000))]
    fill: u32,
    /// Weight of leaving vCPUs and memory in the host's own proportion, so that neither is stranded.
    #[schemars(range(max = 1000))]
    balance: u32,
    /// Weight of a host that is in use already, so that empty ones stay empty.
    #[schemars(range(max = 1000))]
    in_use: u32,
    /// Weight of having the image on the host already.
    #[schemars(range(max = 1000))]
    cached: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { fill: 40, balance: 30, in_use: 20, cached: 10 }
    }
}

struct Pack {
    settings: Settings,
}

impl Policy for Pack {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Fills hosts one after another without stranding cores or memory, and keeps others empty.";

    type Settings = Settings;

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn complaints(settings: &Settings) -> Vec<Failure> {
        let weights = [settings.fill, settings.balance, settings.in_use, settings.cached];
        let mut complaints = Vec::new();
        if weights.iter().any(|weight| *weight > 1000) {
            complaints.push(Failure::new(
                "weight-too-large",
                "fill, balance, in_use and cached are weights of at most 1000 each.",
            ));
        }
        if weights.iter().all(|weight| *weight == 0) {
            complaints.push(Failure::new(
                "no-weight",
                "At least one of fill, balance, in_use and cached must be above 0, or nothing is \
                 ranked.",
            ));
        }
        complaints
    }
}

impl Placement for Pack {
    fn rank(&self, _ctx: &Context, request: &Request) -> Result<Outcome, Failure> {
        let Settings { fill, balance, in_use, cached } = self.settings;
        let vcpus = request.workload.size.vcpus;
        let memory = request.workload.memory_mib();
        // Weights in parts of 65536, so that a host costs no division by their sum.
        let sum = (fill + balance + in_use + cached).max(1);
        let part = |weight: u32| (weight << 16) / sum;
        let (fill, balance) = (part(fill), part(balance));
        let (in_use, cached) = (part(in_use) * 1000, part(cached) * 1000);

        let score = |host: Host| {
            let left = host.left_after(vcpus, memory);
            let full = 1000 - (left.vcpus_permille + left.memory_permille) / 2;
            let even = 1000 - left.vcpus_permille.abs_diff(left.memory_permille);
            let used = if host.is_empty() { 0 } else { in_use };
            let near = if host.image_cached() { cached } else { 0 };
            ((full * fill + even * balance + used + near) >> 16) * (BEST / 1000)
        };
        Ok(Ranking::score_by(&request.hosts, score).into())
    }
}

cascina_policy_sdk::export!(Pack: placement);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{
        HostBuilder, assert_describes_itself, complaints, context, host, hosts, placement, policy, ranking,
    };

    /// For 2 vCPUs and 8 GiB on hosts of 16 vCPUs and 64 GiB.
    fn order(settings: &str, candidates: impl IntoIterator<Item = HostBuilder>) -> Vec<u32> {
        let request = placement(hosts(candidates));
        let outcome = policy::<Pack>(settings).rank(&context(settings), &request).unwrap();
        ranking(outcome).order(&request.hosts)
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<Pack>();
    }

    #[test]
    fn the_fullest_host_comes_first_and_the_empty_one_last() {
        let rows = [host(1), host(2).vcpus(16, 8).memory(65_536, 32_768), host(3).vcpus(16, 2).memory(65_536, 8_192)];
        assert_eq!(order("{}", rows), [2, 1, 0]);
    }

    #[test]
    fn memory_without_cores_is_not_left_behind() {
        // Host 1 is as full on average, but would keep 56 GiB that no core can use.
        let rows = [host(1).vcpus(16, 2).memory(65_536, 65_536), host(2).vcpus(16, 9).memory(65_536, 36_864)];
        assert_eq!(order("{}", rows), [1, 0]);
        assert_eq!(order(r#"{"balance":0,"in_use":0}"#, rows), [0, 1]);
    }

    #[test]
    fn the_balance_is_the_hosts_own() {
        // The second host has twice the memory a core; both are left in proportion.
        let rows = [host(1).vcpus(16, 10).memory(65_536, 65_536), host(2).vcpus(16, 10).memory(131_072, 73_728)];
        assert_eq!(order(r#"{"fill":0}"#, rows), [1, 0]);
    }

    #[test]
    fn a_cached_image_decides_between_equals() {
        assert_eq!(order("{}", [host(1), host(2).cached()]), [1, 0]);
    }

    #[test]
    fn the_perfect_host_gets_nearly_the_best_score() {
        let request = placement(hosts([host(1).vcpus(16, 2).memory(65_536, 8_192).cached()]));
        let outcome = policy::<Pack>("{}").rank(&context("{}"), &request).unwrap();
        assert!((9_900..=BEST).contains(&ranking(outcome).scores[0]));
    }

    #[test]
    fn settings_that_rank_nothing_are_refused() {
        let zero = r#"{"fill":0,"balance":0,"in_use":0,"cached":0}"#;
        assert!(complaints::<Pack>(zero)[0].contains("above 0"));
        assert_eq!(complaints::<Pack>(r#"{"fill":1001}"#).len(), 1);
        assert!(complaints::<Pack>(r#"{"fill":"much"}"#)[0].contains("u32"));
    }
}
