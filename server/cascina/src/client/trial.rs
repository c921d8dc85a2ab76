//! `cascina policy replay`, `shadow`, `canary` …: how a candidate comes to its place.

use std::time::Duration;

use serde_json::{Value, json};

use super::http::{Done, Failure};
use super::show::{Output, at, cell, print};
use super::{Session, below, escaped, object};
use crate::workbench::{Settings, settings};

#[derive(clap::Args)]
pub struct Replay {
    /// `name@version`, a digest, or a name for its newest version.
    policy: String,
    /// How far back: a number with s, m, h or d.
    #[arg(long, value_parser = span, default_value = "30d")]
    since: u64,
    /// The binding whose place it takes; needed if that is not plain.
    #[arg(long)]
    binding: Option<String>,
    /// Other settings than the binding's: a JSON object, or `@file`.
    #[arg(long, value_parser = settings)]
    settings: Option<Settings>,
}

#[derive(clap::Args)]
pub struct Bounds {
    /// More disagreements than this among a hundred decisions end it.
    #[arg(long)]
    max_disagreements: Option<f64>,
    /// Decisions before disagreements are looked at.
    #[arg(long)]
    after: Option<u32>,
    /// Traps and the like that end it; one does if nothing is said.
    #[arg(long)]
    max_failures: Option<u32>,
}

#[derive(clap::Args)]
pub struct Shadow {
    policy: String,
    #[arg(long)]
    binding: String,
    /// Other settings than the binding's: a JSON object, or `@file`.
    #[arg(long, value_parser = settings)]
    settings: Option<Settings>,
    #[command(flatten)]
    bounds: Bounds,
}

#[derive(clap::Args)]
pub struct Canary {
    binding: String,
    /// Of all tenants.
    #[arg(long, default_value_t = 0)]
    percent: u32,
    /// This tenant too; `*` stands for any text. May be given several times.
    #[arg(long = "tenant")]
    tenants: Vec<String>,
    /// A policy that is not tried in its shadow already.
    #[arg(long)]
    policy: Option<String>,
    #[arg(long, value_parser = settings)]
    settings: Option<Settings>,
    #[command(flatten)]
    bounds: Bounds,
}

#[derive(clap::Args)]
pub struct Follow {
    binding: String,
    /// Go on and show each disagreement as it comes.
    #[arg(long)]
    watch: bool,
}

/// `30d`, `12h`, `90s` in seconds.
fn span(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return Err(format!("`{text}` is no span of time: a number with s, m, h or d, such as 30d")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("`{text}` is no span of time: `{digits}` is no number"))?;
    number.checked_mul(unit).filter(|seconds| *seconds > 0).ok_or_else(|| format!("`{text}` is out of range"))
}

fn some(settings: Option<Settings>) -> Value {
    settings.map_or(Value::Null, |settings| Value::Object(settings.0))
}

pub fn replay(session: &Session, ask: &Replay) -> Done {
    let path = format!("{}/replay", below("/v1/policies", &ask.policy));
    let body = object([
        ("binding", json!(ask.binding)),
        ("settings", some(ask.settings.clone())),
        ("since_s", json!(ask.since)),
    ]);
    let mut answer = session.client.post(&path, &body)?;
    let again = match &ask.binding {
        Some(binding) => format!("{path}?binding={}", escaped(binding)),
        None => path,
    };
    while at(&answer, "state") == "running" {
        if session.output == Output::Table {
            eprint!("\r{} of {} decisions", cell(at(&answer, "done")), cell(at(&answer, "of")));
        }
        std::thread::park_timeout(Duration::from_millis(200));
        answer = session.client.get(&again)?;
    }
    if session.output == Output::Json {
        return session.output.thing(&answer);
    }
    eprint!("\r\x1b[K");
    if let Some(error) = at(&answer, "error").as_str() {
        return Err(Failure::Ended(format!("the replay failed: {error}")));
    }
    let report = at(&answer, "report");
    let number = |key: &str| cell(at(report, key));
    print(&format!(
        "{} on {} decisions of {} since {}, in {} ms\n{} would change: {} new denials, {} new grants; {} vCPUs and {} addresses are affected\n",
        number("policy"),
        number("decisions"),
        number("hook"),
        number("since"),
        number("took_ms"),
        number("changed"),
        number("new_denials"),
        number("new_grants"),
        number("vcpus"),
        number("addresses"),
    ))?;
    if at(report, "failed") != &json!(0) {
        print(&format!("it failed in {} of them\n", number("failed")))?;
    }
    let rows = |key: &str| at(report, key).as_array().cloned().unwrap_or_default();
    if !rows("tenants").is_empty() {
        let columns = [
            ("tenant", "tenant"),
            ("decisions", "decisions"),
            ("changed", "changed"),
            ("new denials", "new_denials"),
            ("new grants", "new_grants"),
            ("vcpus", "vcpus"),
            ("addresses", "addresses"),
        ];
        session.output.list(&rows("tenants"), &columns)?;
        let columns = [
            ("decision", "decision"),
            ("tenant", "tenant"),
            ("before", "before.outcome"),
            ("after", "after.outcome"),
            ("reasons", "reasons"),
        ];
        let examples: Vec<Value> = rows("examples")
            .into_iter()
            .map(|mut row| {
                let texts = at(&row, "reasons").as_array().into_iter().flatten().map(|reason| cell(at(reason, "text")));
                let text = texts.collect::<Vec<_>>().join(" ");
                row["reasons"] = if text.is_empty() { Value::Null } else { text.into() };
                row
            })
            .collect();
        session.output.list(&examples, &columns)?;
    }
    Ok(())
}

