//! What plans cost through the sandbox: `cargo test --workspace --test planner_cost -- --ignored --nocapture`.

#![allow(clippy::unwrap_used)]

mod fixture;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use cascina_core::cluster::Cluster;
use cascina_core::decision::{Amounts, Decided, Said};
use cascina_core::id::InstanceId;
use cascina_core::policy::Hook;
use cascina_core::state::Guest;
use cascina_core::units::Size;
use fixture::{ask, binding, sandbox};

/// Ten guests a host, of sizes and on hosts that follow from their numbers; a tenth of the hosts is hot.
fn cluster(hosts: u32) -> Cluster {
    let mut cluster = Cluster::default();
    for number in 1..=hosts {
        cluster.host.push(number);
        cluster.host_vcpus.push(64);
        cluster.host_vcpus_free.push(64);
        cluster.host_memory_mib.push(262_144);
        cluster.host_memory_free_mib.push(262_144);
        cluster.host_load_permille.push(0);
        cluster.host_class.push(0);
        cluster.host_share.push(0);
        cluster.host_state.push(0);
    }
    for i in 0..hosts * 10 {
        let hash = i.wrapping_mul(2_654_435_761) >> 8;
        let spot = if hash % 4 == 0 { hash % (hosts / 10).max(1) } else { hash % hosts };
        let (vcpus, memory) = (1 + hash % 6, 2048 * (1 + (hash >> 4) % 10));
        let place = spot as usize;
        if cluster.host_vcpus_free[place] < vcpus || cluster.host_memory_free_mib[place] < memory {
            continue;
        }
        cluster.host_vcpus_free[place] -= vcpus;
        cluster.host_memory_free_mib[place] -= memory;
        cluster.guests.push(Guest::Instance(InstanceId(u64::from(i) + 1)));
        cluster.instance.push(cluster.guests.len() as u32);
        cluster.farm.push(1 + i / 100);
        cluster.home.push(spot + 1);
        cluster.vcpus.push(vcpus);
        cluster.memory_mib.push(memory);
        cluster.cpu_permille.push(500);
        cluster.idle_s.push(0);
        cluster.traits.push(1);
    }
    cluster.pending = Amounts::of_instances(Size::new(32, 131_072, 10), 2);
    cluster
}

#[test]
#[ignore = "measures"]
fn of_large_sites() {
    let sandbox = sandbox();
    for (hosts, most_s) in [(1_000, 2.0), (10_000, 30.0)] {
        for pending in [false, true] {
            let mut cluster = cluster(hosts);
            if !pending {
                cluster.pending = Amounts::default();
            }
            for name in ["reallocate-balance", "reallocate-consolidate", "reallocate-fairshare"] {
                let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/dist");
                let bytes = std::fs::read(folder.join(format!("{name}.wasm"))).unwrap();
                let digest = sandbox.inspect(&bytes).unwrap().digest;
                let chain = [Arc::new(binding(1, Hook::Reallocation, digest))];
                let began = Instant::now();
                let judgement = sandbox.propose(&ask(&chain), &cluster, 64);
                let took = began.elapsed().as_secs_f64();
                let Decided::Wished { moves, before, after } = &judgement.decided else { panic!("{judgement:?}") };
                let opinion = &judgement.opinions[0];
                assert!(!matches!(opinion.said, Said::Failed { .. }), "{name}: {:?}", opinion.said);
                println!(
                    "{name:24} {hosts:6} hosts {:7} guests, refused: {pending:5}: {took:7.3} s, {:4} M fuel, {:3} moves, {before} → {after}",
                    cluster.guests.len(),
                    opinion.fuel / 1_000_000,
                    moves.len()
                );
                assert!(took < most_s, "{name} took {took} s for {hosts} hosts");
            }
        }
    }
}
