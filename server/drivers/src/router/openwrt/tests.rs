//! Against a server that does as rpcd and uhttpd do, without a router behind it.

mod fake;

use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::*;
use crate::router::tests::{config, drafts, full, network, router, settings};
use crate::router::{Draft, RouterPlan, plan};
use fake::Fake;

fn devices() -> Devices {
    Devices { lan: "eth0".parse().unwrap(), wan: "eth1".parse().unwrap() }
}

fn access(fake: &Fake) -> Access {
    Access {
        address: fake.address,
        user: "cascina".into(),
        password: "secret".into(),
        devices: devices(),
        rollback: Duration::from_secs(1),
        settle: Duration::from_millis(1),
        arping: "/usr/bin/arping".into(),
    }
}

fn at(revision: u64, change: impl FnOnce(&mut cascina_core::network::RouterConfig)) -> RouterPlan {
    let mut config = config();
    change(&mut config);
    plan(&settings(), &network(), &router(), revision, &config).unwrap()
}

#[test]
fn a_router_gets_what_it_should_have_and_keeps_it() {
    let fake = Fake::start();
    let router = OpenWrt::new(access(&fake));
    assert_eq!(router.revision(), Ok(None));
    assert!(matches!(router.probe(&at(1, |_| ())), Err(OpenWrtError::Drift(_))));
    router.apply(&at(1, |_| ())).unwrap();
    assert_eq!(router.revision(), Ok(Some(1)));
    router.probe(&at(1, |_| ())).unwrap();
    // It was confirmed: it is there after the router would have taken it back.
    fake.wait(Duration::from_millis(1100));
    router.probe(&at(1, |_| ())).unwrap();
    // What the operator has there is there, what came with the image is not.
    let names = fake.names("firewall");
    assert_eq!(&names[..2], ["mgmt", "mgmt_in"]);
    assert!(!names.iter().any(|name| name.starts_with("cfg")), "{names:?}");
    assert_eq!(fake.option("network", "mgmt", "ipaddr"), Some(json!("192.168.1.1")));
    assert_eq!(fake.forgotten(), [] as [String; 0]);
    assert_eq!(fake.announced(), ["203.0.113.7", "198.51.100.9", "203.0.113.51"]);

    // An elastic IP goes to another guest: few calls, and the conversations of that address end.
    let calls = fake.calls().len();
    let moved = at(2, |config| config.mapped[0].1 = "10.65.2.13".parse().unwrap());
    router.apply(&moved).unwrap();
    router.probe(&moved).unwrap();
    let calls: Vec<String> = fake.calls()[calls..].iter().filter(|call| call.starts_with("uci")).cloned().collect();
    let changing = calls.iter().filter(|call| !call.starts_with("uci get"));
    assert_eq!(changing.collect::<Vec<_>>(), ["uci set", "uci set", "uci set", "uci apply", "uci confirm"]);
    assert_eq!(fake.forgotten(), ["203.0.113.51"]);
    // The same again, and what is older, change nothing.
    let calls = fake.calls().len();
    router.apply(&moved).unwrap();
    router.apply(&at(1, |_| ())).unwrap();
    assert!(!fake.calls()[calls..].iter().any(|call| call == "uci apply"));
    router.probe(&moved).unwrap();

    // Somebody opens a port by hand.
    fake.meddle(|packages| {
        let rule = json!({ ".type": "rule", ".index": 99, ".name": "open", "src": "wan", "target": "ACCEPT" });
        let firewall = packages.get_mut("firewall").unwrap();
        firewall.insert("open".into(), rule);
        firewall["dns"]["dest_port"] = json!("5353");
    });
    assert_eq!(router.probe(&moved), Err(OpenWrtError::Drift(2)));
    router.apply(&moved).unwrap();
    router.probe(&moved).unwrap();
    assert_eq!(fake.sessions(), 0, "sessions were left open");
}

