//! `cascina instance …`

use serde_json::Value;

use super::http::Done;
use super::{Session, Wait, below, farm};

#[derive(clap::Subcommand)]
pub enum Verb {
    /// Run more instances in a farm.
    Run {
        farm: String,
        /// For example `flavor=m1.small,image=debian-13,count=2`; also name, min, class, host.
        #[arg(value_parser = farm::instances)]
        instances: Value,
        #[command(flatten)]
        wait: Wait,
    },
    List {
        /// Only those of this farm.
        #[arg(long)]
        farm: Option<String>,
    },
    Show {
        instance: String,
    },
    Start {
        instance: String,
        #[command(flatten)]
        wait: Wait,
    },
    Stop {
        instance: String,
        #[command(flatten)]
        wait: Wait,
    },
    Reboot {
        instance: String,
        #[command(flatten)]
        wait: Wait,
    },
    /// Move it to another host while it runs.
    Migrate {
        instance: String,
        /// A host of its class; placement chooses if it is left out.
        #[arg(long)]
        to: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
    /// End it; its disk goes with it.
    Terminate {
        instance: String,
        #[command(flatten)]
        wait: Wait,
    },
}

const PATH: &str = "/v1/instances";

pub fn run(session: &Session, verb: Verb) -> Done {
    let power = |instance: String, verb: &str, wait: Wait| {
        let path = format!("{}/{verb}", below(PATH, &instance));
        let answer = session.client.post(&path, &serde_json::json!({}))?;
        session.settle(&format!("{verb} of {instance}"), &answer, &wait)
    };
    match verb {
        Verb::Run { farm, instances, wait } => {
            let answer = session.client.post(&format!("{}/instances", below("/v1/farms", &farm)), &instances)?;
            session.settle("instances", &answer, &wait)
        }
        Verb::List { farm } => {
            let path = match farm {
                Some(farm) => format!("{}/instances", below("/v1/farms", &farm)),
                None => PATH.to_owned(),
            };
            let columns = [
                ("id", "id"),
                ("name", "name"),
                ("farm", "farm"),
                ("flavor", "flavor"),
                ("state", "state"),
                ("host", "host"),
                ("ip", "ip"),
            ];
            session.list(&path, &columns)
        }
        Verb::Show { instance } => session.show(&below(PATH, &instance)),
        Verb::Start { instance, wait } => power(instance, "start", wait),
        Verb::Stop { instance, wait } => power(instance, "stop", wait),
        Verb::Reboot { instance, wait } => power(instance, "reboot", wait),
        Verb::Migrate { instance, to, wait } => {
            let path = format!("{}/migrate", below(PATH, &instance));
            let answer = session.client.post(&path, &serde_json::json!({ "to": to }))?;
            session.settle(&format!("move of {instance}"), &answer, &wait)
        }
        Verb::Terminate { instance, wait } => {
            let answer = session.client.delete(&below(PATH, &instance))?;
            session.settle(&format!("termination of {instance}"), &answer, &wait)
        }
    }
}
