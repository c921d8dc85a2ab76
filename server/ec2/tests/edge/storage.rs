//! What tests of volumes, snapshots and images share.

use std::time::Duration;

use cascina_core::command::{Command, NewInstances, Power};
use cascina_core::id::InstanceId;
use cascina_core::launch::Launch;

use crate::client::{Answer, Client};
use crate::site::{Farm, TestSite, name};

pub const NOBODY: &str = "0123456789abcdef0";

/// A running instance.
pub async fn instance(site: &TestSite, farm: &Farm) -> InstanceId {
    let ask = NewInstances {
        name: None,
        flavor: name("m1.small"),
        image: "debian".into(),
        class: Some(name("workers")),
        min_count: 1,
        max_count: 1,
        host: None,
        launch: Launch::default(),
    };
    let outcome = site.submit(Command::RunInstances { farm: farm.id, ask }).await;
    site.done(outcome.operation.unwrap()).await;
    outcome.instances[0]
}

pub async fn power(site: &TestSite, instance: InstanceId, power: Power) {
    let outcome = site.submit(Command::Power { instances: vec![instance], power }).await;
    site.done(outcome.operation.unwrap()).await;
}

/// Asks until the answer holds a text.
pub async fn until(client: &Client, action: &str, params: &[(&str, &str)], text: &str) -> String {
    for _ in 0..1000 {
        let answer = client.call(action, params).await.good();
        if answer.contains(text) {
            return answer;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{action} never says {text}: {:?}", client.call(action, params).await)
}

pub async fn volume(farm: &Farm, more: &[(&str, &str)]) -> String {
    let mut params = vec![("AvailabilityZone", "workers")];
    params.extend(more);
    let made = farm.client.call("CreateVolume", &params).await;
    made.good();
    let id = made.element("volumeId");
    until(&farm.client, "DescribeVolumes", &[("VolumeId.1", &id)], "<status>available<").await;
    id
}

pub async fn snapshot(farm: &Farm, volume: &str) -> String {
    let made = farm.client.call("CreateSnapshot", &[("VolumeId", volume)]).await;
    made.good();
    let id = made.element("snapshotId");
    until(&farm.client, "DescribeSnapshots", &[("SnapshotId.1", &id)], "<status>completed<").await;
    id
}

/// An image of an instance.
pub async fn image(farm: &Farm, instance: InstanceId, title: &str) -> String {
    let made = farm.client.call("CreateImage", &[("InstanceId", &instance.to_string()), ("Name", title)]).await;
    made.good();
    let id = made.element("imageId");
    until(&farm.client, "DescribeImages", &[("ImageId.1", &id)], "<imageState>available<").await;
    id
}

/// All texts of elements of this name.
pub fn elements(xml: &str, name: &str) -> Vec<String> {
    let begin = format!("<{name}>");
    let rest = xml.split(&begin).skip(1);
    rest.map(|rest| rest.split('<').next().unwrap().to_owned()).collect()
}

/// A good answer with line breaks, without what is different each time.
pub fn shown(answer: &Answer) -> String {
    let xml = answer.good();
    let (_, xml) = xml.split_once("<requestId>…</requestId>").unwrap();
    let (xml, _) = xml.rsplit_once("</").unwrap();
    let mut out = String::new();
    let mut depth = 0_usize;
    for line in xml.replace("><", ">\n<").lines() {
        if line.starts_with("</") {
            depth = depth.saturating_sub(1);
        }
        out.push_str(&format!("{}{}\n", "  ".repeat(depth), constant(line)));
        if !line.contains("</") && !line.ends_with("/>") {
            depth += 1;
        }
    }
    out
}

/// Ids and moments are left out.
fn constant(line: &str) -> String {
    let Some((begin, rest)) = line.split_once('>') else { return line.into() };
    let Some((value, end)) = rest.split_once('<') else { return line.into() };
    let is_time = value.len() == 24 && value.ends_with('Z');
    let prefix = value.rsplit_once('-').filter(|(_, digits)| digits.len() == 17);
    let value = match prefix {
        _ if is_time => "(moment)".into(),
        Some((prefix, _)) => format!("{prefix}-…"),
        None => value.to_owned(),
    };
    format!("{begin}>{value}<{end}")
}
