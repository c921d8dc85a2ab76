//! What is no plan, and what it is told to be.

use super::*;

#[track_caller]
fn refused(change: impl FnOnce(&mut Draft)) -> PlanError {
    let mut draft = full();
    change(&mut draft);
    RouterPlan::new(draft).unwrap_err()
}

#[test]
fn a_router_follows_from_settings_and_rows() {
    let plan = plan(&settings(), &network(), &router(), 12, &config()).unwrap();
    assert_eq!(plan.domain.as_str(), "farm-00000000000000007.cascina.internal");
    let wan = plan.wan.clone().unwrap();
    assert_eq!((wan.address, wan.prefix, wan.gateway), (Some(ip("203.0.113.7")), 24, ip("203.0.113.1")));
    assert_eq!(wan.mac.to_string(), "02:ff:01:02:02:01");
    let public: Vec<_> = plan.public().map(|ip| ip.to_string()).collect();
    assert_eq!(public, ["203.0.113.7", "198.51.100.9", "203.0.113.51"]);
}

#[test]
fn without_an_address_of_its_own_a_router_leaves_by_the_lowest_that_is_mapped() {
    let config = RouterConfig { public: None, forwards: Vec::new(), ..config() };
    let made = plan(&settings(), &network(), &router(), 1, &config).unwrap();
    let wan = made.wan.clone().unwrap();
    assert_eq!((wan.address, wan.prefix, wan.gateway), (None, 25, ip("198.51.100.126")));
    let none = plan(&settings(), &network(), &router(), 1, &RouterConfig::default()).unwrap();
    assert_eq!(none.wan, None);
}

#[test]
fn guests_are_called_what_they_call_themselves() {
    let names = |names: &[(&str, &str)]| {
        let names = names.iter().map(|(address, text)| (ip(address), name(text))).collect();
        let made = plan(&settings(), &network(), &router(), 1, &RouterConfig { names, ..config() }).unwrap();
        let shown = |(address, name): &(Ipv4Addr, Name)| format!("{address} {name}");
        made.names.iter().map(shown).collect::<Vec<_>>()
    };
    let given = [
        ("10.65.2.4", "web"),
        ("10.65.2.5", "odd-"),
        ("10.65.2.6", "a..b"),
        ("10.65.2.7", "12"),
        // Another's address, and its own.
        ("10.65.2.8", "ip-10-65-2-4"),
        ("10.65.2.9", "ip-10-65-2-9"),
    ];
    let expected = ["10.65.2.4 web", "10.65.2.5 odd", "10.65.2.6 a.b", "10.65.2.7 host-12", "10.65.2.9 ip-10-65-2-9"];
    assert_eq!(names(&given), expected);
}

#[test]
fn no_name_of_a_guest_is_one_of_the_whole_world() {
    let mut draft = full();
    draft.names.push((ip("10.65.2.12"), name("www.example.com")));
    let plan = RouterPlan::new(draft).unwrap();
    let hosts = text(&render(&plan, &Target::Linux), "hosts");
    let own = format!("10.65.2.12 www.example.com.{}", plan.domain);
    assert!(hosts.lines().any(|line| line == own), "{hosts}");
    let devices = Devices { lan: "eth0".parse().unwrap(), wan: "eth1".parse().unwrap() };
    let dhcp = text(&render(&plan, &Target::OpenWrt(devices)), "etc/config/dhcp");
    assert!(dhcp.contains(&format!("option name 'www.example.com.{}'", plan.domain)), "{dhcp}");
}

#[test]
fn metadata_tells_farms_apart_by_their_segment() {
    let metadata =
        |seen_as| Some(MetadataSettings { to: "192.0.2.80:8775".parse().unwrap(), seen_as: Some(net(seen_as)) });
    let seen = |seen_as| {
        let settings = RouterSettings { metadata: metadata(seen_as), ..settings() };
        plan(&settings, &network(), &router(), 1, &config()).map(|plan| plan.metadata.unwrap().seen_as.unwrap())
    };
    assert_eq!(seen("100.64.0.0/10"), Ok(net("100.64.16.32/28")));
    assert_eq!(seen("100.64.0.0/24"), Err(PlanError::NoneSeenAs(0x0102)));
    assert_eq!(seen("100.64.0.0/29"), Err(PlanError::NoneSeenAs(0x0102)));
}

