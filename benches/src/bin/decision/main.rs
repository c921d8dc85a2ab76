//! One placement decision, at 40, 1,000 and 10,000 hosts: as the engine makes it, and the sandbox's
//! part of it beside the same component in bare wasmtime, and the same rule in Rust, Rego and Starlark.
//!
//! All give scores for the same candidates and must name the same host. Handing the candidates over
//! is part of what is timed.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on says so")]

#[allow(dead_code, reason = "the server's own file: its types without its sandbox")]
#[path = "../../../../server/policy/src/abi/mod.rs"]
mod abi;
mod bare;
mod columns;
mod native;
mod rego;
mod star;

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::time::Duration;

use cascina_benches::samples::{Samples, Turns, short};
use cascina_benches::{cluster, machine, site};
use cascina_core::decision::{Decided, PlacementQuestion, Question};
use cascina_core::feasible::{Need, candidates};
use cascina_core::id::{DecisionId, HostId, ImageId};
use cascina_core::principal::Principal;
use cascina_core::state::State;
use cascina_core::units::{Size, Timestamp};
use cascina_core::view::ClusterView;
use cascina_engine::verdict::{Moment, Party, gather};
use cascina_policy::{Ask, Bounds, Compiler, PlacementFacts, Sandbox, SandboxConfig, Subject, Workload};

use crate::bare::Bare;
use crate::columns::{Columns, Wanted};
use crate::rego::{Form, Rego};
use crate::star::Starlark;

const SIZE: Size = Size {
    vcpus: cascina_core::units::Vcpus(1),
    memory: cascina_core::units::Mib(1024),
    disk: cascina_core::units::Gib(10),
};
const WANTED: Wanted = Wanted { vcpus: 1, memory_mib: 1024 };

fn question() -> Question {
    Question::Place(PlacementQuestion {
        router: false,
        flavor: "m1.small".into(),
        image: Some(ImageId(1)),
        class: site::name(site::WORKERS),
        size: SIZE,
        count: 1,
        cause: "create".into(),
        only: Vec::new(),
        avoid: Vec::new(),
        taken: Vec::new(),
        reserved: Vec::new(),
    })
}

/// The whole decision: facts, feasible hosts, the policy in a fresh instance, the record, its JSON.
fn decide(state: &State, view: &Arc<ClusterView>, sandbox: &Sandbox, id: u64, json: &mut Vec<u8>) -> Option<HostId> {
    let now = Timestamp(1_790_000_000_000);
    let party = Party::of_farm(state, cluster::FARM, &Principal::system()).unwrap();
    let moment = Moment { now, revision: view.revision, seed: id, id: DecisionId(id), dry_run: false };
    let decision = gather(state, now, party, None, question()).decide(sandbox, view, moment);
    json.clear();
    serde_json::to_writer(json, &decision).unwrap();
    match decision.decided {
        Decided::Placed { hosts } => hosts.first().copied(),
        _ => None,
    }
}

