//! `cascina simulate`: traces replayed with other policies, and schedules that test the engine itself.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, bail};
use cascina_core::command::NewBinding;
use cascina_core::name::Name;
use cascina_core::policy::{Fallback, Hook, Scope};
use cascina_core::site::SiteSpec;
use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig};
use cascina_sim::schedule::{Options, schedules};
use cascina_sim::trace::{self, Mixture, Replay, Report, Trace, generate, hosts_of, replay};
use cascina_sim::{Policies, Stopwatch, bound};
use clap::{Args, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};

use crate::ConfigFile;
use crate::client::show::Output;
use crate::config::Config;
use crate::embedded;

/// Compare sets of policies over a trace, or what the subcommands do.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    what: Option<Simulate>,
    #[command(flatten)]
    compare: CompareArguments,
}

#[derive(Args)]
pub struct CompareArguments {
    /// The configuration whose hosts, classes, shares and settings are simulated.
    #[arg(long)]
    site: Option<PathBuf>,
    /// A folder with requests.csv and hosts.csv, or its requests.csv; without it, requests are made up.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Sets of policies, separated by commas; the policies of a set are joined by `+`, such as
    /// `placement-pack,placement-pack+reallocate-balance`.
    #[arg(long, value_delimiter = ',')]
    policies: Vec<String>,
    /// Only so many days of the trace, from its beginning; of one that is made up, so many in all.
    #[arg(long)]
    days: Option<u64>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Made-up requests an hour, on average.
    #[arg(long, default_value_t = Mixture::default().per_hour)]
    per_hour: f64,
    /// The hosts of the configuration, or the trace's own.
    #[arg(long, value_enum, default_value = "site")]
    hosts: Hosts,
    /// How long a request that finds no room waits for some.
    #[arg(long, default_value_t = 0)]
    patience_s: u64,
    /// Write plots into this folder.
    #[arg(long)]
    plots: Option<PathBuf>,
}

#[derive(Subcommand)]
pub enum Simulate {
    /// Replay requests on simulated hosts in virtual time, with one placement policy or several side by side.
    Trace(TraceArguments),
    /// Let clients, hosts and power failures loose on the engine, and check what must hold whatever happens.
    Schedules(ScheduleArguments),
}

#[derive(Args)]
pub struct TraceArguments {
    #[command(flatten)]
    file: ConfigFile,
    /// A folder with requests.csv and hosts.csv; without it, requests are made up from the seed.
    #[arg(long)]
    trace: Option<PathBuf>,
    /// Of made-up requests, of what is drawn, and of everything that happens by chance.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days that made-up requests cover.
    #[arg(long, default_value_t = Mixture::default().days)]
    days: u64,
    /// Made-up requests an hour, on average.
    #[arg(long, default_value_t = Mixture::default().per_hour)]
    per_hour: f64,
    /// Also write the made-up requests into this folder.
    #[arg(long, conflicts_with = "trace")]
    write: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "timed")]
    mode: Mode,
    /// The hosts of the configuration, or the trace's own.
    #[arg(long, value_enum, default_value = "site")]
    hosts: Hosts,
    /// Placement policies to compare, separated by commas; each places alone, without owners' rules. Without
    /// this, what the configuration binds.
    #[arg(long, value_delimiter = ',')]
    policy: Vec<Name>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Mode {
    /// Everybody comes and goes in time.
    Timed,
    /// Drawn with replacement and never removed, until far more is asked for than there is.
    Inflation,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Hosts {
    Site,
    Trace,
}

#[derive(Args)]
pub struct ScheduleArguments {
    /// FROM..TO, the last one left out.
    #[arg(long, default_value = "0..1000")]
    seeds: Seeds,
    /// As many as there are cores, if left out.
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Debug, Clone)]
struct Seeds(Range<u64>);

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Seeds, String> {
        let wrong = || format!("`{text}` is not a range of seeds; allowed: FROM..TO, such as 0..1000");
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        let number = |text: &str| text.parse::<u64>().map_err(|_| wrong());
        let range = number(from)?..number(to)?;
        if range.is_empty() { Err(wrong()) } else { Ok(Seeds(range)) }
    }
}

pub fn simulate(arguments: Arguments, output: Output) -> anyhow::Result<()> {
    match arguments.what {
        Some(Simulate::Trace(arguments)) => trace(&arguments, output),
        Some(Simulate::Schedules(arguments)) => play(arguments, output),
        None => sets(&arguments.compare, output),
    }
}

