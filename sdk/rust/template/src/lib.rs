//! House rules: tenants belong to somebody, farms end and stay within a size, busy hosts are left alone.

use cascina_policy_sdk::admission::{Admission, FarmRequest, TenantRequest};
use cascina_policy_sdk::placement::{Host, Outcome, Placement, Ranking, Request};
use cascina_policy_sdk::{Answer, Approver, Context, Failure, Policy, Reason, Resources};
use schemars::JsonSchema;
use serde::Deserialize;

/// What an operator may set on a binding.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    /// Hosts with more CPU load than this are left alone, in permille.
    #[schemars(range(max = 1000))]
    busy_permille: u32,
    /// Most instances in one farm.
    #[schemars(range(min = 1, max = 100_000))]
    most_instances: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self { busy_permille: 900, most_instances: 100 }
    }
}

struct HouseRules {
    settings: Settings,
}

impl Policy for HouseRules {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Farms end and stay within a size; busy hosts are left alone, and others filled.";
    type Settings = Settings;

    fn new(settings: Settings) -> Self {
        Self { settings }
    }
}

impl Admission for HouseRules {
    fn admit_tenant(&self, _ctx: &Context, request: &TenantRequest) -> Result<Answer, Failure> {
        let (tenant, groups) = (&request.subject.tenant, &request.subject.groups);
        Ok(if groups.is_empty() {
            let text = format!("Tenant {tenant} belongs to no group; a site admin has to approve it.");
            Answer::allow().pend(Approver::SiteAdmin, "no-group", text)
        } else {
            Answer::allow().note("group", format!("Tenant {tenant} belongs to {}.", groups.join(", ")))
        })
    }

    fn admit_farm(&self, _ctx: &Context, request: &FarmRequest) -> Result<Answer, Failure> {
        let (wanted, most) = (request.total, self.settings.most_instances);
        let mut answer = Answer::allow();
        if request.lease_s == 0 {
            let farm = &request.subject.farm;
            answer = answer.deny("no-lease", format!("Farm {farm} has no end; say for how long it is needed."));
        }
        let count = wanted.instances;
        Ok(if count > most {
            let of_one = |all: u64| all / u64::from(count) * u64::from(most);
            let offer = Resources {
                instances: most,
                vcpus: wanted.vcpus / count * most,
                memory_mib: of_one(wanted.memory_mib),
                disk_gib: of_one(wanted.disk_gib),
                ..wanted
            };
            let text = format!("{count} instances are asked for; {most} are allowed in one farm.");
            answer.counter_offer(offer, "too-many", text)
        } else {
            answer.note("within", format!("{count} instances are within the {most} allowed."))
        })
    }
}

/// How much each consideration counts, in parts of 65536: leaving little free, leaving cores and memory
/// in proportion, a host that is in use already, one that has the image.
const FILL: u32 = 26_214;
const BALANCE: u32 = 19_660;
const IN_USE: u32 = 13_107_000;
const CACHED: u32 = 6_553_000;

impl Placement for HouseRules {
    fn rank(&self, _ctx: &Context, request: &Request) -> Result<Outcome, Failure> {
        let (hosts, busy) = (&request.hosts, self.settings.busy_permille);
        if hosts.is_empty() {
            return Ok(Outcome::Abstain);
        }
        let (vcpus, memory) = (request.workload.size.vcpus, request.workload.memory_mib());
        let score = |host: Host| {
            let left = host.left_after(vcpus, memory);
            let full = 1000 - (left.vcpus_permille + left.memory_permille) / 2;
            let even = 1000 - left.vcpus_permille.abs_diff(left.memory_permille);
            let used = if host.is_empty() { 0 } else { IN_USE };
            let near = if host.image_cached() { CACHED } else { 0 };
            ((full * FILL + even * BALANCE + used + near) >> 16) * 10
        };
        let mut ranking = Ranking::score_by(hosts, score);
        let reason = Reason::denial("busy", format!("The host's load is above {busy} permille."));
        ranking.exclude_where(hosts, &reason, |host| host.load_permille > busy);
        let (all, left) = (hosts.len(), hosts.len() - ranking.excluded.len());
        if left == 0 {
            return Ok(Outcome::refuse("all-busy", format!("All {all} hosts are above {busy} permille of load.")));
        }
        Ok(ranking.note("ranked", format!("{left} of {all} hosts are ranked.")).into())
    }
}

cascina_policy_sdk::export!(HouseRules: admission, placement);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{assert_describes_itself, context, host, hosts, placement, policy, ranking};

    #[test]
    fn describes_itself() {
        assert_describes_itself::<HouseRules>();
    }

    #[test]
    fn busy_hosts_are_left_alone() {
        let request = placement(hosts([host(1).load(500), host(2).load(950), host(3).vcpus(16, 4)]));
        let outcome = policy::<HouseRules>("{}").rank(&context("{}"), &request).unwrap();
        assert_eq!(ranking(outcome).order(&request.hosts), [2, 0]);
    }
}
