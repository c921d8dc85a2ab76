//! Rules of filters, and filters as documents.

use super::Filter;
use super::names::FilterName;
use crate::libvirt::xml::{Element, FilterRef, XmlError, uuid_named};

/// Seen from the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    In,
    Out,
    Both,
}

impl Way {
    fn as_str(self) -> &'static str {
        match self {
            Way::In => "in",
            Way::Out => "out",
            Way::Both => "inout",
        }
    }
}

/// Rules of all filters of a port are sorted by this, the smallest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Priority(pub i16);

pub(super) fn accept(way: Way, priority: Priority, what: Element) -> Element {
    rule("accept", way, priority).child(what)
}

/// Without looking at which conversation a packet is of.
pub(super) fn accept_each(way: Way, priority: Priority, what: Element) -> Element {
    rule("accept", way, priority).with("statematch", "false").child(what)
}

pub(super) fn drop(way: Way, priority: Priority, what: Element) -> Element {
    rule("drop", way, priority).child(what)
}

/// Frames of any kind.
pub(super) fn drop_all(way: Way, priority: Priority) -> Element {
    rule("drop", way, priority)
}

fn rule(action: &'static str, way: Way, priority: Priority) -> Element {
    Element::new("rule").with("action", action).with("direction", way.as_str()).with("priority", priority.0)
}

impl Filter {
    /// Its uuid follows from its name: a filter can be defined again only with the one that it has.
    pub(super) fn new(
        name: FilterName,
        refers: impl IntoIterator<Item = FilterName>,
        rules: impl IntoIterator<Item = Element>,
    ) -> Result<Filter, XmlError> {
        let text = name.to_string();
        let xml = Element::new("filter")
            .with("name", &text)
            .with("chain", "root")
            .child(Element::new("uuid").text(uuid_named("filter", &text)))
            .children(refers.into_iter().map(|name| FilterRef::to(name.to_string()).element()))
            .children(rules)
            .document()?;
        Ok(Filter { name, xml })
    }
}
