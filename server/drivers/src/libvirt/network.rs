//! Farms' networks: a bridge each, that libvirt makes and takes away, and no address of the host on it.

use std::str::FromStr;

use cascina_core::id::NetworkId;
use virt::connect::Connect;
use virt::network::Network;

use super::driver::Site;
use super::filters;
use super::settings::Uplink;
use super::trouble::{Trouble, found, never};
use super::xml::{Element, NAMESPACE};
use crate::{FoundNetwork, NetworkSpec};
use cascina_core::security_group::Firewall;

/// As libvirt knows the network.
fn network_name(network: NetworkId) -> String {
    format!("cascina-{network}")
}

pub(super) fn bridge(segment: u32) -> String {
    format!("cb{segment}")
}

fn document(network: &NetworkSpec, mtu: u16, uplink: &Uplink) -> Result<String, Trouble> {
    let tag = uplink.tag(network.segment).map_err(|error| never(error.to_string()))?;
    let [a, b, c, d] = network.mac_prefix;
    let mut marks = Element::new("cascina:network")
        .with("xmlns:cascina", NAMESPACE)
        .with("id", network.id)
        .with("farm", network.farm)
        .with("segment", network.segment)
        .with("cidr", network.cidr)
        .with("prefix", format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}"));
    marks = match uplink {
        Uplink::None => marks,
        Uplink::Vxlan { device, peers, .. } => {
            let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
            let vxlan = Element::new("cascina:vxlan").with_some("id", tag).with("device", device);
            marks.child(vxlan.with("peers", peers.join(" ")))
        }
        Uplink::Vlan { device, .. } => {
            marks.child(Element::new("cascina:vlan").with_some("id", tag).with("device", device))
        }
    };
    let bridge = Element::new("bridge").with("name", bridge(network.segment)).with("stp", "off").with("delay", "0");
    Ok(Element::new("network")
        .child(Element::new("name").text(network_name(network.id)))
        .child(Element::new("metadata").child(marks))
        .child(bridge)
        .child(Element::new("mtu").with("size", mtu))
        // Names are the router's business.
        .child(Element::new("dns").with("enable", "no"))
        .document()?)
}

fn read(xml: &str) -> Result<NetworkSpec, Trouble> {
    let unreadable = |why: String| Trouble::Unreadable { what: "a network".into(), why };
    let document = roxmltree::Document::parse(xml).map_err(|error| unreadable(error.to_string()))?;
    let marks = document.descendants().find(|node| node.has_tag_name((NAMESPACE, "network")));
    let marks = marks.ok_or_else(|| unreadable("it carries no marks of ours".into()))?;
    fn mark<T: FromStr>(node: roxmltree::Node<'_, '_>, name: &str) -> Option<T> {
        node.attribute(name).and_then(|text| text.parse().ok())
    }
    let prefix = || {
        let text = marks.attribute("prefix")?;
        let mut bytes = [0; 4];
        let mut pairs = text.split(':');
        for byte in &mut bytes {
            *byte = u8::from_str_radix(pairs.next()?, 16).ok()?;
        }
        Some(bytes)
    };
    let spec = || {
        Some(NetworkSpec {
            id: mark(marks, "id")?,
            farm: mark(marks, "farm")?,
            segment: mark(marks, "segment")?,
            cidr: mark(marks, "cidr")?,
            mac_prefix: prefix()?,
        })
    };
    spec().ok_or_else(|| unreadable("its marks are not as we write them".into()))
}

impl Site {
    /// The network with the spec that it was defined with.
    pub(super) fn network(&self, connect: &Connect, id: NetworkId) -> Result<Option<(Network, NetworkSpec)>, Trouble> {
        match found(Network::lookup_by_name(connect, &network_name(id)))? {
            Some(network) => {
                let spec = read(&network.get_xml_desc(0)?)?;
                Ok(Some((network, spec)))
            }
            None => Ok(None),
        }
    }

