//! From a configuration to a running engine: data folder, sandbox, hosts.

use std::fs::{DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
#[cfg(feature = "libvirt")]
use cascina_drivers::GuestSpec;
#[cfg(feature = "libvirt")]
use cascina_drivers::libvirt::{LibvirtDriver, LibvirtSettings};
use cascina_drivers::netns::Gateway;
use cascina_drivers::sim::{Settings, SimDriver};
use cascina_engine::{Engine, EngineConfig, SystemClock};
use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig};

use crate::config::{Config, GateSection};
use crate::embedded;
use crate::hosts::Hosts;
use crate::keys;
#[cfg(feature = "libvirt")]
use crate::seed;

/// The sandbox's bounds as the compiler child is told them: it starts with an empty environment.
#[derive(clap::Args)]
pub struct CompileBounds {
    #[arg(num_args = 6, required = true)]
    numbers: Vec<u64>,
}

impl CompileBounds {
    pub fn bounds(&self) -> Option<Bounds> {
        Some(Bounds::of_compiler(self.numbers.as_slice().try_into().ok()?))
    }
}

/// An engine at work, and the hosts that it works with.
pub struct Running {
    pub engine: Engine,
    pub hosts: SimDriver,
}

pub async fn start(config: &Config, compiler: Compiler) -> anyhow::Result<Running> {
    let server = &config.server;
    private_folder(&server.data)?;
    let spec = config.site.spec()?;
    let bounds = config.policies.bounds();
    let sandbox = SandboxConfig { cache: Some(server.data.join("compiled")), bounds, compiler };
    let sandbox = Sandbox::new(sandbox).context("the policy sandbox does not start")?;

    let simulation = &config.simulation;
    let settings = Settings { seed: simulation.seed, latencies: simulation.latencies.clone(), ..Settings::default() };
    let hosts = SimDriver::open(&server.data.join("simulated-hosts"), settings, simulation.time_scale)
        .context("the simulated hosts cannot be read")?;
    for host in spec.hosts.iter().filter(|host| host.is_simulated()) {
        hosts.add_host(host.name.clone(), host.capacity).with_context(|| format!("simulated host {}", host.name))?;
    }

    let engine = EngineConfig {
        store_path: server.database(),
        site: spec,
        embedded: embedded::policies(),
        bindings: config.site.bindings()?,
        sandbox: Arc::new(sandbox),
        hypervisor: Arc::new(Hosts {
            simulated: hosts.clone(),
            gateways: config.gateway.clone().map(Gateway::new),
            #[cfg(feature = "libvirt")]
            libvirt: config.libvirt.clone().map(libvirt).transpose()?,
        }),
        clock: Arc::new(SystemClock),
        call_deadline: server.call_deadline(),
        sealer: keys::sealer(&server.data)?,
        reconcile_every: server.reconcile_every(),
        power: Arc::new(config.site.reallocation.power()),
        gates: config.gates.iter().map(GateSection::gate).collect(),
        supply: config.supply()?,
        crash_at: std::env::var("CASCINA_CRASH_AT").ok(),
    };
    let engine = Engine::start(engine).await.context("the engine does not start")?;
    Ok(Running { engine, hosts })
}

#[cfg(feature = "libvirt")]
fn libvirt(settings: LibvirtSettings) -> anyhow::Result<LibvirtDriver> {
    let mtu = settings.router.mtu;
    let seeds = Arc::new(move |spec: &GuestSpec| seed::disk(spec, mtu));
    LibvirtDriver::new(settings, seeds).context("[libvirt]")
}

/// This program again, as the child that compiles policies.
pub fn compiler_child() -> anyhow::Result<Compiler> {
    let program = std::env::current_exe().context("where this program is cannot be found out")?;
    Ok(Compiler::Child(program, vec!["compile-policy".into()]))
}

/// A first start in a temporary folder, and an end. Finds what only the engine and the policies
/// themselves can tell, such as settings that a policy does not take.
pub fn rehearse(mut config: Config) -> anyhow::Result<()> {
    let folder = tempfile::tempdir().context("no temporary folder")?;
    config.server.data = folder.path().join("data");
    let compiler = compiler_child()?;
    let runtime = tokio::runtime::Runtime::new().context("no threads")?;
    runtime.block_on(async {
        let running = start(&config, compiler).await?;
        running.engine.shutdown().await;
        Ok(())
    })
}

/// The folder holds secrets: it is its owner's alone, whatever it was before.
fn private_folder(path: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .and_then(|()| std::fs::set_permissions(path, Permissions::from_mode(0o700)))
        .with_context(|| format!("server.data = {}: the folder cannot be made private", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use cascina_core::command::{Command, NewFarm, NewInstances};
    use cascina_core::farm::FarmState;
    use cascina_core::launch::Launch;
    use cascina_core::principal::Principal;
    use cascina_engine::Request;
    use std::time::Duration;

    fn lab(data: &Path) -> Config {
        let mut config = Config::parse(include_str!("../../../examples/lab.toml"), std::iter::empty()).unwrap();
        config.server.data = data.to_owned();
        config.simulation.time_scale = 0.0;
        config
    }

    fn farm() -> NewFarm {
        NewFarm {
            name: "first".parse().unwrap(),
            tenant: "alice".parse().unwrap(),
            groups: vec!["grid".parse().unwrap()],
            tier: None,
            user: None,
            ssh_key: None,
            instances: vec![NewInstances {
                name: None,
                flavor: "m1.small".parse().unwrap(),
                image: "debian-13".into(),
                class: None,
                min_count: 2,
                max_count: 2,
                host: None,
                launch: Launch::default(),
            }],
            lease_s: 0,
            labels: Default::default(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_lab_makes_a_farm_and_has_it_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let config = lab(&folder.path().join("data"));
        let running = start(&config, Compiler::InProcess).await.unwrap();
        let mode = std::fs::metadata(&config.server.data).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);

        let command = Command::CreateFarm(farm());
        let request = Request { principal: Principal::system(), command, idempotency: None };
        running.engine.submit(request).await.unwrap();
        let states = |engine: &Engine| engine.read(|s| s.rows.farms.values().map(|f| f.state).collect::<Vec<_>>());
        for _ in 0..600 {
            if states(&running.engine) != [FarmState::Provisioning] {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(states(&running.engine), [FarmState::Active]);
        running.engine.shutdown().await;
        drop(running);

        // The writer gives the database up a moment after it has answered.
        let mut again = start(&config, Compiler::InProcess).await;
        for _ in 0..100 {
            if again.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
            again = start(&config, Compiler::InProcess).await;
        }
        assert_eq!(states(&again.unwrap().engine), [FarmState::Active]);
    }
}
