//! `cascina address …`

use serde_json::json;

use super::http::{Done, Failure};
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

/// Addresses have no names; people know them by the address itself.
fn find(session: &Session, text: &str) -> Done<String> {
    if text.starts_with("eipalloc-") {
        return Ok(text.to_owned());
    }
    let all = session.client.list(PATH)?;
    let found = all.iter().find(|item| at(item, "ip").as_str() == Some(text));
    found.map(|item| cell(at(item, "id"))).ok_or_else(|| {
        Failure::Usage(format!("no address `{text}`; give an id (`eipalloc-…`) or an address out of the list"))
    })
}

pub fn run(session: &Session, verb: Verb) -> Done {
    match verb {
        Verb::List => {
            let columns =
                [("id", "id"), ("address", "ip"), ("state", "state"), ("farm", "farm"), ("instance", "instance")];
            session.list(PATH, &columns)
        }
        Verb::Show { address } => session.show(&below(PATH, &find(session, &address)?)),
        Verb::Allocate { farm } => {
            let farm = session.find("/v1/farms", "farm-", &farm)?;
            let answer = session.client.post(PATH, &json!({ "farm": farm }))?;
            let row = session.client.get(&below(PATH, &cell(at(&answer, "id"))))?;
            session.output.said(&format!("{} is allocated", cell(at(&row, "ip"))), &row)
        }
        Verb::Associate { address, instance, wait } => {
            let instance = instance.map(|text| session.find("/v1/instances", "i-", &text)).transpose()?;
            let path = format!("{}/associate", below(PATH, &find(session, &address)?));
            let answer = session.client.post(&path, &object([("instance", json!(instance))]))?;
            session.settle(&format!("association of {address}"), &answer, &wait)
        }
        Verb::Disassociate { address, wait } => {
            let path = format!("{}/disassociate", below(PATH, &find(session, &address)?));
            let answer = session.client.post(&path, &json!({}))?;
            session.settle(&format!("disassociation of {address}"), &answer, &wait)
        }
        Verb::Release { address, wait } => {
            let answer = session.client.delete(&below(PATH, &find(session, &address)?))?;
            session.settle(&format!("release of {address}"), &answer, &wait)
        }
    }
}
