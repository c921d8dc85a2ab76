//! A small site with the reference policies, simulated hosts and a store of its own.

use std::sync::Arc;
use std::time::Duration;

use cascina_core::command::{Command, NewBinding, NewFarm, NewInstances, Outcome};
use cascina_core::flavor::Flavor;
use cascina_core::host::{ClassKind, Host, HostClass, HostState, Share};
use cascina_core::id::{FarmId, HostId, OperationId, ShareId};
use cascina_core::image::Image;
use cascina_core::invariant;
use cascina_core::launch::Launch;
use cascina_core::name::Name;
use cascina_core::operation::{Operation, OperationState};
use cascina_core::policy::{Fallback, Hook, Mode, Scope};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::site::{Site, SiteSpec};
use cascina_core::units::{Gib, Size, Timestamp};
use cascina_drivers::sim::{Latencies, Settings, SimDriver, World};
use cascina_engine::{Engine, EngineConfig, EngineError, Request, SystemClock};
use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig};

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Shared by all tests: compiling the policies takes longer than any test.
fn sandbox() -> Arc<Sandbox> {
    static SANDBOX: std::sync::OnceLock<Arc<Sandbox>> = std::sync::OnceLock::new();
    let make = || {
        let config = SandboxConfig { cache: None, bounds: Bounds::default(), compiler: Compiler::InProcess };
        Arc::new(Sandbox::new(config).unwrap())
    };
    SANDBOX.get_or_init(make).clone()
}

pub fn spec(public: u8) -> SiteSpec {
    let now = Timestamp(0);
    let class =
        |text: &str, kind| HostClass { name: name(text), kind, cpu_overcommit_permille: 1000, volumes: Gib(1000) };
    let host = |text: String, class: &str, share| Host {
        id: HostId(0),
        name: name(&text),
        class: name(class),
        share: ShareId(share),
        uri: "sim:".into(),
        capacity: Size::new(16, 65536, 1000),
        measured: false,
        facts: None,
        state: HostState::Up,
        note: None,
        created: now,
        updated: now,
    };
    let mut hosts: Vec<Host> = (1..=2).map(|i| host(format!("s{i}"), "services", 0)).collect();
    hosts.extend((1..=4).map(|i| host(format!("w{i}"), "workers", u32::from(i > 2))));
    let flavor = |text: &str, vcpus, memory, disk| Flavor {
        name: name(text),
        size: Size::new(vcpus, memory, disk),
        deprecated: false,
        created: now,
        updated: now,
    };
    SiteSpec {
        site: Site {
            private_pool: "10.64.0.0/16".parse().unwrap(),
            public_pool: vec![([192, 0, 2, 1].into(), [192, 0, 2, public].into())],
            ..Site::default()
        },
        classes: vec![class("services", ClassKind::Services), class("workers", ClassKind::Workers)],
        shares: vec![Share {
            id: ShareId(0),
            name: name("astro"),
            group: name("astro"),
            lends: true,
            recalled: false,
            created: now,
            updated: now,
        }],
        hosts,
        flavors: vec![flavor("m1.small", 1, 512, 1), flavor("m1.large", 4, 8192, 80)],
        images: vec![Image::of_site(name("debian"), "debian.qcow2", Gib(1))],
    }
}

pub struct TestSite {
    pub engine: Engine,
    pub hosts: SimDriver,
    pub folder: tempfile::TempDir,
}

impl TestSite {
    pub async fn new() -> TestSite {
        TestSite::with(4, true).await
    }

    pub async fn with(public: u8, policies: bool) -> TestSite {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { latencies: Latencies::none(), ..Settings::default() };
        let hosts = SimDriver::new(World::new(settings), 0.0);
        let engine = start(&folder, &hosts, public, policies).await;
        TestSite { engine, hosts, folder }
    }