    /// The same, up.
    pub(super) fn needed_network(&self, connect: &Connect, id: NetworkId) -> Result<NetworkSpec, Trouble> {
        let (network, spec) = self.network(connect, id)?.ok_or(Trouble::NoNetwork(id))?;
        if !network.is_active()? {
            network.create()?;
        }
        Ok(spec)
    }

    pub(super) fn define_network(&self, spec: &NetworkSpec) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let class = self.settings().classes.get(&self.host.class);
        let class = class.ok_or_else(|| Trouble::NoClass(self.host.class.clone()))?;
        let network = match self.network(&connect, spec.id)? {
            Some((_, there)) if there != *spec => {
                return Err(never(format!("network {} is another on this host: remove it first", spec.id)));
            }
            Some((network, _)) => network,
            None => {
                let xml = document(spec, self.settings().router.mtu, &class.uplink)?;
                // Nothing passes before there are filters: who comes first finds them.
                self.define_filters(&connect, spec, 0, &Firewall::default(), true)?;
                Network::define_xml(&connect, &xml)?
            }
        };
        network.set_autostart(true)?;
        if !network.is_active()? {
            network.create()?;
        }
        Ok(())
    }

    pub(super) fn remove_network(&self, id: NetworkId) -> Result<(), Trouble> {
        let connect = self.link.quick()?;
        let user =
            self.all_here(&connect)?.into_iter().find(|here| here.seen.marks.network == id && here.seen.has_port);
        if let Some(user) = user {
            return Err(Trouble::NetworkInUse { network: id, guest: user.guest() });
        }
        self.remove_filters(&connect, id)?;
        if let Some((network, _)) = self.network(&connect, id)? {
            if network.is_active()? {
                network.destroy()?;
            }
            found(network.undefine())?;
        }
        Ok(())
    }

    pub(super) fn found_networks(&self, connect: &Connect) -> Result<Vec<FoundNetwork>, Trouble> {
        let names = self.filter_names(connect)?;
        let markers = filters::networks(names.iter().map(String::as_str));
        let mut all = Vec::new();
        for network in connect.list_all_networks(0)? {
            let ours = found(network.get_name())?.is_some_and(|name| name.starts_with("cascina-"));
            let Some(xml) = (if ours { found(network.get_xml_desc(0))? } else { None }) else { continue };
            let spec = read(&xml)?;
            let firewall = markers.get(&spec.id).map_or(0, |marker| marker.revision);
            all.push(FoundNetwork { network: spec.id, farm: spec.farm, firewall });
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use cascina_core::id::FarmId;

    use super::*;

    fn spec() -> NetworkSpec {
        NetworkSpec {
            id: NetworkId(4),
            farm: FarmId(3),
            segment: 12,
            cidr: "10.64.7.0/24".parse().unwrap(),
            mac_prefix: [2, 0, 0, 12],
        }
    }

    #[test]
    fn a_network_says_what_it_is() {
        let device: crate::router::LinkName = "eth1".parse().unwrap();
        let peers = vec!["10.99.0.11".parse().unwrap(), "10.99.0.12".parse().unwrap()];
        let uplink = Uplink::Vxlan { base: 1000, device, peers };
        let xml = document(&spec(), 1450, &uplink).unwrap();
        insta::assert_snapshot!(xml, @r#"
        <network>
          <name>cascina-vpc-00000000000000004</name>
          <metadata>
            <cascina:network xmlns:cascina="urn:cascina:1" id="vpc-00000000000000004" farm="farm-00000000000000003" segment="12" cidr="10.64.7.0/24" prefix="02:00:00:0c">
              <cascina:vxlan id="1012" device="eth1" peers="10.99.0.11 10.99.0.12"/>
            </cascina:network>
          </metadata>
          <bridge name="cb12" stp="off" delay="0"/>
          <mtu size="1450"/>
          <dns enable="no"/>
        </network>
        "#);
        assert_eq!(read(&xml).unwrap(), spec());
        assert_eq!(read(&document(&spec(), 1450, &Uplink::None).unwrap()).unwrap(), spec());
        assert!(read("<network><name>default</name></network>").is_err());
    }
}
