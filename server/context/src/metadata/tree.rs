//! The tree of paths, and what stands in it.

use std::collections::BTreeMap;

use serde_json::json;

use super::facts::Facts;

/// The versions that Amazon has had.
const VERSIONS: [&str; 28] = [
    "1.0",
    "2007-01-19",
    "2007-03-01",
    "2007-08-29",
    "2007-10-10",
    "2007-12-15",
    "2008-02-01",
    "2008-09-01",
    "2009-04-04",
    "2011-01-01",
    "2011-05-01",
    "2012-01-12",
    "2014-02-25",
    "2014-11-05",
    "2015-10-20",
    "2016-04-19",
    "2016-06-30",
    "2016-09-02",
    "2018-03-28",
    "2018-08-17",
    "2018-09-24",
    "2019-10-01",
    "2020-10-27",
    "2021-01-03",
    "2021-03-23",
    "2021-07-15",
    "2022-09-24",
    "2024-04-11",
];
const LATEST: &str = "latest";

/// What is below a version.
pub(super) struct Tree<'a> {
    top: Folder<'a>,
}

pub(super) enum Found<'a> {
    Text(String),
    Bytes(&'a [u8]),
}

enum Node<'a> {
    Text(String),
    Bytes(&'a [u8]),
    Folder(Folder<'a>),
}

/// Entries by name; each with how the folder's list shows it, in the order of names.
#[derive(Default)]
struct Folder<'a>(BTreeMap<String, (String, Node<'a>)>);

impl<'a> Folder<'a> {
    fn text(self, name: &str, text: impl ToString) -> Folder<'a> {
        self.entry(name, name.to_owned(), Node::Text(text.to_string()))
    }

    fn maybe(self, name: &str, text: Option<impl ToString>) -> Folder<'a> {
        match text {
            Some(text) => self.text(name, text),
            None => self,
        }
    }

    /// One text a line; nothing if there are none.
    fn lines(self, name: &str, lines: impl Iterator<Item = String>) -> Folder<'a> {
        let lines: Vec<String> = lines.collect();
        if lines.is_empty() { self } else { self.text(name, lines.join("\n")) }
    }

    fn folder(self, name: &str, folder: Folder<'a>) -> Folder<'a> {
        self.entry(name, format!("{name}/"), Node::Folder(folder))
    }

    fn entry(mut self, name: &str, shown: String, node: Node<'a>) -> Folder<'a> {
        self.0.insert(name.to_owned(), (shown, node));
        self
    }

    fn list(&self) -> String {
        self.0.values().map(|(shown, _)| shown.as_str()).collect::<Vec<_>>().join("\n")
    }
}

impl<'a> Tree<'a> {
    pub(super) fn new(facts: &'a Facts) -> Tree<'a> {
        let identity = Folder::default().text("document", document(facts));
        let dynamic = Folder::default().folder("instance-identity", identity);
        // On this level alone folders are shown without a slash.
        let mut top = Folder::default().entry("dynamic", "dynamic".into(), Node::Folder(dynamic)).entry(
            "meta-data",
            "meta-data".into(),
            Node::Folder(meta_data(facts)),
        );
        if let Some(bytes) = facts.user_data() {
            top = top.entry("user-data", "user-data".into(), Node::Bytes(bytes));
        }
        Tree { top }
    }

    /// What stands at a path, whose first part is a version.
    pub(super) fn find(&self, parts: &[String]) -> Option<Found<'a>> {
        let Some((version, parts)) = parts.split_first() else {
            return Some(Found::Text(VERSIONS.into_iter().chain([LATEST]).collect::<Vec<_>>().join("\n")));
        };
        if version != LATEST && !VERSIONS.contains(&version.as_str()) {
            return None;
        }
        let mut folder = &self.top;
        let mut parts = parts.iter();
        while let Some(part) = parts.next() {
            match &folder.0.get(part)?.1 {
                Node::Folder(below) => folder = below,
                _ if parts.next().is_some() => return None,
                Node::Text(text) => return Some(Found::Text(text.clone())),
                Node::Bytes(bytes) => return Some(Found::Bytes(bytes)),
            }
        }
        Some(Found::Text(folder.list()))
    }
}

fn meta_data(facts: &Facts) -> Folder<'static> {
    let mut devices = Folder::default().text("ami", &facts.root_device).text("root", &facts.root_device);
    for (place, device) in facts.volume_devices.iter().enumerate() {
        devices = devices.text(&format!("ebs{}", place + 1), device);
    }
    let macs = Folder::default().folder(&facts.mac.to_string(), interface(facts));
    let network = Folder::default().folder("interfaces", Folder::default().folder("macs", macs));
    let placement = Folder::default().text("availability-zone", &facts.zone).text("region", &facts.region);
    let folder = Folder::default()
        .text("ami-id", facts.image)
        .text("ami-launch-index", facts.launch_index)
        .text("ami-manifest-path", "(unknown)")
        .folder("block-device-mapping", devices)
        .text("hostname", &facts.hostname)
        .text("instance-action", "none")
        .text("instance-id", facts.instance)
        .text("instance-life-cycle", "on-demand")
        .text("instance-type", &facts.instance_type)
        .text("local-hostname", &facts.hostname)
        .text("local-ipv4", facts.local_ipv4)
        .text("mac", facts.mac)
        .folder("network", network)
        .folder("placement", placement)
        .maybe("public-hostname", facts.public_hostname())
        .maybe("public-ipv4", facts.public_ipv4)
        .text("reservation-id", facts.reservation)
        .lines("security-groups", facts.groups.iter().map(|group| line(&group.name)));
    if facts.keys.is_empty() { folder } else { folder.folder("public-keys", keys(facts)) }
}

