//! What can be done without a server running.

use std::path::Path;

use anyhow::{Context, bail};
use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig};
use cascina_store::Reader;

use crate::config::Config;
use crate::wiring;

pub fn check_config(path: &Path, start: bool) -> anyhow::Result<()> {
    let config = Config::load(path, std::env::vars())?;
    let spec = config.site.spec()?;
    let public: u64 = spec
        .site
        .public_pool
        .iter()
        .map(|(first, last)| u64::from(u32::from(*last)) - u64::from(u32::from(*first)) + 1)
        .sum();
    println!("{} is sound", path.display());
    println!("site      {}", spec.site.name);
    println!("listens   {}, data in {}", config.server.listen, config.server.data.display());
    println!("hosts     {} in {} classes, {} shares", spec.hosts.len(), spec.classes.len(), spec.shares.len());
    println!("flavors   {}, images {}", spec.flavors.len(), spec.images.len());
    println!("networks  /{} out of {}; {public} elastic IPs", spec.site.subnet_prefix, spec.site.private_pool);
    for binding in config.site.bindings()? {
        println!("binding   {} on {}: {}", binding.name, binding.hook, binding.policy);
    }
    if start {
        wiring::rehearse(config)?;
        println!("a first start succeeds");
    }
    Ok(())
}

pub fn check_policy(component: &Path) -> anyhow::Result<()> {
    let bytes = std::fs::read(component).with_context(|| format!("cannot read {}", component.display()))?;
    let config = SandboxConfig { cache: None, bounds: Bounds::default(), compiler: Compiler::InProcess };
    let found = Sandbox::new(config)?.inspect(&bytes)?;
    let hooks: Vec<_> = found.hooks.iter().map(|hook| hook.as_str()).collect();
    println!("{}@{}: {}", found.name, found.version, found.summary);
    println!("hooks:  {}", hooks.join(", "));
    println!("digest: {}", found.digest);
    Ok(())
}

pub fn backup(database: &Path, to: &Path) -> anyhow::Result<()> {
    if !database.exists() {
        bail!("there is no database at {}", database.display());
    }
    Reader::new(database).backup(to)?;
    println!("{} holds a verified copy of {}", to.display(), database.display());
    Ok(())
}

pub fn restore(from: &Path, to: &Path) -> anyhow::Result<()> {
    cascina_store::restore(from, to)?;
    println!("{} is a verified copy of {}; check it with `cascina fsck`", to.display(), from.display());
    Ok(())
}

pub fn fsck(database: &Path) -> anyhow::Result<()> {
    let report = cascina_store::fsck(database)?;
    println!(
        "{} events, {} decisions, {} rows, {} components, {} checkpoints",
        report.events, report.decisions, report.rows, report.components, report.checkpoints
    );
    for problem in &report.problems {
        println!("{problem}");
    }
    if !report.problems.is_empty() {
        bail!("{} problems; restore the last good backup", report.problems.len());
    }
    println!("sound");
    Ok(())
}
