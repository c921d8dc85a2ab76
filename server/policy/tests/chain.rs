//! What a chain of bindings makes of its members' answers.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::sync::Arc;

use cascina_core::decision::{Amounts, Approver, Decided, Said, Verdict};
use cascina_core::id::{HostId, ShareId, TenantId};
use cascina_core::policy::{Binding, Digest, Fallback, Hook, Mode, Scope};
use cascina_core::tenant::TenantRequest;
use cascina_policy::{Bounds, PlacementFacts, Sandbox, ShareFacts};
use fixture::{ANSWER, GOOD, Parts, WORK, ask, binding, component, rank, sandbox, sandbox_with, view, words};

fn upload(sandbox: &Sandbox, parts: &Parts) -> Digest {
    sandbox.inspect(&parts.build()).unwrap().digest
}

fn place(id: u64, digest: Digest) -> Binding {
    binding(id, Hook::Placement, digest)
}

fn chain<const N: usize>(bindings: [Binding; N]) -> Vec<Arc<Binding>> {
    let mut chain: Vec<_> = bindings.into_iter().map(Arc::new).collect();
    chain.sort_by_key(|binding| binding.rank());
    chain
}

/// Excludes the hosts whose number is a multiple of `every`, one code for all.
fn excludes(every: u32) -> Parts {
    let body = format!(
        "(local.set $at (call $alloc (i32.mul (local.get $n) (i32.const 8))))
        (i32.store (i32.const 272) (local.get $at))
        (block $done (loop $next
            (br_if $done (i32.ge_u (local.get $i) (local.get $n)))
            (if (i32.eqz (i32.rem_u
                    (i32.load (i32.add (i32.load offset=208 (local.get $in)) (i32.mul (local.get $i) (i32.const 4))))
                    (i32.const {every})))
                (then
                    (i32.store (local.get $at) (local.get $i))
                    (local.set $at (i32.add (local.get $at) (i32.const 8)))
                    (local.set $count (i32.add (local.get $count) (i32.const 1)))))
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br $next)))
        (i32.store (i32.const 276) (local.get $count))
        (i32.store (i32.const 280) (i32.const 8192))
        (i32.store (i32.const 284) (i32.const 1))
        (i32.const {ANSWER})"
    );
    let code = words(&[2, 9000, 3, 9010, 10]);
    let extra = format!(r#"(data (i32.const 8192) "{code}") (data (i32.const 9000) "odd       Not wanted")"#);
    Parts { extra, ..Parts::rank(body) }
}

fn refuses() -> Parts {
    let body = "(i32.store8 (i32.const 260) (i32.const 1))
        (i32.store (i32.const 264) (i32.const 8192))
        (i32.store (i32.const 268) (i32.const 1))
        (i32.const 256)";
    let extra = format!(
        r#"(data (i32.const 8192) "{}") (data (i32.const 9000) "closed    No.")"#,
        words(&[2, 9000, 6, 9010, 3])
    );
    Parts { extra, ..Parts::rank(body) }
}

fn abstains() -> Parts {
    Parts::rank("(i32.store8 (i32.const 260) (i32.const 2)) (i32.const 256)")
}

#[test]
fn nobody_asked_and_nothing_to_ask_about() {
    let sandbox = sandbox();
    let view = view(&[4, 8, 2]);
    let ranking = rank(&sandbox, &[], &view);
    assert_eq!((ranking.best, ranking.refused), (Some(0), false));
    let good = chain([place(1, upload(&sandbox, &Parts::default()))]);
    let none = sandbox.rank(&ask(&good), &WORK, &view, &[], &PlacementFacts::default());
    assert_eq!((none.best, none.refused, none.opinions.len()), (None, false, 0));
}

