//! The reference policies, as they ship, in the sandbox.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::path::Path;
use std::sync::Arc;

use cascina_core::decision::{Decided, Said};
use cascina_core::policy::Hook;
use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig, digest};
use fixture::{ask, binding, rank, sandbox, view};

fn dist(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/dist");
    std::fs::read(folder.join(format!("{name}.wasm"))).unwrap()
}

#[test]
fn all_of_them_pass_inspection() {
    let sandbox = sandbox();
    for (name, hook) in [
        ("admission-default", Hook::Admission),
        ("quota-tiers", Hook::Quota),
        ("placement-pack", Hook::Placement),
        ("placement-spread", Hook::Placement),
        ("placement-owner", Hook::Placement),
        ("reallocate-balance", Hook::Reallocation),
        ("reallocate-consolidate", Hook::Reallocation),
        ("reallocate-fairshare", Hook::Reallocation),
    ] {
        let inspected = sandbox.inspect(&dist(name)).unwrap();
        assert_eq!((inspected.name.as_str(), &inspected.hooks[..]), (name, &[hook][..]));
        assert!(inspected.settings_schema.contains("\"properties\""), "{}", inspected.settings_schema);
        sandbox.check_settings(&inspected.digest, hook, "{}").unwrap();
        let complaints = sandbox.check_settings(&inspected.digest, hook, r#"{"no-such-setting": 1}"#).unwrap_err();
        assert!(complaints[0].to_string().contains("no-such-setting"), "{complaints:?}");
        for wrong in ["", "[]", "{", "null", &format!("{{\"a\": \"{}\"}}", "x".repeat(70_000))] {
            assert!(sandbox.check_settings(&inspected.digest, hook, wrong).is_err(), "{wrong}");
        }
        let other = if hook == Hook::Placement { Hook::Quota } else { Hook::Placement };
        let complaints = sandbox.check_settings(&inspected.digest, other, "{}").unwrap_err();
        assert!(complaints[0].text.contains(hook.as_str()), "{complaints:?}");
    }
}

#[test]
fn what_the_schema_cannot_say_the_policy_says() {
    let sandbox = sandbox();
    let pack = sandbox.inspect(&dist("placement-pack")).unwrap().digest;
    let zero = r#"{"fill": 0, "balance": 0, "in_use": 0, "cached": 0}"#;
    let complaints = sandbox.check_settings(&pack, Hook::Placement, zero).unwrap_err();
    assert!(complaints[0].text.contains("no-weight"), "{complaints:?}");
    let wrong = r#"{"fill": -1, "balance": "x", "other": true}"#;
    let complaints = sandbox.check_settings(&pack, Hook::Placement, wrong).unwrap_err();
    assert_eq!(complaints.len(), 3, "{complaints:?}");
    assert!(complaints.iter().any(|complaint| complaint.pointer == "/fill"));
}

#[test]
fn packing_packs_and_spreading_spreads() {
    let sandbox = sandbox();
    let mut view = view(&[16, 16, 16]);
    view.vcpus_free[1] = 4;
    view.memory_free_mib[1] = 16_384;
    let best = |name: &str| {
        let digest = sandbox.inspect(&dist(name)).unwrap().digest;
        rank(&sandbox, &[Arc::new(binding(1, Hook::Placement, digest))], &view)
    };
    let packed = best("placement-pack");
    assert_eq!(packed.best, Some(1), "{packed:?}");
    assert_ne!(best("placement-spread").best, Some(1));
}

#[test]
fn new_tenants_get_limits() {
    let sandbox = sandbox();
    let digest = sandbox.inspect(&dist("quota-tiers")).unwrap().digest;
    let chain = [Arc::new(binding(1, Hook::Quota, digest))];
    let judgement = sandbox.assign_quota(&ask(&chain), &["services".parse().unwrap(), "workers".parse().unwrap()]);
    assert!(matches!(judgement.opinions[0].said, Said::Assigned { .. }), "{judgement:?}");
    assert!(matches!(&judgement.decided, Decided::Assigned { limits } if !limits.is_empty()), "{judgement:?}");
}

#[test]
fn a_second_start_compiles_nothing() {
    let home = tempfile::tempdir().unwrap();
    let start = |compiler: Compiler| {
        let cache = Some(home.path().join("compiled"));
        Sandbox::new(SandboxConfig { cache, compiler, bounds: Bounds::default() }).unwrap()
    };
    let bytes = dist("placement-pack");
    let first = start(Compiler::InProcess).inspect(&bytes).unwrap();
    // A compiler that cannot work is not missed.
    let no_compiler = || Compiler::Child("/nonexistent/compiler".into(), vec![]);
    let second = start(no_compiler());
    second.load(first.digest, &bytes).unwrap();
    assert!(second.is_loaded(&first.digest));
    assert_eq!(second.inspect(&bytes).unwrap(), first);

    let other = dist("placement-spread");
    let error = second.inspect(&other).unwrap_err().to_string();
    assert!(error.contains("does not start"), "{error}");
    assert!(second.load(digest(&other), &bytes).unwrap_err().to_string().contains("its digest is"));
    // Damaged files are made again.
    for entry in std::fs::read_dir(home.path().join("compiled")).unwrap() {
        std::fs::write(entry.unwrap().path(), b"\x7fELF").unwrap();
    }
    assert!(start(no_compiler()).load(first.digest, &bytes).is_err());
    start(Compiler::InProcess).load(first.digest, &bytes).unwrap();
    start(no_compiler()).load(first.digest, &bytes).unwrap();
}

#[test]
fn forgotten_components_are_gone() {
    let sandbox = sandbox();
    let digest = sandbox.inspect(&dist("placement-pack")).unwrap().digest;
    sandbox.unload(&digest);
    assert!(!sandbox.is_loaded(&digest));
}
