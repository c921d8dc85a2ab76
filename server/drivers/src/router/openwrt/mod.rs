//! A router that is OpenWrt, in an image that the operator supplies: UCI over ubus over HTTP.
//!
//! What differs is staged in a session, and applied as a whole; the router takes it back by itself if it is
//! not confirmed, so that one which cannot be reached any more comes back. The router's access list has to
//! allow `uci` on `network`, `dhcp` and `firewall`, `file.write` to `/etc/cascina/` and
//! `/proc/net/nf_conntrack`, and `file.exec` of arping. Its administration belongs on a network of its own:
//! passwords are not encrypted on the way.

mod change;
#[cfg(test)]
mod tests;
mod ubus;

use std::collections::BTreeSet;
use std::net::SocketAddrV4;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::plan::RouterPlan;
use super::uci::{Devices, Section, included, packages};
pub use change::{Change, OPERATOR, changes};
use ubus::Session;
pub use ubus::{answer, request};

/// How a router is reached.
#[derive(Clone, PartialEq, Eq)]
pub struct Access {
    pub address: SocketAddrV4,
    pub user: String,
    pub password: String,
    pub devices: Devices,
    /// After which the router takes back what was not confirmed.
    pub rollback: Duration,
    /// How long a configuration has to last before it is confirmed.
    pub settle: Duration,
    /// The program that tells neighbours where an address is.
    pub arping: String,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access").field("address", &self.address).field("user", &self.user).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenWrtError {
    #[error("the router did not answer {call}: {error}")]
    Unreachable { call: String, error: String },
    #[error("the router does not let `{0}` in: check the user and password in its settings")]
    Login(String),
    #[error(
        "the router does not allow {0}: its list in /usr/share/rpcd/acl.d must have it, and no other change may be waiting"
    )]
    NotAllowed(String),
    #[error("the router answered {call} with {code}: {said}")]
    Status { call: String, code: i64, said: &'static str },
    #[error("the router's answer to {call} is none: {said}")]
    Answer { call: String, said: String },
    #[error("{call} has {bytes} bytes, more than a router takes: make the network smaller")]
    TooLarge { call: String, bytes: usize },
    #[error("the router did not keep its new configuration, and has the old one back: {0}")]
    RolledBack(Box<OpenWrtError>),
    #[error("the router is not as it was configured: {0} sections differ")]
    Drift(usize),
}

impl OpenWrtError {
    /// What may be over when it is tried again.
    pub fn is_passing(&self) -> bool {
        match self {
            OpenWrtError::Unreachable { .. } | OpenWrtError::RolledBack(_) | OpenWrtError::Drift(_) => true,
            OpenWrtError::Status { code, .. } => matches!(code, 7 | 9 | 10),
            // Also said while another's change waits to be confirmed.
            OpenWrtError::NotAllowed(call) => call == "uci apply",
            OpenWrtError::Login(_) | OpenWrtError::Answer { .. } | OpenWrtError::TooLarge { .. } => false,
        }
    }
}

/// Blocks: it belongs on a thread where that is no harm.
pub struct OpenWrt {
    access: Access,
    url: String,
    agent: ureq::Agent,
}

/// What a router has of the three packages.
struct There([Json; 3]);

impl OpenWrt {
    pub fn new(access: Access) -> OpenWrt {
        OpenWrt { url: format!("http://{}/ubus", access.address), access, agent: ubus::agent() }
    }