#[test]
fn what_has_no_place_outside_is_refused() {
    let of = |config: RouterConfig| plan(&settings(), &network(), &router(), 1, &config).unwrap_err();
    let public = |text| of(RouterConfig { public: Some(ip(text)), ..RouterConfig::default() });
    assert_eq!(public("192.0.2.1"), PlanError::UnknownPublic(ip("192.0.2.1")));
    for taken in ["203.0.113.1", "203.0.113.0", "203.0.113.255", "198.51.100.127"] {
        assert_eq!(public(taken), PlanError::NotPublic(ip(taken)));
    }
    let mapped = |pairs: &[(&str, &str)]| {
        let mapped = pairs.iter().map(|(public, guest)| (ip(public), ip(guest))).collect();
        of(RouterConfig { mapped, ..config() })
    };
    assert_eq!(mapped(&[("192.0.2.1", "10.65.2.10")]), PlanError::UnknownPublic(ip("192.0.2.1")));
    assert_eq!(mapped(&[("203.0.113.7", "10.65.2.10")]), PlanError::PublicTwice(ip("203.0.113.7")));
    let twice = [("203.0.113.8", "10.65.2.10"), ("203.0.113.8", "10.65.2.11")];
    assert_eq!(mapped(&twice), PlanError::PublicTwice(ip("203.0.113.8")));
    let both = [("203.0.113.8", "10.65.2.10"), ("203.0.113.9", "10.65.2.10")];
    assert_eq!(mapped(&both), PlanError::GuestTwice(ip("10.65.2.10")));
    for nobody in ["10.65.2.0", "10.65.2.1", "10.65.2.15", "10.65.3.10"] {
        assert_eq!(mapped(&[("203.0.113.8", nobody)]), PlanError::NoGuest(ip(nobody), net("10.65.2.0/28")));
    }
    let no_public = RouterConfig { public: None, ..config() };
    assert_eq!(of(no_public), PlanError::NoPublic);
    assert_eq!(refused(|draft| draft.wan = None), PlanError::NoOutside(2));
}

#[test]
fn specs_must_belong_together() {
    let instance = GuestSpec { guest: Guest::Instance(cascina_core::id::InstanceId(1)), ..router() };
    let made = plan(&settings(), &network(), &instance, 1, &config());
    assert_eq!(made, Err(PlanError::NotARouter(instance.guest)));
    let elsewhere = GuestSpec { network: NetworkId(2), ..router() };
    let made = plan(&settings(), &network(), &elsewhere, 1, &config());
    assert_eq!(made, Err(PlanError::OtherNetwork { router: NetworkId(2), network: NetworkId(1) }));
    let long = RouterSettings { domain_suffix: vec!["abcdefghi"; 18].join(".").parse().unwrap(), ..settings() };
    assert!(matches!(plan(&long, &network(), &router(), 1, &config()), Err(PlanError::Domain(_))));
}

#[test]
fn forwards_lead_each_port_to_one_guest() {
    let forwards = |rules: Vec<NatRule>| refused(|draft| draft.forwards = rules);
    let tcp = |port, to, to_port| forward(Protocol::Tcp, port, to, to_port);
    assert_eq!(forwards(vec![tcp(0, "10.65.2.10", 1)]), PlanError::PortZero);
    assert_eq!(forwards(vec![tcp(1, "10.65.2.10", 0)]), PlanError::PortZero);
    assert_eq!(forwards(vec![tcp(1, "10.65.2.1", 1)]), PlanError::NoGuest(ip("10.65.2.1"), net("10.65.2.0/28")));
    let twice = vec![tcp(1, "10.65.2.10", 1), tcp(1, "10.65.2.11", 2)];
    assert_eq!(forwards(twice), PlanError::PortTwice(Protocol::Tcp, 1));
    let both = vec![tcp(1, "10.65.2.10", 1), forward(Protocol::Udp, 1, "10.65.2.10", 1)];
    assert!(RouterPlan::new(Draft { forwards: both, ..full() }).is_ok());
}

