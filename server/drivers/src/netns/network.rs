//! A farm's network on a gateway host: a bridge, and its way to other hosts.

use std::fmt::Write;

use cascina_core::id::NetworkId;

use super::locks::Key;
use super::program::{Where, run};
use super::record::{NetworkRecord, Power};
use super::settings::{Uplink, Vxlan};
use super::trouble::Trouble;
use super::veth::no_address;
use super::{Site, names};
use crate::NetworkSpec;

impl Site {
    pub(super) async fn define_network(&self, network: NetworkSpec) -> Result<(), Trouble> {
        let _segments = self.lock(Key::Segments).await;
        let _turn = self.lock(Key::Network(network.id)).await;
        let there = self.records.network(network.id).await?;
        match &there {
            Some(record) if record.network.segment != network.segment => {
                return Err(Trouble::OtherSegment(network.id));
            }
            Some(_) => {}
            None => {
                let others = self.records.networks().await?;
                if let Some(other) = others.iter().find(|other| other.network.segment == network.segment) {
                    return Err(Trouble::SegmentTaken { segment: network.segment, other: other.network.id });
                }
            }
        }
        let segment = network.segment;
        let vni = match &self.settings().uplink {
            Uplink::None => None,
            Uplink::Vxlan(vxlan) => Some((vxlan, vxlan.vni(segment).ok_or(Trouble::Vni(segment))?)),
        };
        let firewall = there.as_ref().map_or(0, |record| record.firewall);
        let record = NetworkRecord { network, firewall };
        if there.as_ref() != Some(&record) {
            self.records.put_network(&record).await?;
        }
        self.make_bridge(segment).await?;
        match vni {
            Some((vxlan, vni)) => self.make_vxlan(vxlan, segment, vni).await,
            None => Ok(()),
        }
    }

    /// The host has no address on it, answers nobody there and passes nothing on: guests see a wire.
    async fn make_bridge(&self, segment: u32) -> Result<(), Trouble> {
        let (bridge, mtu) = (names::bridge(segment), self.settings().router.mtu);
        let mut lines = String::new();
        match self.link(&bridge).await? {
            Some(link) if link.is_up() && link.mtu == u32::from(mtu) => return Ok(()),
            Some(_) => {}
            None => {
                let _ = writeln!(lines, "link add {bridge} type bridge stp_state 0 forward_delay 0 mcast_snooping 0");
                lines += &no_address(&bridge);
            }
        }
        self.ip(&lines).await?;
        let keys = [("arp_ignore", 8), ("rp_filter", 1), ("forwarding", 0)];
        let keys = keys.map(|(key, value)| format!("net.ipv4.conf.{bridge}.{key}={value}"));
        let arguments = ["-q", "-w"].into_iter().chain(keys.iter().map(String::as_str));
        run(Where::Host(&self.stand), "sysctl", arguments, "").await?.ok()?;
        // Last, since this is how it is known to be whole.
        Ok(self.ip(&format!("link set {bridge} mtu {mtu} up\n")).await?)
    }

    async fn make_vxlan(&self, vxlan: &Vxlan, segment: u32, vni: u32) -> Result<(), Trouble> {
        let (link, bridge, mtu) = (names::vxlan(segment), names::bridge(segment), self.settings().router.mtu);
        if self.link(&link).await?.is_some_and(|link| link.is_up() && link.master.as_deref() == Some(&bridge)) {
            return Ok(());
        }
        // One that was half made, or is not on its bridge.
        self.remove_link(&link).await?;
        let (port, local) = (vxlan.port, vxlan.local);
        self.ip(&format!(
            "link add {link} mtu {mtu} type vxlan id {vni} dstport {port} local {local}\n\
             {}",
            no_address(&link)
        ))
        .await?;
        // Who is not known yet is looked for on every other host.
        for peer in vxlan.peers.iter().filter(|peer| **peer != local) {
            let peer = peer.to_string();
            let arguments = ["fdb", "append", "00:00:00:00:00:00", "dev", &link, "dst", &peer];
            run(Where::Host(&self.stand), "bridge", arguments, "").await?.ok()?;
        }
        // Last, since this is how it is known to be whole.
        Ok(self.ip(&format!("link set {link} master {bridge} up\n")).await?)
    }

    pub(super) async fn remove_network(&self, id: NetworkId) -> Result<(), Trouble> {
        let _turn = self.lock(Key::Network(id)).await;
        let Some(record) = self.records.network(id).await? else { return Ok(()) };
        let uses = |router: &super::record::RouterRecord| router.spec.network == id && router.power != Power::Staged;
        if let Some(router) = self.records.routers().await?.into_iter().find(uses) {
            return Err(Trouble::InUse { network: id, guest: router.spec.guest });
        }
        let segment = record.network.segment;
        self.remove_link(&names::vxlan(segment)).await?;
        let bridge = names::bridge(segment);
        // What else is on it belongs to another driver, which has the same bridge on the same machine.
        if self.link(&bridge).await?.is_some() && self.ports(&bridge).await?.is_empty() {
            self.remove_link(&bridge).await?;
        }
        Ok(self.records.remove_network(id).await?)
    }

    /// There is nobody here whom a firewall could keep from anything: it is at guests' ports, and those are
    /// on other hosts.
    pub(super) async fn note_firewall(&self, id: NetworkId, revision: u64) -> Result<(), Trouble> {
        let _turn = self.lock(Key::Network(id)).await;
        let mut record = self.records.network(id).await?.ok_or(Trouble::NoNetwork(id))?;
        if record.firewall < revision {
            record.firewall = revision;
            self.records.put_network(&record).await?;
        }
        Ok(())
    }
}
