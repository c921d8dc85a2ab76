//! From what a router has to what it should have, in as few words as there are: a function of its arguments
//! alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value as Json, json};

use super::super::uci::{Section, Value};

/// Sections whose names begin so are the operator's: the port by which the router is reached, its zone,
/// and the rules that let us in.
pub const OPERATOR: &str = "mgmt";

/// The section of `network` that says which plan it is. netifd does not know the kind, and lets it be.
pub(super) const REVISION: &str = "cascina";

/// A call of the `uci` object.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub method: &'static str,
    pub arguments: Json,
}

pub(super) fn revision(number: u64) -> Section {
    let values = vec![("revision", Value::Option(number.to_string()))];
    Section { kind: "cascina", name: REVISION.into(), values }
}

fn values(section: &Section) -> Map<String, Json> {
    let json = |value: &Value| match value {
        Value::Option(value) => json!(value),
        Value::List(values) => json!(values),
    };
    section.values.iter().map(|(key, value)| ((*key).to_owned(), json(value))).collect()
}

/// A package's sections as `uci get` tells of them, in their order.
fn sections(there: &Json) -> Vec<(&str, &Map<String, Json>)> {
    let all = there.get("values").and_then(Json::as_object).into_iter().flatten();
    let mut all: Vec<_> = all.filter_map(|(name, section)| Some((name.as_str(), section.as_object()?))).collect();
    all.sort_by_key(|(_, section)| section.get(".index").and_then(Json::as_u64).unwrap_or(u64::MAX));
    all
}

/// What makes `package` be as wanted, where `there` is the answer to `uci get` of it. Nothing, if it is so.
pub fn changes(package: &str, there: &Json, wanted: &[Section]) -> Vec<Change> {
    let there = sections(there);
    let kept = |name: &str, section: &Map<String, Json>| {
        let same = |wanted: &&Section| wanted.name == name && section.get(".type") == Some(&json!(wanted.kind));
        wanted.iter().find(same)
    };
    let mut calls = Vec::new();
    let mut call = |method, arguments| calls.push(Change { method, arguments });
    let mut order = Vec::new();
    for (name, section) in &there {
        if name.starts_with(OPERATOR) {
            continue;
        }
        let Some(wanted) = kept(name, section) else {
            call("delete", json!({ "config": package, "section": name }));
            continue;
        };
        order.push(*name);
        let values = values(wanted);
        let extra: Vec<_> = section.keys().filter(|key| !key.starts_with('.') && !values.contains_key(*key)).collect();
        if !extra.is_empty() {
            call("delete", json!({ "config": package, "section": name, "options": extra }));
        }
        let other: Map<_, _> = values.into_iter().filter(|(key, value)| section.get(key) != Some(value)).collect();
        if !other.is_empty() {
            call("set", json!({ "config": package, "section": name, "values": other }));
        }
    }
    let known: BTreeSet<&str> = order.iter().copied().collect();
    for section in wanted.iter().filter(|section| !known.contains(section.name.as_str())) {
        let (kind, name) = (section.kind, &section.name);
        call("add", json!({ "config": package, "type": kind, "name": name, "values": values(section) }));
        order.push(name);
    }
    // The first rule that fits decides. What is the operator's goes before ours.
    let operators = there.iter().map(|(name, _)| *name).filter(|name| name.starts_with(OPERATOR));
    let last_operators = there.iter().rposition(|(name, _)| name.starts_with(OPERATOR));
    let first_kept = there.iter().position(|(name, _)| known.contains(name));
    let mixed = matches!((last_operators, first_kept), (Some(last), Some(first)) if first < last);
    let in_order = order.iter().copied().eq(wanted.iter().map(|section| section.name.as_str()));
    if mixed || !in_order {
        let all: Vec<&str> = operators.chain(wanted.iter().map(|section| section.name.as_str())).collect();
        call("order", json!({ "config": package, "sections": all }));
    }
    calls
}

/// The router's public addresses.
pub(super) fn public_of(network: &Json) -> BTreeSet<String> {
    let all = network.pointer("/values/wan/ipaddr").and_then(Json::as_array).into_iter().flatten();
    all.filter_map(Json::as_str).filter_map(|net| net.split('/').next()).map(str::to_owned).collect()
}

/// Public addresses that are mapped as a whole, and the guests that have them.
pub(super) fn mapped_of(firewall: &Json) -> BTreeSet<(String, String)> {
    let of = |section: &Map<String, Json>, key: &str| section.get(key).and_then(Json::as_str).map(str::to_owned);
    let whole = |section: &Map<String, Json>| {
        section.get(".type") == Some(&json!("redirect")) && !section.contains_key("src_dport")
    };
    let redirects = sections(firewall).into_iter().filter(|(_, section)| whole(section));
    redirects.filter_map(|(_, section)| Some((of(section, "src_dip")?, of(section, "dest_ip")?))).collect()
}
