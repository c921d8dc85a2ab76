//! Made-up worlds, and how long answers take.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cascina_core::policy::Hook;
use cascina_policy::case::{self, Case, Cases, Expect, Quantiles};
use serde_json::{Map, Value, json};

use super::failed;
use super::table::{Table, Taken};
use super::trial::{ask, write_cases};
use crate::client::http::{Done, Failure};
use crate::client::show::{Output, print};

pub fn check(
    output: Output,
    policy: &Path,
    settings: &Map<String, Value>,
    seeds: Range<u64>,
    save: Option<PathBuf>,
) -> Done {
    let Taken { table, found, .. } = Table::take(policy)?;
    let known = |hook: &&Hook| case::QUESTIONS.iter().any(|(known, _)| known == *hook);
    let hooks: Vec<Hook> = found.hooks.iter().filter(known).copied().collect();
    for hook in found.hooks.iter().filter(|hook| !hooks.contains(hook)) {
        print(&format!("{hook}: tried as an upload is, on a few worlds; none are made up for it\n"))?;
    }
    for hook in &hooks {
        let text = Value::Object(settings.clone()).to_string();
        table.sandbox.check_settings(&found.digest, *hook, &text).map_err(|complaints| {
            let text: Vec<_> = complaints.iter().map(ToString::to_string).collect();
            Failure::Usage(format!("--settings: {}", text.join("; ")))
        })?;
    }
    let begun = Instant::now();
    let checked = case::check(&table.sandbox, &found.digest, &hooks, settings, seeds)
        .map_err(|error| Failure::Fault(error.to_string()))?;
    let took = begun.elapsed();
    let mut kept = None;
    if !checked.failing.is_empty() {
        let path = save.unwrap_or_else(|| match policy.is_dir() {
            true => policy.join("tests/found.json"),
            false => "found.json".into(),
        });
        let named = |failing: &case::Failing| Case {
            name: format!(
                "{}, seed {}: {}",
                failing.hook,
                failing.seed,
                failing.why.chars().take(160).collect::<String>()
            ),
            // Whatever it is to say here, it is to say something.
            expect: Some(Expect::default()),
            ..failing.case.clone()
        };
        write_cases(&path, &Cases { case: checked.failing.iter().map(named).collect() })?;
        kept = Some(path);
    }
    let failing: Vec<Value> = checked
        .failing
        .iter()
        .map(|failing| json!({"hook": failing.hook, "seed": failing.seed, "why": failing.why}))
        .collect();
    match output {
        Output::Json => output.thing(&json!({
            "policy": format!("{}@{}", found.name, found.version), "worlds": checked.worlds, "failed": checked.failed,
            "verdicts": checked.verdicts, "fuel": checked.fuel, "micros": checked.micros, "failing": failing, "kept": kept,
        }))?,
        Output::Table => {
            let mut text = format!("{}@{}: {} worlds in {:.1} s\n", found.name, found.version, checked.worlds, took.as_secs_f64());
            let verdicts: Vec<_> = checked.verdicts.iter().map(|(word, count)| format!("{word} {count}")).collect();
            text += &format!("verdicts  {}\n", verdicts.join(", "));
            text += &line("fuel", checked.fuel, "");
            text += &line("time", checked.micros, " µs");
            for failing in &checked.failing {
                text += &format!("FAILED  {} seed {}: {}\n", failing.hook, failing.seed, failing.why);
            }
            if let Some(path) = &kept {
                text += &format!("the first {} failing worlds are in {}\n", checked.failing.len(), path.display());
            }
            print(&text)?;
        }
    }
    match checked.failed {
        0 => Ok(()),
        failed_worlds => Err(failed(format!("{failed_worlds} of {} worlds failed", checked.worlds))),
    }
}

fn line(what: &str, Quantiles { p50, p99, max }: Quantiles, unit: &str) -> String {
    format!("{what}      p50 {p50}{unit}, p99 {p99}{unit}, most {max}{unit}\n")
}

pub fn bench(output: Output, policy: &Path, settings: &Map<String, Value>, seconds: u64) -> Done {
    let Taken { table, found, .. } = Table::take(policy)?;
    let mut asked: Vec<Case> = Vec::new();
    for hook in &found.hooks {
        match hook {
            Hook::Placement => asked.extend([1, 40, 1_000, 10_000].map(|hosts| case::sized(settings, hosts))),
            hook => {
                let questions = case::QUESTIONS.iter().find(|(known, _)| known == hook).map_or(0, |(_, count)| *count);
                let made = (0..questions).filter_map(|seed| case::generate(*hook, settings, seed));
                asked.extend(made.map(|case| Case { name: format!("{hook}, {}", question(&case)), ..case }));
            }
        }
    }
    let mut rows = Vec::new();
    for case in asked {
        let (mut micros, mut fuel) = (Vec::new(), Vec::new());
        let until = Instant::now() + Duration::from_secs(seconds.max(1));
        while Instant::now() < until && micros.len() < 1_000_000 {
            let answered = ask(&table.sandbox, &found.digest, &case)?;
            micros.push(answered.micros);
            fuel.push(answered.fuel);
        }
        let times = micros.len();
        let (micros, fuel) = (case::quantiles(micros), case::quantiles(fuel));
        rows.push(json!({
            "question": case.name, "times": times, "p50_us": micros.p50, "p99_us": micros.p99, "fuel": fuel.p50,
        }));
    }
    let columns =
        [("question", "question"), ("times", "times"), ("p50 µs", "p50_us"), ("p99 µs", "p99_us"), ("fuel", "fuel")];
    output.list(&rows, &columns)
}

fn question(case: &Case) -> &'static str {
    match case {
        Case { admit_tenant: Some(_), .. } => "a tenant",
        Case { admit_farm: Some(_), .. } => "a farm",
        Case { assign: Some(_), .. } => "a new tenant's limits",
        Case { check: Some(_), .. } => "so much more",
        _ => "hosts",
    }
}