fn measure(hosts: u32, sandbox: &Sandbox, time: Duration) -> Vec<(&'static str, Samples)> {
    let digest = sandbox.inspect(site::PACK).unwrap().digest;
    let state = cluster::state(hosts, digest);
    let view = Arc::new(state.view());
    let class = site::name(site::WORKERS);
    let need = Need { class: &class, size: SIZE, groups: &[], only: &[], avoid: &[] };
    let rows = candidates(&view, &need).rows;
    let neighbours: Vec<(u32, u32)> = state
        .indexes
        .instances_by_farm
        .of(&cluster::FARM)
        .filter_map(|id| Some((view.row(state.rows.instances[&id].host?)? as u32, 1)))
        .collect();
    let columns = Columns::of(&view, &rows, &neighbours);
    let facts = PlacementFacts { same_farm: &neighbours, cached: &[], shares: &[] };
    let work = Workload {
        router: false,
        flavor: "m1.small",
        image: "ami-00000000000000001",
        class: site::WORKERS,
        size: SIZE,
        count: 1,
        cause: "create",
    };
    let chain = [state.rows.bindings.values().next().unwrap().clone()];
    let ask = Ask {
        chain: &chain,
        decision: DecisionId(1),
        at: Timestamp(1_000),
        seed: 1,
        revision: 1,
        dry_run: false,
        subject: Subject {
            tenant: "alice".into(),
            groups: vec!["physics".into()],
            tier: "standard".into(),
            farm: "farm".into(),
            actor: "ann".into(),
            roles: vec!["member".into()],
        },
        veiled: &[],
    };
    let (tuned, plain) = (Bare::new(site::PACK, true), Bare::new(site::PACK, false));
    let rego = [Form::Columns, Form::Records].map(|form| RefCell::new(Rego::new(form)));
    let starlark = [Form::Columns, Form::Records].map(Starlark::new);
    let (json, count) = (RefCell::new(Vec::new()), Cell::new(0));
    let whole = || {
        count.set(count.get() + 1);
        decide(&state, &view, sandbox, count.get(), &mut json.borrow_mut())
    };
    let sandboxed = || sandbox.rank(&ask, &work, &view, &rows, &facts).best;

    let at = native::rank(&columns, WANTED).unwrap();
    let host = HostId(columns.id[at]);
    assert_eq!(whole(), Some(host));
    assert_eq!(sandboxed(), Some(rows[at]));
    assert_eq!(tuned.rank(&columns, &work), Some(at));
    for (rego, starlark) in rego.iter().zip(&starlark) {
        assert_eq!(rego.borrow_mut().rank(&columns, WANTED), Some(at));
        assert_eq!(starlark.rank(&columns, WANTED), Some(at));
    }
    let fast = Turns::new()
        .way("whole decision", whole)
        .way("sandbox", sandboxed)
        .way("bare wasmtime", || tuned.rank(&columns, &work))
        .way("bare wasmtime, its own pool settings", || plain.rank(&columns, &work))
        .way("Rust", || native::rank(&columns, WANTED))
        .run(time);
    // Turns of their own: they would wash the caches for the others.
    let slow = Turns::new()
        .way("Starlark, columns", || starlark[0].rank(&columns, WANTED))
        .way("Starlark, a struct a host", || starlark[1].rank(&columns, WANTED))
        .way("Rego, columns", || rego[0].borrow_mut().rank(&columns, WANTED))
        .way("Rego, an object a host", || rego[1].borrow_mut().rank(&columns, WANTED))
        .run(time);
    fast.into_iter().chain(slow).collect()
}

fn main() {
    let seconds: f64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(6.0);
    println!("\n### One placement decision\n\n{}\n", machine::describe());
    let config = SandboxConfig { cache: None, bounds: Bounds::default(), compiler: Compiler::InProcess };
    let sandbox = Sandbox::new(config).unwrap();
    let sizes = [40, 1_000, 10_000];
    let results = sizes.map(|hosts| measure(hosts, &sandbox, Duration::from_secs_f64(seconds)));
    println!("| p50 (p99) | 40 hosts | 1,000 hosts | 10,000 hosts |\n|---|---|---|---|");
    for (row, (name, _)) in results[0].iter().enumerate() {
        let cell = |result: &Vec<(&str, Samples)>| {
            let samples = &result[row].1;
            format!("{} ({})", short(samples.p50()), short(samples.p99()))
        };
        let cells: Vec<String> = results.iter().map(cell).collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!("\n| ratio of p50 | 40 hosts | 1,000 hosts | 10,000 hosts |\n|---|---|---|---|");
    let row = |name: &str| results[0].iter().position(|(known, _)| *known == name).unwrap();
    for (one, other) in [
        ("sandbox", "bare wasmtime"),
        ("whole decision", "sandbox"),
        ("sandbox", "Rust"),
        ("Starlark, columns", "sandbox"),
        ("Starlark, a struct a host", "sandbox"),
        ("Rego, columns", "sandbox"),
        ("Rego, an object a host", "sandbox"),
    ] {
        let (a, b) = (row(one), row(other));
        let cell = |result: &Vec<(&str, Samples)>| {
            format!("{:.2}", result[a].1.p50().as_secs_f64() / result[b].1.p50().as_secs_f64())
        };
        let cells: Vec<String> = results.iter().map(cell).collect();
        println!("| {one} / {other} | {} |", cells.join(" | "));
    }
}
