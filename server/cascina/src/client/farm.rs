//! `cascina farm …`

use std::path::PathBuf;

use serde_json::{Value, json};

use super::credentials::Form;
use super::http::{Done, Failure};
use super::show::{Output, at, cell, print};
use super::{Session, Wait, below, object, pair};

#[derive(clap::Subcommand)]
pub enum Verb {
    /// Ask for a farm, and follow its steps until it is active.
    Create(Box<Create>),
    List,
    Show {
        farm: String,
    },
    /// Delete a farm with everything in it.
    Delete {
        farm: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Say yes to a farm that waits for approval.
    Approve {
        farm: String,
        #[arg(long)]
        note: Option<String>,
    },
    /// Say no to a farm that waits for approval.
    Reject {
        farm: String,
        #[arg(long)]
        note: Option<String>,
    },
    /// Get what EC2 clients need: an access key for the farm, whose secret is shown this once.
    Credentials {
        farm: String,
        /// Only one of the three forms.
        #[arg(long)]
        form: Option<Form>,
    },
    /// Follow what a farm's operation is doing.
    Watch {
        farm: String,
    },
}

#[derive(clap::Args)]
pub struct Create {
    name: String,
    /// Made with the farm if it does not exist.
    #[arg(long)]
    tenant: String,
    /// Group of a new tenant; may be repeated.
    #[arg(long = "group")]
    groups: Vec<String>,
    /// Service tier of a new tenant.
    #[arg(long)]
    tier: Option<String>,
    /// User made with the farm; named as the tenant if left out.
    #[arg(long)]
    user: Option<String>,
    /// File with the user's public SSH key.
    #[arg(long)]
    ssh_key_file: Option<PathBuf>,
    /// Instances, for example `flavor=m1.small,image=debian-13,count=2`; also name, min, class, host.
    /// May be repeated.
    #[arg(long = "instances", value_parser = instances)]
    instances: Vec<Value>,
    /// How long the farm is wanted, for example `30d` or `12h`; without end if left out.
    #[arg(long, value_parser = duration, default_value = "0")]
    lease: u64,
    /// Label, `key=value`; may be repeated.
    #[arg(long = "label", value_parser = pair)]
    labels: Vec<(String, String)>,
    #[command(flatten)]
    wait: Wait,
}

/// One line of the shopping list as the API takes it.
pub fn instances(text: &str) -> Result<Value, String> {
    let mut line = serde_json::Map::new();
    for part in text.split(',').filter(|part| !part.is_empty()) {
        let (key, value) = pair(part)?;
        let number = || value.parse::<u32>().map(Value::from).map_err(|_| format!("`{key}={value}`: not a count"));
        let (field, value) = match key.as_str() {
            "name" | "flavor" | "image" | "class" | "host" => (key.as_str(), Value::from(value.as_str())),
            "count" => ("max_count", number()?),
            "min" => ("min_count", number()?),
            _ => return Err(format!("`{key}` is not known; allowed: flavor, image, count, min, name, class, host")),
        };
        line.insert(field.to_owned(), value);
    }
    for needed in ["flavor", "image"] {
        if !line.contains_key(needed) {
            return Err(format!("`{needed}=…` is missing"));
        }
    }
    let count = line.entry("max_count").or_insert_with(|| 1.into()).clone();
    line.entry("min_count").or_insert(count);
    Ok(Value::Object(line))
}

fn duration(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is not a duration; allowed: a number with s, m, h or d, for example 30d");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err(wrong()),
    };
    digits.parse::<u64>().ok().and_then(|n| n.checked_mul(factor)).ok_or_else(wrong)
}

const PATH: &str = "/v1/farms";

pub fn run(session: &Session, verb: Verb) -> Done {
    match verb {
        Verb::Create(create) => self::create(session, *create),
        Verb::List => session.list(
            PATH,
            &[("id", "id"), ("name", "name"), ("tenant", "tenant_name"), ("state", "state"), ("note", "note")],
        ),
        Verb::Show { farm } => session.show(&below(PATH, &farm)),
        Verb::Delete { farm, wait } => {
            let answer = session.client.delete(&below(PATH, &farm))?;
            session.settle(&format!("deletion of farm {farm}"), &answer, &wait)
        }
        Verb::Approve { farm, note } => {
            let path = format!("{}/approve", below(PATH, &farm));
            let answer = session.client.post(&path, &object([("note", json!(note))]))?;
            session.settle(&format!("farm {farm} is approved"), &answer, &Wait { no_wait: false })
        }
        Verb::Reject { farm, note } => {
            let path = format!("{}/reject", below(PATH, &farm));
            let answer = session.client.post(&path, &object([("note", json!(note))]))?;
            session.output.said(&format!("farm {farm} is rejected"), &answer)
        }
        Verb::Credentials { farm, form } => super::credentials::get(session, &farm, form),
        Verb::Watch { farm } => {
            let row = session.client.get(&below(PATH, &farm))?;
            if at(&row, "operation").is_null() {
                return session
                    .output
                    .said(&format!("farm {farm} is {}; nothing is under way", cell(at(&row, "state"))), &row);
            }
            session.settle(&format!("farm {farm}"), &row, &Wait { no_wait: false })
        }
    }
}

fn create(session: &Session, create: Create) -> Done {
    let ssh_key = match &create.ssh_key_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path);
            let text = text.map_err(|error| Failure::Usage(format!("cannot read {}: {error}", path.display())))?;
            Some(text.trim().to_owned())
        }
    };
    let labels: serde_json::Map<String, Value> = create.labels.into_iter().map(|(k, v)| (k, v.into())).collect();
    let body = object([
        ("name", json!(create.name)),
        ("tenant", json!(create.tenant)),
        ("groups", json!(create.groups)),
        ("tier", json!(create.tier)),
        ("user", json!(create.user)),
        ("ssh_key", json!(ssh_key)),
        ("instances", json!(create.instances)),
        ("lease_s", json!(create.lease)),
        ("labels", Value::Object(labels)),
    ]);
    let answer = session.client.post(PATH, &body)?;
    let id = at(&answer, "id").as_str().unwrap_or_default().to_owned();
    if at(&answer, "pending").as_bool() == Some(true) {
        let text = format!(
            "farm {} ({id}) waits for approval; see where it stands with `cascina farm show {id}`",
            create.name
        );
        return session.output.said(&text, &answer);
    }
    session.settle(&format!("farm {}", create.name), &answer, &create.wait)?;
    if session.output == Output::Table && !create.wait.no_wait {
        print(&format!("see it with `cascina farm show {}`\n", create.name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shopping_list() {
        let line = instances("flavor=m1.small,image=debian,count=2").unwrap();
        assert_eq!(line, json!({"flavor": "m1.small", "image": "debian", "max_count": 2, "min_count": 2}));
        assert!(instances("flavor=m1.small").unwrap_err().contains("image"));
        assert!(instances("flavor=a,image=b,colour=red").unwrap_err().contains("colour"));
    }

    #[test]
    fn durations() {
        assert_eq!(duration("30d"), Ok(2_592_000));
        assert_eq!(duration("0"), Ok(0));
        assert!(duration("1y").is_err() && duration("d").is_err());
    }
}