    /// Stops and starts again on the same store and the same hosts.
    pub async fn restart(self) -> TestSite {
        self.engine.shutdown().await;
        let TestSite { engine, hosts, folder } = self;
        drop(engine);
        let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
        // The writer closes the store when the last of its users has gone.
        while cascina_store::Store::open(&folder.path().join("cascina.db")).is_err() {
            assert!(tokio::time::Instant::now() < deadline, "the store was not closed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let engine = start(&folder, &hosts, 4, true).await;
        TestSite { engine, hosts, folder }
    }

    pub async fn submit(&self, command: Command) -> Result<Outcome, Refusal> {
        self.submit_as(Principal::system(), command).await
    }

    pub async fn submit_as(&self, principal: Principal, command: Command) -> Result<Outcome, Refusal> {
        match self.engine.submit(Request { principal, command, idempotency: None }).await {
            Ok(outcome) => Ok(outcome),
            Err(EngineError::Refusal(refusal)) => Err(refusal),
            Err(EngineError::Fault(fault)) => panic!("{fault}"),
        }
    }

    /// Waits until an operation is over or stuck.
    pub async fn wait(&self, id: OperationId) -> Operation {
        for _ in 0..1000 {
            let row = self.engine.read(|state| state.rows.operations.get(&id).cloned()).unwrap();
            if row.state.is_over() || row.state == OperationState::Stuck {
                return Operation::clone(&row);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let row = self.engine.read(|state| state.rows.operations.get(&id).cloned());
        panic!("operation does not end: {row:#?}")
    }

    /// Asks, and waits until what follows is done.
    /// Waits until nothing moves in a farm.
    pub async fn quiet(&self, farm: FarmId) {
        for _ in 0..1000 {
            if self.engine.read(|state| state.indexes.operations_by_farm.of(&farm).next().is_none()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{farm} does not come to rest");
    }

    pub async fn make(&self, command: Command) -> Outcome {
        let outcome = self.submit(command).await.unwrap();
        if let Some(operation) = outcome.operation {
            let operation = self.wait(operation).await;
            assert_eq!(operation.state, OperationState::Done, "{operation:#?}");
        }
        outcome
    }

    pub async fn farm(&self, text: &str, small: u32) -> FarmId {
        let outcome = self.submit(Command::CreateFarm(ask(text, small))).await.unwrap();
        let operation = self.wait(outcome.operation.unwrap()).await;
        assert_eq!(operation.state, OperationState::Done, "{operation:#?}");
        outcome.subject.parse().unwrap()
    }

    pub fn sound(&self) {
        let violations = self.engine.read(invariant::check);
        assert_eq!(violations, []);
        assert_eq!(self.hosts.violations(), Vec::<String>::new());
    }
}

async fn start(folder: &tempfile::TempDir, hosts: &SimDriver, public: u8, policies: bool) -> Engine {
    let dist = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/dist");
    let embedded = ["admission-default", "quota-tiers", "placement-pack", "placement-spread", "placement-owner"]
        .iter()
        .map(|text| (text.to_string(), std::fs::read(dist.join(format!("{text}.wasm"))).unwrap()))
        .collect();
    let binding = |text: &str, hook| NewBinding {
        name: name(text),
        hook,
        scope: Scope::Site,
        policy: text.into(),
        settings: "{}".into(),
        order: 100,
        weight: 100,
        mode: Mode::Enforce,
        on_error: Fallback::Deny,
    };
    let bindings = vec![
        binding("admission-default", Hook::Admission),
        binding("quota-tiers", Hook::Quota),
        binding("placement-pack", Hook::Placement),
    ];
    Engine::start(EngineConfig {
        store_path: folder.path().join("cascina.db"),
        site: spec(public),
        embedded: if policies { embedded } else { Vec::new() },
        bindings: if policies { bindings } else { Vec::new() },
        sandbox: sandbox(),
        hypervisor: Arc::new(hosts.clone()),
        clock: Arc::new(SystemClock),
        sealer: cascina_engine::seal::Sealer::new(&[7; 32]),
        call_deadline: Duration::from_millis(300),
        reconcile_every: Duration::from_secs(3600),
        power: Arc::new(cascina_engine::power::ByHand),
        gates: Vec::new(),
        supply: Default::default(),
        crash_at: None,
    })
    .await
    .unwrap()
}

pub fn lines(flavor: &str, count: u32) -> NewInstances {
    NewInstances {
        name: None,
        flavor: name(flavor),
        image: "debian".into(),
        class: None,
        min_count: count,
        max_count: count,
        host: None,
        launch: Launch::default(),
    }
}

pub fn ask(text: &str, small: u32) -> NewFarm {
    NewFarm {
        name: name(text),
        tenant: name(&format!("{text}-tenant")),
        groups: Vec::new(),
        tier: None,
        user: None,
        ssh_key: None,
        instances: if small == 0 { Vec::new() } else { vec![lines("m1.small", small)] },
        lease_s: 0,
        labels: Default::default(),
    }
}
