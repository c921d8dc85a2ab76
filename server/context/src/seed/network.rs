//! How a guest's interface gets its address.

use std::net::Ipv4Addr;

use cascina_core::network::Mac;
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::SeedError;
use crate::hostname::Hostname;

/// The name that the interface has within the guest. It is set, and not only matched by MAC, since
/// cloud-init writes the name as it stands here into the files of distributions without netplan.
pub(super) const INTERFACE: &str = "eth0";
/// Below this IPv4 may cut no packet up.
const LEAST_MTU: u16 = 576;

/// The guest's one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    pub mac: Mac,
    /// Less than Ethernet's where networks are carried within others.
    pub mtu: Option<u16>,
    pub addressing: Addressing,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Addressing {
    /// Of the farm's router.
    Dhcp,
    /// Known beforehand, for images that should not depend on a DHCP server.
    Fixed(Fixed),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The guest's address with the length of its network's prefix.
    pub address: Ipv4Net,
    pub gateway: Option<Ipv4Addr>,
    pub dns: Vec<Ipv4Addr>,
    pub search: Vec<Hostname>,
}

impl Network {
    pub(super) fn check(&self) -> Result<(), SeedError> {
        if let Some(given) = self.mtu.filter(|mtu| *mtu < LEAST_MTU) {
            return Err(SeedError::Mtu { given });
        }
        if let Addressing::Fixed(Fixed { address, gateway: Some(gateway), .. }) = &self.addressing
            && !address.contains(gateway)
        {
            return Err(SeedError::Gateway { gateway: *gateway, network: address.trunc() });
        }
        Ok(())
    }

    /// Version 2 of cloud-init's network configuration.
    pub(super) fn version_2(&self) -> Value {
        let mut nic = json!({ "match": { "macaddress": self.mac }, "set-name": INTERFACE });
        if let Some(mtu) = self.mtu {
            nic["mtu"] = json!(mtu);
        }
        match &self.addressing {
            Addressing::Dhcp => nic["dhcp4"] = json!(true),
            Addressing::Fixed(fixed) => {
                nic["addresses"] = json!([fixed.address]);
                if let Some(gateway) = fixed.gateway {
                    nic["routes"] = json!([{ "to": "0.0.0.0/0", "via": gateway }]);
                }
                if !fixed.dns.is_empty() {
                    nic["nameservers"] = json!({ "addresses": fixed.dns, "search": fixed.search });
                }
            }
        }
        json!({ "version": 2, "ethernets": { INTERFACE: nic } })
    }

    /// OpenStack's `network_data.json`.
    pub(super) fn openstack(&self) -> Value {
        let mut link = json!({
            "id": INTERFACE,
            "name": INTERFACE,
            "type": "phy",
            "ethernet_mac_address": self.mac,
        });
        if let Some(mtu) = self.mtu {
            link["mtu"] = json!(mtu);
        }
        let mut services = Vec::new();
        let network = match &self.addressing {
            Addressing::Dhcp => json!({ "id": "network0", "link": INTERFACE, "type": "ipv4_dhcp" }),
            Addressing::Fixed(fixed) => {
                services.extend(fixed.dns.iter().map(|server| json!({ "type": "dns", "address": server })));
                let out = |gateway| json!({ "network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": gateway });
                let mut network = json!({
                    "id": "network0",
                    "link": INTERFACE,
                    "type": "ipv4",
                    "ip_address": fixed.address.addr(),
                    "netmask": fixed.address.netmask(),
                    "routes": fixed.gateway.into_iter().map(out).collect::<Vec<_>>(),
                });
                // OpenStack has no word for it here; this one is cloud-init's.
                if !fixed.search.is_empty() {
                    network["dns_search"] = json!(fixed.search);
                }
                network
            }
        };
        json!({ "links": [link], "networks": [network], "services": services })
    }
}
