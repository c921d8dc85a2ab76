//! `cascina tenant …`

use serde_json::{Value, json};

use super::http::Done;
use super::{Session, below, object};

#[derive(clap::Subcommand)]
pub enum Verb {
    Create {
        name: String,
        #[arg(long = "group")]
        groups: Vec<String>,
        /// Service tier, which quota policies read.
        #[arg(long)]
        tier: Option<String>,
    },
    List,
    Show {
        tenant: String,
    },
    /// Nothing of it may change until it is resumed.
    Suspend {
        tenant: String,
    },
    Resume {
        tenant: String,
    },
    Approve {
        tenant: String,
        #[arg(long)]
        note: Option<String>,
    },
    Reject {
        tenant: String,
        #[arg(long)]
        note: Option<String>,
    },
    /// Close it; it may have no farms.
    Close {
        tenant: String,
    },
}

const PATH: &str = "/v1/tenants";

pub fn run(session: &Session, verb: Verb) -> Done {
    let act = |tenant: &str, verb: &str, said: &str, body: Value| {
        let path = format!("{}/{verb}", below(PATH, tenant));
        let answer = session.client.post(&path, &body)?;
        session.output.said(&format!("tenant {tenant} is {said}"), &answer)
    };
    match verb {
        Verb::Create { name, groups, tier } => {
            let body = object([("name", json!(name)), ("groups", json!(groups)), ("tier", json!(tier))]);
            session.output.thing(&session.client.post(PATH, &body)?)
        }
        Verb::List => {
            let columns = [("id", "id"), ("name", "name"), ("state", "state"), ("tier", "tier"), ("groups", "groups")];
            session.list(PATH, &columns)
        }
        Verb::Show { tenant } => session.show(&below(PATH, &tenant)),
        Verb::Suspend { tenant } => act(&tenant, "suspend", "suspended", json!({})),
        Verb::Resume { tenant } => act(&tenant, "resume", "active again", json!({})),
        Verb::Approve { tenant, note } => act(&tenant, "approve", "approved", object([("note", json!(note))])),
        Verb::Reject { tenant, note } => act(&tenant, "reject", "rejected", object([("note", json!(note))])),
        Verb::Close { tenant } => {
            let answer = session.client.delete(&below(PATH, &tenant))?;
            session.output.said(&format!("tenant {tenant} is closed"), &answer)
        }
    }
}
