//! Hostile components: each is refused at upload with a reason that its author can act on, or, if
//! it only turns hostile when it counts, contained at run time with a reason for the operator.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascina_core::decision::Said;
use cascina_core::policy::{Fallback, Hook};
use cascina_policy::{Bounds, UploadError};
use fixture::{ANSWER, GOOD, LOOP, Parts, binding, component, rank, sandbox, sandbox_with, view, words};

fn refused(bytes: &[u8]) -> String {
    let started = Instant::now();
    let error = sandbox().inspect(bytes).unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(20), "took {:?}: {error}", started.elapsed());
    let text = error.to_string();
    assert!(text.len() < 1_000 && !text.contains('\x1b'), "{text}");
    text
}

/// Passes the trial, then does `body` when it counts; the text of its failure.
fn contained(parts: Parts) -> String {
    let sandbox = sandbox();
    let inspected = sandbox.inspect(&parts.build()).unwrap();
    let bad = binding(1, Hook::Placement, inspected.digest);
    let view = view(&[4, 8, 2]);
    let started = Instant::now();
    let denied = rank(&sandbox, &[Arc::new(bad.clone())], &view);
    assert!(started.elapsed() < Duration::from_secs(2), "took {:?}", started.elapsed());
    assert_eq!((denied.best, denied.refused), (None, true));
    let mut next = bad;
    next.on_error = Fallback::Next;
    assert_eq!(rank(&sandbox, &[Arc::new(next)], &view).best, Some(0));
    match &denied.opinions[0].said {
        Said::Failed { error, fallback: Fallback::Deny } => error.clone(),
        other => panic!("{other:?}"),
    }
}

/// The same behaviour is refused when it shows in the trial, and contained when it does not.
#[track_caller]
fn both(body: &str, extra: &str, expected: &str) {
    let mut shown = Parts::rank(body);
    shown.extra = extra.into();
    let text = refused(&shown.build());
    assert!(text.contains(expected) && text.contains("placement"), "at upload: {text}");
    let mut hidden = Parts::rank_when_it_counts(body);
    hidden.extra = extra.into();
    let text = contained(hidden);
    assert!(text.contains(expected), "at run time: {text}");
}

/// An answer whose ranking is: scores, excluded, codes, reasons (address and length of each).
fn ranking(lists: [u32; 8]) -> String {
    let mut body = String::new();
    for (i, word) in lists.iter().enumerate() {
        write!(body, "(i32.store (i32.const {}) (i32.const {}))", ANSWER + 8 + 4 * i as u32, *word as i32).unwrap();
    }
    format!("(block (result i32) {body} (i32.const {ANSWER}))")
}

#[test]
fn the_fixture_itself_is_good() {
    let sandbox = sandbox();
    let inspected = sandbox.inspect(&Parts::default().build()).unwrap();
    assert_eq!(inspected.name.as_str(), "fixture");
    assert_eq!(inspected.hooks, [Hook::Placement]);
    let ranking = rank(&sandbox, &[Arc::new(binding(1, Hook::Placement, inspected.digest))], &view(&[4, 8, 2]));
    assert_eq!(ranking.best, Some(1), "{ranking:?}");
}

#[test]
fn endless_loop() {
    both(LOOP, "", "used up its 50000000 of fuel");
}

/// Fuel counts instructions, and one instruction can move megabytes: the deadline's case.
#[test]
fn loop_of_large_copies() {
    let body = "(drop (memory.grow (i32.const 200)))
        (loop $for_ever
            (memory.fill (i32.const 0) (i32.const 0) (i32.const 13000000))
            (br $for_ever)) unreachable";
    let text = contained(Parts::rank_when_it_counts(body));
    assert!(text.contains("ms of processor time") || text.contains("fuel"), "{text}");
}

#[test]
fn loop_in_start() {
    let parts = Parts { extra: format!("(func $go {LOOP}) (start $go)"), ..Parts::default() };
    let text = refused(&parts.build());
    assert!(text.contains("fuel"), "{text}");
}

#[test]
fn loop_in_realloc() {
    let parts = Parts { realloc: LOOP.into(), ..Parts::default() };
    let text = refused(&parts.build());
    assert!(text.contains("fuel"), "{text}");
}

