//! Best fit: the host on which least is left, in the sum of what is left of vCPUs and memory.
//!
//! A yardstick for other policies, not meant for work. See the README beside this crate.

use cascina_policy_sdk::placement::{BEST, Host, Outcome, Placement, Ranking, Request};
use cascina_policy_sdk::{Context, Failure, NoSettings, Policy};

struct BestFit;

impl Policy for BestFit {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Takes the host on which least is left.";

    type Settings = NoSettings;

    fn new(_: NoSettings) -> Self {
        Self
    }
}

impl Placement for BestFit {
    fn rank(&self, _ctx: &Context, request: &Request) -> Result<Outcome, Failure> {
        let (vcpus, memory) = (request.workload.size.vcpus, request.workload.memory_mib());
        let score = |host: Host| {
            let left = host.left_after(vcpus, memory);
            BEST - (left.vcpus_permille + left.memory_permille) * (BEST / 2000)
        };
        Ok(Ranking::score_by(&request.hosts, score).into())
    }
}

cascina_policy_sdk::export!(BestFit: placement);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{
        HostBuilder, assert_describes_itself, context, host, hosts, placement, policy, ranking,
    };

    fn order(candidates: impl IntoIterator<Item = HostBuilder>) -> Vec<u32> {
        let request = placement(hosts(candidates));
        let outcome = policy::<BestFit>("{}").rank(&context("{}"), &request).unwrap();
        ranking(outcome).order(&request.hosts)
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<BestFit>();
    }

    #[test]
    fn the_fullest_comes_first() {
        assert_eq!(order([host(1).vcpus(16, 16), host(2).vcpus(16, 4)]), [1, 0]);
    }
}
