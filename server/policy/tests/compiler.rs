//! The compiler as a child process. Not under the usual harness, because this program is also the
//! child: started with `child`, it compiles what it is fed.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use cascina_core::policy::Hook;
use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig, run_compiler_child};
use fixture::{Parts, binding, rank, view};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.first().map(String::as_str) {
        Some("child") => run_compiler_child(&told(&arguments)),
        Some("crash") => std::process::abort(),
        // What `cargo test` asks of programs that it believes to be of its kind.
        Some("--list") => ExitCode::SUCCESS,
        _ => {
            compiles();
            says_what_is_wrong();
            dies_of_its_own_limits();
            ExitCode::SUCCESS
        }
    }
}

/// What the sandbox says last.
fn told(arguments: &[String]) -> Bounds {
    let numbers: Vec<u64> = arguments[arguments.len() - 6..].iter().map(|text| text.parse().unwrap()).collect();
    Bounds::of_compiler(numbers.try_into().unwrap())
}

/// Seconds and MiB, if given.
fn bounds(arguments: &[String]) -> Bounds {
    let mut bounds = Bounds::default();
    if let [seconds, mib] = arguments {
        bounds.compile_seconds = seconds.parse().unwrap();
        bounds.compile_bytes = mib.parse::<u64>().unwrap() << 20;
    }
    bounds
}

fn sandbox(arguments: &[&str]) -> Sandbox {
    let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
    let bounds = if arguments.len() > 1 { bounds(&arguments[1..]) } else { Bounds::default() };
    let compiler = Compiler::Child(std::env::current_exe().unwrap(), arguments);
    Sandbox::new(SandboxConfig { bounds, compiler, ..SandboxConfig::default() }).unwrap()
}

fn compiles() {
    let sandbox = sandbox(&["child"]);
    let digest = sandbox.inspect(&Parts::default().build()).unwrap().digest;
    let chain = [Arc::new(binding(1, Hook::Placement, digest))];
    assert_eq!(rank(&sandbox, &chain, &view(&[4, 8, 2])).best, Some(1));
}

fn says_what_is_wrong() {
    let sandbox = sandbox(&["child"]);
    // Well-formed on the outside; does not validate.
    let text = "(component (core module (func (result i32) (i64.const 1))))";
    let error = sandbox.inspect(&wat::parse_str(text).unwrap()).unwrap_err().to_string();
    assert!(error.contains("cannot be compiled") && error.contains("type mismatch"), "{error}");
    assert!(sandbox.inspect(&Parts::default().build()).is_ok(), "and goes on");
}

fn dies_of_its_own_limits() {
    let body = "(i32.const 3) (i32.mul)".repeat(40_000);
    let extra = format!("(func (result i32) (i32.const 1) {body})").repeat(14);
    let large = Parts { extra, ..Parts::default() }.build();
    let started = Instant::now();
    let error = sandbox(&["child", "0", "1024"]).inspect(&large).unwrap_err().to_string();
    assert!(error.contains("to compile") && error.contains("make it smaller"), "{error}");
    let error = sandbox(&["child", "10", "64"]).inspect(&large).unwrap_err().to_string();
    assert!(error.contains("64 MiB of memory"), "{error}");
    let error = sandbox(&["crash"]).inspect(&large).unwrap_err().to_string();
    assert!(error.contains("cannot be compiled"), "{error}");
    eprintln!("refused after {:?}", started.elapsed());
    let started = Instant::now();
    sandbox(&["child"]).inspect(&large).unwrap();
    eprintln!("{} KiB of the most expensive kind compiled in {:?}", large.len() >> 10, started.elapsed());
}
