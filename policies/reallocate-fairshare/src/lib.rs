//! Owners have their hosts when they want them, and lend them when they do not. See the README beside this
//! crate.

use cascina_policy_sdk::reallocation::{
    Cluster, Host, Instance, Lending, Migration, Plan, Reallocation, SHARE_RECALLED, Step,
};
use cascina_policy_sdk::{Context, Failure, Policy, Reason};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// When an owner gets its hosts back, and when it lends them again.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// An owner whose own tenants use so many thousandths of its vCPUs while others borrow some wants them
    /// back, if requests are refused.
    #[schemars(range(max = 1000))]
    recall_above_permille: u32,
    /// An owner who wanted them back lends again when its own use is below so many thousandths.
    #[schemars(range(max = 1000))]
    lend_below_permille: u32,
    /// vCPUs of each recalled share that are kept free for its owner, in thousandths.
    #[schemars(range(max = 1000))]
    free_permille: u32,
    /// Stop borrowers that can go nowhere else.
    stop: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { recall_above_permille: 800, lend_below_permille: 400, free_permille: 200, stop: true }
    }
}

struct Fairshare {
    settings: Settings,
}

impl Policy for Fairshare {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Gives owners their hosts back when they want them, and lends what they leave idle.";

    type Settings = Settings;

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn complaints(settings: &Settings) -> Vec<Failure> {
        if settings.lend_below_permille >= settings.recall_above_permille {
            return vec![Failure::new(
                "no-hysteresis",
                "lend_below_permille must be below recall_above_permille, or hosts would be lent and recalled in turn.",
            )];
        }
        Vec::new()
    }
}

struct Share {
    number: u32,
    vcpus: u32,
    own: u32,
    lent: u32,
    recalled: bool,
}

fn shares(cluster: &Cluster) -> Vec<Share> {
    let columns = &cluster.shares;
    (0..columns.number.len())
        .map(|i| Share {
            number: columns.number[i],
            vcpus: columns.vcpus[i],
            own: columns.vcpus_own[i],
            lent: columns.vcpus_lent[i],
            recalled: columns.state[i] & SHARE_RECALLED != 0,
        })
        .collect()
}

fn permille(part: u32, whole: u32) -> u32 {
    (u64::from(part) * 1000 / u64::from(whole.max(1))) as u32
}

/// The larger of its parts of all vCPUs and of all memory that a farm has: who has most gives first.
fn dominant(cluster: &Cluster, hosts: &[Host]) -> BTreeMap<u32, u64> {
    let vcpus: u64 = hosts.iter().map(|host| u64::from(host.vcpus)).sum();
    let memory: u64 = hosts.iter().map(|host| u64::from(host.memory_mib)).sum();
    let mut taken: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    for i in 0..cluster.instance_count() {
        let instance = cluster.instance(i);
        let sum = taken.entry(instance.farm).or_default();
        sum.0 += u64::from(instance.vcpus);
        sum.1 += u64::from(instance.memory_mib);
    }
    let part = |part: u64, whole: u64| part * 1_000_000 / whole.max(1);
    taken.into_iter().map(|(farm, (a, b))| (farm, part(a, vcpus).max(part(b, memory)))).collect()
}

impl Reallocation for Fairshare {
    fn propose(&self, _ctx: &Context, cluster: &Cluster, max_moves: u32) -> Result<Plan, Failure> {
        let mut hosts = cluster.hosts();
        let shares = shares(cluster);
        // vCPUs of recalled shares that others still have.
        let owed = |share: &Share| if share.recalled { share.lent } else { 0 };
        let mut plan = Plan::unchanged(shares.iter().map(owed).sum());
        let mut back = 0;
        let recalled: BTreeMap<u32, bool> = shares.iter().map(|share| (share.number, share.recalled)).collect();
        for share in &shares {
            let own = permille(share.own, share.vcpus);
            let wanted = cluster.pending.instances > 0 && own >= self.settings.recall_above_permille && share.lent > 0;
            if plan.moves.len() >= max_moves as usize {
                break;
            }
            if !share.recalled && wanted {
                let why = Reason::info("owner-is-short", format!("Its owner uses {own} ‰ of it, and others borrow."));
                plan.push(Step::Recall(Lending { share: share.number, vcpus: share.lent }), &[], why);
            } else if share.recalled && own < self.settings.lend_below_permille && share.lent == 0 {
                let why = Reason::info("owner-is-idle", format!("Its owner uses {own} ‰ of it."));
                plan.push(Step::Lend(Lending { share: share.number, vcpus: share.vcpus - share.own }), &[], why);
            } else if share.recalled && share.lent > 0 {
                back += self.give_back(cluster, share, &recalled, &mut hosts, &mut plan, max_moves);
            }
        }
        plan.score_after = plan.score_before.saturating_sub(back);
        Ok(plan)
    }
}