/// Listed as `0=name`, and found as `0/openssh-key`.
fn keys(facts: &Facts) -> Folder<'static> {
    let mut folder = Folder::default();
    for (place, key) in facts.keys.iter().enumerate() {
        // With the end of its line, since it is appended to files.
        let formats = Folder::default().text("openssh-key", format!("{}\n", key.public.trim_end()));
        // Readers take what ends in a slash for a folder.
        let name = line(&key.name).replace('/', "_");
        folder = folder.entry(&place.to_string(), format!("{place}={name}"), Node::Folder(formats));
    }
    folder
}

fn interface(facts: &Facts) -> Folder<'static> {
    let folder = Folder::default()
        .text("device-number", 0)
        .text("interface-id", facts.interface_id())
        .text("local-hostname", &facts.hostname)
        .text("local-ipv4s", facts.local_ipv4)
        .text("mac", facts.mac)
        .text("owner-id", &facts.account)
        .maybe("public-hostname", facts.public_hostname())
        .maybe("public-ipv4s", facts.public_ipv4)
        .lines("security-group-ids", facts.groups.iter().map(|group| group.id.to_string()))
        .lines("security-groups", facts.groups.iter().map(|group| line(&group.name)))
        .text("subnet-id", facts.subnet_id())
        .text("subnet-ipv4-cidr-block", facts.cidr)
        .text("vpc-id", facts.network)
        .text("vpc-ipv4-cidr-block", facts.cidr)
        .text("vpc-ipv4-cidr-blocks", facts.cidr);
    match facts.public_ipv4 {
        Some(ip) => folder.folder("ipv4-associations", Folder::default().text(&ip.to_string(), facts.local_ipv4)),
        None => folder,
    }
}

/// A name on one line, whatever it has in it.
fn line(name: &str) -> String {
    name.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// The instance identity document: what Amazon signs, without a signature.
fn document(facts: &Facts) -> String {
    // A moment that no calendar has stays as far away as one can be.
    let milliseconds = i64::try_from(facts.launched.0).unwrap_or(i64::MAX);
    let launched = jiff::Timestamp::from_millisecond(milliseconds).unwrap_or(jiff::Timestamp::MAX);
    let document = json!({
        "accountId": facts.account,
        "architecture": "x86_64",
        "availabilityZone": facts.zone,
        "billingProducts": null,
        "devpayProductCodes": null,
        "imageId": facts.image,
        "instanceId": facts.instance,
        "instanceType": facts.instance_type,
        "kernelId": null,
        "marketplaceProductCodes": null,
        "pendingTime": launched.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "privateIp": facts.local_ipv4,
        "ramdiskId": null,
        "region": facts.region,
        "version": "2017-09-30",
    });
    format!("{document:#}")
}
