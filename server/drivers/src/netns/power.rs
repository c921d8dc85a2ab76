//! A router's life: a namespace that is there or not.

use std::path::Path;
use std::time::Duration;

use cascina_core::id::{OperationId, RouterId};
use cascina_core::state::Guest;
use rustix::process::{Pid, Signal, kill_process};
use tokio::fs;

use super::locks::Key;
use super::program::{Where, run};
use super::record::{Given, Power, RouterRecord};
use super::router::{is_live, router_id};
use super::trouble::Trouble;
use super::veth::Veth;
use super::{Site, names};
use crate::GuestSpec;
use crate::router::wan_mac;

/// In a router's live folder: the folder of the gateway whose it is.
const OWNER: &str = "owner";

impl Site {
    pub(super) async fn stage(&self, spec: GuestSpec, image: &str) -> Result<(), Trouble> {
        let id = router_id(spec.guest)?;
        if image.starts_with("snapshot:") {
            return Err(Trouble::Image(image.chars().take(64).collect()));
        }
        let _turn = self.lock(Key::Router(id)).await;
        if self.records.router(id).await?.is_some() {
            return Ok(());
        }
        let record = RouterRecord { spec: bare(spec), power: Power::Staged, rebooted: None, given: None };
        Ok(self.records.put_router(id, &record).await?)
    }

    pub(super) async fn boot(&self, spec: GuestSpec) -> Result<(), Trouble> {
        let id = router_id(spec.guest)?;
        let _network = self.lock(Key::Network(spec.network)).await;
        let _turn = self.lock(Key::Router(id)).await;
        let record = self.records.router(id).await?.ok_or(Trouble::NoRouter(spec.guest))?;
        self.run_router(id, RouterRecord { spec: bare(spec), ..record.clone() }, &record).await
    }

    /// Makes the router run as `record` says, where `before` is on file.
    async fn run_router(&self, id: RouterId, record: RouterRecord, before: &RouterRecord) -> Result<(), Trouble> {
        let spec = &record.spec;
        let network = self.records.network(spec.network).await?.ok_or(Trouble::NoNetwork(spec.network))?.network;
        let public = &self.settings().public_bridge;
        if self.link(public.as_str()).await?.is_none() {
            return Err(Trouble::NoPublicBridge(public.clone()));
        }
        let namespace = names::namespace(&self.stand, id);
        self.own(&namespace).await?;
        let record = RouterRecord { power: Power::Running, ..record };
        if record != *before {
            self.records.put_router(id, &record).await?;
        }
        let veths = self.veths(id, &record.spec, network.segment);
        if is_live(&namespace) && self.missing_veth(&namespace, &veths).await?.is_none() && is_configured(&namespace) {
            return Ok(());
        }
        if !is_live(&namespace) {
            self.clear(Guest::Router(id), &namespace).await?;
            self.own(&namespace).await?;
            run(Where::Host(&self.stand), "ip", ["netns", "add", &namespace], "").await?.ok()?;
            run(Where::Namespace(&namespace), "ip", ["link", "set", "lo", "up"], "").await?.ok()?;
        }
        self.make_veths(&namespace, &veths).await?;
        // Until it is told more, it serves its network and has no outside.
        let given = record.given.unwrap_or(Given { revision: 0, config: Default::default() });
        self.apply(&namespace, &record.spec, &given).await
    }

    /// The router's two ends.
    pub(super) fn veths(&self, id: RouterId, spec: &GuestSpec, segment: u32) -> [Veth; 2] {
        let settings = self.settings();
        let lan = Veth {
            port: names::inside_port(id),
            bridge: names::bridge(segment),
            name: "lan",
            mac: spec.mac,
            mtu: settings.router.mtu.into(),
        };
        let wan = Veth {
            port: names::outside_port(id),
            bridge: settings.public_bridge.to_string(),
            name: "wan",
            mac: wan_mac(spec.mac),
            mtu: 1500,
        };
        [lan, wan]
    }

    /// Two gateways on one machine must not take each other's routers for their own.
    async fn own(&self, namespace: &str) -> Result<(), Trouble> {
        let live = names::live(namespace);
        let path = live.join(OWNER);
        let ours = self.stand.state.display().to_string();
        match fs::read_to_string(&path).await {
            Ok(owner) if owner == ours => Ok(()),
            Ok(state) if is_live(namespace) => Err(Trouble::Foreign { namespace: namespace.into(), state }),
            _ => {
                fs::create_dir_all(&live).await.map_err(|error| at(&live, error))?;
                fs::write(&path, ours).await.map_err(|error| at(&path, error))
            }
        }
    }

