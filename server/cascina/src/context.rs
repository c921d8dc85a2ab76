//! `cascina context …`: what guests are told, made and looked at without a server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use cascina_context::archive::{self, Limits, Reading, read};
use cascina_context::check::{Severity, check};
use cascina_context::diff;
use cascina_context::multi::{Built, MultiConfig, Reference};
use serde_json::{Value, json};

use crate::client::show::Output;
use crate::fetch::Rules;

/// Bytes that clouds with EC2's API take.
const EC2: usize = 16 << 10;

#[derive(clap::Subcommand)]
pub enum Verb {
    /// Make the archive of a `#multiple-config` file; `docs/contextualization.md` describes it. `-o` names the file
    /// that it goes to; without it, it goes to standard output.
    Build {
        file: PathBuf,
        /// Fetch only from here: `https://host/path/`, `host` or `*.domain`; may be given more than once. Without it,
        /// from all of the world.
        #[arg(long)]
        allow: Vec<String>,
        /// Fetch also from private addresses.
        #[arg(long)]
        allow_private: bool,
        /// Seconds for each fetch.
        #[arg(long, default_value_t = 30)]
        timeout: u64,
        /// MIME as it is, however large.
        #[arg(long)]
        plain: bool,
    },
    /// Show what a guest makes of user-data.
    Show {
        archive: PathBuf,
        /// The text of one part, by its number or name.
        #[arg(long)]
        part: Option<String>,
    },
    /// Say what is wrong with user-data, or may not be what was meant.
    Check {
        /// An archive, or a `#multiple-config` file.
        archive: PathBuf,
        /// Warnings are errors.
        #[arg(long)]
        strict: bool,
    },
    /// Show what is different between two archives.
    Diff { old: PathBuf, new: PathBuf },
}

pub fn context(verb: Verb, given: &str, output: Output) -> anyhow::Result<()> {
    match verb {
        Verb::Build { file, allow, allow_private, timeout, plain } => {
            let rules = Rules {
                anything: allow.is_empty(),
                allow,
                private: allow_private,
                most_bytes: 1 << 20,
                patience: Duration::from_secs(timeout),
            };
            let built = build(&file, &rules)?;
            let bytes = if plain { built.archive.mime() } else { built.archive.user_data() };
            // What it is if nobody says anything.
            write(Path::new(if given == "table" { "-" } else { given }), &bytes)?;
            said(&built, bytes.len());
            Ok(())
        }
        Verb::Show { archive, part } => show(&archive, part.as_deref(), output),
        Verb::Check { archive, strict } => checked(&archive, strict, output),
        Verb::Diff { old, new } => {
            let changes = diff::diff(&reading(&old)?, &reading(&new)?);
            print!("{}", diff::text(&changes));
            Ok(())
        }
    }
}

/// A file's text, with what it refers to fetched.
fn build(file: &Path, rules: &Rules) -> anyhow::Result<Built> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let config = MultiConfig::parse(&text).with_context(|| file.display().to_string())?;
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut given = BTreeMap::new();
    for from in config.references() {
        let bytes = match &from {
            Reference::Url(url) => rules.fetch(url)?,
            Reference::File(path) => {
                let path = folder.join(path);
                std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?
            }
        };
        given.insert(from, bytes);
    }
    config.build(&given).with_context(|| file.display().to_string())
}

fn write(to: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    if to == Path::new("-") {
        return std::io::stdout().lock().write_all(bytes).context("cannot write");
    }
    // There may be secrets in it.
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(to);
    file.as_mut().map_err(|error| anyhow::anyhow!("cannot write {}: {error}", to.display()))?.write_all(bytes)?;
    Ok(())
}

/// On standard error, since the archive may go to standard output.
fn said(built: &Built, bytes: usize) {
    for (from, digest) in &built.embedded {
        eprintln!("embedded  {from}, SHA-256 {digest}");
    }
    eprintln!("{} parts, {bytes} bytes", built.archive.parts.len());
    if bytes > EC2 {
        eprintln!("warning: clouds with EC2's API take at most {EC2} bytes");
    }
}

fn reading(path: &Path) -> anyhow::Result<Reading> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.starts_with(cascina_context::multi::FIRST_LINE.as_bytes()) {
        let rules = Rules {
            allow: Vec::new(),
            anything: true,
            private: false,
            most_bytes: 1 << 20,
            patience: Duration::from_secs(30),
        };
        let archive = build(path, &rules)?.archive.mime();
        return read(&archive, &Limits::default()).with_context(|| path.display().to_string());
    }
    read(&bytes, &Limits::default()).with_context(|| path.display().to_string())
}

fn show(path: &Path, wanted: Option<&str>, output: Output) -> anyhow::Result<()> {
    let reading = reading(path)?;
    if let Some(wanted) = wanted {
        let part = reading.parts.iter().enumerate().find(|(place, part)| {
            wanted == (place + 1).to_string() || part.name.as_ref().is_some_and(|name| name.as_str() == wanted)
        });
        let Some((_, part)) = part else { bail!("there is no part {wanted} in {}", path.display()) };
        return write(Path::new("-"), &part.body);
    }
    let parts: Vec<Value> = reading.parts.iter().enumerate().map(|(place, part)| described(place, part)).collect();
    let columns = [("part", "part"), ("type", "type"), ("name", "name"), ("bytes", "bytes"), ("begins", "begins")];
    output.list(&parts, &columns).map_err(anyhow::Error::new)
}

fn described(place: usize, part: &archive::Found) -> Value {
    let first = String::from_utf8_lossy(&part.body[..part.body.len().min(200)]);
    let first: String =
        first.lines().next().unwrap_or_default().chars().take(40).filter(|letter| !letter.is_control()).collect();
    json!({
        "part": place + 1,
        "type": part.content_type.as_str(),
        "name": part.name.as_ref().map(archive::PartName::as_str),
        "bytes": part.body.len(),
        "begins": first,
    })
}

fn checked(path: &Path, strict: bool, output: Output) -> anyhow::Result<()> {
    let findings = check(&reading(path)?);
    let errors = findings.iter().filter(|finding| strict || finding.severity == Severity::Error).count();
    if output == Output::Json {
        let all: Vec<Value> = findings
            .iter()
            .map(|finding| {
                let severity = if finding.severity == Severity::Error { "error" } else { "warning" };
                json!({"severity": severity, "part": finding.part, "name": finding.name, "said": finding.said})
            })
            .collect();
        println!("{:#}", Value::Array(all));
    } else {
        findings.iter().for_each(|finding| println!("{finding}"));
    }
    match errors {
        0 if output == Output::Table && findings.is_empty() => println!("{} is sound", path.display()),
        0 => {}
        _ => bail!("{errors} things to correct in {}", path.display()),
    }
    Ok(())
}
