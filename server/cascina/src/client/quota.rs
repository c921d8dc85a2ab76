//! `cascina quota …`

use serde_json::{Map, Value, json};

use super::http::{Done, Failure, escaped};
use super::show::{Output, at, print};
use super::{Session, below, object, pair};

#[derive(clap::Subcommand)]
pub enum Verb {
    /// Limits of a tenant, and what is used, held and available.
    Show { tenant: String },
    /// Set limits, for example `vcpus=64 addresses=2`; what is not named keeps its limit.
    Set {
        tenant: String,
        /// For this class of hosts only.
        #[arg(long)]
        class: Option<String>,
        #[arg(value_parser = pair, required = true)]
        limits: Vec<(String, String)>,
    },
}

const RESOURCES: [&str; 6] = ["instances", "vcpus", "memory_mib", "disk_gib", "addresses", "networks"];

pub fn run(session: &Session, verb: Verb) -> Done {
    match verb {
        Verb::Show { tenant } => show(session, &tenant),
        Verb::Set { tenant, class, limits } => set(session, &tenant, class, limits),
    }
}

fn scopes(session: &Session, tenant: &str) -> Done<Vec<Value>> {
    session.client.list(&format!("/v1/quotas?tenant={}", escaped(tenant)))
}

fn show(session: &Session, tenant: &str) -> Done {
    let scopes = scopes(session, tenant)?;
    if session.output == Output::Json {
        return session.output.list(&scopes, &[]);
    }
    for scope in &scopes {
        let class = at(scope, "class").as_str().filter(|class| !class.is_empty());
        let heading = class.map_or_else(|| "all classes".to_owned(), |class| format!("class {class}"));
        let rows: Vec<Value> = RESOURCES
            .iter()
            .map(|name| {
                let of = |column: &str| match at(scope, &format!("{column}.{name}")) {
                    Value::Null => Value::from("no limit"),
                    amount => amount.clone(),
                };
                json!({"name": name, "limit": of("limit"), "used": of("used"), "held": of("held"), "available": of("available")})
            })
            .collect();
        print(&format!("{heading}\n"))?;
        let columns =
            [("resource", "name"), ("limit", "limit"), ("used", "used"), ("held", "held"), ("available", "available")];
        session.output.list(&rows, &columns)?;
    }
    Ok(())
}

fn set(session: &Session, tenant: &str, class: Option<String>, limits: Vec<(String, String)>) -> Done {
    // The API sets a scope as a whole, so what is not named is taken from what is there.
    let now = scopes(session, tenant)?;
    let now = now.iter().find(|scope| at(scope, "class").as_str() == class.as_deref());
    let mut limit: Map<String, Value> =
        now.and_then(|scope| at(scope, "limit").as_object().cloned()).unwrap_or_default();
    for (name, text) in limits {
        if !RESOURCES.contains(&name.as_str()) {
            return Err(Failure::Usage(format!("`{name}` is not counted; allowed: {}", RESOURCES.join(", "))));
        }
        let value = match text.as_str() {
            "none" | "unlimited" => Value::Null,
            number => number.parse::<u64>().map(Value::from).map_err(|_| {
                Failure::Usage(format!("{name}={number}: not an amount; allowed: a number, or `unlimited`"))
            })?,
        };
        limit.insert(name, value);
    }
    let body = object([("class", json!(class)), ("limit", Value::Object(limit))]);
    let answer = session.client.put(&below("/v1/quotas", tenant), &body)?;
    session.output.said(&format!("limits of {tenant} are set"), &answer)
}
