//! First fit: the host with the lowest number that has room.
//!
//! A yardstick for other policies, not meant for work. See the README beside this crate.

use cascina_policy_sdk::placement::{BEST, Host, Outcome, Placement, Ranking, Request};
use cascina_policy_sdk::{Context, Failure, NoSettings, Policy};

struct FirstFit;

impl Policy for FirstFit {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Takes the first host that has room.";

    type Settings = NoSettings;

    fn new(_: NoSettings) -> Self {
        Self
    }
}

impl Placement for FirstFit {
    fn rank(&self, _ctx: &Context, request: &Request) -> Result<Outcome, Failure> {
        // All the same: of equals the server takes the first.
        Ok(Ranking::score_by(&request.hosts, |_: Host| BEST / 2).into())
    }
}

cascina_policy_sdk::export!(FirstFit: placement);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{
        HostBuilder, assert_describes_itself, context, host, hosts, placement, policy, ranking,
    };

    fn order(candidates: impl IntoIterator<Item = HostBuilder>) -> Vec<u32> {
        let request = placement(hosts(candidates));
        let outcome = policy::<FirstFit>("{}").rank(&context("{}"), &request).unwrap();
        ranking(outcome).order(&request.hosts)
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<FirstFit>();
    }

    #[test]
    fn the_first_comes_first() {
        assert_eq!(order([host(1).vcpus(16, 2), host(2).vcpus(16, 16)]), [0, 1]);
    }
}