#[test]
fn loop_in_describe_and_validate() {
    for parts in
        [Parts { describe: LOOP.into(), ..Parts::default() }, Parts { validate: LOOP.into(), ..Parts::default() }]
    {
        let text = refused(&parts.build());
        assert!(text.contains("describe itself") && text.contains("fuel"), "{text}");
    }
}

#[test]
fn deep_recursion() {
    let extra = "(func $down (param i32) (result i32) (i32.add (i32.const 1) (call $down (local.get 0))))";
    both("(call $down (i32.const 0))", extra, "recursed deeper than its stack of 512 KiB");
}

#[test]
fn memory_growth() {
    both(
        "(loop $more (br_if $more (i32.ne (i32.const -1) (memory.grow (i32.const 1))))) unreachable",
        "",
        "asked for more than 16 MiB of memory",
    );
    both("(drop (memory.grow (i32.const 60000))) unreachable", "", "asked for more than 16 MiB of memory");
}

#[test]
fn table_growth() {
    both(
        "(loop $more (br_if $more (i32.ne (i32.const -1) (table.grow $t (ref.null func) (i32.const 1000))))) unreachable",
        "(table $t 10 funcref)",
        "asked for a table of more than 10000 elements",
    );
}

#[test]
fn too_much_from_the_start() {
    let memory = Parts { memory: r#"(memory (export "memory") 65536)"#.into(), ..Parts::default() };
    let text = refused(&memory.build());
    assert!(text.contains("a memory of 4096 MiB from the start") && text.contains("16 allowed"), "{text}");
    let table = Parts { extra: "(table 100000 funcref)".into(), ..Parts::default() };
    let text = refused(&table.build());
    assert!(text.contains("a table of 100000 elements"), "{text}");
}

#[test]
fn compile_bombs() {
    let many = Parts { extra: "(func (result i32) (i32.const 1))".repeat(100_000), ..Parts::default() };
    let text = refused(&many.build());
    assert!(text.contains("functions") && text.contains("10000 allowed"), "{text}");

    let large = format!("(func (result i32) (i32.const 1) {})", "(i32.const 3) (i32.mul)".repeat(1_000_000));
    let text = refused(&Parts { extra: large, ..Parts::default() }.build());
    assert!(text.contains("bytes; at most") || text.contains("a function of"), "{text}");

    let function = format!("(func (result i32) (i32.const 1) {})", "(i32.const 3) (i32.mul)".repeat(60_000));
    let text = refused(&Parts { extra: function, ..Parts::default() }.build());
    assert!(text.contains("a function of") && text.contains("131072 allowed"), "{text}");

    let locals = format!("(func (local {}))", "i64 ".repeat(40_000));
    let text = refused(&Parts { extra: locals, ..Parts::default() }.build());
    assert!(text.contains("a function of 40000 locals"), "{text}");

    let globals = "(global i32 (i32.const 0))".repeat(100_000);
    let text = refused(&Parts { extra: globals, ..Parts::default() }.build());
    assert!(text.contains("globals"), "{text}");
}

/// What may be compiled at most, in bounds on every side, takes seconds and not minutes.
#[test]
fn the_largest_that_is_allowed_compiles_in_time() {
    let body = "(i32.const 3) (i32.mul)".repeat(40_000);
    let extra = format!("(func (result i32) (i32.const 1) {body})").repeat(14);
    let bytes = Parts { extra, ..Parts::default() }.build();
    assert!(bytes.len() > 1 << 20, "{}", bytes.len());
    let started = Instant::now();
    sandbox().inspect(&bytes).unwrap();
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
}

#[test]
fn nested_too_deeply_or_too_often() {
    let mut text = String::from("(component)");
    for _ in 0..10 {
        text = format!("(component {text})");
    }
    let text = refused(&wat::parse_str(&text).unwrap());
    assert!(text.contains("nested too deeply"), "{text}");

    let mut twice = String::from("(component $c)");
    for _ in 0..3 {
        twice = format!("(component $c {twice} (instance (instantiate $c)) (instance (instantiate $c)))");
    }
    let many = format!("(component {twice} {})", "(instance (instantiate $c))".repeat(1_000));
    let text = refused(&wat::parse_str(&many).unwrap());
    assert!(text.contains("component instances"), "{text}");
}

#[test]
fn traps() {
    both("unreachable", "", "trapped");
    both("(i32.div_u (i32.const 1) (i32.load (i32.const 8)))", "", "divide by zero");
    both("(i32.load (i32.const -8))", "", "out of bounds memory access");
    both("(call_indirect (result i32) (i32.const 3))", "(table 10 funcref)", "trapped");
    let start = Parts { extra: "(func $go unreachable) (start $go)".into(), ..Parts::default() };
    let text = refused(&start.build());
    assert!(text.contains("trapped"), "{text}");
}

#[test]
fn answers_outside_their_memory() {
    both("(i32.const -8)", "", "answered nonsense");
    both("(i32.const 3)", "", "answered nonsense");
    // Scores of 2^32 - 1 elements, and 10^7 of them.
    both(&ranking([1024, u32::MAX, 0, 0, 0, 0, 0, 0]), "", "out of bounds");
    both(&ranking([1024, 10_000_000, 0, 0, 0, 0, 0, 0]), "", "out of bounds");
    // Misaligned.
    both(&ranking([1026, 1, 0, 0, 0, 0, 0, 0]), "", "not aligned");
    // A variant that does not exist.
    both("(block (result i32) (i32.store8 (i32.const 256) (i32.const 9)) (i32.const 256))", "", "answered nonsense");
}

#[test]
fn answers_too_large() {
    // As many scores as fit into memory.
    both(
        &format!(
            "(block (result i32) (drop (memory.grow (i32.const 240))) (drop {}) (i32.const 256))",
            ranking([1024, 3_500_000, 0, 0, 0, 0, 0, 0])
        ),
        "",
        "more than 262144 bytes",
    );
    // Few bytes that stand for many: a thousand reasons that share one text of 30,000 bytes.
    let mut reasons = String::new();
    for i in 0..1_000 {
        let at = 40_000 + 20 * i;
        for (offset, word) in [(4, 64), (8, 3), (12, 1_024), (16, 30_000)] {
            write!(reasons, "(i32.store (i32.const {}) (i32.const {word}))", at + offset).unwrap();
        }
    }
    let body =
        format!("(block (result i32) {reasons} (drop {}) (i32.const 256))", ranking([0, 0, 0, 0, 0, 0, 40_000, 1_000]));
    both(&body, "", "more than 262144 bytes");
}

#[test]
fn bad_texts() {
    let reason = |severity: u32, code: (u32, u32), text: (u32, u32)| {
        format!(r#"(data (i32.const 8192) "{}")"#, words(&[severity, code.0, code.1, text.0, text.1]))
    };
    let one = ranking([0, 0, 0, 0, 0, 0, 8192, 1]);
    let texts = r#"(data (i32.const 9000) "ok\ff\fe fine Not-A-Code ESC\1b[2J")"#;
    let with = |reason: String| format!("{reason} {texts}");
    both(&one, &with(reason(0, (9000, 2), (9002, 2))), "utf-8");
    both(&one, &with(reason(0, (9010, 10), (9000, 2))), "is not a reason's code");
    both(&one, &with(reason(0, (9000, 2), (20_000, 501))), "501 bytes");
    both(&one, &with(reason(7, (9000, 2), (9000, 2))), "answered nonsense");
    both(&ranking([0, 0, 0, 0, 0, 0, 8192, 33]), "", "33 reasons");

    // Control characters are not an error: they arrive tamed.
    let sandbox = sandbox();
    let parts = Parts { extra: with(reason(1, (9000, 2), (9021, 7))), ..Parts::rank(one) };
    let inspected = sandbox.inspect(&parts.build()).unwrap();
    let ranking = rank(&sandbox, &[Arc::new(binding(1, Hook::Placement, inspected.digest))], &view(&[1]));
    assert_eq!(ranking.opinions[0].reasons[0].text, "ESC\u{fffd}[2J");
}

#[test]
fn rankings_out_of_range() {
    let extra = format!(
        r#"(data (i32.const 8192) "{}")"#,
        // A score too high; an exclusion of row 5000; one of code 7; a reason.
        words(&[10_001, 5_000, 0, 0, 7, 0, 64, 3, 64, 3])
    );
    both(&ranking([1024, 7, 0, 0, 0, 0, 0, 0]), "", "7 scores for");
    both(&ranking([8192, 1, 0, 0, 0, 0, 0, 0]), &extra, "scores for");
    let one_host = |body: &str, expected: &str| {
        let mut parts = Parts::rank_when_it_counts(body);
        parts.extra = extra.clone();
        let text = contained(parts);
        assert!(text.contains(expected), "{text}");
    };
    // The view in `contained` has three hosts.
    one_host(&ranking([8192, 3, 0, 0, 0, 0, 0, 0]), "the score 10001 of row 0 is above 10000");
    one_host(&ranking([0, 0, 8196, 1, 8212, 1, 0, 0]), "excludes row 5000, but there are 3 candidates");
    one_host(&ranking([0, 0, 8204, 1, 8212, 1, 0, 0]), "excludes row 0 for code 7, but gives 1 codes");
    one_host(&ranking([0, 0, 8212, 4, 8212, 1, 0, 0]), "4 exclusions for 3 candidates");
    let twice = format!(r#"(data (i32.const 8192) "{}")"#, words(&[0, 64, 3, 64, 3, 1, 0, 1, 0]));
    let parts = Parts { extra: twice, ..Parts::rank_when_it_counts(&ranking([0, 0, 8212, 2, 8192, 1, 0, 0])) };
    let text = contained(parts);
    assert!(text.contains("excludes row 1 twice"), "{text}");
    let refuse = "(block (result i32) (i32.store8 (i32.const 260) (i32.const 1)) (i32.const 256))";
    both(refuse, "", "refuses without a reason");
}

#[test]
fn imports_outside_the_world() {
    let import = |name: &str| format!(r#"(component (import "{name}" (instance (export "now" (func (result u64))))))"#);
    for name in ["wasi:clocks/monotonic-clock@0.2.0", "cascina:policy/state@1.0.0", "cascina:policy/log@2.0.0", "evil"]
    {
        let error = sandbox().inspect(&wat::parse_str(import(name)).unwrap()).unwrap_err();
        assert!(matches!(&error, UploadError::Import(import) if import == name), "{error}");
    }
    let bare = r#"(component (import "cascina:policy/log@1.0.0" (func)))"#;
    assert!(matches!(sandbox().inspect(&wat::parse_str(bare).unwrap()), Err(UploadError::Import(_))));
    // The right name with something else behind it.
    let wrong = import("cascina:policy/log@1.0.0");
    let error = sandbox().inspect(&wat::parse_str(wrong).unwrap()).unwrap_err();
    assert!(matches!(error, UploadError::NoMetadata | UploadError::WrongType { .. }), "{error}");
}

#[test]
fn exports_that_are_not_the_contract() {
    let sandbox = sandbox();
    let error = sandbox.inspect(&wat::parse_str("(component)").unwrap()).unwrap_err();
    assert!(matches!(error, UploadError::NoMetadata), "{error}");
    let error = sandbox.inspect(&Parts { world: "policy", ..Parts::default() }.build()).unwrap_err();
    assert!(matches!(error, UploadError::NoHook { .. }), "{error}");
    assert!(error.to_string().contains("cascina:policy/placement@1.0.0"), "{error}");
    // Metadata of another shape.
    let text = r#"(component
        (core module $m (func (export "f")))
        (core instance $i (instantiate $m))
        (func $f (canon lift (core func $i "f")))
        (instance $metadata (export "describe" (func $f)) (export "validate-settings" (func $f)))
        (instance $placement (export "rank" (func $f)))
        (export "cascina:policy/metadata@1.0.0" (instance $metadata))
        (export "cascina:policy/placement@1.0.0" (instance $placement)))"#;
    let error = sandbox.inspect(&wat::parse_str(text).unwrap()).unwrap_err().to_string();
    assert!(error.contains("describe itself") && error.contains("type mismatch"), "{error}");
}

#[test]
fn what_is_no_component() {
    let sandbox = sandbox();
    let mut noise = Vec::new();
    let mut state = 1u64;
    for length in 0..300 {
        assert!(sandbox.inspect(&noise).is_err(), "{length} random bytes");
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        noise.push((state >> 56) as u8);
    }
    let core = wat::parse_str("(module (func))").unwrap();
    assert!(matches!(sandbox.inspect(&core), Err(UploadError::CoreModule)));
    assert!(matches!(sandbox.inspect(&vec![0; 3 << 20]), Err(UploadError::TooLarge { .. })));
    let text = sandbox.inspect(b"(component)").unwrap_err().to_string();
    assert!(text.contains("not a WebAssembly component"), "{text}");
}

#[test]
fn truncated_and_flipped() {
    let sandbox = sandbox();
    let good = Parts::default().build();
    for length in (0..good.len()).step_by(37) {
        assert!(sandbox.inspect(&good[..length]).is_err(), "the first {length} of {} bytes", good.len());
    }
    let mut longer = good.clone();
    longer.push(0);
    assert!(sandbox.inspect(&longer).is_err());
    // A flipped bit may hit a name or a constant and leave a good policy, but nothing may break.
    let mut survived = 0;
    for at in (0..good.len()).step_by(11) {
        let mut flipped = good.clone();
        flipped[at] ^= 1 << (at % 8);
        survived += u32::from(sandbox.inspect(&flipped).is_ok());
    }
    assert!((survived as usize) < good.len() / 22, "{survived}");
}

/// Bytes changed, taken out and put in, anywhere and several at a time.
#[test]
fn mutants() {
    use proptest::prelude::*;
    let sandbox = sandbox();
    let good = Parts::default().build();
    let change = (any::<prop::sample::Index>(), any::<u8>(), 0u8..4);
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    runner
        .run(&prop::collection::vec(change, 1..6), |changes| {
            let mut bytes = good.clone();
            for (at, byte, kind) in changes {
                let at = at.index(bytes.len());
                match kind {
                    0 => bytes[at] = byte,
                    1 => bytes[at] ^= 1 << (byte % 8),
                    2 => drop(bytes.drain(at..(at + byte as usize % 16 + 1).min(bytes.len()))),
                    _ => bytes.insert(at, byte),
                }
                if bytes.is_empty() {
                    bytes.push(0);
                }
            }
            // Whatever comes of it, it comes back.
            if let Ok(inspected) = sandbox.inspect(&bytes) {
                let chain = [Arc::new(binding(1, Hook::Placement, inspected.digest))];
                rank(&sandbox, &chain, &view(&[4, 8, 2]));
            }
            Ok(())
        })
        .unwrap();
}

/// Nothing that one evaluation writes is there for the next: not in globals, not in memory, and
/// not for a policy of somebody else that gets the same slot.
#[test]
fn no_state_is_kept() {
    let sandbox = sandbox_with(Bounds { concurrent: 1, ..Bounds::default() });
    let counts = Parts {
        extra: "(global $calls (mut i32) (i32.const 0))".into(),
        ..Parts::rank(format!(
            "(global.set $calls (i32.add (global.get $calls) (i32.const 1)))
             (i32.store (i32.const 30000) (i32.add (i32.load (i32.const 30000)) (i32.const 1)))
             (if (i32.or (i32.ne (global.get $calls) (i32.const 1)) (i32.ne (i32.load (i32.const 30000)) (i32.const 1)))
                (then unreachable))
             {GOOD}"
        ))
    };
    // Fills all the memory that it can get with a secret.
    let writes = Parts::rank(format!(
        "(drop (memory.grow (i32.const 200)))
         (memory.fill (i32.const 200000) (i32.const 170) (i32.const 12900000))
         (global.set $heap (i32.const 13100000))
         {GOOD}"
    ));
    // Looks at all of it.
    let reads = Parts::rank(format!(
        "(drop (memory.grow (i32.const 200)))
         (local.set $i (i32.const 200000))
         (loop $next
            (if (i64.ne (i64.load (local.get $i)) (i64.const 0)) (then unreachable))
            (local.set $i (i32.add (local.get $i) (i32.const 8)))
            (br_if $next (i32.lt_u (local.get $i) (i32.const 13000000))))
         (local.set $i (i32.const 0))
         {GOOD}"
    ));
    let chain: Vec<_> = [counts, writes, reads]
        .iter()
        .enumerate()
        .map(|(i, parts)| {
            let inspected = sandbox.inspect(&parts.build()).unwrap();
            Arc::new(binding(i as u64, Hook::Placement, inspected.digest))
        })
        .collect();
    let view = view(&[4, 8, 2]);
    let first = rank(&sandbox, &chain, &view);
    assert_eq!(first.best, Some(1), "{first:?}");
    for _ in 0..20 {
        assert_eq!(rank(&sandbox, &chain, &view), first);
    }
}

/// Others go on while policies loop.
#[test]
fn others_are_not_held_up() {
    let sandbox = Arc::new(sandbox_with(Bounds { quarantine_after: 1_000, ..Bounds::default() }));
    let good = sandbox.inspect(&Parts::default().build()).unwrap().digest;
    let bad = sandbox.inspect(&Parts::rank_when_it_counts(LOOP).build()).unwrap().digest;
    let view = Arc::new(view(&[4, 8, 2]));
    let looping = std::thread::spawn({
        let (sandbox, view) = (sandbox.clone(), view.clone());
        move || {
            let chain = [Arc::new(binding(1, Hook::Placement, bad))];
            (0..10).for_each(|_| assert!(rank(&sandbox, &chain, &view).refused));
        }
    });
    let chain = [Arc::new(binding(2, Hook::Placement, good))];
    let mut times = Vec::new();
    while !looping.is_finished() {
        let started = Instant::now();
        assert_eq!(rank(&sandbox, &chain, &view).best, Some(1));
        times.push(started.elapsed());
    }
    looping.join().unwrap();
    times.sort();
    assert!(
        times[times.len() / 2] < Duration::from_millis(5),
        "median {:?} of {}",
        times[times.len() / 2],
        times.len()
    );
}

#[test]
fn logs_are_bounded_and_tamed() {
    let imports = r#"(import "cascina:policy/log@1.0.0" "write" (func $log (param i32 i32 i32)))"#;
    let extra = r#"(data (i32.const 9000) "hello\1b[2J")"#;
    let sandbox = sandbox();
    let log = |body: &str| {
        let parts = Parts { imports: imports.into(), extra: extra.into(), ..Parts::rank(body) };
        let inspected = sandbox.inspect(&parts.build()).unwrap();
        rank(&sandbox, &[Arc::new(binding(1, Hook::Placement, inspected.digest))], &view(&[1])).opinions.remove(0)
    };
    let opinion = log(&format!("(call $log (i32.const 2) (i32.const 9000) (i32.const 9)) {GOOD}"));
    assert_eq!(opinion.log, ["warn: hello\u{fffd}[2J"]);
    let many = "(loop $again
        (call $log (i32.const 1) (i32.const 9000) (i32.const 5))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 1000))))
        (local.set $i (i32.const 0))";
    let opinion = log(&format!("{many} {GOOD}"));
    assert_eq!(opinion.log.len(), 65);
    assert_eq!(opinion.log[64], "server: 936 more lines were dropped");
    assert!(opinion.fuel > 1_000_000, "lines cost fuel: {}", opinion.fuel);
    let long = log(&format!("(call $log (i32.const 1) (i32.const 20000) (i32.const 5000)) {GOOD}"));
    assert!(long.log[0].len() < 2_000, "{}", long.log[0].len());
    let outside = Parts {
        imports: imports.into(),
        ..Parts::rank(format!("(call $log (i32.const 1) (i32.const 20000) (i32.const -1)) {GOOD}"))
    };
    let text = refused(&outside.build());
    assert!(text.contains("out of bounds"), "{text}");
}

#[test]
fn the_type_of_every_hook_is_the_contracts() {
    // Every hook function traps, which only a call of the right type can find out.
    for world in
        ["admission-policy", "quota-policy", "placement-policy", "reallocation-policy", "choose-victims-policy"]
    {
        let text = hook_traps(world);
        let error = sandbox().inspect(&component(&text, world)).unwrap_err().to_string();
        assert!(error.contains("unreachable"), "{world}: {error}");
    }
}

fn hook_traps(world: &str) -> String {
    let functions: &[&str] = match world {
        "admission-policy" => &["admission@1.0.0#admit-tenant", "admission@1.0.0#admit-farm"],
        "quota-policy" => &["quota@1.0.0#assign", "quota@1.0.0#check"],
        "reallocation-policy" => &["reallocation@1.0.0#propose"],
        "choose-victims-policy" => &["choose-victims@1.0.0#choose"],
        _ => &[],
    };
    let extra = functions
        .iter()
        .map(|name| format!(r#"(func (export "cascina:policy/{name}") (param i32) (result i32) unreachable)"#))
        .collect();
    let world = if world == "placement-policy" { "placement-policy" } else { "policy" };
    Parts { world, extra, rank: "unreachable".into(), ..Parts::default() }.text()
}
