//! Components that ask for more than the ordinary: what they get, and what they do not.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::sync::Arc;

use cascina_core::policy::Hook;
use cascina_policy::{Bounds, Interpreters, Manifest, Sandbox, Warm};
use fixture::{GOOD, Parts, binding, rank, sandbox, sandbox_with, view};

fn warm() -> Manifest {
    Manifest { language: "test".into(), warm: true, ..Manifest::default() }
}

fn best(sandbox: &Sandbox, component: &[u8]) -> Vec<Option<u32>> {
    let digest = sandbox.inspect(component).unwrap().digest;
    let chain = [Arc::new(binding(1, Hook::Placement, digest))];
    (0..20).map(|_| rank(sandbox, &chain, &view(&[4, 8, 2])).best).collect()
}

#[test]
fn a_warm_instance_answers_as_a_fresh_one_does() {
    let sandbox = sandbox();
    let component = warm().attach(&Parts::default().build());
    assert_eq!(best(&sandbox, &component), [Some(1); 20]);
    assert!(sandbox.is_warm(&cascina_policy::digest(&component)));
    assert!(!sandbox.is_warm(&sandbox.inspect(&Parts::default().build()).unwrap().digest));
    // Recycled after each question, or never kept: the answers stay.
    for warm_bounds in [Warm { calls: 1, instances: 8, seconds: 60 }, Warm { instances: 0, calls: 9, seconds: 60 }] {
        let defaults = Bounds::default();
        let interpreters = Interpreters { warm: warm_bounds, ..defaults.interpreters };
        let sandbox = sandbox_with(Bounds { interpreters, ..defaults });
        assert_eq!(best(&sandbox, &component), [Some(1); 20]);
    }
}

/// What is kept between questions shows, because the same question is then answered otherwise.
#[test]
fn who_remembers_is_found_out() {
    let counts = Parts {
        extra: "(global $asked (mut i32) (i32.const 0))".into(),
        rank: format!(
            r#"(global.set $asked (i32.add (global.get $asked) (i32.const 1)))
            (if (i32.gt_u (global.get $asked) (i32.const 1)) (then (unreachable)))
            {GOOD}"#
        ),
        ..Parts::default()
    };
    let sandbox = sandbox();
    // Cold, each question is the first.
    sandbox.inspect(&counts.build()).unwrap();
    let error = sandbox.inspect(&warm().attach(&counts.build())).unwrap_err().to_string();
    assert!(error.contains("trial") && error.contains("trapped"), "{error}");
}

#[test]
fn memory_is_what_the_manifest_asks_for_and_the_site_allows() {
    // Takes so many pages before it answers.
    let takes = |pages: u32| {
        Parts::rank(format!(
            "(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then (unreachable)))\n{GOOD}"
        ))
        .build()
    };
    let asks = |memory_mib| Manifest { memory_mib, ..Manifest::default() };
    let sandbox = sandbox();
    let twenty_mib = takes(320);
    let error = sandbox.inspect(&twenty_mib).unwrap_err().to_string();
    assert!(error.contains("more than 16 MiB of memory"), "{error}");
    sandbox.inspect(&asks(32).attach(&twenty_mib)).unwrap();
    let error = sandbox.inspect(&asks(32).attach(&takes(640))).unwrap_err().to_string();
    assert!(error.contains("more than 32 MiB of memory"), "{error}");
    let error = sandbox.inspect(&asks(1024).attach(&twenty_mib)).unwrap_err().to_string();
    assert!(error.contains("at most 128"), "{error}");

    let defaults = Bounds::default();
    let none = Interpreters { memory_bytes: 0, ..defaults.interpreters };
    let closed = sandbox_with(Bounds { interpreters: none, ..defaults });
    for component in [asks(32).attach(&twenty_mib), warm().attach(&Parts::default().build())] {
        assert!(closed.inspect(&component).unwrap_err().to_string().contains("manifest"));
    }
    // What asks for no more than the ordinary is ordinary.
    closed.inspect(&asks(8).attach(&Parts::default().build())).unwrap();
}