#[test]
fn names_are_those_of_the_dns() {
    let named = |address: &str, text: &str| {
        RouterPlan::new(Draft { names: vec![(ip(address), name(text))], ..full() }).map(|_| ())
    };
    for good in ["web", "a.b", "ip-10-65-2-10", "ip-10-65-2", "ip-x", "0"] {
        assert_eq!(named("10.65.2.10", good), Ok(()), "{good}");
    }
    // The kernel of the site takes these, a farm's DNS does not.
    for bad in ["a-", "a.", "a..b", "a.-b", "ip-10-65-2-11", "ip-8-8-8-8"] {
        let error = PlanError::NotHostName { address: ip("10.65.2.10"), name: name(bad) };
        assert_eq!(named("10.65.2.10", bad), Err(error), "{bad}");
    }
    assert!(matches!(named("10.65.2.1", "web"), Err(PlanError::NoGuest(..))));
    let twice = refused(|draft| draft.names.push((ip("10.65.2.10"), name("web"))));
    assert_eq!(twice, PlanError::NameTwice { address: ip("10.65.2.10"), name: name("web") });
    // Several guests may share a name: each query gets all.
    let shared = vec![(ip("10.65.2.10"), name("web")), (ip("10.65.2.11"), name("web"))];
    assert!(RouterPlan::new(Draft { names: shared, ..full() }).is_ok());
}

#[test]
fn the_inside_is_one_network_with_one_gateway() {
    for bad in ["10.65.0.0/15", "10.65.2.0/30", "10.65.2.1/28", "0.0.0.0/16", "127.0.0.0/24", "224.1.0.0/24"] {
        assert_eq!(refused(|draft| draft.lan.cidr = net(bad)), PlanError::Network(net(bad)));
    }
    for bad in ["10.65.2.0", "10.65.2.15", "10.65.3.1"] {
        let error = PlanError::Gateway { address: ip(bad), lan: net("10.65.2.0/28") };
        assert_eq!(refused(|draft| draft.lan.address = ip(bad)), error);
    }
    assert!(matches!(refused(|draft| draft.lan.mac.0[5] = 9), PlanError::Mac { .. }));
    assert!(matches!(refused(|draft| draft.lan.mac_prefix[0] = 3), PlanError::NoMac(_)));
    assert_eq!(refused(|draft| draft.lan.mtu = 575), PlanError::Mtu(575));
    assert_eq!(refused(|draft| draft.revision = 1 << 63), PlanError::Revision(1 << 63));
    assert_eq!(refused(|draft| draft.upstream = vec![ip("10.65.2.4")]), PlanError::Upstream(ip("10.65.2.4")));
    assert_eq!(refused(|draft| draft.upstream = vec![ip("127.0.0.1")]), PlanError::Upstream(ip("127.0.0.1")));
}

#[test]
fn the_outside_is_another_network_than_the_inside() {
    let wan = |change: fn(&mut Wan)| refused(|draft| change(draft.wan.as_mut().unwrap()));
    assert_eq!(wan(|wan| wan.prefix = 31), PlanError::PublicPrefix(31));
    assert_eq!(wan(|wan| wan.prefix = 99), PlanError::PublicPrefix(99));
    assert!(matches!(wan(|wan| wan.gateway = ip("198.51.100.1")), PlanError::PublicGateway { .. }));
    assert!(matches!(wan(|wan| wan.gateway = ip("203.0.113.255")), PlanError::PublicGateway { .. }));
    assert_eq!(wan(|wan| wan.gateway = ip("203.0.113.7")), PlanError::NotPublic(ip("203.0.113.7")));
    assert_eq!(wan(|wan| wan.address = Some(ip("10.65.2.7"))), PlanError::NotPublic(ip("10.65.2.7")));
    assert_eq!(wan(|wan| wan.address = Some(ip("255.255.255.255"))), PlanError::NotPublic(ip("255.255.255.255")));
    assert!(matches!(wan(|wan| wan.mac.0[0] = 0), PlanError::NoMac(_)));
    assert!(matches!(refused(|draft| draft.wan.as_mut().unwrap().mac = draft.lan.mac), PlanError::SameMac(_)));
    let metadata = |to: &str, seen_as: &str| {
        let metadata = Metadata { to: to.parse().unwrap(), seen_as: Some(net(seen_as)) };
        refused(|draft| draft.metadata = Some(metadata))
    };
    assert!(matches!(metadata("10.65.2.9:80", "100.64.0.0/28"), PlanError::Metadata(_)));
    assert!(matches!(metadata("192.0.2.80:0", "100.64.0.0/28"), PlanError::Metadata(_)));
    for bad in ["100.64.0.0/24", "100.64.0.1/28", "10.65.2.0/28", "192.0.2.80/28"] {
        assert!(matches!(metadata("192.0.2.80:80", bad), PlanError::SeenAs { .. }), "{bad}");
    }
}
