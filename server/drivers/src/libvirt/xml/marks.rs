//! What a domain carries of ours: whose it is, and how far we got with it.

use std::net::Ipv4Addr;
use std::str::FromStr;

use cascina_core::id::{FarmId, NetworkId, OperationId};
use cascina_core::name::Name;
use cascina_core::network::Mac;
use cascina_core::state::Guest;

use super::element::{Element, XmlError};

pub const NAMESPACE: &str = "urn:cascina:1";
/// What stands for the namespace in documents; the key for libvirt's metadata calls.
pub const PREFIX: &str = "cascina";

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    pub guest: Guest,
    pub farm: FarmId,
    pub network: NetworkId,
    pub name: Name,
    pub ip: Ipv4Addr,
    pub mac: Mac,
    /// The last operation for which it was restarted.
    pub rebooted: Option<OperationId>,
    /// Revision of what a router was given.
    pub revision: Option<u64>,
    /// It comes from another host, and is not all here yet.
    pub arriving: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MarksError {
    #[error("this is not XML: {0}")]
    Xml(String),
    /// The domain is somebody else's.
    #[error("there are no marks of ours")]
    Absent,
    #[error("the mark {mark} is missing or wrong: {given:?}")]
    Wrong { mark: &'static str, given: Option<String> },
}

impl Marks {
    fn element(&self, name: &'static str) -> Element {
        Element::new(name)
            .with("guest", self.guest)
            .with("farm", self.farm)
            .with("network", self.network)
            .with("name", &self.name)
            .with("ip", self.ip)
            .with("mac", self.mac)
            .with_some("rebooted", self.rebooted)
            .with_some("revision", self.revision)
            .with_some("arriving", self.arriving.then_some("yes"))
    }

    /// With its namespace, as it stands in a domain's document.
    pub(super) fn in_domain(&self) -> Element {
        self.element("cascina:marks").with("xmlns:cascina", NAMESPACE)
    }

    /// Without a namespace: libvirt's `set_metadata` is given that beside it.
    ///
    /// # Errors
    ///
    /// None that a value of these types could cause.
    pub fn xml(&self) -> Result<String, XmlError> {
        self.element("marks").document()
    }

    /// Out of what `metadata` gave for our namespace, or out of a whole domain's document.
    ///
    /// # Errors
    ///
    /// There are none, or they are not as we write them.
    pub fn read(xml: &str) -> Result<Marks, MarksError> {
        let document = roxmltree::Document::parse(xml).map_err(|error| MarksError::Xml(error.to_string()))?;
        let root = document.root_element();
        let inside = || {
            let metadata = root.children().find(|node| node.has_tag_name("metadata"))?;
            metadata.children().find(|node| node.has_tag_name((NAMESPACE, "marks")))
        };
        // libvirt takes the namespace away from what it gives out alone.
        let alone = root.has_tag_name("marks") || root.has_tag_name((NAMESPACE, "marks"));
        let node = if alone { root } else { inside().ok_or(MarksError::Absent)? };
        Ok(Marks {
            guest: mark(node, "guest", |text| guest(text).ok())?,
            farm: needed(node, "farm")?,
            network: needed(node, "network")?,
            name: needed(node, "name")?,
            ip: needed(node, "ip")?,
            mac: needed(node, "mac")?,
            rebooted: node.has_attribute("rebooted").then(|| needed(node, "rebooted")).transpose()?,
            revision: node.has_attribute("revision").then(|| needed(node, "revision")).transpose()?,
            arriving: node.attribute("arriving") == Some("yes"),
        })
    }
}

pub(super) fn guest(text: &str) -> Result<Guest, cascina_core::id::IdError> {
    match text.parse() {
        Ok(id) => Ok(Guest::Router(id)),
        Err(_) => text.parse().map(Guest::Instance),
    }
}

fn needed<T: FromStr>(node: roxmltree::Node<'_, '_>, name: &'static str) -> Result<T, MarksError> {
    mark(node, name, |text| text.parse().ok())
}

fn mark<T>(
    node: roxmltree::Node<'_, '_>,
    name: &'static str,
    read: impl Fn(&str) -> Option<T>,
) -> Result<T, MarksError> {
    let given = node.attribute(name);
    let short = |text: &str| text.chars().take(80).collect();
    given.and_then(read).ok_or_else(|| MarksError::Wrong { mark: name, given: given.map(short) })
}
