//! A site with the reference policies and simulated hosts that take no time, and the engine on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cascina_core::command::{Command, NewBinding, NewFarm, NewInstances, Outcome};
use cascina_core::flavor::Flavor;
use cascina_core::host::{ClassKind, Host, HostClass, HostState};
use cascina_core::id::{FarmId, HostId, ImageId, ShareId};
use cascina_core::image::{Image, ImageState};
use cascina_core::launch::Launch;
use cascina_core::name::Name;
use cascina_core::policy::{Fallback, Hook, Mode, Scope};
use cascina_core::principal::Principal;
use cascina_core::site::{Site, SiteSpec};
use cascina_core::units::{Gib, Size, Timestamp};
use cascina_drivers::Hypervisor;
use cascina_drivers::sim::{Latencies, Settings, SimDriver, World};
use cascina_engine::{Engine, EngineConfig, EngineError, Request, SystemClock};
use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig};

pub const SERVICES: &str = "services";
pub const WORKERS: &str = "workers";

const POLICIES: [(&str, &[u8]); 3] = [
    ("admission-default", include_bytes!("../../policies/dist/admission-default.wasm")),
    ("quota-tiers", include_bytes!("../../policies/dist/quota-tiers.wasm")),
    ("placement-pack", PACK),
];

/// The policy that all placement here is decided by.
pub const PACK: &[u8] = include_bytes!("../../policies/dist/placement-pack.wasm");

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

/// Room for 4,000 farms of up to 1,000 guests, on this many hosts.
pub fn spec(services: u32, workers: u32, capacity: Size) -> SiteSpec {
    let now = Timestamp(0);
    let class =
        |text: &str, kind| HostClass { name: name(text), kind, cpu_overcommit_permille: 1000, volumes: Gib(1000) };
    let host = |class: &str, number: u32| Host {
        id: HostId(0),
        name: name(&format!("{class}-{number:05}")),
        class: name(class),
        share: ShareId::SITE,
        uri: "sim:".into(),
        capacity,
        measured: false,
        facts: None,
        state: HostState::Up,
        note: None,
        created: now,
        updated: now,
    };
    let hosts = (1..=services).map(|number| host(SERVICES, number));
    SiteSpec {
        site: Site {
            private_pool: "10.0.0.0/8".parse().unwrap(),
            subnet_prefix: 22,
            public_pool: vec![([198, 18, 0, 1].into(), [198, 18, 31, 254].into())],
            ..Site::default()
        },
        classes: vec![class(SERVICES, ClassKind::Services), class(WORKERS, ClassKind::Workers)],
        shares: Vec::new(),
        hosts: hosts.chain((1..=workers).map(|number| host(WORKERS, number))).collect(),
        flavors: vec![Flavor {
            name: name("m1.small"),
            size: Size::new(1, 512, 1),
            deprecated: false,
            created: now,
            updated: now,
        }],
        images: vec![Image::of_site(name("debian"), "debian.qcow2", Gib(1))],
    }
}

/// Hosts that take no time, and forget everything with the process.
pub fn hosts() -> SimDriver {
    let settings = Settings { latencies: Latencies::none(), ..Settings::default() };
    SimDriver::new(World::new(settings), 0.0)
}

/// Compiled policies are kept beside the database, as a server does.
pub fn sandbox(folder: &Path) -> Arc<Sandbox> {
    let config = SandboxConfig {
        cache: Some(folder.join("compiled")),
        bounds: Bounds::default(),
        compiler: Compiler::InProcess,
    };
    Arc::new(Sandbox::new(config).unwrap())
}

pub async fn start(folder: &Path, site: SiteSpec, sandbox: Arc<Sandbox>, hypervisor: Arc<dyn Hypervisor>) -> Engine {
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
    Engine::start(EngineConfig {
        store_path: folder.join("cascina.db"),
        site,
        embedded: POLICIES.iter().map(|(text, bytes)| ((*text).to_owned(), bytes.to_vec())).collect(),
        bindings: vec![
            binding("admission-default", Hook::Admission),
            binding("quota-tiers", Hook::Quota),
            binding("placement-pack", Hook::Placement),
        ],
        sandbox,
        hypervisor,
        clock: Arc::new(SystemClock),
        call_deadline: Duration::from_secs(10),
        reconcile_every: Duration::from_secs(3600),
        power: Arc::new(cascina_engine::power::ByHand),
        gates: Vec::new(),
        supply: Default::default(),
        crash_at: None,
    })
    .await
    .unwrap()
}

pub async fn submit(engine: &Engine, command: Command) -> Result<Outcome, EngineError> {
    engine.submit(Request { principal: Principal::system(), command, idempotency: None }).await
}

pub fn small(count: u32) -> NewInstances {
    NewInstances {
        name: None,
        flavor: name("m1.small"),
        image: "debian".into(),
        class: None,
        min_count: count,
        max_count: count,
        host: None,
        launch: Launch::default(),
    }
}

pub fn new_farm(number: usize, small_ones: u32) -> NewFarm {
    NewFarm {
        name: name(&format!("farm-{number}")),
        tenant: name(&format!("tenant-{number}")),
        groups: Vec::new(),
        tier: None,
        user: None,
        ssh_key: None,
        instances: if small_ones == 0 { Vec::new() } else { vec![small(small_ones)] },
        lease_s: 0,
        labels: Default::default(),
    }
}

pub fn farm_of(outcome: &Outcome) -> FarmId {
    outcome.subject.parse().unwrap()
}
