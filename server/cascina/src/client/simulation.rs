//! `cascina simulation …`: for servers whose hosts are simulated.

use serde_json::{Map, Value, json};

use super::http::Done;
use super::show::{Output, at};
use super::{Session, json as parse_json};

#[derive(clap::Subcommand)]
pub enum Verb {
    /// What is on the simulated hosts: guests, disks, networks.
    World,
    /// Break things: replaces all faults by these, JSON or `@file`; `[]` mends everything.
    Faults {
        /// For example `[{"call": "boot", "times": 1, "fault": {"kind": "refuse", "why": "no"}}]`.
        #[arg(value_parser = parse_json)]
        rules: Value,
    },
    /// Let something befall a host or guest, JSON or `@file`.
    Strike {
        /// For example `{"kind": "lose", "host": "w-01"}`; also restore, power-cycle, crash-guest.
        #[arg(value_parser = parse_json)]
        incident: Value,
    },
}

pub fn run(session: &Session, verb: Verb) -> Done {
    match verb {
        Verb::World => world(session),
        Verb::Faults { rules } => {
            let answer = session.client.put("/v1/simulation/faults", &json!({"faults": rules}))?;
            session.output.said("faults are set", &answer)
        }
        Verb::Strike { incident } => {
            let answer = session.client.post("/v1/simulation/incidents", &incident)?;
            session.output.said("it has happened", &answer)
        }
    }
}

/// A line a host that has something on it, and the sum.
fn world(session: &Session) -> Done {
    let world = session.client.get("/v1/simulation/world")?;
    if session.output == Output::Json {
        return session.output.thing(&world);
    }
    let none = Map::new();
    let hosts = at(&world, "hosts").as_object().unwrap_or(&none);
    let line = |name: &str, of: &Value| {
        let totals = at(of, "totals");
        let images = at(of, "images").as_array().map_or(0, Vec::len);
        json!({"name": name, "lost": at(of, "lost"), "images": images, "totals": totals})
    };
    let busy = |of: &Value| at(of, "totals").as_object().is_some_and(|totals| totals.values().any(|n| *n != 0));
    let mut lines: Vec<Value> = hosts
        .iter()
        .filter(|(_, of)| busy(of) || at(of, "lost") == &Value::Bool(true))
        .map(|(name, of)| line(name, of))
        .collect();
    lines.push(json!({"name": "all", "totals": at(&world, "totals")}));
    let columns = [
        ("host", "name"),
        ("guests", "totals.guests"),
        ("running", "totals.running"),
        ("crashed", "totals.crashed"),
        ("disks", "totals.disks"),
        ("networks", "totals.networks"),
        ("images", "images"),
        ("lost", "lost"),
    ];
    session.output.list(&lines, &columns)
}
