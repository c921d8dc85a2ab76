//! `cascina serve`: from a configuration to a server that answers, until it is told to stop.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use cascina_api::{App, Ec2, Simulation, metrics, router};
use cascina_ec2::{Ec2 as Edge, Settings};
use cascina_engine::Engine;
use futures::FutureExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, LogForm};
use crate::keys::{self, Keys};
use crate::listen::listen;
use crate::metadata::{self, Service};
use crate::simulated::Simulated;
use crate::wiring::{self, Running};

/// Where the EC2 API answers beside the REST API: econe's path of old, and ours.
const EC2_PATHS: [&str; 2] = ["/services/Cloud", "/ec2"];

pub fn serve(path: &Path) -> anyhow::Result<()> {
    let config = Config::load(path, std::env::vars())?;
    begin_log(&config)?;
    metrics::install();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("no threads")?;
    runtime.block_on(run(&config))
}

fn begin_log(config: &Config) -> anyhow::Result<()> {
    let text = &config.server.log;
    let filter = EnvFilter::try_new(text).with_context(|| format!("server.log = `{text}`"))?;
    // It tells every start that it did nothing.
    let quiet = "rusqlite_migration=warn".parse().context("a filter")?;
    let filter = filter.add_directive(quiet);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.server.log_form {
        LogForm::Text => log.with_ansi(false).init(),
        LogForm::Json => log.json().init(),
    }
    Ok(())
}

async fn run(config: &Config) -> anyhow::Result<()> {
    // First, so that a server that cannot be reached does not begin to work.
    let address = config.server.listen;
    let listener = TcpListener::bind(address).await.with_context(|| format!("server.listen = {address}"))?;
    let address = listener.local_addr().context("where the server listens")?;
    if !address.ip().is_loopback() {
        tracing::warn!(%address, "the API is plain HTTP: put a proxy that speaks TLS before it");
    }
    let stop = stop().context("signals")?;
    let ec2_listener = match config.ec2.enabled {
        true => {
            let address = config.ec2.listen;
            Some(TcpListener::bind(address).await.with_context(|| format!("ec2.listen = {address}"))?)
        }
        false => None,
    };
    let metadata_listener = match &config.metadata {
        Some(section) => {
            let bound = TcpListener::bind(section.listen).await;
            Some((bound.with_context(|| format!("metadata.listen = {}", section.listen))?, section))
        }
        None => None,
    };
    let Running { engine, hosts } = wiring::start(config, wiring::compiler_child()?).await?;
    let Keys { auth, admin_token } = keys::open(&config.server.data, config.server.token_ttl_s, engine.now())?;
    let settings = Settings { metadata: config.metadata.is_some(), ..config.ec2.settings() };
    let edge = ec2_listener.is_some().then(|| Edge::start(engine.clone(), settings));
    let ec2_address = ec2_listener.as_ref().map(TcpListener::local_addr).transpose().context("where EC2 listens")?;
    let ec2 = ec2_address.map(|at| Ec2 { url: config.ec2.address(at), region: config.ec2.region.clone() });
    let simulation = Some(Arc::new(Simulated(hosts)) as Arc<dyn Simulation>);
    welcome(address, ec2.as_ref(), &admin_token);
    let mut app = router(App { engine: engine.clone(), auth, simulation, ec2 });
    if let Some(edge) = &edge {
        for path in EC2_PATHS {
            app = app.nest(path, edge.router());
        }
    }
    let stop = stop.shared();
    let api = listen(listener, app, stop.clone());
    let guests = match metadata_listener {
        Some((listener, section)) => {
            let service = metadata_service(config, section, &engine)?;
            metadata::listen(listener, service, stop.clone()).left_future()
        }
        None => std::future::ready(()).right_future(),
    };
    let api = async { tokio::join!(api, guests) };
    match (ec2_listener, &edge) {
        (Some(listener), Some(edge)) => {
            tokio::join!(api, listen(listener, edge.router(), stop));
            edge.flush().await;
        }
        _ => drop(api.await),
    }
    engine.shutdown().await;
    tracing::info!("stopped; operations under way go on at the next start");
    Ok(())
}

fn metadata_service(config: &Config, section: &metadata::Section, engine: &Engine) -> anyhow::Result<Service> {
    Ok(Service {
        engine: engine.clone(),
        peers: section.peers(&config.site.spec()?.site, &config.routers())?,
        tokens: keys::metadata_tokens(&config.server.data)?,
        region: config.ec2.region.clone(),
        routers_between: section.routers_between,
        bounds: section.bounds(),
    })
}

/// For whoever started it. The first line is also for programs that need the port.
fn welcome(address: SocketAddr, ec2: Option<&Ec2>, admin_token: &Path) {
    let server = format!("http://{address}");
    let token = admin_token.canonicalize().unwrap_or_else(|_| admin_token.to_owned());
    println!("cascina is ready at {server}");
    println!("  API documentation   {server}/docs");
    if let Some(ec2) = ec2 {
        println!("  EC2 API             {}", ec2.url);
    }
    println!("  admin's token       {}", token.display());
    println!("  in another terminal:");
    println!("    export CASCINA_SERVER={server} CASCINA_TOKEN_FILE={}", token.display());
    println!("    cascina host list");
}

/// Resolves when the process is asked to end.
fn stop() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
