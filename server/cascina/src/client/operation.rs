//! `cascina operation …`

use serde_json::json;

use super::http::Done;
use super::progress::follow;
use super::{Session, below};

#[derive(clap::Subcommand)]
pub enum Verb {
    List,
    Show {
        operation: String,
    },
    /// Follow its steps until it ends.
    Watch {
        operation: String,
    },
    /// Stuck: try the step again.
    Retry {
        operation: String,
    },
    /// Stuck: go on without the step.
    Skip {
        operation: String,
    },
    /// Stuck: the step has been done by hand; go on as if it had succeeded.
    Adopt {
        operation: String,
    },
    /// Undo what has been done.
    Cancel {
        operation: String,
    },
}

const PATH: &str = "/v1/operations";

pub fn run(session: &Session, verb: Verb) -> Done {
    let mend = |operation: &str, remedy: &str| {
        let answer = session.client.post(&format!("{}/{remedy}", below(PATH, operation)), &json!({}))?;
        session.output.said(&format!("{remedy}: operation {operation} goes on"), &answer)
    };
    match verb {
        Verb::List => {
            let columns = [
                ("id", "id"),
                ("saga", "saga"),
                ("state", "state"),
                ("farm", "farm"),
                ("created", "created"),
                ("error", "error"),
            ];
            session.list(PATH, &columns)
        }
        Verb::Show { operation } => session.show(&below(PATH, &operation)),
        Verb::Watch { operation } => follow(&session.client, session.output, &operation)?.good("it", &operation),
        Verb::Retry { operation } => mend(&operation, "retry"),
        Verb::Skip { operation } => mend(&operation, "skip"),
        Verb::Adopt { operation } => mend(&operation, "adopt"),
        Verb::Cancel { operation } => mend(&operation, "cancel"),
    }
}

#[derive(clap::Subcommand)]
pub enum OfferVerb {
    /// Take one, within its ten minutes: the smaller request is made, with what was held for it.
    Accept {
        /// As the refusal showed it.
        token: String,
        #[command(flatten)]
        wait: super::Wait,
    },
}

pub fn offer(session: &Session, verb: OfferVerb) -> Done {
    let OfferVerb::Accept { token, wait } = verb;
    let answer = session.client.post(&format!("{}/accept", below("/v1/offers", &token)), &serde_json::json!({}))?;
    session.settle("the offer is taken", &answer, &wait)
}
