//! `cascina decision …`

use serde_json::{Value, json};

use super::http::Done;
use super::show::{Output, at, cell, print};
use super::{Session, below, escaped};

#[derive(clap::Subcommand)]
pub enum Verb {
    List {
        #[arg(long)]
        hook: Option<String>,
        #[arg(long)]
        farm: Option<String>,
        #[arg(long)]
        tenant: Option<String>,
    },
    /// Everything that is recorded of it.
    Show { decision: String },
    /// In words: who said what and why, and which hosts fell out for which reason.
    Explain { decision: String },
    /// Make it again from the books, and say whether it comes out the same.
    Replay { decision: String },
}

const PATH: &str = "/v1/decisions";

pub fn run(session: &Session, verb: Verb) -> Done {
    match verb {
        Verb::List { hook, farm, tenant } => {
            let asked: Vec<String> = [("hook", hook), ("farm", farm), ("tenant", tenant)]
                .into_iter()
                .filter_map(|(key, value)| value.map(|value| format!("{key}={}", escaped(&value))))
                .collect();
            let path = if asked.is_empty() { PATH.to_owned() } else { format!("{PATH}?{}", asked.join("&")) };
            let columns = [
                ("id", "id"),
                ("at", "at"),
                ("hook", "hook"),
                ("tenant", "tenant_name"),
                ("farm", "farm_name"),
                ("outcome", "decided.outcome"),
            ];
            session.list(&path, &columns)
        }
        Verb::Show { decision } => session.show(&below(PATH, &decision)),
        Verb::Explain { decision } => {
            let answer = session.client.get(&below(PATH, &decision))?;
            match (session.output, at(&answer, "explanation").as_array()) {
                (Output::Table, Some(sentences)) => sentences.iter().try_for_each(|s| print(&format!("{}\n", cell(s)))),
                (Output::Json, Some(sentences)) => session.output.thing(&Value::Array(sentences.clone())),
                (_, None) => session.output.thing(&answer),
            }
        }
        Verb::Replay { decision } => {
            let answer = session.client.post(&format!("{}/replay", below(PATH, &decision)), &json!({}))?;
            match at(&answer, "same").as_bool() {
                Some(true) => session.output.said("the same outcome, for the same reasons", &answer),
                _ => session.output.thing(&answer),
            }
        }
    }
}
