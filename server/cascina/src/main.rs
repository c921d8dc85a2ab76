//! The cascina program: the command line for a server, and what can be done without one.

mod client;
mod config;
mod context;
mod ec2;
mod embedded;
mod fetch;
mod hosts;
mod keys;
mod listen;
mod metadata;
mod offline;
mod ranges;
mod reallocation;
#[cfg(feature = "libvirt")]
mod seed;
mod serve;
mod simulate;
mod simulated;
mod site;
mod wiring;
mod workbench;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use client::http::Connection;
use client::show::Output;

/// Cascina: a provisioning server whose rules its stakeholders write.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    connection: Connection,

    /// `table` for people, or `json` for programs; with `context build`, the file that the archive goes to.
    #[arg(short, long, global = true, default_value = "table", value_name = "FORMAT")]
    output: String,

    #[command(subcommand)]
    task: Task,
}

#[derive(clap::Args)]
struct ConfigFile {
    /// The configuration; `docs/configuration.md` describes it, `examples/lab.toml` is one.
    #[arg(long, env = "CASCINA_CONFIG", default_value = "/etc/cascina/cascina.toml")]
    config: PathBuf,
}

#[derive(Subcommand)]
enum Task {
    /// Run the server until it is interrupted.
    Serve {
        #[command(flatten)]
        file: ConfigFile,
    },
    /// Check a configuration.
    CheckConfig {
        #[command(flatten)]
        file: ConfigFile,
        /// Also try a first start in a temporary folder: policies compile, and bindings take their settings.
        #[arg(long)]
        start: bool,
    },
    /// Check a policy as an upload would, and show what it says of itself.
    CheckPolicy { component: PathBuf },
    /// Write a verified copy of a database, also while a server has it open.
    Backup { database: PathBuf, to: PathBuf },
    /// Put a verified copy where no database is.
    Restore { from: PathBuf, to: PathBuf },
    /// Check every truth that a database must keep.
    Fsck { database: PathBuf },
    /// What guests are told: one file in, an archive for them out.
    #[command(subcommand)]
    Context(context::Verb),
    /// Try policies out on traces of requests, or the engine on schedules of trouble, in virtual time.
    Simulate(Box<simulate::Arguments>),
    /// What the server calls itself as, to compile a policy under limits of its own.
    #[command(hide = true)]
    CompilePolicy(wiring::CompileBounds),
    #[command(flatten)]
    Client(client::Noun),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    // Only there is it the name of a file.
    let format = match (&arguments.task, <Output as clap::ValueEnum>::from_str(&arguments.output, false)) {
        (_, Ok(format)) => format,
        (Task::Context(context::Verb::Build { .. }), Err(_)) => Output::Table,
        (_, Err(_)) => {
            let said = format!("invalid value '{}' for '--output <FORMAT>': give table or json", arguments.output);
            Arguments::command().error(clap::error::ErrorKind::InvalidValue, said).exit();
        }
    };
    let done = match arguments.task {
        Task::CompilePolicy(told) => {
            let Some(bounds) = told.bounds() else { return ExitCode::from(2) };
            return cascina_policy::run_compiler_child(&bounds);
        }
        Task::Client(noun) => return client(noun, &arguments.connection, format),
        Task::Serve { file } => serve::serve(&file.config),
        Task::CheckConfig { file, start } => offline::check_config(&file.config, start),
        Task::CheckPolicy { component } => offline::check_policy(&component),
        Task::Backup { database, to } => offline::backup(&database, &to),
        Task::Restore { from, to } => offline::restore(&from, &to),
        Task::Fsck { database } => offline::fsck(&database),
        Task::Context(verb) => context::context(verb, &arguments.output, format),
        Task::Simulate(what) => simulate::simulate(*what, format),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cascina: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn client(noun: client::Noun, connection: &Connection, output: Output) -> ExitCode {
    match client::run(noun, connection, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cascina: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
