//! A domain's ports on networks.

use cascina_core::network::Mac;
use cascina_core::state::Guest;

use super::element::{Element, XmlError};

/// Name of the device on the host: 15 characters are all there is room for, so the guest's number is
/// written in base 36.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port(String);

impl Port {
    /// On its farm's network.
    pub fn inside(guest: Guest) -> Port {
        match guest {
            Guest::Instance(id) => Port(format!("ci{}", base36(id.0))),
            Guest::Router(id) => Port(format!("cl{}", base36(id.0))),
        }
    }

    /// On the public bridge.
    pub fn outside(router: cascina_core::id::RouterId) -> Port {
        Port(format!("cw{}", base36(router.0)))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.push(char::from(b"0123456789abcdefghijklmnopqrstuvwxyz"[(number % 36) as usize]));
        number /= 36;
        if number == 0 {
            return digits.iter().rev().collect();
        }
    }
}

/// A filter and what its variables stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterRef {
    pub name: String,
    pub parameters: Vec<(String, String)>,
}

impl FilterRef {
    pub fn to(name: impl Into<String>) -> FilterRef {
        FilterRef { name: name.into(), parameters: Vec::new() }
    }

    pub(crate) fn element(&self) -> Element {
        let parameter =
            |(name, value): &(String, String)| Element::new("parameter").with("name", name).with("value", value);
        Element::new("filterref").with("filter", &self.name).children(self.parameters.iter().map(parameter))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    pub bridge: String,
    pub mac: Mac,
    pub mtu: u16,
    pub port: Port,
    pub filter: Option<FilterRef>,
}

impl Nic {
    pub(super) fn element(&self) -> Element {
        Element::new("interface")
            .with("type", "bridge")
            .child(Element::new("mac").with("address", self.mac))
            .child(Element::new("source").with("bridge", &self.bridge))
            .child(Element::new("target").with("dev", self.port.as_str()))
            .child(Element::new("model").with("type", "virtio"))
            .children(self.filter.as_ref().map(FilterRef::element))
            .child(Element::new("mtu").with("size", self.mtu))
            // Nothing boots from a network: no code for that in the guest's memory.
            .child(Element::new("rom").with("enabled", "no"))
    }

    /// For changing the interface of a domain that runs.
    ///
    /// # Errors
    ///
    /// A name has a character that XML cannot carry.
    pub fn xml(&self) -> Result<String, XmlError> {
        self.element().document()
    }
}

#[cfg(test)]
mod tests {
    use cascina_core::id::{InstanceId, RouterId};

    use super::*;

    #[test]
    fn ports_have_names_of_their_own_that_fit() {
        let port = |number| Port::inside(Guest::Instance(InstanceId(number)));
        assert_eq!(port(0).as_str(), "ci0");
        assert_eq!(port(36).as_str(), "ci10");
        assert_eq!(port(u64::MAX).as_str(), "ci3w5e11264sgsf");
        assert_eq!(port(u64::MAX).as_str().len(), 15);
        let router = RouterId(7);
        assert_ne!(Port::inside(Guest::Router(router)), Port::outside(router));
    }
}