    fn session(&self) -> Result<Session<'_>, OpenWrtError> {
        Session::login(&self.agent, &self.url, &self.access.user, &self.access.password)
    }

    fn within<T>(&self, work: impl FnOnce(&Session<'_>) -> Result<T, OpenWrtError>) -> Result<T, OpenWrtError> {
        let session = self.session()?;
        let done = work(&session);
        session.end();
        done
    }

    /// Which plan it has. None: nobody has told it yet.
    pub fn revision(&self) -> Result<Option<u64>, OpenWrtError> {
        self.within(|session| Ok(revision_of(&get(session, "network")?)))
    }

    /// The router does what the plan says, unless it was told something newer before.
    pub fn apply(&self, plan: &RouterPlan) -> Result<(), OpenWrtError> {
        self.within(|session| {
            let there = There::read(session)?;
            if revision_of(&there.0[0]).is_some_and(|found| found > plan.revision) {
                return Ok(());
            }
            let changes = there.changes(&self.wanted(plan));
            if let Some((path, text)) = included(plan) {
                session.call("file", "write", &json!({ "path": format!("/{path}"), "data": text }))?;
            }
            if changes.is_empty() {
                return Ok(());
            }
            for Change { method, arguments } in &changes {
                session.call("uci", method, arguments)?;
            }
            self.commit(session)?;
            self.forget(session, &there)?;
            self.announce(session, &there, plan);
            Ok(())
        })
    }

    /// The router answers and has exactly what the plan says.
    pub fn probe(&self, plan: &RouterPlan) -> Result<(), OpenWrtError> {
        self.within(|session| match There::read(session)?.changes(&self.wanted(plan)).len() {
            0 => Ok(()),
            differ => Err(OpenWrtError::Drift(differ)),
        })
    }

    fn wanted(&self, plan: &RouterPlan) -> [(&'static str, Vec<Section>); 3] {
        let mut wanted = packages(plan, &self.access.devices);
        wanted[0].1.push(change::revision(plan.revision));
        wanted
    }

    /// All of it, or nothing for longer than the router waits.
    fn commit(&self, session: &Session<'_>) -> Result<(), OpenWrtError> {
        let seconds = self.access.rollback.as_secs().max(1);
        session.call("uci", "apply", &json!({ "rollback": true, "timeout": seconds }))?;
        #[allow(clippy::disallowed_methods, reason = "this blocks anyway; the router's services begin anew meanwhile")]
        std::thread::sleep(self.access.settle);
        // By a connection of its own, which the new configuration has to let in.
        let fresh = ubus::agent();
        let confirmed = session.by(&fresh).call("uci", "confirm", &json!({})).map(drop);
        confirmed.map_err(|error| OpenWrtError::RolledBack(error.into()))
    }

    /// Conversations by an address that is no longer that guest's would go on. The kernel of OpenWrt forgets
    /// those of an address that is written there. Those by a forwarded port end by themselves: it knows no
    /// less than all of an address, and that one is everybody's way out.
    fn forget(&self, session: &Session<'_>, there: &There) -> Result<(), OpenWrtError> {
        let [before_network, _, before_firewall] = &there.0;
        let after = There::read(session)?;
        let [network, _, firewall] = &after.0;
        let (mapped, public) = (change::mapped_of(firewall), change::public_of(network));
        let gone = change::mapped_of(before_firewall).into_iter().filter(|one| !mapped.contains(one));
        let lost = change::public_of(before_network).into_iter().filter(|one| !public.contains(one));
        let addresses: BTreeSet<String> = gone.map(|(address, _)| address).chain(lost).collect();
        for address in addresses {
            // As it came from the router it is not yet known to be one.
            let Ok(address) = address.parse::<std::net::Ipv4Addr>() else { continue };
            let arguments = json!({ "path": "/proc/net/nf_conntrack", "data": format!("{address}\n") });
            session.call("file", "write", &arguments)?;
        }
        Ok(())
    }

    /// Neighbours would find out by themselves, later.
    fn announce(&self, session: &Session<'_>, there: &There, plan: &RouterPlan) {
        let before = change::public_of(&there.0[0]);
        for address in plan.public().map(|address| address.to_string()).filter(|one| !before.contains(one)) {
            let device = self.access.devices.wan.as_str();
            let params = ["-U", "-c", "2", "-I", device, &address];
            let said = session.call("file", "exec", &json!({ "command": self.access.arping, "params": params }));
            if let Err(error) = said {
                tracing::warn!(%address, %error, "neighbours were not told where an address is now");
            }
        }
    }
}

impl There {
    fn read(session: &Session<'_>) -> Result<There, OpenWrtError> {
        Ok(There([get(session, "network")?, get(session, "dhcp")?, get(session, "firewall")?]))
    }

    fn changes(&self, wanted: &[(&'static str, Vec<Section>); 3]) -> Vec<Change> {
        let each = self.0.iter().zip(wanted);
        each.flat_map(|(there, (package, wanted))| changes(package, there, wanted)).collect()
    }
}

fn get(session: &Session<'_>, package: &str) -> Result<Json, OpenWrtError> {
    session.call("uci", "get", &json!({ "config": package }))
}

fn revision_of(network: &Json) -> Option<u64> {
    network.pointer(&format!("/values/{}/revision", change::REVISION))?.as_str()?.parse().ok()
}