#[test]
fn scores_add_by_weight_and_ties_go_to_the_lowest_row() {
    let sandbox = sandbox();
    let free = upload(&sandbox, &Parts::default());
    // The other way round: few free vCPUs are good.
    let full = upload(
        &sandbox,
        &Parts::rank(
            GOOD.replacen(
                "(i32.load (i32.add (i32.load offset=224",
                "(i32.sub (i32.const 100) (i32.load (i32.add (i32.load offset=224",
                1,
            )
            .replacen(
                "(i32.mul (local.get $i) (i32.const 4)))))\n        (local.set",
                "(i32.mul (local.get $i) (i32.const 4))))))\n        (local.set",
                1,
            ),
        ),
    );
    let view = view(&[4, 8, 2, 8]);
    let (one, mut two) = (place(1, free), place(2, full));
    assert_eq!(rank(&sandbox, &chain([one.clone()]), &view).best, Some(1), "of two equals, the first");
    assert_eq!(rank(&sandbox, &chain([two.clone()]), &view).best, Some(2));
    assert_eq!(rank(&sandbox, &chain([one.clone(), two.clone()]), &view).best, Some(0), "they cancel out");
    two.weight = 3;
    let ranking = rank(&sandbox, &chain([one, two]), &view);
    assert_eq!(ranking.best, Some(2));
    match &ranking.opinions[1].said {
        Said::Ranked { candidates: 4, excluded: 0, best } => {
            assert_eq!(best, &[(HostId(3), 294), (HostId(1), 288), (HostId(2), 276)]);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn filters_intersect_and_say_why() {
    let sandbox = sandbox();
    let (two, three) = (upload(&sandbox, &excludes(2)), upload(&sandbox, &excludes(3)));
    let view = view(&[9, 8, 7, 6, 5, 4]);
    let ranking =
        rank(&sandbox, &chain([place(1, two), place(2, three), place(3, upload(&sandbox, &Parts::default()))]), &view);
    assert_eq!(ranking.best, Some(0));
    let reason = &ranking.opinions[0].reasons[0];
    assert_eq!((reason.code.as_str(), reason.text.as_str()), ("odd", "Not wanted (3 hosts: 2, 4, 6)"));
    let all = rank(&sandbox, &chain([place(1, upload(&sandbox, &excludes(1)))]), &view);
    assert_eq!((all.best, all.refused), (None, true));
    assert_eq!(all.opinions[0].reasons[0].text, "Not wanted (6 hosts: 1, 2, 3, …)");
    // An excluded host is not among the best, however good its score.
    assert!(matches!(&ranking.opinions[0].said, Said::Ranked { excluded: 3, best, .. } if best.is_empty()));
}

#[test]
fn refusing_and_abstaining() {
    let sandbox = sandbox();
    let (no, nothing, good) =
        (upload(&sandbox, &refuses()), upload(&sandbox, &abstains()), upload(&sandbox, &Parts::default()));
    let view = view(&[4, 8, 2, 9]);
    let refused = rank(&sandbox, &chain([place(1, no), place(2, good)]), &view);
    assert_eq!((refused.best, refused.refused, refused.opinions.len()), (None, true, 2));
    assert_eq!((&refused.opinions[0].said, refused.opinions[0].reasons[0].text.as_str()), (&Said::Refused, "No."));
    let ranking = rank(&sandbox, &chain([place(1, nothing), place(2, good)]), &view);
    assert_eq!((ranking.best, &ranking.opinions[0].said), (Some(3), &Said::Abstained));
}

#[test]
fn a_share_speaks_of_its_own_hosts_only() {
    let sandbox = sandbox();
    // Hosts 3 and 6 belong to share 1.
    let view = view(&[1, 2, 3, 4, 5, 6]);
    let of_share = |id: u64, digest: Digest| Binding { scope: Scope::Share(ShareId(1)), ..place(id, digest) };
    let facts = PlacementFacts {
        shares: &[ShareFacts { number: 1, own: true, recalled: false, vcpus: 9, vcpus_own: 0, vcpus_lent: 0 }],
        ..PlacementFacts::default()
    };
    let ask_for = |binding: Binding| {
        let chain = chain([binding]);
        sandbox.rank(&ask(&chain), &WORK, &view, &fixture::rows(&view), &facts)
    };
    let ranking = ask_for(of_share(1, upload(&sandbox, &Parts::default())));
    assert_eq!(ranking.best, Some(5), "only hosts of the share get points");
    assert!(matches!(&ranking.opinions[0].said, Said::Ranked { candidates: 2, best, .. }
        if best == &[(HostId(6), 6), (HostId(3), 3)]));

    let refused = ask_for(of_share(1, upload(&sandbox, &refuses())));
    assert_eq!((refused.best, refused.refused), (Some(0), false));
    let excluded = ask_for(of_share(1, upload(&sandbox, &excludes(6))));
    assert_eq!(excluded.opinions[0].reasons[0].text, "Not wanted (1 host: 6)");

    // When it fails and is bound to deny, its hosts fall out and no others.
    let traps = upload(&sandbox, &Parts::rank_when_it_counts("unreachable"));
    let chain_of = chain([of_share(1, traps)]);
    let ask = ask(&chain_of);
    assert_eq!(sandbox.rank(&ask, &WORK, &view, &[0, 2, 5], &facts).best, Some(0));
    assert!(sandbox.rank(&ask, &WORK, &view, &[2, 5], &facts).refused);
    // No candidate of its own: it is not even asked.
    assert_eq!(sandbox.rank(&ask, &WORK, &view, &[0, 1], &facts).opinions.len(), 0);
}

/// Columns that are gathered hold the same as those that are passed as they are.
#[test]
fn part_of_the_view_is_seen_as_the_whole_would_be() {
    let sandbox = sandbox();
    // The score is what the host says of free vCPUs, plus neighbours, plus traits.
    let body = GOOD.replacen(
        "(i32.load (i32.add (i32.load offset=224 (local.get $in)) (i32.mul (local.get $i) (i32.const 4))))",
        "(i32.add (i32.load (i32.add (i32.load offset=224 (local.get $in)) (i32.mul (local.get $i) (i32.const 4))))
         (i32.add (i32.mul (i32.const 100) (i32.load (i32.add (i32.load offset=264 (local.get $in)) (i32.mul (local.get $i) (i32.const 4)))))
                  (i32.mul (i32.const 1000) (i32.load (i32.add (i32.load offset=280 (local.get $in)) (i32.mul (local.get $i) (i32.const 4)))))))",
        1,
    );
    let digest = upload(&sandbox, &Parts::rank(body));
    let chain = chain([place(1, digest)]);
    let view = view(&[1, 2, 3, 4, 5, 6]);
    let facts = PlacementFacts { same_farm: &[(1, 2), (3, 1)], cached: &[3, 4], shares: &[] };
    let best = |candidates: &[u32]| {
        let ranking = sandbox.rank(&ask(&chain), &WORK, &view, candidates, &facts);
        match &ranking.opinions[0].said {
            Said::Ranked { best, .. } => best.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(best(&[0, 1, 2, 3, 4, 5]), [(HostId(4), 1104), (HostId(5), 1005), (HostId(2), 202)]);
    assert_eq!(best(&[1, 3, 5]), [(HostId(4), 1104), (HostId(2), 202), (HostId(6), 6)]);
    assert_eq!(best(&[0, 2]), [(HostId(3), 3), (HostId(1), 1)]);
}

#[test]
fn shadow_off_and_quarantined() {
    let sandbox = sandbox();
    let no = upload(&sandbox, &refuses());
    let view = view(&[4, 8]);
    let with = |change: fn(&mut Binding)| {
        let mut binding = place(1, no);
        change(&mut binding);
        rank(&sandbox, &chain([binding]), &view)
    };
    let shadow = with(|binding| binding.mode = Mode::Shadow);
    assert_eq!((shadow.best, shadow.opinions[0].counts, &shadow.opinions[0].said), (Some(0), false, &Said::Refused));
    assert_eq!(with(|binding| binding.mode = Mode::Off).opinions.len(), 0);
    let quarantined = with(|binding| binding.quarantined = Some("it trapped".into()));
    assert!(quarantined.refused);
    assert_eq!(quarantined.opinions[0].said, Said::Quarantined { fallback: Fallback::Deny });
    assert_eq!(quarantined.opinions[0].fuel, 0);
    let allowed = with(|binding| {
        binding.quarantined = Some("it trapped".into());
        binding.on_error = Fallback::Allow;
    });
    assert_eq!(allowed.best, Some(0));
}

#[test]
fn repeated_failure_is_due_for_quarantine() {
    let sandbox = sandbox_with(Bounds { quarantine_after: 3, ..Bounds::default() });
    let traps = upload(&sandbox, &Parts::rank_when_it_counts("unreachable"));
    let view = view(&[4]);
    let bad = chain([place(7, traps)]);
    for _ in 0..2 {
        rank(&sandbox, &bad, &view);
        assert_eq!(sandbox.quarantine_due(), []);
    }
    let mut replay = ask(&bad);
    replay.dry_run = true;
    sandbox.rank(&replay, &WORK, &view, &[0], &PlacementFacts::default());
    assert_eq!(sandbox.quarantine_due(), [], "what-if questions do not count");
    rank(&sandbox, &bad, &view);
    let due = sandbox.quarantine_due();
    assert_eq!(due[0].0, bad[0].id);
    assert!(due[0].1.contains("3 times in a row") && due[0].1.contains("unreachable"), "{}", due[0].1);

    // A component that is missing is no fault of the policy's.
    let missing = chain([place(8, Digest([9; 32]))]);
    for _ in 0..5 {
        let ranking = rank(&sandbox, &missing, &view);
        assert!(matches!(&ranking.opinions[0].said, Said::Failed { error, .. } if error.contains("not loaded")));
    }
    assert_eq!(sandbox.quarantine_due(), []);
}

#[test]
fn same_question_same_answer_same_fuel() {
    let (one, two) = (sandbox(), sandbox());
    let digest = upload(&one, &Parts::default());
    upload(&two, &Parts::default());
    let chain = chain([place(1, digest)]);
    let view = view(&[4, 8, 2, 8]);
    let first = rank(&one, &chain, &view);
    assert!(first.opinions[0].fuel > 0);
    for sandbox in [&one, &two] {
        assert_eq!(rank(sandbox, &chain, &view), first);
    }
}

/// An admission policy that answers any question with the verdict at 256.
fn says(discriminant: u32, payload: &[u32]) -> Vec<u8> {
    let payload = words(payload);
    let answer = words(&[0, 0, discriminant, 0]);
    let functions: String = ["admission@1.0.0#admit-tenant", "admission@1.0.0#admit-farm"]
        .iter()
        .map(|name| format!(r#"(func (export "cascina:policy/{name}") (param i32) (result i32) (i32.const 512))"#))
        .collect();
    let extra = format!(r#"{functions} (data (i32.const 512) "{answer}{payload}")"#);
    let text = Parts { world: "policy", extra, ..Parts::default() }.text();
    component(&text, "admission-policy")
}

fn offers(vcpus: u32) -> Vec<u8> {
    says(3, &[u32::MAX, vcpus, u32::MAX, 0, u32::MAX, 0, u32::MAX, u32::MAX])
}

fn request() -> cascina_core::farm::FarmRequest {
    let name = |text: &str| text.parse().unwrap();
    cascina_core::farm::FarmRequest {
        name: name("farm"),
        tenant: TenantRequest { name: name("alice"), groups: vec![], tier: name("standard") },
        user: name("ann"),
        ssh_key: None,
        items: vec![cascina_core::farm::Item {
            name: name("worker"),
            flavor: name("m1.small"),
            class: name("workers"),
            image: cascina_core::id::ImageId(1),
            size: cascina_core::units::Size::new(2, 2048, 20),
            min_count: 1,
            max_count: 10,
        }],
        lease_s: 0,
        labels: Default::default(),
    }
}

#[test]
fn denials_then_people_then_the_smallest_offer() {
    let sandbox = sandbox();
    let upload = |bytes: &[u8]| sandbox.inspect(bytes).map(|inspected| inspected.digest);
    let allow = upload(&says(0, &[])).unwrap();
    let deny = upload(&says(1, &[])).unwrap();
    let (ten, eight) = (offers(10), offers(8));
    // Trials ask about farms of no size too, and what is no smaller is no counter-offer.
    assert!(upload(&ten).unwrap_err().to_string().contains("counter-offer"));
    assert!(upload(&eight).is_err());
    let pend = upload(&says(2, &[0])).unwrap();
    let decide = |digests: &[Digest]| {
        let bindings: Vec<_> = digests
            .iter()
            .enumerate()
            .map(|(id, digest)| Arc::new(binding(id as u64, Hook::Admission, *digest)))
            .collect();
        sandbox.admit_farm(&ask(&bindings), &request(), 0, &[])
    };
    assert_eq!(decide(&[]).decided, Decided::Allowed);
    assert_eq!(decide(&[allow, allow]).decided, Decided::Allowed);
    assert_eq!(decide(&[allow, pend]).decided, Decided::Pending { approver: Approver::SiteAdmin });
    let denied = decide(&[pend, deny, allow]);
    assert_eq!((denied.decided, denied.opinions.len()), (Decided::Denied, 3));
    assert_eq!(denied.opinions[0].said, Said::Verdict(Verdict::Pend(Approver::SiteAdmin)));
}

#[test]
fn offers_are_checked_and_the_smallest_counts() {
    let sandbox = sandbox();
    // Loaded as trusted bytes, since the trial would refuse constant offers.
    let load = |bytes: Vec<u8>| {
        let digest = cascina_policy::digest(&bytes);
        sandbox.load(digest, &bytes).unwrap();
        digest
    };
    let (ten, eight, more) = (load(offers(10)), load(offers(8)), load(offers(1_000)));
    let pend_owner = load(says(2, &[1]));
    let decide = |digests: &[Digest], scope: Scope| {
        let bindings: Vec<_> = digests
            .iter()
            .enumerate()
            .map(|(id, digest)| Arc::new(Binding { scope, ..binding(id as u64, Hook::Admission, *digest) }))
            .collect();
        sandbox.admit_farm(&ask(&bindings), &request(), 0, &[])
    };
    // Ten instances of two vCPUs were asked for; what an offer does not narrow stays as asked.
    let total = request().total();
    let offered = |vcpus| Decided::Offered { offer: Amounts { vcpus, ..total } };
    assert_eq!(decide(&[ten, eight], Scope::Site).decided, offered(8));
    assert_eq!(decide(&[ten], Scope::Site).decided, offered(10));
    let nonsense = decide(&[more], Scope::Site);
    assert_eq!(nonsense.decided, Decided::Denied);
    assert!(matches!(&nonsense.opinions[0].said, Said::Failed { error, .. } if error.contains("no smaller")));
    assert_eq!(decide(&[pend_owner], Scope::Site).decided, Decided::Denied, "there is no owner to ask");
    let tenant = TenantId(1);
    assert_eq!(decide(&[pend_owner], Scope::Tenant(tenant)).decided, Decided::Denied);
    let shared = decide(&[pend_owner], Scope::Share(ShareId(1)));
    assert_eq!(shared.decided, Decided::Pending { approver: Approver::Owner });
    let tenant = sandbox.admit_tenant(
        &ask(&[Arc::new(binding(1, Hook::Admission, ten))]),
        &TenantRequest { name: "t".parse().unwrap(), groups: vec![], tier: "standard".parse().unwrap() },
        0,
    );
    assert_eq!(tenant.decided, Decided::Denied, "a tenant has no amounts to haggle about");
}