#[test]
fn what_cannot_be_confirmed_is_taken_back() {
    let fake = Fake::start();
    let router = OpenWrt::new(access(&fake));
    let (old, new) = (at(1, |_| ()), at(2, |config| config.mapped.clear()));
    router.apply(&old).unwrap();
    fake.deaf_to("uci confirm");
    let error = router.apply(&new).unwrap_err();
    assert!(matches!(error, OpenWrtError::RolledBack(_)) && error.is_passing(), "{error}");
    // While it waits, nobody else's change is taken.
    let error = router.apply(&at(3, |config| config.forwards.clear())).unwrap_err();
    assert!(matches!(&error, OpenWrtError::NotAllowed(call) if call == "uci apply") && error.is_passing(), "{error}");
    fake.wait(Duration::from_millis(1100));
    router.probe(&old).unwrap();
    fake.hears_all();
    router.apply(&new).unwrap();
    router.probe(&new).unwrap();
}

#[test]
fn who_is_not_let_in_is_told_so() {
    let fake = Fake::start();
    let wrong = OpenWrt::new(Access { password: "guess".into(), ..access(&fake) });
    assert_eq!(wrong.revision(), Err(OpenWrtError::Login("cascina".into())));
    fake.forbid("file write");
    let router = OpenWrt::new(access(&fake));
    router.apply(&at(1, |_| ())).unwrap();
    let error = router.apply(&at(2, |config| config.mapped.clear())).unwrap_err();
    assert_eq!(error, OpenWrtError::NotAllowed("file write".into()));
    assert!(!error.is_passing());
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, closed);
    let error = OpenWrt::new(Access { address, ..access(&fake) }).revision().unwrap_err();
    assert!(matches!(error, OpenWrtError::Unreachable { .. }) && error.is_passing(), "{error}");
    assert!(!format!("{:?}", access(&fake)).contains("secret"));
}

#[test]
fn answers_that_are_none_are_refused() {
    for reply in [json!(null), json!({}), json!({ "result": [] }), json!({ "result": ["0"] }), json!({ "result": 0 })] {
        assert!(matches!(answer("x", &reply), Err(OpenWrtError::Answer { .. })), "{reply}");
    }
    assert_eq!(answer("x", &json!({ "result": [0] })), Ok(Json::Null));
    let denied = json!({ "error": { "code": -32002, "message": "Access denied" } });
    assert_eq!(answer("x", &denied), Err(OpenWrtError::NotAllowed("x".into())));
    assert!(matches!(answer("x", &json!({ "result": [4] })), Err(OpenWrtError::Status { code: 4, .. })));
}

fn wanted(draft: Draft) -> Vec<Section> {
    packages(&RouterPlan::new(draft).unwrap(), &devices())[2].1.clone()
}

proptest! {
    /// UCI knows a section by its name alone, whatever its kind.
    #[test]
    fn names_are_of_one_section_each(draft in drafts()) {
        for (package, sections) in packages(&RouterPlan::new(draft).unwrap(), &devices()) {
            let names: BTreeSet<&str> = sections.iter().map(|section| section.name.as_str()).collect();
            prop_assert_eq!(names.len(), sections.len(), "{}", package);
            let plain = |name: &&str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            prop_assert!(names.iter().all(plain) && !names.iter().any(|name| name.starts_with(OPERATOR)));
        }
    }

    /// From any configuration to any other, and then there is nothing left to do.
    #[test]
    fn changes_lead_to_what_is_wanted(one in drafts(), other in drafts()) {
        let mut package = fake::factory("firewall");
        for draft in [one, other, full()] {
            let wanted = wanted(draft);
            for Change { method, arguments } in changes("firewall", &json!({ "values": package }), &wanted) {
                fake::change(&mut package, method, &arguments).unwrap();
            }
            prop_assert_eq!(changes("firewall", &json!({ "values": package.clone() }), &wanted), []);
            let names = fake::in_order(&package);
            let ours: Vec<_> = names.iter().filter(|name| !name.starts_with(OPERATOR)).collect();
            prop_assert_eq!(ours, wanted.iter().map(|section| &section.name).collect::<Vec<_>>());
            prop_assert!(names[0].starts_with(OPERATOR) && names[1].starts_with(OPERATOR));
        }
    }
}
