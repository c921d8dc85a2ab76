//! A plan is one thing, however it was written down.

use super::*;

fn targets() -> [Target; 2] {
    let link = |text: &str| text.parse().unwrap();
    [Target::Linux, Target::OpenWrt(Devices { lan: link("eth0"), wan: link("eth1") })]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_what_is_wanted_does_not_matter(draft in drafts(), seed in any::<u64>()) {
        let mut other = draft.clone();
        // Any order will do, if it is another.
        let turn = |length: usize| if length == 0 { 0 } else { (seed % length as u64) as usize };
        let (mapped, forwards, names) = (other.mapped.len(), other.forwards.len(), other.names.len());
        other.mapped.rotate_left(turn(mapped));
        other.forwards.reverse();
        other.forwards.rotate_left(turn(forwards));
        other.names.rotate_left(turn(names));
        other.closed.reverse();
        let (one, two) = (RouterPlan::new(draft).unwrap(), RouterPlan::new(other).unwrap());
        prop_assert_eq!(&one, &two);
        for target in targets() {
            prop_assert_eq!(render(&one, &target), render(&two, &target));
        }
    }

    #[test]
    fn a_plan_made_of_a_plan_is_the_same(draft in drafts()) {
        let plan = RouterPlan::new(draft).unwrap();
        prop_assert_eq!(RouterPlan::new(Draft::clone(&plan)).unwrap(), plan);
    }

    #[test]
    fn nothing_that_is_wanted_gets_lost(draft in drafts()) {
        let plan = RouterPlan::new(draft.clone()).unwrap();
        let files = render(&plan, &Target::Linux);
        let has = |text: &str, wanted: &str| text.lines().any(|line| line == wanted);
        let (addresses, nat, hosts) = (text(&files, "addresses"), text(&files, "nat"), text(&files, "hosts"));
        for (public, guest) in &draft.mapped {
            assert!(has(&addresses, &format!("wan {public}/32")));
            assert!(has(&nat, &format!("address {public} {guest}")));
        }
        let publics = draft.mapped.len() + usize::from(draft.wan.as_ref().is_some_and(|wan| wan.address.is_some()));
        prop_assert_eq!(addresses.lines().filter(|line| line.starts_with("wan ")).count(), publics);
        prop_assert_eq!(nat.lines().filter(|line| line.starts_with("forward ")).count(), draft.forwards.len());
        for (ip, name) in &draft.names {
            assert!(has(&hosts, &format!("{ip} {name}")));
        }
    }

    #[test]
    fn a_new_guest_of_a_known_network_changes_no_lease(draft in drafts()) {
        let plan = RouterPlan::new(draft.clone()).unwrap();
        let without = RouterPlan::new(Draft { names: Vec::new(), ..draft }).unwrap();
        let leases = |plan| text(&render(plan, &Target::Linux), "leases");
        if plan.lan.knows_all() {
            prop_assert_eq!(leases(&plan), leases(&without));
            prop_assert_eq!(leases(&plan).lines().count(), plan.lan.cidr.hosts().count() - 1);
        } else {
            let mut named: Vec<_> = plan.names.iter().map(|(ip, _)| ip).collect();
            named.dedup();
            prop_assert_eq!(leases(&plan).lines().count(), named.len());
        }
    }
}

#[test]
fn leases_give_each_address_to_the_port_whose_mac_follows_from_it() {
    let leases = text(&render(&RouterPlan::new(full()).unwrap(), &Target::Linux), "leases");
    assert_eq!(leases.lines().count(), 13);
    assert_eq!(leases.lines().next(), Some("02:00:01:02:02:02,10.65.2.2,ip-10-65-2-2"));
    assert_eq!(leases.lines().last(), Some("02:00:01:02:02:0e,10.65.2.14,ip-10-65-2-14"));
}
