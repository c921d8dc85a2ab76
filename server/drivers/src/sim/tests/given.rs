//! What guests are given, and what they write.

use cascina_core::id::OperationId;
use cascina_core::launch::Bytes;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMWPWjVYr1mcL7iM0OXy7Ln9LO2Qfz0mZ0Ck6f8xBtrz alice at home";

fn given(data: &[u8]) -> GuestSpec {
    GuestSpec { ssh_keys: vec![KEY.into()], user_data: Some(Bytes(data.into())), ..instance(1, 0) }
}

fn console(world: &mut World, spec: &GuestSpec) -> String {
    match ask(world, &host("w1"), &HostCall::Console { guest: spec.guest }) {
        Ok(Reply::Console(log)) => String::from_utf8(log).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_console_tells_what_came_in() {
    let (mut world, w1, guest) = (world(1), host("w1"), given(b"#cloud-config\nusers: []\n"));
    assert!(why(ask(&mut world, &w1, &HostCall::Console { guest: guest.guest })).contains("not here"));
    all(&mut world, &w1, &[define(1), stage(&guest)]);
    assert_eq!(console(&mut world, &guest), "", "it never came up");
    all(&mut world, &w1, &[make(1, 1, 1, None), boot(&guest), attach(&guest, 1, 1, "/dev/vdb")]);
    all(&mut world, &w1, &[HostCall::Reboot { guest: guest.guest, operation: OperationId(1) }]);
    let log = console(&mut world, &guest);
    for part in [
        "i-0000000000000000a is guest, boot 2",
        "user-data: 24 bytes: #cloud-config\n",
        "authorized key: alice at home\n",
        "/dev/vdb: vol-00000000000000001",
        "guest login: ",
    ] {
        assert!(log.contains(part), "{part}: {log}");
    }
    all(&mut world, &w1, &[HostCall::Stop { guest: guest.guest }]);
    assert!(console(&mut world, &guest).ends_with("Power down\n"));
    all(&mut world, &w1, &[boot(&instance(1, 0))]);
    let log = console(&mut world, &guest);
    assert!(log.contains("user-data: none") && !log.contains("authorized key"), "it boots with what it is given then");
}

#[test]
fn the_console_shows_text_only_and_ends_somewhere() {
    let mut world = world(1);
    let w1 = host("w1");
    let guest = given(b"\x1f\x8b\x08\x00\n");
    all(&mut world, &w1, &[define(1), stage(&guest), boot(&guest)]);
    assert!(console(&mut world, &guest).contains("user-data: 5 bytes\n"));
    let keys = vec!["ecdsa-sha2-nistp256 AAAA".into(), "no key".into()];
    let guest = GuestSpec { ssh_keys: keys, ..given(&[b'x'; 100_000]) };
    all(&mut world, &w1, &[HostCall::Stop { guest: guest.guest }, boot(&guest)]);
    let log = console(&mut world, &guest);
    assert!(log.len() < 2_000 && log.contains(&"x".repeat(200)) && log.contains("Linux"), "{log}");
    assert_eq!(log.matches("authorized key: without comment").count(), 2);
    let guest = GuestSpec { ssh_keys: vec![KEY.into(); 5_000], ..guest };
    all(&mut world, &w1, &[HostCall::Stop { guest: guest.guest }, boot(&guest)]);
    let log = console(&mut world, &guest);
    assert_eq!(log.len(), 64 << 10);
    assert!(log.ends_with("guest login: "), "the last of it");
}

#[test]
fn the_same_is_kept_once_and_goes_with_the_last() {
    let (mut world, w1) = (world(1), host("w1"));
    let spec = |k| GuestSpec { guest: instance(1, k).guest, ..given(b"the same") };
    for k in 0..3 {
        let own = GuestSpec { user_data: Some(Bytes(b"the same".as_slice().into())), ..spec(k) };
        all(&mut world, &w1, &[stage(&own)]);
    }
    let machine = &world.hosts()[&w1.name];
    let of = |k| world.given(&machine.guests[&spec(k).guest]).unwrap();
    assert!(std::ptr::eq(of(0), of(1)) && std::ptr::eq(of(1), of(2)));
    assert_eq!(of(0).user_data.as_ref().map(|bytes| &*bytes.0), Some(b"the same".as_slice()));
    for k in 0..3 {
        assert!(world.state().givens.get(1).is_some());
        all(&mut world, &w1, &[HostCall::Destroy { guest: spec(k).guest }]);
    }
    assert!(world.state().givens.get(1).is_none());
}
