//! Measurements: counters are kept as things happen, gauges are read off the rows when asked for.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::rest::trial::owner;
use crate::router::App;
use crate::wire::decision::word;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Bounds in seconds, from a read to a slow request.
const BUCKETS: [f64; 9] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 10.0];

/// Begins to record, once for the process. To be called before the engine starts, if its first
/// measurements matter; `router` calls it too.
pub fn install() {
    RECORDER.get_or_init(|| {
        let builder = PrometheusBuilder::new();
        // Refused only if empty.
        let recorder = builder.set_buckets(&BUCKETS).unwrap_or_else(|_| PrometheusBuilder::new()).build_recorder();
        let handle = recorder.handle();
        if ::metrics::set_global_recorder(recorder).is_err() {
            tracing::warn!("another recorder of measurements is in place; counters are not shown");
        }
        handle
    });
}

pub fn request(method: &str, route: &str, status: u16, took: Duration) {
    let labels = [("method", method.to_owned()), ("route", route.to_owned()), ("status", status.to_string())];
    ::metrics::counter!("cascina_http_requests_total", &labels).increment(1);
    ::metrics::histogram!("cascina_http_request_seconds", "route" => route.to_owned()).record(took.as_secs_f64());
}

/// One line a label, under a heading.
fn gauge(text: &mut String, name: &str, help: &str, label: &str, values: &BTreeMap<String, u64>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (value, count) in values {
        let _ = writeln!(text, "{name}{{{label}=\"{value}\"}} {count}");
    }
}

fn counted<T: Ord>(values: impl Iterator<Item = T>, word: impl Fn(&T) -> String) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<T, u64> = BTreeMap::new();
    for value in values {
        *counts.entry(value).or_default() += 1;
    }
    counts.into_iter().map(|(value, count)| (word(&value), count)).collect()
}

pub fn render(app: &App) -> String {
    let mut text = RECORDER.get().map(PrometheusHandle::render).unwrap_or_default();
    let (hosts, instances, farms, unfinished, seq) = app.engine.read(|state| {
        let rows = &state.rows;
        let hosts: Vec<_> = rows.hosts.values().map(|row| row.state).collect();
        let instances = counted(rows.instances.values().map(|row| row.state), |state| state.as_str().to_owned());
        let farms: Vec<_> = rows.farms.values().map(|row| row.state).collect();
        (hosts, instances, farms, state.indexes.unfinished.len(), state.seq)
    });
    let hosts = counted(hosts.iter().map(word), String::clone);
    let farms = counted(farms.iter().map(word), String::clone);
    gauge(&mut text, "cascina_hosts", "Hosts by state.", "state", &hosts);
    gauge(&mut text, "cascina_instances", "Instances by state.", "state", &instances);
    gauge(&mut text, "cascina_farms", "Farms by state.", "state", &farms);
    let view = app.engine.view();
    let mut free: BTreeMap<String, u64> = view.classes.iter().map(|class| (class.to_string(), 0)).collect();
    for row in (0..view.len()).filter(|row| view.open[*row] != 0) {
        if let Some(class) = view.classes.get(view.class[row] as usize) {
            *free.entry(class.to_string()).or_default() += u64::from(view.vcpus_free[row]);
        }
    }
    gauge(&mut text, "cascina_free_vcpus", "Free vCPUs on hosts that take guests.", "class", &free);
    policies(&mut text, app);
    for (name, help, value) in [
        ("cascina_operations_unfinished", "Operations under way or stuck.", unfinished as u64),
        ("cascina_events_last", "Number of the last event.", seq),
    ] {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge\n{name} {value}");
    }
    text
}

/// What policies have used, by whose rule it is and what it is about.
fn policies(text: &mut String, app: &App) {
    let mut sums: BTreeMap<(String, &'static str), [u64; 4]> = BTreeMap::new();
    let metered = app.engine.metered();
    app.engine.read(|state| {
        for used in metered {
            let sum = sums.entry((owner(state, used.scope), used.hook.as_str())).or_default();
            for (sum, more) in sum.iter_mut().zip([used.asked, used.failed, used.fuel, used.micros]) {
                *sum += more;
            }
        }
    });
    for (place, name, help) in [
        (0, "cascina_policy_questions_total", "Questions to policies."),
        (1, "cascina_policy_failures_total", "Traps, answers outside the contract, and answers that did not come."),
        (2, "cascina_policy_fuel_total", "Fuel that policies used."),
        (3, "cascina_policy_microseconds_total", "Time that policies took."),
    ] {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} counter");
        for ((owner, hook), sum) in &sums {
            // Names have no characters that would have to be escaped.
            let _ = writeln!(text, "{name}{{owner=\"{owner}\",hook=\"{hook}\"}} {}", sum[place]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_in_the_text_form() {
        let mut text = String::new();
        gauge(&mut text, "cascina_hosts", "Hosts by state.", "state", &[("up".to_owned(), 39)].into());
        insta::assert_snapshot!(text, @r#"
        # HELP cascina_hosts Hosts by state.
        # TYPE cascina_hosts gauge
        cascina_hosts{state="up"} 39
        "#);
    }
}
