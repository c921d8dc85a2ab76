//! Routers as network namespaces on a gateway host: no guest runs here, and a router costs a few
//! milliseconds and two megabytes.
//!
//! A host whose uri is `netns:` is the machine that the server runs on. A farm's network is a bridge
//! there, which reaches other hosts by the uplink of [`GatewaySettings`]; its router is a namespace with
//! one veth to that bridge, `lan`, and one to the public bridge, `wan`. What should be is on file before
//! it is made and until it is gone, so that neither a crash nor a restart leaves anything behind.

mod locks;
mod names;
mod network;
mod power;
mod program;
mod record;
mod router;
mod settings;
mod stand;
mod trouble;
mod veth;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;

use crate::{DriverError, HostCall, HostRef, Hypervisor, Reply};
use locks::{Key, Locks};
use record::Records;
use router::router_id;
pub use settings::{GatewaySettings, Uplink, Vxlan};
pub use stand::{Inside, Stand, StandError};
use trouble::Trouble;

/// Makes routers on gateway hosts. Clones are the same driver.
#[derive(Debug, Clone)]
pub struct Gateway {
    settings: Arc<GatewaySettings>,
    locks: Arc<Locks>,
}

impl Gateway {
    pub fn new(settings: GatewaySettings) -> Gateway {
        Gateway { settings: settings.into(), locks: Arc::default() }
    }

    /// Whether a host of this uri is one of ours.
    pub fn is_for(uri: &str) -> bool {
        uri == stand::SCHEME || uri.strip_prefix(stand::SCHEME).is_some_and(|rest| rest.starts_with('?'))
    }
}

#[async_trait]
impl Hypervisor for Gateway {
    async fn call(&self, host: &HostRef, call: HostCall) -> Result<Reply, DriverError> {
        let name = call.as_str();
        let stand: Stand = host.uri.parse().map_err(|error| Trouble::from(error).of(host, name))?;
        let site = Site { records: Records::new(stand.state.clone()), stand, gateway: self.clone() };
        // By itself, so that what was begun ends even if nobody waits for it any more.
        let answer = tokio::spawn(async move { site.answer(call).await }).await;
        let answer = answer.unwrap_or_else(|error| Err(Trouble::Died(error.to_string())));
        answer.map_err(|trouble| trouble.of(host, name))
    }
}

/// One gateway host, for the time of a call.
struct Site {
    gateway: Gateway,
    stand: Stand,
    records: Records,
}

impl Site {
    fn settings(&self) -> &GatewaySettings {
        &self.gateway.settings
    }

    async fn lock(&self, key: Key) -> tokio::sync::OwnedMutexGuard<()> {
        self.gateway.locks.lock(&self.stand.state, key).await
    }

    async fn answer(&self, call: HostCall) -> Result<Reply, Trouble> {
        match call {
            HostCall::DefineNetwork { network } => self.define_network(network).await?,
            HostCall::RemoveNetwork { network } => self.remove_network(network).await?,
            HostCall::ApplyFirewall { network, revision, .. } => self.note_firewall(network, revision).await?,
            HostCall::StageDisk { spec, image, .. } => self.stage(spec, &image).await?,
            HostCall::Boot { spec } => self.boot(spec).await?,
            HostCall::Stop { guest } => self.stop(router_id(guest)?).await?,
            HostCall::Reboot { guest, operation } => self.reboot(router_id(guest)?, operation).await?,
            HostCall::Destroy { guest } => self.destroy(router_id(guest)?).await?,
            HostCall::ApplyRouter { guest, revision, config } => {
                self.apply_router(router_id(guest)?, revision, config).await?;
            }
            HostCall::ProbeRouter { guest } => {
                return Ok(Reply::Revision(self.probe_router(router_id(guest)?).await?));
            }
            HostCall::Console { guest } => {
                // It has none; but who asks should know that there is nobody to have one.
                self.records.router(router_id(guest)?).await?.ok_or(Trouble::NoRouter(guest))?;
                return Ok(Reply::Console(Vec::new()));
            }
            HostCall::Inventory => return Ok(Reply::Inventory(self.inventory().await?)),
            // Volumes, snapshots, and whatever else is of guests.
            _ => return Err(Trouble::RoutersOnly),
        }
        Ok(Reply::Done)
    }
}
