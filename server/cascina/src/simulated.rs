//! Simulated hosts as the API shows them.

use cascina_api::Simulation;
use cascina_drivers::sim::{Incident, Rule, SimDriver};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub struct Simulated(pub SimDriver);

fn parse<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn shown(value: impl serde::Serialize) -> Value {
    // Plain data with text for keys: there is nothing in it that JSON cannot say.
    serde_json::to_value(value).unwrap_or(Value::Null)
}

impl Simulation for Simulated {
    fn faults(&self) -> Value {
        shown(self.0.faults())
    }

    fn set_faults(&self, faults: Value) -> Result<(), String> {
        self.0.set_faults(parse::<Vec<Rule>>(faults)?);
        Ok(())
    }

    fn strike(&self, incident: Value) -> Result<(), String> {
        self.0.strike(&parse::<Incident>(incident)?).map_err(|error| error.to_string())
    }

    fn world(&self) -> Value {
        shown(self.0.snapshot())
    }
}
