//! A small site without policies, whose farms have access keys.

use std::sync::Arc;
use std::time::Duration;

use cascina_core::command::{Command, NewFarm, NewInstances, Outcome};
use cascina_core::flavor::Flavor;
use cascina_core::host::{ClassKind, Host, HostClass, HostState};
use cascina_core::id::{AccessKeyId, FarmId, HostId, InstanceId, OperationId, ShareId, TenantId, UserId};
use cascina_core::image::Image;
use cascina_core::launch::Launch;
use cascina_core::name::Name;
use cascina_core::operation::{Operation, OperationState};
use cascina_core::principal::{Principal, Role};
use cascina_core::site::{Site, SiteSpec};
use cascina_core::units::{Gib, Size, Timestamp};
use cascina_drivers::sim::{Latencies, Settings as Sim, SimDriver, World};
use cascina_ec2::{Ec2, Settings};
use cascina_engine::seal::Sealer;
use cascina_engine::{Engine, EngineConfig, Request, SystemClock};
use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig};

use crate::client::Client;

pub fn name(text: &str) -> Name {
    text.parse().unwrap()
}

pub struct TestSite {
    pub engine: Engine,
    pub edge: Ec2,
    _folder: tempfile::TempDir,
}

/// A farm, whose user's key a client signs with.
pub struct Farm {
    pub id: FarmId,
    pub tenant: TenantId,
    pub user: UserId,
    pub key: AccessKeyId,
    pub client: Client,
}

fn spec() -> SiteSpec {
    let now = Timestamp(0);
    let class =
        |text: &str, kind| HostClass { name: name(text), kind, cpu_overcommit_permille: 1000, volumes: Gib(1000) };
    let host = |number: u32, class: &str| Host {
        id: HostId(0),
        name: name(&format!("{class}-{number}")),
        class: name(class),
        share: ShareId(0),
        uri: "sim:".into(),
        capacity: Size::new(16, 65536, 1000),
        measured: false,
        facts: None,
        state: HostState::Up,
        note: None,
        created: now,
        updated: now,
    };
    let flavor = |text: &str, vcpus, memory, disk| Flavor {
        name: name(text),
        size: Size::new(vcpus, memory, disk),
        deprecated: text.starts_with('t'),
        created: now,
        updated: now,
    };
    SiteSpec {
        site: Site {
            private_pool: "10.64.0.0/16".parse().unwrap(),
            public_pool: vec![([192, 0, 2, 1].into(), [192, 0, 2, 9].into())],
            ..Site::default()
        },
        classes: vec![class("services", ClassKind::Services), class("workers", ClassKind::Workers)],
        hosts: vec![host(1, "services"), host(1, "workers"), host(2, "workers")],
        flavors: vec![flavor("m1.small", 1, 512, 1), flavor("m1.large", 4, 8192, 80), flavor("t1.old", 1, 128, 1)],
        images: vec![Image::of_site(name("debian"), "debian.qcow2", Gib(1))],
        ..SiteSpec::default()
    }
}

pub fn settings() -> Settings {
    Settings::new("garr")
}

impl TestSite {
    pub async fn new() -> TestSite {
        TestSite::with(settings()).await
    }

    pub async fn with(settings: Settings) -> TestSite {
        let folder = tempfile::tempdir().unwrap();
        let hosts = SimDriver::new(World::new(Sim { latencies: Latencies::none(), ..Sim::default() }), 0.0);
        let sandbox = SandboxConfig { cache: None, bounds: Bounds::default(), compiler: Compiler::InProcess };
        let engine = Engine::start(EngineConfig {
            store_path: folder.path().join("cascina.db"),
            site: spec(),
            embedded: Vec::new(),
            bindings: Vec::new(),
            sandbox: Arc::new(Sandbox::new(sandbox).unwrap()),
            hypervisor: Arc::new(hosts),
            clock: Arc::new(SystemClock),
            call_deadline: Duration::from_millis(300),
            sealer: Sealer::new(&[7; 32]),
            reconcile_every: Duration::from_secs(3600),
            power: Arc::new(cascina_engine::power::ByHand),
            gates: Vec::new(),
            supply: Default::default(),
            crash_at: None,
        });
        let engine = engine.await.unwrap();
        let edge = Ec2::start(engine.clone(), settings);
        TestSite { engine, edge, _folder: folder }
    }

    pub async fn submit(&self, command: Command) -> Outcome {
        let request = Request { principal: Principal::system(), command, idempotency: None };
        self.engine.submit(request).await.unwrap()
    }

    /// Waits until an operation is done.
    pub async fn done(&self, id: OperationId) {
        for _ in 0..1000 {
            let row = self.engine.read(|state| state.rows.operations.get(&id).cloned()).unwrap();
            if row.state.is_over() {
                assert_eq!(row.state, OperationState::Done, "{row:#?}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let row = self.engine.read(|state| state.rows.operations.get(&id).map(|row| Operation::clone(row)));
        panic!("operation does not end: {row:#?}")
    }

    /// A farm without instances, and a member of its tenant with a key for it.
    pub async fn farm(&self, text: &str) -> Farm {
        let ask = NewFarm {
            name: name(text),
            tenant: name(&format!("{text}s")),
            groups: Vec::new(),
            tier: None,
            user: None,
            ssh_key: None,
            instances: Vec::new(),
            lease_s: 0,
            labels: Default::default(),
        };
        let outcome = self.submit(Command::CreateFarm(ask)).await;
        self.done(outcome.operation.unwrap()).await;
        let id: FarmId = outcome.subject.parse().unwrap();
        let tenant = self.engine.read(|state| state.rows.farms[&id].tenant);
        self.member(id, tenant, &format!("{text}-user"), Role::Member).await
    }

    /// Another user of a farm's tenant, with a key for it.
    pub async fn member(&self, farm: FarmId, tenant: TenantId, user: &str, role: Role) -> Farm {
        let (user, groups) = (name(user), Vec::new());
        let user = Command::CreateUser { tenant: Some(tenant), name: user, role, groups, ssh_key: None };
        let user: UserId = self.submit(user).await.subject.parse().unwrap();
        self.key(Some(farm), tenant, user).await
    }

    pub async fn key(&self, farm: Option<FarmId>, tenant: TenantId, user: UserId) -> Farm {
        let made = self.engine.new_secret(user);
        let command = Command::CreateAccessKey { user, farm, sealed: made.sealed };
        let key: AccessKeyId = self.submit(command).await.subject.parse().unwrap();
        let public = self.engine.read(|state| state.rows.access_keys[&key].public.clone());
        let client = Client::new(self.edge.router(), &public, &made.secret);
        Farm { id: farm.unwrap_or(FarmId(0)), tenant, user, key, client }
    }

    /// A running instance of a farm.
    pub async fn instance(&self, farm: &Farm) -> InstanceId {
        let ask = NewInstances {
            name: None,
            flavor: name("m1.small"),
            image: "debian".into(),
            class: None,
            min_count: 1,
            max_count: 1,
            host: None,
            launch: Launch::default(),
        };
        let outcome = self.submit(Command::RunInstances { farm: farm.id, ask }).await;
        self.done(outcome.operation.unwrap()).await;
        outcome.instances[0]
    }
}
