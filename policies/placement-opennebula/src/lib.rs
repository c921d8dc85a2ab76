//! As OpenNebula places by default: the rank is the negated number of running guests, here the used vCPUs
//! (its `RANK = FREE_CPU`, striping).
//!
//! A yardstick for other policies, not meant for work. See the README beside this crate.

use cascina_policy_sdk::placement::{BEST, Host, Outcome, Placement, Ranking, Request};
use cascina_policy_sdk::{Context, Failure, NoSettings, Policy};

struct OpenNebula;

impl Policy for OpenNebula {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Takes the host with the most free vCPUs.";

    type Settings = NoSettings;

    fn new(_: NoSettings) -> Self {
        Self
    }
}

impl Placement for OpenNebula {
    fn rank(&self, _ctx: &Context, request: &Request) -> Result<Outcome, Failure> {
        let score = |host: Host| host.vcpus_free.min(BEST / 4) * 4;
        Ok(Ranking::score_by(&request.hosts, score).into())
    }
}

cascina_policy_sdk::export!(OpenNebula: placement);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{
        HostBuilder, assert_describes_itself, context, host, hosts, placement, policy, ranking,
    };

    fn order(candidates: impl IntoIterator<Item = HostBuilder>) -> Vec<u32> {
        let request = placement(hosts(candidates));
        let outcome = policy::<OpenNebula>("{}").rank(&context("{}"), &request).unwrap();
        ranking(outcome).order(&request.hosts)
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<OpenNebula>();
    }

    #[test]
    fn the_most_free_vcpus_come_first() {
        assert_eq!(order([host(1).vcpus(16, 4), host(2).vcpus(64, 30)]), [1, 0]);
    }
}