/// Compares sets of policies.
fn sets(arguments: &CompareArguments, output: Output) -> anyhow::Result<()> {
    let Some(site) = &arguments.site else {
        bail!("--site is missing: the configuration to simulate, such as examples/lab.toml");
    };
    let config = Config::load(site, std::env::vars())?;
    if !(0.0..=1e6).contains(&arguments.per_hour) || arguments.days.is_some_and(|days| !(1..=3660).contains(&days)) {
        bail!("--per-hour, --days; allowed: up to 1000000 an hour, 1 to 3660 days");
    }
    let mut trace = match &arguments.trace {
        Some(path) => Trace::read(path.parent().filter(|_| path.is_file()).unwrap_or(path))?,
        None => {
            let days = arguments.days.unwrap_or(Mixture::default().days);
            generate(arguments.seed, &Mixture { days, per_hour: arguments.per_hour, ..Mixture::default() })
        }
    };
    if let Some(days) = arguments.days {
        let end = trace.requests.first().map_or(0, |first| first.arrive_s) + days * 86_400;
        trace.requests.retain(|request| request.arrive_s < end);
    }
    let site = match arguments.hosts {
        Hosts::Site => config.site.spec()?,
        Hosts::Trace if trace.hosts.is_empty() => bail!("the trace has no hosts.csv; use --hosts site"),
        Hosts::Trace => SiteSpec { site: config.site.spec()?.site, ..hosts_of(&trace) },
    };
    let mut columns = Vec::new();
    for set in &arguments.policies {
        columns.push((set.clone(), bindings_of(&config, set, arguments.hosts)?));
    }
    if columns.is_empty() {
        columns.push(("as configured".into(), config.site.bindings()?));
    }
    let what = Common {
        mode: Mode::Timed,
        seed: arguments.seed,
        patience_s: arguments.patience_s,
        config: &config,
        trace: &trace,
        site: &site,
    };
    let report = compare(&what, columns)?;
    if let Some(folder) = &arguments.plots {
        std::fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        for (name, svg) in trace::plots(&report) {
            let path = folder.join(name);
            std::fs::write(&path, svg).with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
    match output {
        Output::Table => print!("{report}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(())
}

/// What a set binds: its own policies in place of the configuration's of the same hooks.
fn bindings_of(config: &Config, set: &str, hosts: Hosts) -> anyhow::Result<Vec<NewBinding>> {
    let known: Vec<String> = embedded::all().into_iter().map(|(name, _)| name).collect();
    let mut own = Vec::new();
    for text in set.split('+') {
        let name: Name = text.parse().with_context(|| format!("--policies `{set}`"))?;
        let hook = match text.split('-').next() {
            Some("admission") => Hook::Admission,
            Some("quota") => Hook::Quota,
            Some("reallocate") => Hook::Reallocation,
            _ => Hook::Placement,
        };
        if !known.iter().any(|known| known == text) {
            bail!("--policies: there is no policy `{text}`; allowed: {}", known.join(", "));
        }
        own.push(NewBinding { on_error: Fallback::Next, ..bound(&name, hook) });
    }
    let replaced = |hook: Hook| own.iter().any(|binding| binding.hook == hook);
    let site = |binding: &NewBinding| hosts == Hosts::Site || binding.scope == Scope::Site;
    let others = config.site.bindings()?.into_iter().filter(|binding| !replaced(binding.hook) && site(binding));
    Ok(others.chain(own.clone()).collect())
}

/// What all columns have in common.
struct Common<'a> {
    mode: Mode,
    seed: u64,
    patience_s: u64,
    config: &'a Config,
    trace: &'a Trace,
    site: &'a SiteSpec,
}

fn policies(bounds: Bounds) -> anyhow::Result<Policies> {
    let sandbox = SandboxConfig { cache: None, bounds, compiler: Compiler::InProcess };
    Ok(Policies::load(Sandbox::new(sandbox)?, &embedded::all())?)
}

/// One column of the report: its heading, and what is bound.
fn columns(config: &Config, policies: &[Name]) -> anyhow::Result<Vec<(String, Vec<NewBinding>)>> {
    let bindings = config.site.bindings()?;
    if policies.is_empty() {
        return Ok(vec![("as configured".into(), bindings)]);
    }
    let column = |policy: &Name| {
        let others = bindings.iter().filter(|binding| binding.hook != Hook::Placement).cloned();
        (policy.to_string(), others.chain([bound(policy, Hook::Placement)]).collect())
    };
    Ok(policies.iter().map(column).collect())
}

fn trace(arguments: &TraceArguments, output: Output) -> anyhow::Result<()> {
    let config = Config::load(&arguments.file.config, std::env::vars())?;
    let trace = match &arguments.trace {
        Some(folder) => Trace::read(folder)?,
        None => made_up(arguments)?,
    };
    let site = match arguments.hosts {
        Hosts::Site => config.site.spec()?,
        Hosts::Trace if trace.hosts.is_empty() => bail!("the trace has no hosts.csv; use --hosts site"),
        Hosts::Trace => hosts_of(&trace),
    };
    let mut columns = columns(&config, &arguments.policy)?;
    if arguments.hosts == Hosts::Trace {
        // The configuration's shares are not there.
        let everywhere = |binding: &NewBinding| binding.scope == Scope::Site;
        columns.iter_mut().for_each(|(_, bindings)| bindings.retain(everywhere));
    }
    let (mode, seed) = (arguments.mode, arguments.seed);
    let what = Common { mode, seed, patience_s: 0, config: &config, trace: &trace, site: &site };
    let report = compare(&what, columns)?;
    match output {
        Output::Table => print!("{report}"),
        Output::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    Ok(())
}

fn made_up(arguments: &TraceArguments) -> anyhow::Result<Trace> {
    if !(0.0..=1e6).contains(&arguments.per_hour) || arguments.days > 3660 {
        bail!("--per-hour, --days; allowed: up to 1000000 an hour, up to 3660 days");
    }
    let mixture = Mixture { days: arguments.days, per_hour: arguments.per_hour, ..Mixture::default() };
    let trace = generate(arguments.seed, &mixture);
    if let Some(folder) = &arguments.write {
        trace.write(folder)?;
        told(folder, &trace);
    }
    Ok(trace)
}

fn told(folder: &Path, trace: &Trace) {
    eprintln!("{} requests and {} hosts are in {}", trace.requests.len(), trace.hosts.len(), folder.display());
}

fn compare(common: &Common<'_>, columns: Vec<(String, Vec<NewBinding>)>) -> anyhow::Result<Report> {
    let Common { config, trace, site, .. } = *common;
    let policies = policies(config.policies.bounds())?;
    let mode = match common.mode {
        Mode::Timed => trace::Mode::Timed,
        Mode::Inflation => trace::Mode::Inflation,
    };
    let began = Instant::now();
    let stopwatch: Stopwatch = Arc::new(move || began.elapsed());
    let mut facts = None;
    let mut reports = Vec::new();
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(std::time::Duration::from_millis(120));
    for (policy, bindings) in columns {
        bar.set_message(format!("{} requests, {policy} …", trace.requests.len()));
        let what = Replay {
            trace,
            mode,
            seed: common.seed,
            patience_s: common.patience_s,
            site,
            policy: policy.clone(),
            bindings,
            policies: &policies,
            latencies: config.simulation.latencies.clone(),
            stopwatch: Some(Arc::clone(&stopwatch)),
        };
        let (common, report) = replay(&what).with_context(|| format!("with {policy}"))?;
        facts = Some(common);
        reports.push(report);
    }
    bar.finish_and_clear();
    let facts = facts.context("no policy was given")?;
    Ok(Report { facts, policies: reports })
}

fn play(arguments: ScheduleArguments, output: Output) -> anyhow::Result<()> {
    let Seeds(seeds) = arguments.seeds;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = arguments.threads.unwrap_or(cores);
    let policies = policies(Bounds::default())?;
    let bar = ProgressBar::new(seeds.end - seeds.start);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} schedules, {per_sec}, {msg}") {
        bar.set_style(style);
    }
    let failed = std::sync::atomic::AtomicU64::new(0);
    let totals = schedules(&policies, seeds, threads, &Options::default(), |_, result| {
        if result.is_err() {
            let failed = failed.fetch_add(1, std::sync::atomic::Ordering::Relaxed) + 1;
            bar.set_message(format!("{failed} failed"));
        }
        bar.inc(1);
    });
    let rate = bar.position() as f64 / bar.elapsed().as_secs_f64().max(0.001);
    bar.finish_and_clear();
    match output {
        Output::Table => println!("{totals}speed       {rate:.0} schedules a second on {threads} threads"),
        Output::Json => println!("{}", serde_json::to_string_pretty(&totals)?),
    }
    let Some(first) = totals.failures.first() else { return Ok(()) };
    for failure in &totals.failures {
        eprintln!("{failure}");
    }
    eprintln!("\nWhat led to the first:\n{}\n{first}", first.trail.join("\n"));
    let seed = first.seed;
    bail!("{} schedules failed; again: cascina simulate schedules --seeds {seed}..{}", totals.failures.len(), seed + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_seeds_are_checked() {
        assert_eq!("3..9".parse::<Seeds>().unwrap().0, 3..9);
        for wrong in ["3", "9..3", "3..3", "a..b", "-1..2"] {
            assert!(wrong.parse::<Seeds>().unwrap_err().contains("FROM..TO"), "{wrong}");
        }
    }

    #[test]
    fn a_named_policy_places_alone() {
        let config = Config::parse(include_str!("../../../examples/lab.toml"), std::iter::empty()).unwrap();
        let columns = columns(&config, &["placement-spread".parse().unwrap()]).unwrap();
        let placing: Vec<_> = columns[0].1.iter().filter(|binding| binding.hook == Hook::Placement).collect();
        assert_eq!((columns.len(), placing.len(), placing[0].policy.as_str()), (1, 1, "placement-spread"));
        assert!(columns[0].1.iter().any(|binding| binding.hook == Hook::Admission));
    }
}
