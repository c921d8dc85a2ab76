//! As Ganeti places: the smallest standard deviation of what is free, of memory, disk and vCPUs, over all
//! hosts afterwards.
//!
//! A yardstick for other policies, not meant for work. See the README beside this crate.

use cascina_policy_sdk::placement::{BEST, Host, Outcome, Placement, Ranking, Request};
use cascina_policy_sdk::{Context, Failure, NoSettings, Policy};

struct Ganeti;

impl Policy for Ganeti {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Takes the host after which free resources are spread most evenly.";

    type Settings = NoSettings;

    fn new(_: NoSettings) -> Self {
        Self
    }
}

impl Placement for Ganeti {
    fn rank(&self, _ctx: &Context, request: &Request) -> Result<Outcome, Failure> {
        // hail takes the node after which the sum of the standard deviations of the parts of free memory, free
        // disk and used vCPUs is least. With sums over all candidates at hand, each costs a constant.
        let (vcpus, memory) = (request.workload.size.vcpus, request.workload.memory_mib());
        let hosts: Vec<Host> = request.hosts.iter().collect();
        let before = |host: &Host| {
            let left = host.left_after(0, 0);
            [f64::from(left.vcpus_permille), f64::from(left.memory_permille)]
        };
        let count = hosts.len().max(1) as f64;
        let (mut sum, mut squares) = ([0.0; 2], [0.0; 2]);
        for values in hosts.iter().map(before) {
            for k in 0..2 {
                sum[k] += values[k];
                squares[k] += values[k] * values[k];
            }
        }
        let score = |host: Host| {
            let (old, left) = (before(&host), host.left_after(vcpus, memory));
            let new = [f64::from(left.vcpus_permille), f64::from(left.memory_permille)];
            let mut deviation = 0.0;
            for k in 0..2 {
                let mean = (sum[k] - old[k] + new[k]) / count;
                let square = (squares[k] - old[k] * old[k] + new[k] * new[k]) / count;
                deviation += (square - mean * mean).max(0.0).sqrt();
            }
            // At most 500 each; fine steps, since one guest among many hosts changes little.
            BEST - ((deviation * 10.0) as u32).min(BEST)
        };
        Ok(Ranking::score_by(&request.hosts, score).into())
    }
}

cascina_policy_sdk::export!(Ganeti: placement);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{
        HostBuilder, assert_describes_itself, context, host, hosts, placement, policy, ranking,
    };

    fn order(candidates: impl IntoIterator<Item = HostBuilder>) -> Vec<u32> {
        let request = placement(hosts(candidates));
        let outcome = policy::<Ganeti>("{}").rank(&context("{}"), &request).unwrap();
        ranking(outcome).order(&request.hosts)
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<Ganeti>();
    }

    #[test]
    fn what_evens_out_comes_first() {
        assert_eq!(order([host(1).vcpus(16, 4), host(2).vcpus(16, 16), host(3).vcpus(16, 10)])[0], 1);
    }
}
