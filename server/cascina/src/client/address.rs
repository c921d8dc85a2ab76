//! `cascina address …`

use serde_json::json;

use super::http::Done;
use super::show::{at, cell};
use super::{Session, Wait, below, object};

#[derive(clap::Subcommand)]
pub enum Verb {
    List,
    Show {
        address: String,
    },
    /// Take one out of the pool for a farm.
    Allocate {
        farm: String,
    },
    /// Bind it to an instance, or to the farm's router.
    Associate {
        address: String,
        #[arg(long)]
        instance: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
    Disassociate {
        address: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Give it back to the pool.
    Release {
        address: String,
        #[command(flatten)]
        wait: Wait,
    },
}

const PATH: &str = "/v1/addresses";

pub fn run(session: &Session, verb: Verb) -> Done {
    match verb {
        Verb::List => {
            let columns =
                [("id", "id"), ("address", "ip"), ("state", "state"), ("farm", "farm"), ("instance", "instance")];
            session.list(PATH, &columns)
        }
        Verb::Show { address } => session.show(&below(PATH, &address)),
        Verb::Allocate { farm } => {
            let answer = session.client.post(PATH, &json!({ "farm": farm }))?;
            let row = session.client.get(&below(PATH, &cell(at(&answer, "id"))))?;
            session.output.said(&format!("{} is allocated", cell(at(&row, "ip"))), &row)
        }
        Verb::Associate { address, instance, wait } => {
            let path = format!("{}/associate", below(PATH, &address));
            let answer = session.client.post(&path, &object([("instance", json!(instance))]))?;
            session.settle(&format!("association of {address}"), &answer, &wait)
        }
        Verb::Disassociate { address, wait } => {
            let path = format!("{}/disassociate", below(PATH, &address));
            let answer = session.client.post(&path, &json!({}))?;
            session.settle(&format!("disassociation of {address}"), &answer, &wait)
        }
        Verb::Release { address, wait } => {
            let answer = session.client.delete(&below(PATH, &address))?;
            session.settle(&format!("release of {address}"), &answer, &wait)
        }
    }
}
