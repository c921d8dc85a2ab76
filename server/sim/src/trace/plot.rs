//! What replays found, drawn: one SVG a measure, one line a policy.

use std::fmt::Write as _;

use super::report::{PolicyReport, Report, Sample};

const WIDTH: f64 = 880.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const BELOW: f64 = 40.0;
const ABOVE: f64 = 28.0;
const COLOURS: [&str; 8] = ["#1b6ca8", "#c8553d", "#2e8b57", "#8e5ea2", "#b8860b", "#4d4d4d", "#d1478c", "#3aa6a0"];

type Measure = (&'static str, &'static str, fn(&Sample) -> f64);

const MEASURES: [Measure; 4] = [
    ("utilisation", "vCPUs in use, %", |sample| sample.allocated.vcpus * 100.0),
    ("stranded", "stranded capacity, %", |sample| sample.stranded * 100.0),
    ("refused", "requests refused so far", |sample| sample.refused as f64),
    ("migrations", "guests moved so far", |sample| sample.migrations as f64),
];

/// Names of files and what goes into them. Nothing of replays without samples.
pub fn plots(report: &Report) -> Vec<(String, String)> {
    if report.policies.iter().all(|policy| policy.samples.len() < 2) {
        return Vec::new();
    }
    MEASURES.iter().map(|measure| (format!("{}.svg", measure.0), plot(&report.policies, measure))).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn plot(policies: &[PolicyReport], (_, title, value): &Measure) -> String {
    let all = || policies.iter().flat_map(|policy| policy.samples.iter());
    let most = all().map(value).fold(0.0, f64::max).max(1e-9);
    let last = all().map(|sample| sample.at_s).max().unwrap_or(1).max(1) as f64;
    let x = |at_s: f64| LEFT + at_s / last * (WIDTH - LEFT - 16.0);
    let y = |value: f64| HEIGHT - BELOW - value / most * (HEIGHT - BELOW - ABOVE);
    let mut svg = String::new();
    let height = HEIGHT + 18.0 * policies.len() as f64;
    // Writing into a string cannot fail.
    let _ = writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\"><rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\
         <text x=\"{LEFT}\" y=\"18\" font-size=\"14\">{}</text>",
        escaped(title)
    );
    for i in 0..=4 {
        let part = f64::from(i) / 4.0;
        let (line, day) = (y(most * part), x(last * part));
        let _ = writeln!(
            svg,
            "<path d=\"M{LEFT} {line:.1}H{:.1}\" stroke=\"#dddddd\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.1}</text>\
             <text x=\"{day:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{:.1} d</text>",
            WIDTH - 16.0,
            LEFT - 6.0,
            line + 4.0,
            most * part,
            HEIGHT - BELOW + 18.0,
            last * part / 86_400.0
        );
    }
    for (i, policy) in policies.iter().enumerate() {
        let colour = COLOURS[i % COLOURS.len()];
        let points: Vec<String> =
            policy.samples.iter().map(|s| format!("{:.1},{:.1}", x(s.at_s as f64), y(value(s)))).collect();
        let below = HEIGHT + 18.0 * i as f64;
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.4\" points=\"{}\"/>\
             <rect x=\"{LEFT}\" y=\"{:.1}\" width=\"14\" height=\"4\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{below:.1}\">{}</text>",
            points.join(" "),
            below - 6.0,
            LEFT + 20.0,
            escaped(&policy.policy)
        );
    }
    svg.push_str("</svg>\n");
    svg
}
