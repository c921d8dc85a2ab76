//! The same component in wasmtime as it comes: a pool, the contract's types, and nothing else. No fuel,
//! no deadline, no limits, and nobody looks at the answer.

use cascina_core::decision::Amounts;
use cascina_policy::Workload;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, StoreContextMut};

use crate::abi::v1::log::Level;
use crate::abi::v1::placement::{Hosts, Kind, Outcome, Share, Workload as Work};
use crate::abi::v1::types::{Context, Failure, Subject};
use crate::columns::{Columns, best};

pub struct Bare {
    engine: Engine,
    pre: InstancePre<()>,
    rank: ComponentExportIndex,
}

impl Bare {
    /// `tuned`: with the sandbox's own settings of the pool, which keep memory and tables in place for
    /// the next instance; otherwise as wasmtime comes.
    pub fn new(component: &[u8], tuned: bool) -> Bare {
        let mut pool = PoolingAllocationConfig::new();
        if tuned {
            pool.total_component_instances(32).total_core_instances(256).total_memories(32).total_tables(256);
            pool.max_memory_size(16 << 20).table_elements(10_000);
            pool.linear_memory_keep_resident(2 << 20).table_keep_resident(80_000).pagemap_scan(Enabled::Auto);
        }
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool)).concurrency_support(false);
        let engine = Engine::new(&config).unwrap();
        let mut linker = Linker::new(&engine);
        let mut log = linker.instance("cascina:policy/log@1.0.0").unwrap();
        log.func_wrap("write", |_: StoreContextMut<'_, ()>, _: (Level, String)| Ok(())).unwrap();
        let component = Component::new(&engine, component).unwrap();
        let placement = component.get_export_index(None, "cascina:policy/placement@1.0.0").unwrap();
        let rank = component.get_export_index(Some(&placement), "rank").unwrap();
        Bare { pre: linker.instantiate_pre(&component).unwrap(), engine, rank }
    }

    pub fn rank(&self, hosts: &Columns, work: &Workload<'_>) -> Option<usize> {
        let (groups, roles) = (["physics".to_owned()], ["member".to_owned()]);
        let context = Context {
            decision: "decision-00000000000000001",
            now_ms: 1_000,
            seed: 1,
            revision: 1,
            dry_run: false,
            settings: "{}",
        };
        let subject =
            Subject { tenant: "alice", groups: &groups, tier: "standard", farm: "farm", actor: "ann", roles: &roles };
        let workload = Work {
            kind: Kind::Instance,
            flavor: work.flavor,
            image: work.image,
            class: work.class,
            size: Amounts::of_instances(work.size, 1).into(),
            count: work.count,
            cause: work.cause,
            attributes: &[],
        };
        let hosts = Hosts {
            id: &hosts.id,
            vcpus: &hosts.vcpus,
            vcpus_free: &hosts.vcpus_free,
            memory_mib: &hosts.memory_mib,
            memory_free_mib: &hosts.memory_free_mib,
            disk_free_gib: &hosts.disk_free_gib,
            load_permille: &hosts.load_permille,
            same_farm: &hosts.same_farm,
            share: &hosts.share,
            traits: &hosts.traits,
        };
        let mut store = Store::new(&self.engine, ());
        let instance = self.pre.instantiate(&mut store).unwrap();
        let rank = instance
            .get_typed_func::<(Context<'_>, Subject<'_>, Work<'_>, Option<Share>, Hosts<'_>), (Result<Outcome, Failure>,)>(
                &mut store, &self.rank,
            )
            .unwrap();
        let (outcome,) = rank.call(&mut store, (context, subject, workload, None, hosts)).unwrap();
        let Ok(Outcome::Rank(ranking)) = outcome else { return None };
        best(ranking.scores.into_iter())
    }
}
