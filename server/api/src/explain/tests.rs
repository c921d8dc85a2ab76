use cascina_core::decision::{Dropped, PlacementQuestion, Reason};
use cascina_core::feasible::Unfit;
use cascina_core::id::{BindingId, DecisionId};
use cascina_core::policy::{Digest, Hook};
use cascina_core::units::{Size, Timestamp};

use super::*;

fn decision(question: Question, opinions: Vec<Opinion>, decided: Decided) -> Decision {
    Decision {
        id: DecisionId(1),
        hook: Hook::Placement,
        abi: cascina_core::decision::ABI.into(),
        at: Timestamp(0),
        revision: 9,
        seed: 1,
        actor: "alice".into(),
        roles: vec!["member".into()],
        tenant: None,
        tenant_name: "acme".into(),
        groups: Vec::new(),
        tier: "gold".parse().unwrap(),
        farm: None,
        farm_name: "web".into(),
        operation: None,
        question,
        candidates: 2,
        dropped: Vec::new(),
        opinions,
        decided,
        micros: 20,
    }
}

fn opinion(scope: Scope, said: Said, reasons: Vec<Reason>) -> Opinion {
    Opinion {
        binding: BindingId(1),
        name: "pack".parse().unwrap(),
        policy: "placement-pack@1.0.0".into(),
        digest: Digest([0; 32]),
        scope,
        counts: true,
        said,
        reasons,
        log: Vec::new(),
        fuel: 100,
    }
}

fn names() -> Names {
    let hosts = (1..=7).map(|number| (HostId(number), format!("w{number}"))).collect();
    Names { hosts, shares: [(ShareId(1), "physics".into())].into(), shows_hosts: true }
}

fn placement() -> Decision {
    let question = Question::Place(PlacementQuestion {
        router: false,
        flavor: "m1.small".into(),
        image: None,
        class: "workers".parse().unwrap(),
        size: Size::new(1, 2048, 20),
        count: 2,
        cause: "create".into(),
        only: Vec::new(),
        avoid: Vec::new(),
        taken: Vec::new(),
        reserved: Vec::new(),
    });
    let ranked = Said::Ranked { candidates: 2, excluded: 1, best: vec![(HostId(2), 900), (HostId(9), 10)] };
    let failed = Said::Failed { error: "out of fuel".into(), fallback: Fallback::Next };
    let mut shadow = opinion(Scope::Site, Said::Refused, Vec::new());
    shadow.counts = false;
    let opinions = vec![
        opinion(Scope::Site, ranked, vec![Reason::info("pack", "fills the fullest first.")]),
        opinion(Scope::Share(ShareId(1)), failed, Vec::new()),
        shadow,
    ];
    let mut decision = decision(question, opinions, Decided::Placed { hosts: vec![HostId(2), HostId(2)] });
    decision.dropped = vec![
        Dropped { why: Unfit::Vcpus, hosts: 6, examples: vec![HostId(3), HostId(4)] },
        Dropped { why: Unfit::Closed, hosts: 1, examples: vec![HostId(5)] },
    ];
    decision
}

#[test]
fn a_placement_tells_who_fell_out_who_ranked_and_where_it_went() {
    insta::assert_snapshot!(explain(&placement(), &names()).join("\n"), @r"
    alice asked: which host of class workers takes 2 × m1.small of farm web (create)?
    2 hosts can take m1.small (1 vCPU, 2048 MiB, 20 GiB).
    6 hosts fell out: they have too few free vCPUs (w3, w4, …).
    1 host fell out: they take no new guests (down, cordoned, draining or in maintenance) (w5).
    Policy placement-pack@1.0.0, bound as pack by the site, ranked 2 hosts and excluded 1; best: w2 (900), host 9 (10): fills the fullest first.
    Policy placement-pack@1.0.0, bound as pack by the owner of share physics, failed (out of fuel), and its fallback leaves the decision to the others.
    Policy placement-pack@1.0.0, bound as pack by the site, found no host good enough (in shadow mode, without effect).
    Outcome: placed on w2, w2.
    ");
}

#[test]
fn those_who_see_no_hosts_read_no_hosts() {
    let text = explain(&placement(), &Names { shows_hosts: false, ..names() }).join("\n");
    assert!(!text.contains("w2") && !text.contains("w3") && !text.contains("w5"), "{text}");
    assert!(text.contains("6 hosts fell out") && text.ends_with("Outcome: placed (2)."), "{text}");
}

#[test]
fn a_counter_offer_says_how_much_would_be_granted() {
    let wanted = Amounts { vcpus: 64, instances: 32, ..Amounts::default() };
    let offer = Amounts { vcpus: 8, instances: 0, ..Amounts::UNLIMITED };
    let question = Question::CheckQuota { verb: "create-farm".into(), class: String::new(), wanted };
    let said = Said::Verdict(Verdict::CounterOffer(offer));
    let decision = decision(question, vec![opinion(Scope::Site, said, Vec::new())], Decided::Offered { offer });
    insta::assert_snapshot!(explain(&decision, &names()).join("\n"), @r"
    alice asked: may tenant acme have 32 instances, 64 vCPUs more (create-farm)?
    Policy placement-pack@1.0.0, bound as pack by the site, offered at most 0 instances, 8 vCPUs instead.
    Outcome: not granted as asked; at most 0 instances, 8 vCPUs would be.
    ");
}

#[test]
fn without_policies_it_says_so() {
    let question = Question::AssignQuota { tenant: "acme".into(), groups: Vec::new(), tier: "gold".parse().unwrap() };
    let decision = decision(question, Vec::new(), Decided::Assigned { limits: Vec::new() });
    insta::assert_snapshot!(explain(&decision, &names()).join("\n"), @r"
    alice asked: which limits does tenant acme of tier gold get?
    No policy is bound to placement.
    Outcome: no limits.
    ");
}
