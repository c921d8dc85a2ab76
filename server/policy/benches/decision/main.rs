//! What the sandbox costs: one placement decision over the whole cluster.
//!
//! Three ways to the same answer, side by side in one run:
//!
//! * `native`: the rule of `policies/placement-pack` in Rust, in this process;
//! * `bare`: the same component in wasmtime as it comes, pooled and pre-instantiated, with no
//!   fuel, no deadline, no limits, and nobody to look at the answer; a fresh instance each time;
//! * `sandbox`: `Sandbox::rank`, with everything that makes it safe to run other people's rules,
//!   up to the opinion that goes into the decision's record.
//!
//! Other engines (Rego, Starlark) fit in beside them.

#![allow(clippy::unwrap_used)]

#[allow(dead_code)]
#[path = "../../src/abi/mod.rs"]
mod abi;
mod bare;
#[path = "../../tests/fixture/mod.rs"]
mod fixture;
mod native;

use std::hint::black_box;
use std::sync::Arc;

use cascina_core::policy::Hook;
use cascina_core::view::ClusterView;
use cascina_policy::{PlacementFacts, Sandbox, SandboxConfig};
use criterion::{BenchmarkId, Criterion, Throughput};
use fixture::{WORK, ask, binding, rows};

const COMPONENT: &[u8] = include_bytes!("../../../../policies/dist/placement-pack.wasm");

/// Hosts of 16 vCPUs and 64 GiB in all states of fullness.
fn cluster(hosts: u32) -> ClusterView {
    let mut view = fixture::view(&vec![16; hosts as usize]);
    for row in 0..hosts {
        let at = row as usize;
        view.vcpus_free[at] = 1 + row * 7 % 16;
        view.memory_free_mib[at] = 2_048 + row * 5_003 % 63_488;
    }
    view
}

fn benchmarks(criterion: &mut Criterion) {
    let sandbox = Sandbox::new(SandboxConfig::default()).unwrap();
    let digest = sandbox.inspect(COMPONENT).unwrap().digest;
    let chain = [Arc::new(binding(1, Hook::Placement, digest))];
    let ask = ask(&chain);
    let bare = bare::Bare::new(COMPONENT);

    let mut group = criterion.benchmark_group("placement");
    for hosts in [40, 1_000, 10_000] {
        let view = cluster(hosts);
        let candidates = rows(&view);
        let facts = PlacementFacts::default();
        let ranking = sandbox.rank(&ask, &WORK, &view, &candidates, &facts);
        assert_eq!(ranking.best, native::rank(&view, &WORK), "{:?}", ranking.opinions);
        assert_eq!(ranking.best, bare.rank(&view, &WORK));

        group.throughput(Throughput::Elements(hosts.into()));
        group.bench_with_input(BenchmarkId::new("native", hosts), &view, |bench, view| {
            bench.iter(|| native::rank(black_box(view), &WORK));
        });
        group.bench_with_input(BenchmarkId::new("bare", hosts), &view, |bench, view| {
            bench.iter(|| bare.rank(black_box(view), &WORK));
        });
        group.bench_with_input(BenchmarkId::new("sandbox", hosts), &view, |bench, view| {
            bench.iter(|| sandbox.rank(&ask, &WORK, black_box(view), &candidates, &facts));
        });
    }
    group.finish();

    // Without a question to speak of: what a fresh instance costs.
    let view = cluster(1);
    criterion.bench_function("instance", |bench| {
        bench.iter(|| sandbox.rank(&ask, &WORK, black_box(&view), &[0], &PlacementFacts::default()));
    });
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    benchmarks(&mut criterion);
    criterion.final_summary();
}