fn begin(session: &Session, binding: &str, stage: &str, fields: Value, bounds: &Bounds) -> Done {
    let mut body = fields;
    body["stage"] = json!(stage);
    if let Some(percent) = bounds.max_disagreements {
        body["max_disagreements_permille"] = json!((percent * 10.0).round().clamp(0.0, 1000.0) as u32);
    }
    for (key, value) in [("after", bounds.after), ("max_failures", bounds.max_failures)] {
        if let Some(value) = value {
            body[key] = json!(value);
        }
    }
    let answer = session.client.put(&format!("{}/trial", below("/v1/bindings", binding)), &body)?;
    session
        .output
        .said(&format!("the candidate of {binding}: {stage}; `cascina policy trial {binding}` follows it"), &answer)
}

pub fn shadow(session: &Session, ask: Shadow) -> Done {
    let fields = object([("policy", json!(ask.policy)), ("settings", some(ask.settings))]);
    begin(session, &ask.binding, "shadow", fields, &ask.bounds)
}

pub fn canary(session: &Session, ask: Canary) -> Done {
    let fields = object([
        ("policy", json!(ask.policy)),
        ("settings", some(ask.settings)),
        ("percent", json!(ask.percent)),
        ("tenants", json!(ask.tenants)),
    ]);
    begin(session, &ask.binding, "canary", fields, &ask.bounds)
}

pub fn step(session: &Session, binding: &str, step: &str) -> Done {
    let answer = session.client.post(&format!("{}/{step}", below("/v1/bindings", binding)), &json!({}))?;
    let done = if step == "promote" { "the candidate is active" } else { "what was active before is active again" };
    session.output.said(&format!("{binding}: {done}"), &answer)
}

pub fn follow(session: &Session, ask: &Follow) -> Done {
    let path = format!("{}/trial", below("/v1/bindings", &ask.binding));
    let mut answer = session.client.get(&path)?;
    if session.output == Output::Json && !ask.watch {
        return session.output.thing(&answer);
    }
    let mut shown: Vec<String> = Vec::new();
    let mut counts = String::new();
    loop {
        let now = format!(
            "{} beside {} ({}): {} asked, {} decided by it, {} disagreements, {} failures\n",
            cell(at(&answer, "candidate")),
            cell(at(&answer, "active")),
            cell(at(&answer, "stage")),
            cell(at(&answer, "asked")),
            cell(at(&answer, "decided")),
            cell(at(&answer, "disagreed")),
            cell(at(&answer, "failed")),
        );
        if now != counts && session.output == Output::Table {
            print(&now)?;
        }
        counts = now;
        for seen in at(&answer, "disagreements").as_array().into_iter().flatten().rev() {
            let decision = cell(at(seen, "decision"));
            if shown.contains(&decision) {
                continue;
            }
            match session.output {
                Output::Json => session.output.thing(seen)?,
                Output::Table => print(&format!(
                    "{}  {}  {}: active {}; candidate {}\n",
                    cell(at(seen, "at")),
                    decision,
                    cell(at(seen, "tenant")),
                    cell(at(seen, "active")),
                    cell(at(seen, "candidate")),
                ))?,
            }
            shown.push(decision);
        }
        if !ask.watch {
            return Ok(());
        }
        std::thread::park_timeout(Duration::from_secs(1));
        answer = session.client.get(&path)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time() {
        assert_eq!(span("30d"), Ok(2_592_000));
        assert_eq!(span("90s"), Ok(90));
        for wrong in ["", "30", "d", "0d", "5w", "-1d", "99999999999999999999d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }
}
