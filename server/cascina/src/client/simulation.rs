//! `cascina simulation …`: for servers whose hosts are simulated.

use serde_json::{Value, json};

use super::http::Done;
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
        Verb::World => session.show("/v1/simulation/world"),
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
