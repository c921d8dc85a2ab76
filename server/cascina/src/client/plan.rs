//! `cascina plan …`

use serde_json::{Value, json};

use super::http::Done;
use super::show::{Output, at, print};
use super::{Session, below, object};

#[derive(clap::Subcommand)]
pub enum Verb {
    List,
    Show {
        plan: String,
    },
    /// Ask the reallocation policies what should move.
    Create {
        /// Only this binding.
        #[arg(long)]
        binding: Option<String>,
        #[arg(long)]
        max_moves: Option<u32>,
        /// Show what would be planned, and keep nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// Let a proposed plan be carried out.
    Approve {
        plan: String,
    },
    Reject {
        plan: String,
        #[arg(long)]
        note: Option<String>,
    },
    /// Begin nothing more of it.
    Cancel {
        plan: String,
        #[arg(long)]
        note: Option<String>,
    },
}

const PATH: &str = "/v1/plans";

const MOVES: [(&str, &str); 8] = [
    ("#", "index"),
    ("what", "kind"),
    ("whom", "subject"),
    ("from", "from"),
    ("to", "to"),
    ("state", "state"),
    ("why", "why"),
    ("note", "note"),
];

const DROPPED: [(&str, &str); 4] = [("by", "by"), ("what", "what"), ("code", "code"), ("why", "text")];

fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// A plan for people: what it is, what it costs, its moves, and what was dropped.
pub fn show(output: Output, plan: &Value) -> Done {
    if output == Output::Json {
        return output.thing(plan);
    }
    if plan.is_null() {
        return print("nothing should move\n");
    }
    let score = |when: &str, key: &str| word(at(plan, &format!("{when}.{key}")));
    let line = |name: &str, key: &str| format!("{name:<22}{:>10} → {}\n", score("before", key), score("after", key));
    let mut text = String::new();
    for key in ["id", "trigger", "binding", "state", "note", "decision", "approved_by"] {
        let value = at(plan, key);
        if !value.is_null() {
            text.push_str(&format!("{key:<22}{}\n", word(value)));
        }
    }
    text.push_str(&line("stranded ‰", "stranded_permille"));
    text.push_str(&line("imbalance ‰", "imbalance_permille"));
    text.push_str(&line("hosts used", "hosts_used"));
    text.push_str(&line("room for refused", "slots"));
    let cost = |key: &str| at(plan, &format!("cost.{key}")).as_u64().unwrap_or(0);
    let gib = cost("bytes") as f64 / f64::from(1 << 30);
    text.push_str(&format!(
        "{:<22}{gib:.1} GiB, {} guests notice, {} are stopped\n\n",
        "cost",
        cost("disturbed"),
        cost("stopped")
    ));
    print(&text)?;
    rows(output, plan)
}

/// The moves, and what was dropped.
pub fn rows(output: Output, plan: &Value) -> Done {
    output.list(at(plan, "moves").as_array().map_or(&[], Vec::as_slice), &MOVES)?;
    match at(plan, "dropped").as_array().map_or(&[][..], Vec::as_slice) {
        [] => Ok(()),
        dropped => {
            print("\ndropped:\n")?;
            output.list(dropped, &DROPPED)
        }
    }
}

pub fn run(session: &Session, verb: Verb) -> Done {
    let act = |plan: &str, verb: &str, note: Option<String>| {
        let body = object([("note", json!(note))]);
        let answer = session.client.post(&format!("{}/{verb}", below(PATH, plan)), &body)?;
        session.output.said(&format!("{verb}: plan {plan}"), &answer)
    };
    match verb {
        Verb::List => {
            let columns = [
                ("id", "id"),
                ("state", "state"),
                ("trigger", "trigger"),
                ("binding", "binding"),
                ("stranded ‰", "before.stranded_permille"),
                ("after", "after.stranded_permille"),
                ("hosts", "before.hosts_used"),
                ("after", "after.hosts_used"),
                ("created", "created"),
                ("note", "note"),
            ];
            session.list(PATH, &columns)
        }
        Verb::Show { plan } => show(session.output, &session.client.get(&below(PATH, &plan))?),
        Verb::Create { binding, max_moves, dry_run } => {
            let body =
                object([("binding", json!(binding)), ("max_moves", json!(max_moves)), ("dry_run", json!(dry_run))]);
            let answer = session.client.post(PATH, &body)?;
            // Without moves there is no plan, only an outcome.
            match dry_run || answer.get("moves").is_some() {
                true => show(session.output, &answer),
                false => session.output.said("nothing should move", &answer),
            }
        }
        Verb::Approve { plan } => act(&plan, "approve", None),
        Verb::Reject { plan, note } => act(&plan, "reject", note),
        Verb::Cancel { plan, note } => act(&plan, "cancel", note),
    }
}
