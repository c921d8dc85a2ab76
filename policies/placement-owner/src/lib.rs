//! An owner's rules for its own hosts: own work first, idle capacity lent to others until it is
//! recalled. See the README beside this crate.

use cascina_policy_sdk::placement::{BEST, Outcome, Placement, Ranking, Request, Share};
use cascina_policy_sdk::{Context, Failure, Policy, Reason};
use schemars::JsonSchema;
use serde::Deserialize;

/// How much of the share others may use.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Most of the share's vCPUs that may be lent at any time, in percent. 0 lends nothing.
    #[schemars(range(max = 100))]
    lend_percent: u32,
    /// vCPUs that stay free for the owner's next work, whatever else is lent.
    reserve_vcpus: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { lend_percent: 50, reserve_vcpus: 0 }
    }
}

struct Owner {
    settings: Settings,
}

/// Hosts of other owners, on which this policy has no opinion.
const ELSEWHERE: u32 = BEST / 2;
/// Lent hosts are taken after those of the site.
const LENT: u32 = BEST / 4;

impl Policy for Owner {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str =
        "Keeps an owner's hosts for its own work and lends idle ones until they are recalled.";

    type Settings = Settings;

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn complaints(settings: &Settings) -> Vec<Failure> {
        if settings.lend_percent > 100 {
            return vec![Failure::new(
                "lend-percent-too-large",
                "lend_percent is a part of the share's vCPUs, at most 100.",
            )];
        }
        Vec::new()
    }
}

impl Owner {
    /// Why the share lends nothing to this request.
    fn objection(&self, share: &Share, tenant: &str, vcpus: u32) -> Option<Reason> {
        if share.recalled {
            return Some(Reason::denial(
                "recalled",
                format!("The owner has recalled these hosts, so tenant {tenant} cannot use them for now."),
            ));
        }
        if self.settings.lend_percent == 0 {
            return Some(Reason::denial("not-lent", "The owner keeps these hosts for its own tenants."));
        }
        // In 64 bits: a percentage of a large share does not fit in 32.
        let most = u64::from(share.vcpus) * u64::from(self.settings.lend_percent) / 100;
        let lent = u64::from(share.vcpus_lent);
        let vcpus = u64::from(vcpus);
        if lent + vcpus > most {
            return Some(Reason::denial(
                "lent-out",
                format!(
                    "The owner lends at most {most} of its {} vCPUs; {lent} are lent already, and \
                     {vcpus} more are wanted.",
                    share.vcpus
                ),
            ));
        }
        let idle = u64::from(share.vcpus).saturating_sub(u64::from(share.vcpus_own) + lent);
        let reserve = u64::from(self.settings.reserve_vcpus);
        if idle < vcpus + reserve {
            return Some(Reason::denial(
                "reserved",
                format!(
                    "The owner keeps {reserve} vCPUs free for its own work; {idle} are idle, and \
                     {vcpus} are wanted."
                ),
            ));
        }
        None
    }
}

impl Placement for Owner {
    fn rank(&self, _ctx: &Context, request: &Request) -> Result<Outcome, Failure> {
        // Bound to the site there is no owner to speak for.
        let Some(share) = &request.share else {
            return Ok(Outcome::Abstain);
        };
        let score = if share.own { BEST } else { LENT };
        let mut ranking =
            Ranking::score_by(&request.hosts, |host| if host.share == share.number { score } else { ELSEWHERE });
        if share.own {
            return Ok(ranking.note("own-work", "Own work comes first on the owner's hosts.").into());
        }
        let vcpus = request.workload.size.vcpus;
        match self.objection(share, &request.subject.tenant, vcpus) {
            Some(objection) => {
                ranking.exclude_where(&request.hosts, &objection, |host| host.share == share.number);
                Ok(ranking.into())
            }
            None => Ok(ranking
                .note(
                    "lent",
                    "Idle capacity is lent until the owner recalls it; a recall may stop the \
                     instance.",
                )
                .into()),
        }
    }
}

cascina_policy_sdk::export!(Owner: placement);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{
        assert_describes_itself, complaints, context, host, hosts, placement, policy, ranking,
    };

    /// Share 3 has 64 vCPUs: 16 in use by its owner, 16 lent.
    fn share() -> Share {
        Share { number: 3, own: false, recalled: false, vcpus: 64, vcpus_own: 16, vcpus_lent: 16 }
    }

    /// One host of the site and two of share 3, for 2 vCPUs.
    fn rank(settings: &str, share: Share) -> Ranking {
        let mut request = placement(hosts([host(1), host(2).share(3), host(3).share(3)]));
        request.share = Some(share);
        ranking(policy::<Owner>(settings).rank(&context(settings), &request).unwrap())
    }

    fn refusal(ranking: &Ranking) -> &str {
        let rows: Vec<u32> = ranking.excluded.iter().map(|out| out.row).collect();
        assert_eq!(rows, [1, 2], "only the owner's hosts are out");
        &ranking.codes[0].code
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<Owner>();
    }

    #[test]
    fn own_work_goes_to_own_hosts_even_when_recalled() {
        let own = Share { own: true, recalled: true, vcpus_own: 64, ..share() };
        let ranking = rank(r#"{"lend_percent":0}"#, own);
        assert!(ranking.excluded.is_empty());
        assert_eq!(ranking.scores, [ELSEWHERE, BEST, BEST]);
    }

    #[test]
    fn idle_capacity_is_lent_after_the_sites_own() {
        let ranking = rank("{}", share());
        assert!(ranking.excluded.is_empty());
        assert_eq!(ranking.scores, [ELSEWHERE, LENT, LENT]);
        assert_eq!(ranking.reasons[0].code, "lent");
    }

    #[test]
    fn a_recall_ends_the_lending() {
        let recalled = Share { recalled: true, ..share() };
        let ranking = rank("{}", recalled);
        assert_eq!(refusal(&ranking), "recalled");
        assert!(ranking.codes[0].text.contains("tenant atlas"));
    }

    #[test]
    fn lending_stops_at_the_limit() {
        let at = |lent| Share { vcpus_lent: lent, ..share() };
        assert!(rank("{}", at(30)).excluded.is_empty());
        assert_eq!(refusal(&rank("{}", at(31))), "lent-out");
        assert_eq!(refusal(&rank(r#"{"lend_percent":0}"#, share())), "not-lent");
    }

    #[test]
    fn the_reserve_stays_free() {
        // 32 are idle: 2 for this request leave 30.
        assert!(rank(r#"{"reserve_vcpus":30}"#, share()).excluded.is_empty());
        assert_eq!(refusal(&rank(r#"{"reserve_vcpus":31}"#, share())), "reserved");
    }

    #[test]
    fn without_a_share_there_is_nothing_to_say() {
        let request = placement(hosts([host(1)]));
        let outcome = policy::<Owner>("{}").rank(&context("{}"), &request);
        assert_eq!(outcome, Ok(Outcome::Abstain));
    }

    #[test]
    fn more_than_everything_cannot_be_lent() {
        assert!(complaints::<Owner>(r#"{"lend_percent":101}"#)[0].contains("at most 100"));
    }
}
