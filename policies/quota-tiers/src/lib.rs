//! Limits by service tier and host class. See the README beside this crate.

mod settings;

use cascina_policy_sdk::quota::{Assignment, AssignmentRequest, Consumption, Limit, Quota};
use cascina_policy_sdk::{Answer, Context, Failure, Policy, Reason};
use settings::Settings;

struct Tiers {
    settings: Settings,
}

impl Policy for Tiers {
    const NAME: &'static str = env!("CARGO_PKG_NAME");
    const VERSION: &'static str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &'static str = "Gives each tenant the limits of its service tier, overall and by host class.";

    type Settings = Settings;

    fn new(settings: Settings) -> Self {
        Self { settings }
    }

    fn complaints(settings: &Settings) -> Vec<Failure> {
        settings.complaints()
    }
}

impl Quota for Tiers {
    fn assign(&self, _ctx: &Context, request: &AssignmentRequest) -> Result<Assignment, Failure> {
        let wanted = request.subject.tier.as_str();
        let Settings { tiers, default_tier, .. } = &self.settings;
        let (tier, reason) = if tiers.contains_key(wanted) {
            (wanted, Reason::info("tier", format!("Limits of tier \"{wanted}\".")))
        } else {
            (
                default_tier.as_str(),
                Reason::warning(
                    "unknown-tier",
                    format!(
                        "There is no tier \"{wanted}\", so the limits of \"{default_tier}\" apply. \
                         Known tiers: {}.",
                        self.settings.names()
                    ),
                ),
            )
        };
        let Some(rows) = tiers.get(tier) else {
            return Err(Failure::new(
                "no-default-tier",
                format!("settings: default_tier \"{tier}\" is none of the tiers."),
            ));
        };

        let mut assignment = Assignment { limits: Vec::with_capacity(rows.len()), reasons: vec![reason] };
        for (class, limits) in rows {
            if class.is_empty() {
                assignment.limits.push(Limit::overall((*limits).into()));
            } else if request.classes.contains(class) {
                assignment.limits.push(Limit::of_class(class, (*limits).into()));
            } else {
                assignment.reasons.push(Reason::warning(
                    "unknown-class",
                    format!("Tier \"{tier}\" limits class \"{class}\", which this site does not have."),
                ));
            }
        }
        Ok(assignment)
    }

    fn check(&self, _ctx: &Context, request: &Consumption) -> Result<Answer, Failure> {
        let answer = Answer::allow();
        Ok(match self.settings.max_instances_at_once {
            Some(most) if request.wanted.instances > most => answer.deny(
                "too-many-at-once",
                format!(
                    "{} instances are wanted in one request; at most {most} are allowed. Ask for \
                     fewer, and again when they run.",
                    request.wanted.instances
                ),
            ),
            _ => answer,
        })
    }
}

cascina_policy_sdk::export!(Tiers: quota);

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_policy_sdk::testing::{
        assert_describes_itself, assignment_request, complaints, consumption, context, policy, resources,
    };
    use cascina_policy_sdk::{Resources, Verdict};

    fn assign(settings: &str, tier: &str) -> Assignment {
        policy::<Tiers>(settings).assign(&context(settings), &assignment_request(tier)).unwrap()
    }

    #[test]
    fn describes_itself() {
        assert_describes_itself::<Tiers>();
    }

    #[test]
    fn the_tier_decides() {
        let restricted = assign("{}", "restricted");
        assert_eq!(restricted.limits[0].limit.vcpus, 8);
        assert_eq!(restricted.limits[0].limit.disk_gib, 200);
        assert_eq!(assign("{}", "standard").limits[0].limit.instances, 32);
        assert_eq!(assign("{}", "unlimited").limits[0].limit, Resources::UNLIMITED);
    }

    #[test]
    fn an_unknown_tier_is_restricted_and_told_so() {
        let assignment = assign("{}", "platinum");
        assert_eq!(assignment.limits, assign("{}", "restricted").limits);
        assert_eq!(assignment.reasons[0].code, "unknown-tier");
        assert!(assignment.reasons[0].text.contains("restricted, standard, unlimited"));
    }

    #[test]
    fn classes_have_limits_of_their_own() {
        let settings = r#"{
            "tiers": {"lab": {"": {"vcpus": 100}, "workers": {"vcpus": 90}, "gpu": {"vcpus": 0}}},
            "default_tier": "lab"
        }"#;
        let assignment = assign(settings, "lab");
        let limits: Vec<_> = assignment.limits.iter().map(|limit| (limit.class.as_str(), limit.limit.vcpus)).collect();
        assert_eq!(limits, [("", 100), ("workers", 90)]);
        assert_eq!(assignment.reasons[1].code, "unknown-class");
    }

    #[test]
    fn the_default_tier_must_exist() {
        let complaint = &complaints::<Tiers>(r#"{"tiers": {"lab": {}}}"#)[0];
        assert!(complaint.contains("\"restricted\""), "{complaint}");
        assert!(!complaints::<Tiers>(r#"{"tiers": {}}"#).is_empty());
    }

    #[test]
    fn a_misspelt_resource_is_refused() {
        let text = &complaints::<Tiers>(r#"{"tiers": {"lab": {"": {"vcpu": 1}}}}"#)[0];
        assert!(text.contains("unknown field `vcpu`"), "{text}");
    }

    #[test]
    fn requests_may_be_capped() {
        let check = |settings: &str, instances| {
            policy::<Tiers>(settings)
                .check(&context(settings), &consumption(resources(instances, 1, 1)))
                .unwrap()
                .verdict
        };
        let capped = r#"{"max_instances_at_once": 10}"#;
        assert_eq!(check("{}", 5000), Verdict::Allow);
        assert_eq!(check(capped, 10), Verdict::Allow);
        assert_eq!(check(capped, 11), Verdict::Deny);
    }
}
