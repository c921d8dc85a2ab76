//! A router's configuration, and what is known of routers.

use std::path::Path;

use cascina_core::id::RouterId;
use cascina_core::network::RouterConfig;
use cascina_core::state::Guest;
use tokio::fs;

use super::locks::Key;
use super::program::{Where, run};
use super::record::{Given, Power, RouterRecord};
use super::trouble::Trouble;
use super::{Site, names};
use crate::router::{APPLY, Target, plan, render};
use crate::{FoundGuest, FoundNetwork, GuestSpec, GuestState, Inventory};

pub(super) fn router_id(guest: Guest) -> Result<RouterId, Trouble> {
    match guest {
        Guest::Router(id) => Ok(id),
        Guest::Instance(_) => Err(Trouble::NotARouter(guest)),
    }
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Trouble {
    let path = path.display().to_string();
    move |error| Trouble::File { path, error }
}

impl Site {
    pub(super) async fn apply_router(&self, id: RouterId, revision: u64, config: RouterConfig) -> Result<(), Trouble> {
        let _turn = self.lock(Key::Router(id)).await;
        let guest = Guest::Router(id);
        let record = self.records.router(id).await?.ok_or(Trouble::NoRouter(guest))?;
        if record.given.as_ref().is_some_and(|given| given.revision > revision) {
            return Ok(());
        }
        let namespace = names::namespace(&self.stand, id);
        if record.power != Power::Running || !is_live(&namespace) {
            return Err(Trouble::NotRunning(guest));
        }
        let given = Given { revision, config };
        self.apply(&namespace, &record.spec, &given).await?;
        // The router itself keeps the newest revision too, so that one which is not written down here any
        // more is neither lost nor undone.
        if record.given.as_ref() != Some(&given) {
            self.records.put_router(id, &RouterRecord { given: Some(given), ..record }).await?;
        }
        Ok(())
    }

    /// Makes the router in a namespace be as it was told.
    pub(super) async fn apply(&self, namespace: &str, spec: &GuestSpec, given: &Given) -> Result<(), Trouble> {
        let network = self.records.network(spec.network).await?.ok_or(Trouble::NoNetwork(spec.network))?;
        let plan = plan(&self.settings().router, &network.network, spec, given.revision, &given.config)?;
        let mut files = render(&plan, &Target::Linux);
        files.insert("apply.sh".into(), APPLY.into());

        let live = names::live(namespace);
        let set = live.join("set");
        fs::create_dir_all(&set).await.map_err(file(&set))?;
        for (name, content) in &files {
            let path = set.join(name);
            fs::write(&path, content).await.map_err(file(&path))?;
        }
        let arguments = [set.join("apply.sh"), set, live.join("state")];
        let ended = run(Where::Namespace(namespace), "sh", &arguments, "").await?;
        match ended.code {
            Some(0) => Ok(()),
            Some(2) => Err(Trouble::BadSet(ended.said())),
            _ => Err(Trouble::NotApplied(ended.said())),
        }
    }

    /// Its revision, if the router has all that goes with it.
    pub(super) async fn probe_router(&self, id: RouterId) -> Result<u64, Trouble> {
        let _turn = self.lock(Key::Router(id)).await;
        let guest = Guest::Router(id);
        let record = self.records.router(id).await?.ok_or(Trouble::NoRouter(guest))?;
        let namespace = names::namespace(&self.stand, id);
        if record.power != Power::Running || !is_live(&namespace) {
            return Err(Trouble::Drift("it does not run".into()));
        }
        let given = record.given.ok_or(Trouble::NotConfigured(guest))?;
        let network = self.records.network(record.spec.network).await?;
        let network = network.ok_or(Trouble::NoNetwork(record.spec.network))?.network;
        if let Some(veth) = self.missing_veth(&namespace, &self.veths(id, &record.spec, network.segment)).await? {
            return Err(Trouble::Drift(format!("its link `{}` is not on the bridge {}", veth.name, veth.bridge)));
        }
        let live = names::live(&namespace);
        let script = live.join("set").join("apply.sh");
        let arguments = [script, "-p".into(), live.join("state")];
        let ended = run(Where::Namespace(&namespace), "sh", &arguments, "").await?;
        if ended.code != Some(0) {
            return Err(Trouble::Drift(ended.said()));
        }
        match ended.stdout.trim() == given.revision.to_string() {
            true => Ok(given.revision),
            false => {
                let found: String = ended.stdout.trim().chars().take(20).collect();
                Err(Trouble::Drift(format!("it has revision {found} and not {}", given.revision)))
            }
        }
    }

    pub(super) async fn inventory(&self) -> Result<Inventory, Trouble> {
        let networks = self.records.networks().await?.into_iter().map(|record| FoundNetwork {
            network: record.network.id,
            farm: record.network.farm,
            firewall: record.firewall,
        });
        let mut guests = Vec::new();
        for RouterRecord { spec, power, .. } in self.records.routers().await? {
            let namespace = names::namespace(&self.stand, router_id(spec.guest)?);
            let state = match power {
                Power::Staged => GuestState::Staged,
                Power::Stopped => GuestState::Stopped,
                Power::Running if is_live(&namespace) && serves(&namespace).await => GuestState::Running,
                Power::Running => GuestState::Crashed,
            };
            guests.push(FoundGuest { guest: spec.guest, farm: spec.farm, state, volumes: Vec::new() });
        }
        Ok(Inventory { guests, networks: networks.collect(), images: None })
    }
}

/// Whether there is a namespace of that name. A file without one is what a crash leaves.
pub(super) fn is_live(namespace: &str) -> bool {
    const NSFS: u64 = 0x6e73_6673;
    let found = rustix::fs::statfs(names::namespace_path(namespace));
    found.is_ok_and(|found| u64::try_from(found.f_type).is_ok_and(|kind| kind == NSFS))
}

/// Whether the router's dnsmasq runs: without it the router is of no use to anybody who boots.
async fn serves(namespace: &str) -> bool {
    let pid_file = names::live(namespace).join("state").join("dnsmasq.pid");
    let Ok(pid) = fs::read_to_string(&pid_file).await else { return false };
    let Ok(pid) = pid.trim().parse::<u32>() else { return false };
    let words = fs::read(format!("/proc/{pid}/cmdline")).await.unwrap_or_default();
    String::from_utf8_lossy(&words).contains(&*pid_file.to_string_lossy())
}
