//! `cascina event …`

use serde_json::Value;

use super::http::Done;
use super::show::{Output, at, cell, print};
use super::{Session, escaped};

#[derive(clap::Subcommand)]
pub enum Verb {
    /// What has happened.
    List {
        /// Only after this number.
        #[arg(long)]
        after: Option<u64>,
        #[arg(long)]
        farm: Option<String>,
    },
    /// What happens, until interrupted.
    Follow {
        #[arg(long)]
        farm: Option<String>,
    },
}

pub fn run(session: &Session, verb: Verb) -> Done {
    let path = |after: Option<u64>, farm: Option<String>| -> String {
        let asked: Vec<String> = [("after", after.map(|n| n.to_string())), ("farm", farm)]
            .into_iter()
            .filter_map(|(key, value)| value.map(|value| format!("{key}={}", escaped(&value))))
            .collect();
        if asked.is_empty() { "/v1/events".into() } else { format!("/v1/events?{}", asked.join("&")) }
    };
    match verb {
        Verb::List { after, farm } => session.list(
            &path(after, farm),
            &[("seq", "seq"), ("at", "at"), ("kind", "kind"), ("actor", "actor"), ("text", "text")],
        ),
        Verb::Follow { farm } => session.client.follow(&path(None, farm), |event| show(session.output, &event)),
    }
}

fn show(output: Output, event: &Value) -> Done<bool> {
    match output {
        // One a line, for programs that read line by line.
        Output::Json => print(&format!("{event}\n"))?,
        Output::Table => {
            let of = |key: &str| cell(at(event, key));
            print(&format!("{}  {}  {:24}  {}\n", of("seq"), of("at"), of("kind"), of("text")))?;
        }
    }
    Ok(true)
}
