//! `cascina network …` and `cascina router …`

use serde_json::{Value, json};

use super::http::Done;
use super::{Session, Wait, below, object};

#[derive(clap::Subcommand)]
pub enum NetworkVerb {
    List,
    Show { network: String },
}

#[derive(clap::Subcommand)]
pub enum RouterVerb {
    List,
    Show {
        router: String,
    },
    /// Replace all port forwards, each `tcp:8022=10.64.0.10:22`; none given: no forwards.
    Forwards {
        router: String,
        #[arg(value_parser = forward)]
        forwards: Vec<Value>,
        #[command(flatten)]
        wait: Wait,
    },
    /// On another host: only when its own is down, and surely does not run it any more.
    Rebuild {
        router: String,
        /// Host; placement chooses if it is left out.
        #[arg(long)]
        to: Option<String>,
        #[command(flatten)]
        wait: Wait,
    },
}

/// `protocol:public port=address:port`
fn forward(text: &str) -> Result<Value, String> {
    let parse = || {
        let (from, to) = text.split_once('=')?;
        let (protocol, public_port) = from.split_once(':')?;
        let (to, to_port) = to.split_once(':')?;
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        Some(json!({
            "protocol": protocol,
            "public_port": port(public_port)?,
            "to": to.parse::<std::net::Ipv4Addr>().ok()?.to_string(),
            "to_port": port(to_port)?,
        }))
    };
    parse().ok_or_else(|| {
        format!("`{text}` is not a forward; allowed: protocol:port=address:port, as tcp:8022=10.64.0.10:22")
    })
}

pub fn network(session: &Session, verb: NetworkVerb) -> Done {
    const PATH: &str = "/v1/networks";
    match verb {
        NetworkVerb::List => session.list(
            PATH,
            &[("id", "id"), ("farm", "farm"), ("subnet", "cidr"), ("segment", "segment"), ("macs", "mac_prefix")],
        ),
        NetworkVerb::Show { network } => session.show(&below(PATH, &network)),
    }
}

pub fn router(session: &Session, verb: RouterVerb) -> Done {
    const PATH: &str = "/v1/routers";
    match verb {
        RouterVerb::List => {
            let columns = [
                ("id", "id"),
                ("farm", "farm"),
                ("state", "state"),
                ("host", "host"),
                ("wanted", "desired_revision"),
                ("applied", "applied_revision"),
            ];
            session.list(PATH, &columns)
        }
        RouterVerb::Show { router } => session.show(&below(PATH, &router)),
        RouterVerb::Forwards { router, forwards, wait } => {
            let path = format!("{}/forwards", below(PATH, &router));
            let answer = session.client.put(&path, &json!({ "forwards": forwards }))?;
            session.settle("port forwards", &answer, &wait)
        }
        RouterVerb::Rebuild { router, to, wait } => {
            let path = format!("{}/rebuild", below(PATH, &router));
            let answer = session.client.post(&path, &object([("to", json!(to))]))?;
            session.settle("router", &answer, &wait)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards() {
        assert_eq!(forward("tcp:8022=10.64.0.10:22").unwrap()["to_port"], 22);
        for wrong in ["tcp:8022", "tcp:0=10.64.0.10:22", "tcp:1=host:22", "8022=10.64.0.10:22"] {
            assert!(forward(wrong).is_err(), "{wrong}");
        }
    }
}