    pub(super) async fn stop(&self, id: RouterId) -> Result<(), Trouble> {
        let _turn = self.lock(Key::Router(id)).await;
        let guest = Guest::Router(id);
        let record = self.records.router(id).await?.ok_or(Trouble::NoRouter(guest))?;
        if record.power != Power::Stopped {
            self.records.put_router(id, &RouterRecord { power: Power::Stopped, ..record }).await?;
        }
        self.clear(guest, &names::namespace(&self.stand, id)).await
    }

    pub(super) async fn reboot(&self, id: RouterId, operation: OperationId) -> Result<(), Trouble> {
        let guest = Guest::Router(id);
        let there = self.records.router(id).await?.ok_or(Trouble::NoRouter(guest))?;
        let _network = self.lock(Key::Network(there.spec.network)).await;
        let _turn = self.lock(Key::Router(id)).await;
        let record = self.records.router(id).await?.ok_or(Trouble::NoRouter(guest))?;
        if record.rebooted != Some(operation) {
            // Noted only when it is down: repeated after a crash, it either stops again or only starts.
            self.clear(guest, &names::namespace(&self.stand, id)).await?;
        }
        self.run_router(id, RouterRecord { rebooted: Some(operation), ..record.clone() }, &record).await
    }

    pub(super) async fn destroy(&self, id: RouterId) -> Result<(), Trouble> {
        let _turn = self.lock(Key::Router(id)).await;
        let namespace = names::namespace(&self.stand, id);
        if self.records.router(id).await?.is_some() {
            self.clear(Guest::Router(id), &namespace).await?;
        }
        Ok(self.records.remove_router(id).await?)
    }

    /// Asks them first. That of a namespace is all ours.
    async fn end_processes(&self, guest: Guest, namespace: &str) -> Result<(), Trouble> {
        for turn in 0..200 {
            let listed = run(Where::Host(&self.stand), "ip", ["netns", "pids", namespace], "").await?.ok()?;
            let pids = listed.split_whitespace().filter_map(|word| word.parse().ok());
            let left: Vec<Pid> = pids.filter_map(Pid::from_raw).collect();
            if left.is_empty() {
                return Ok(());
            }
            for pid in left {
                let signal = if turn < 50 { Signal::TERM } else { Signal::KILL };
                let _ = kill_process(pid, signal);
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(Trouble::StillThere(guest))
    }

    /// Nothing of a router is left but its record.
    async fn clear(&self, guest: Guest, namespace: &str) -> Result<(), Trouble> {
        let id = router_id(guest)?;
        let live = names::live(namespace);
        let owner = fs::read_to_string(live.join(OWNER)).await;
        if is_live(namespace) {
            match owner {
                Ok(owner) if owner == self.stand.state.display().to_string() => {}
                Ok(state) => return Err(Trouble::Foreign { namespace: namespace.into(), state }),
                Err(_) => {}
            }
            self.end_processes(guest, namespace).await?;
        }
        // A namespace lives on for as long as something is in it, and its links with it.
        for port in [names::inside_port(id), names::outside_port(id)] {
            self.remove_link(&port).await?;
        }
        if is_live(namespace) {
            run(Where::Host(&self.stand), "ip", ["netns", "del", namespace], "").await?.ok()?;
        }
        let path = names::namespace_path(namespace);
        remove(fs::remove_file(&path).await, &path)?;
        remove(fs::remove_dir_all(&live).await, &live)
    }
}

/// Secrets of guests are of no use here, and not for files.
fn bare(spec: GuestSpec) -> GuestSpec {
    GuestSpec { ssh_keys: Vec::new(), user_data: None, volumes: Vec::new(), ..spec }
}

fn is_configured(namespace: &str) -> bool {
    names::live(namespace).join("state").join("revision").exists()
}

fn at(path: &Path, error: std::io::Error) -> Trouble {
    Trouble::File { path: path.display().to_string(), error }
}

fn remove(result: std::io::Result<()>, path: &Path) -> Result<(), Trouble> {
    match result {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(at(path, error)),
        _ => Ok(()),
    }
}
