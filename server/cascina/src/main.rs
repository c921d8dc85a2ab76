//! The cascina program: what can be done without a server running.

use std::path::PathBuf;

use anyhow::{Context, bail};
use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig};
use cascina_store::Store;
use clap::{Parser, Subcommand};

/// Cascina: a provisioning server whose rules its stakeholders write.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Check a policy as an upload would, and show what it says of itself.
    CheckPolicy { component: PathBuf },
    /// Check every truth that the database must keep.
    Fsck { database: PathBuf },
    /// Write a verified copy of a database; no server may have it open.
    Backup { database: PathBuf, to: PathBuf },
    /// Put a verified copy where no database is.
    Restore { from: PathBuf, to: PathBuf },
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Task::CheckPolicy { component } => check_policy(component),
        Task::Fsck { database } => {
            let report = cascina_store::fsck(&database)?;
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
        Task::Backup { database, to } => {
            if !database.exists() {
                bail!("there is no database at {}", database.display());
            }
            Ok(Store::open(&database)?.reader().backup(&to)?)
        }
        Task::Restore { from, to } => Ok(cascina_store::restore(&from, &to)?),
    }
}

fn check_policy(component: PathBuf) -> anyhow::Result<()> {
    let bytes = std::fs::read(&component).with_context(|| format!("cannot read {}", component.display()))?;
    let config = SandboxConfig { cache: None, bounds: Bounds::default(), compiler: Compiler::InProcess };
    let found = Sandbox::new(config)?.inspect(&bytes)?;
    let hooks: Vec<_> = found.hooks.iter().map(|hook| hook.as_str()).collect();
    println!("{}@{}: {}", found.name, found.version, found.summary);
    println!("hooks:  {}", hooks.join(", "));
    println!("digest: {}", found.digest);
    Ok(())
}
