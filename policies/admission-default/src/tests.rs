use super::*;
use cascina_policy_sdk::testing::{
    assert_describes_itself, complaints, context, farm_request, item, policy, tenant_request,
};
use cascina_policy_sdk::{Approver, Verdict};

fn farm(settings: &str, request: &FarmRequest) -> Answer {
    policy::<Gate>(settings).admit_farm(&context(settings), request).expect("an answer")
}

fn tenant(settings: &str, groups: &[&str], tenants: u32) -> Answer {
    let mut request = tenant_request(tenants);
    request.subject.groups = groups.iter().map(|group| (*group).to_owned()).collect();
    policy::<Gate>(settings).admit_tenant(&context(settings), &request).expect("an answer")
}

#[test]
fn describes_itself() {
    assert_describes_itself::<Gate>();
}

#[test]
fn a_small_farm_goes_ahead() {
    let answer = farm("{}", &farm_request([item(2, 2, 2)]));
    assert_eq!(answer, Answer::allow());
}

#[test]
fn a_large_farm_waits_for_an_admin() {
    assert_eq!(farm("{}", &farm_request([item(32, 32, 2)])).verdict, Verdict::Allow);
    let answer = farm("{}", &farm_request([item(33, 33, 2)]));
    assert_eq!(answer.verdict, Verdict::Pend(Approver::SiteAdmin));
    assert_eq!(
        answer.reasons[0].text,
        "Without approval a farm may have at most 64 vCPUs (66 are wanted). A site administrator \
         decides."
    );
}

#[test]
fn too_large_a_farm_is_denied_or_cut_down() {
    assert_eq!(farm("{}", &farm_request([item(300, 300, 2)])).verdict, Verdict::Deny);
    let answer = farm("{}", &farm_request([item(10, 300, 2)]));
    let Verdict::CounterOffer(offer) = answer.verdict else {
        panic!("{answer:?}");
    };
    assert_eq!((offer.instances, offer.vcpus), (256, 512));
    assert_eq!(
        answer.reasons[0].text,
        "A farm may have at most 512 vCPUs (600 are wanted). It would fit with 256 instances and \
         512 vCPUs."
    );
}

#[test]
fn a_tenant_has_three_farms() {
    let mut request = farm_request([item(1, 1, 1)]);
    request.farms = 2;
    assert_eq!(farm("{}", &request).verdict, Verdict::Allow);
    request.farms = 3;
    assert_eq!(farm("{}", &request).reasons[0].code, "too-many-farms");
    let unlimited = r#"{"max_farms_per_tenant": null}"#;
    assert_eq!(farm(unlimited, &request).verdict, Verdict::Allow);
}

#[test]
fn leases_can_be_limited() {
    let day = r#"{"max_lease_s": 86400}"#;
    let mut request = farm_request([item(1, 1, 1)]);
    assert_eq!(farm(day, &request).reasons[0].code, "lease-needed");
    request.lease_s = 86_401;
    assert_eq!(farm(day, &request).reasons[0].code, "lease-too-long");
    request.lease_s = 86_400;
    assert_eq!(farm(day, &request).verdict, Verdict::Allow);
}

#[test]
fn groups_decide_who_gets_in() {
    let settings = r#"{"groups_allowed": ["physics"], "groups_denied": ["guests"]}"#;
    assert_eq!(tenant("{}", &[], 0).verdict, Verdict::Allow);
    assert_eq!(tenant(settings, &["physics"], 0).verdict, Verdict::Allow);
    assert_eq!(tenant(settings, &["biology"], 0).reasons[0].code, "group-not-allowed");
    assert_eq!(tenant(settings, &["physics", "guests"], 0).reasons[0].code, "group-denied");
}

#[test]
fn the_site_can_be_full() {
    let settings = r#"{"max_tenants": 2}"#;
    assert_eq!(tenant(settings, &[], 1).verdict, Verdict::Allow);
    assert_eq!(tenant(settings, &[], 2).verdict, Verdict::Deny);
}

#[test]
fn settings_that_contradict_themselves_are_refused_all_at_once() {
    let settings = r#"{"groups_allowed": ["a"], "groups_denied": ["a"], "max_lease_s": 0}"#;
    assert_eq!(complaints::<Gate>(settings).len(), 2);
}
