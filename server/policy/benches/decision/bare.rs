//! The same component in wasmtime as it comes: a pool, the contract's types, and nothing else.

use cascina_core::decision::Amounts;
use cascina_core::view::ClusterView;
use cascina_policy::Workload;
use wasmtime::component::{Component, ComponentExportIndex, InstancePre, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, Store, StoreContextMut};

use crate::abi::v1::log::Level;
use crate::abi::v1::placement::{Hosts, Kind, Outcome, Share, Workload as Work};
use crate::abi::v1::types::{Context, Failure, Subject};

pub struct Bare {
    engine: Engine,
    pre: InstancePre<()>,
    rank: ComponentExportIndex,
}

impl Bare {
    pub fn new(component: &[u8]) -> Bare {
        let mut config = Config::new();
        config.allocation_strategy(InstanceAllocationStrategy::pooling()).concurrency_support(false);
        let engine = Engine::new(&config).unwrap();
        let mut linker = Linker::new(&engine);
        let mut log = linker.instance("cascina:policy/log@1.0.0").unwrap();
        log.func_wrap("write", |_: StoreContextMut<'_, ()>, _: (Level, String)| Ok(())).unwrap();
        let component = Component::new(&engine, component).unwrap();
        let placement = component.get_export_index(None, "cascina:policy/placement@1.0.0").unwrap();
        let rank = component.get_export_index(Some(&placement), "rank").unwrap();
        Bare { pre: linker.instantiate_pre(&component).unwrap(), engine, rank }
    }

    pub fn rank(&self, view: &ClusterView, work: &Workload<'_>) -> Option<u32> {
        let nobody = vec![0; view.len()];
        let (groups, roles) = (["alice".to_owned()], ["member".to_owned()]);
        let context =
            Context { decision: "decision", now_ms: 1_000, seed: 1, revision: 1, dry_run: false, settings: "{}" };
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
            id: &view.ids,
            vcpus: &view.vcpus,
            vcpus_free: &view.vcpus_free,
            memory_mib: &view.memory_mib,
            memory_free_mib: &view.memory_free_mib,
            disk_free_gib: &view.disk_free_gib,
            load_permille: &view.load_permille,
            same_farm: &nobody,
            share: &view.share,
            traits: &nobody,
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
        let scores = ranking.scores.into_iter().enumerate();
        scores.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(row, _)| row as u32)
    }
}
