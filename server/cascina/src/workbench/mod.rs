//! `cascina policy new`, `build`, `test`, `check` …: a policy from an empty folder to a component that can be
//! trusted, with the engine that decides for real and without a server.

mod build;
mod contract;
mod create;
mod diff;
mod inspect;
mod measure;
pub mod oci;
mod project;
mod sign;
mod table;
mod toolchain;
mod trial;

use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::client::http::{Done, Failure};
use crate::client::show::Output;
pub use project::Language;

/// What needs no server.
#[derive(clap::Subcommand)]
pub enum Verb {
    /// Make a folder with a working policy, its tests and how to build it.
    New {
        /// Of the policy and of the folder: lower-case words joined by `-`.
        name: String,
        #[arg(long, value_enum)]
        lang: Language,
        /// Where the folder goes.
        #[arg(long, default_value = ".")]
        into: PathBuf,
    },
    /// Build the policy of a folder into NAME.wasm there.
    Build {
        #[arg(default_value = ".")]
        folder: PathBuf,
        /// Another file.
        #[arg(short = 'f', long = "file")]
        file: Option<PathBuf>,
    },
    /// Run cases: input and expected verdict, from TOML and JSON files.
    Test {
        /// A component, or the folder of a policy.
        #[arg(default_value = ".")]
        policy: PathBuf,
        /// Files or folders of cases; the folder's `tests` if none is given.
        cases: Vec<PathBuf>,
        /// Write what it says now into the files, as what is expected. Look at it before you keep it.
        #[arg(long)]
        accept: bool,
    },
    /// Try it on made-up worlds: no trap, the same answer twice, nothing but candidates, no matter in
    /// which order hosts come. Failing worlds are kept as cases.
    Check {
        #[arg(default_value = ".")]
        policy: PathBuf,
        /// So many for each of its hooks.
        #[arg(long, default_value_t = 2000)]
        worlds: u64,
        /// The first one.
        #[arg(long, default_value_t = 0)]
        seed: u64,
        /// A JSON object, or `@file`.
        #[arg(long, value_parser = settings, default_value = "{}")]
        settings: Settings,
        /// Where failing worlds go; the folder's `tests/found.json` if none is given.
        #[arg(long)]
        save: Option<PathBuf>,
    },
    /// Measure it on 1, 40, 1,000 and 10,000 hosts, or on its other questions.
    Bench {
        #[arg(default_value = ".")]
        policy: PathBuf,
        #[arg(long, value_parser = settings, default_value = "{}")]
        settings: Settings,
        /// For each row.
        #[arg(long, default_value_t = 2)]
        seconds: u64,
    },
    /// Make a pair of keys for signing.
    Keygen {
        /// For the private half; the public one goes beside it.
        #[arg(default_value = "cascina.key")]
        file: PathBuf,
    },
    /// Sign a component: what servers can ask for before they let it decide.
    Sign {
        #[arg(default_value = ".")]
        policy: PathBuf,
        #[arg(long, default_value = "cascina.key")]
        key: PathBuf,
    },
    /// Is a component signed by a key?
    Verify {
        #[arg(default_value = ".")]
        policy: PathBuf,
        /// The public half.
        #[arg(long)]
        key: PathBuf,
        /// The one beside the component if none is given.
        #[arg(long)]
        signature: Option<PathBuf>,
    },
    /// What it is: hooks, imports, size, settings, author, digest.
    Inspect {
        #[arg(default_value = ".")]
        policy: PathBuf,
    },
}

/// What a newer component can do that another cannot.
pub fn diff(output: Output, old: &[u8], new: &[u8]) -> Done {
    let table = Table::new()?;
    diff::diff(output, (&table.inspect(old)?, old.len()), (&table.inspect(new)?, new.len()))
}

pub use sign::beside as signature_beside;

#[derive(Debug, Clone)]
pub struct Settings(pub Map<String, Value>);

pub fn settings(text: &str) -> Result<Settings, String> {
    match crate::client::json(text)? {
        Value::Object(settings) => Ok(Settings(settings)),
        other => Err(format!("settings are a JSON object; this is {other}")),
    }
}

pub fn run(verb: Verb, output: Output) -> Done {
    match verb {
        Verb::New { name, lang, into } => create::new(output, &name, lang, &into),
        Verb::Build { folder, file } => build::build(output, &folder, file.as_deref()),
        Verb::Test { policy, cases, accept } => trial::test(output, &policy, &cases, accept),
        Verb::Check { policy, worlds, seed, settings, save } => {
            measure::check(output, &policy, &settings.0, seed..seed.saturating_add(worlds), save)
        }
        Verb::Bench { policy, settings, seconds } => measure::bench(output, &policy, &settings.0, seconds),
        Verb::Keygen { file } => sign::keygen(output, &file),
        Verb::Sign { policy, key } => sign::sign(output, &policy, &key),
        Verb::Verify { policy, key, signature } => sign::verify(output, &policy, &key, signature.as_deref()),
        Verb::Inspect { policy } => inspect::inspect(output, &policy),
    }
}

pub use table::{Table, component};
pub use trial::{read_cases, run_cases};

fn failed(what: impl std::fmt::Display) -> Failure {
    Failure::Ended(what.to_string())
}
