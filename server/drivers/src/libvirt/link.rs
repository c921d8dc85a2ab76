//! Connections to hosts: made when they are wanted, made again when they broke.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cascina_core::id::HostId;
use parking_lot::Mutex;
use tokio::sync::{Semaphore, broadcast};
use virt::connect::Connect;

use super::event::Listening;
use super::probe::Verdict;
use super::trouble::{Trouble, not_now};
use crate::{HostChange, HostEvent, HostRef};

/// After a connection failed, others that want it are told so without another try.
const PAUSE: Duration = Duration::from_secs(1);
/// A host that says nothing for so many of these intervals is gone.
const KEEPALIVE: (i32, u32) = (5, 3);

/// A connection, closed when nobody has it any more.
pub(super) struct Open {
    connect: Connect,
    _listening: Option<Listening>,
    /// How guests run there, once that was asked for.
    pub(super) verdict: Mutex<Option<Verdict>>,
}

impl Deref for Open {
    type Target = Connect;

    fn deref(&self) -> &Connect {
        &self.connect
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // Callbacks go before the connection that they are of.
        self._listening = None;
        if let Err(error) = self.connect.close() {
            tracing::debug!(%error, "a connection to libvirt was not closed");
        }
    }
}

#[derive(Default)]
struct Slot {
    open: Option<Arc<Open>>,
    failed: Option<(Instant, String)>,
    before: bool,
}

pub(super) struct Link {
    uri: String,
    host: HostId,
    /// For what is answered at once, and for events.
    quick: Mutex<Slot>,
    /// For what takes long, so that it does not hold up the other.
    long: Mutex<Slot>,
    pub(super) permits: Arc<Semaphore>,
    events: broadcast::Sender<HostEvent>,
}

impl Link {
    pub(super) fn quick(&self) -> Result<Arc<Open>, Trouble> {
        self.open(&self.quick, true)
    }

    pub(super) fn long(&self) -> Result<Arc<Open>, Trouble> {
        self.open(&self.long, false)
    }

    fn open(&self, slot: &Mutex<Slot>, listens: bool) -> Result<Arc<Open>, Trouble> {
        let mut slot = slot.lock();
        if let Some(open) = &slot.open {
            if open.is_alive().unwrap_or(false) {
                return Ok(Arc::clone(open));
            }
            slot.open = None;
        }
        if let Some((when, why)) = &slot.failed
            && when.elapsed() < PAUSE
        {
            return Err(not_now(why.clone()));
        }
        match self.connect(listens) {
            Ok(open) => {
                let open = Arc::new(open);
                slot.open = Some(Arc::clone(&open));
                slot.failed = None;
                if listens && std::mem::replace(&mut slot.before, true) {
                    let _ = self.events.send(HostEvent { host: self.host, what: HostChange::Found });
                }
                Ok(open)
            }
            Err(trouble) => {
                slot.failed = Some((Instant::now(), trouble.to_string()));
                Err(trouble)
            }
        }
    }

    fn connect(&self, listens: bool) -> Result<Open, Trouble> {
        let scheme = self.uri.split(['+', ':']).next().unwrap_or_default();
        if !matches!(scheme, "qemu" | "test") {
            return Err(Trouble::Uri(self.uri.chars().take(120).collect()));
        }
        // Whatever it is, people can set it right, and then the host is found.
        let connect = Connect::open(Some(&self.uri)).map_err(|error| {
            not_now(format!("libvirt at `{}` cannot be reached: {}; {}", self.uri, error.message(), hint(&self.uri)))
        })?;
        let mut open = Open { connect, _listening: None, verdict: Mutex::default() };
        // Local drivers have no need of it, and say so.
        if let Err(error) = open.connect.set_keep_alive(KEEPALIVE.0, KEEPALIVE.1) {
            tracing::debug!(uri = self.uri, %error, "no keepalive");
        }
        if listens {
            open._listening = Some(Listening::new(&open.connect, self.host, self.events.clone())?);
        }
        Ok(open)
    }
}

/// What to look at when nobody answers there.
fn hint(uri: &str) -> &'static str {
    match uri.split("://").next().unwrap_or_default() {
        "qemu" => "is libvirtd (or virtqemud) installed and running on this machine, and may this user use its socket?",
        "qemu+unix" => "does a libvirtd listen at that socket, and may this user use it?",
        "qemu+ssh" | "qemu+libssh" | "qemu+libssh2" => {
            "does `ssh` log in there without asking, as the user that the server runs as, and is libvirtd running there?"
        }
        "qemu+tls" => {
            "does libvirtd listen there for TLS (port 16514), and are the certificates of both sides where libvirt wants \
             them (/etc/pki)?"
        }
        _ => "try the same with `virsh -c`",
    }
}

/// All hosts' links, by their uris.
pub(super) struct Links {
    all: Mutex<HashMap<String, Arc<Link>>>,
    calls: usize,
    pub(super) events: broadcast::Sender<HostEvent>,
}

impl Links {
    pub(super) fn new(calls: usize) -> Links {
        Links { all: Mutex::default(), calls, events: broadcast::channel(1024).0 }
    }

    pub(super) fn to(&self, host: &HostRef) -> Arc<Link> {
        let mut all = self.all.lock();
        let link = all.entry(host.uri.clone()).or_insert_with(|| {
            Arc::new(Link {
                uri: host.uri.clone(),
                host: host.id,
                quick: Mutex::default(),
                long: Mutex::default(),
                permits: Arc::new(Semaphore::new(self.calls)),
                events: self.events.clone(),
            })
        });
        Arc::clone(link)
    }
}