impl Fairshare {
    /// Borrowers leave until enough is free: to hosts that are not wanted back if there is room, else they
    /// are stopped. Gives the vCPUs that come back.
    fn give_back(
        &self,
        cluster: &Cluster,
        share: &Share,
        recalled: &BTreeMap<u32, bool>,
        hosts: &mut [Host],
        plan: &mut Plan,
        max_moves: u32,
    ) -> u32 {
        let free: u32 = hosts.iter().filter(|host| host.share == share.number).map(|host| host.vcpus_free).sum();
        let mut lacks = (u64::from(share.vcpus) * u64::from(self.settings.free_permille) / 1000) as u32;
        lacks = lacks.saturating_sub(free).min(share.lent);
        let dominant = dominant(cluster, hosts);
        let mut lent: Vec<Instance> = (0..cluster.instance_count())
            .map(|i| cluster.instance(i))
            .filter(|instance| instance.is_lent())
            .filter(|instance| {
                let home = hosts.binary_search_by_key(&instance.home, |host| host.id);
                home.is_ok_and(|place| hosts[place].share == share.number)
            })
            .collect();
        // Of the farm that has most, the idlest and smallest first.
        lent.sort_by_key(|one| {
            let most = dominant.get(&one.farm).copied().unwrap_or(0);
            (std::cmp::Reverse(most), std::cmp::Reverse(one.idle_s), one.memory_mib, one.id)
        });
        let mut back = 0;
        for instance in lent {
            if lacks == 0 || plan.moves.len() >= max_moves as usize {
                break;
            }
            let to = (0..hosts.len()).filter(|place| instance.is_movable() && {
                let host = &hosts[*place];
                host.share != share.number
                    && !recalled.get(&host.share).copied().unwrap_or(false)
                    && host.is_open()
                    && host.fits(&instance)
                    && hosts.binary_search_by_key(&instance.home, |host| host.id).is_ok_and(|home| {
                        hosts[home].class == host.class
                    })
            });
            let to = to.min_by_key(|place| (hosts[*place].vcpus_free, *place));
            match to {
                Some(place) => {
                    let why = Reason::info("owner-wants-it", "The owner of its host wants it back.");
                    plan.push(Step::Migrate(Migration { instance: instance.id, to: hosts[place].id }), &[], why);
                    hosts[place].take(&instance);
                }
                None if self.settings.stop => {
                    let why = Reason::info("owner-wants-it", "The owner of its host wants it back, and no other has room.");
                    plan.push(Step::Reclaim(instance.id), &[], why);
                }
                None => continue,
            }
            back += instance.vcpus;
            lacks = lacks.saturating_sub(instance.vcpus);
        }
        back
    }
}

cascina_policy_sdk::export!(Fairshare: reallocation);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::reallocation::{INSTANCE_LENT, INSTANCE_MIGRATABLE};
    use cascina_policy_sdk::testing::{assert_describes_itself, cluster, complaints, context, policy, resources};

    fn plan(settings: &str, cluster: &Cluster) -> Plan {
        policy::<Fairshare>(settings).propose(&context(settings), cluster, 32).unwrap()
    }

    /// Host 1 is share 1's, host 2 the site's; a borrower has 16 vCPUs of host 1.
    fn borrowed(site_use: u32, own: u32, state: u32) -> Cluster {
        let lent = INSTANCE_LENT | INSTANCE_MIGRATABLE;
        let mut cluster = cluster(2, &[(1, 8, 8192, lent), (1, 8, 8192, lent), (2, site_use, 8192, 0)]);
        cluster.hosts.share[0] = 1;
        cluster.shares.number = vec![1];
        cluster.shares.vcpus = vec![16];
        cluster.shares.vcpus_own = vec![own];
        cluster.shares.vcpus_lent = vec![16 - own];
        cluster.shares.state = vec![state];
        cluster
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<Fairshare>();
    }

    #[test]
    fn a_borrower_moves_if_it_can_and_is_stopped_if_not() {
        let settings = r#"{"free_permille": 500}"#;
        let moved = plan(settings, &borrowed(4, 0, SHARE_RECALLED));
        assert!(matches!(moved.moves[0].step, Step::Migrate(Migration { to: 2, .. })), "{moved:?}");
        assert_eq!(moved.moves.len(), 1, "half of the share is enough");
        let stopped = plan(settings, &borrowed(16, 0, SHARE_RECALLED));
        assert!(matches!(stopped.moves[0].step, Step::Reclaim(_)));
        let settings = r#"{"free_permille": 500, "stop": false}"#;
        assert!(plan(settings, &borrowed(16, 0, SHARE_RECALLED)).moves.is_empty());
    }

    #[test]
    fn what_is_lent_and_not_wanted_stays() {
        assert!(plan("{}", &borrowed(4, 0, 0)).moves.is_empty());
    }

    #[test]
    fn an_owner_that_is_short_gets_its_own_back() {
        let mut cluster = borrowed(4, 14, 0);
        assert!(plan("{}", &cluster).moves.is_empty());
        cluster.pending = resources(1, 4, 4096);
        assert!(matches!(plan("{}", &cluster).moves[0].step, Step::Recall(Lending { share: 1, .. })));
    }

    #[test]
    fn an_idle_owner_lends_again() {
        let mut cluster = borrowed(4, 2, SHARE_RECALLED);
        cluster.shares.vcpus_lent = vec![0];
        assert!(matches!(plan("{}", &cluster).moves[0].step, Step::Lend(Lending { share: 1, .. })));
    }

    #[test]
    fn settings_that_flap_are_refused() {
        assert!(complaints::<Fairshare>(r#"{"lend_below_permille": 900}"#)[0].contains("in turn"));
    }
}
