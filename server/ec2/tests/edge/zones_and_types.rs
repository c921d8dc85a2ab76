//! Regions, zones, instance types and account attributes.

use cascina_core::command::Command;
use cascina_core::decision::Amounts;
use cascina_core::host::HostState;

use crate::site::TestSite;

/// With line breaks, for people.
fn pretty(xml: &str) -> String {
    let (_, xml) = xml.split_once("<requestId>…</requestId>").unwrap();
    let xml = xml.replace("><", ">\n<");
    let mut depth = 0_usize;
    let mut out = String::new();
    for line in xml.lines() {
        if line.starts_with("</") {
            depth = depth.saturating_sub(1);
        }
        out.push_str(&format!("{}{line}\n", "  ".repeat(depth)));
        if !line.contains("</") && !line.ends_with("/>") {
            depth += 1;
        }
    }
    out
}

#[tokio::test]
async fn the_region() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    insta::assert_snapshot!(pretty(&farm.client.call("DescribeRegions", &[("AllRegions", "true")]).await.good()));
    let filter = [("Filter.1.Name", "region-name"), ("Filter.1.Value.1", "us-*")];
    assert!(farm.client.call("DescribeRegions", &filter).await.good().contains("<regionInfo/>"));
}

#[tokio::test]
async fn zones_are_classes_of_hosts() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let host = site.engine.read(|state| state.indexes.host_names["services-1"]);
    site.submit(Command::SetHostState { host, state: HostState::Maintenance, note: None }).await;
    let ask = async |params: &[(&str, &str)]| farm.client.call("DescribeAvailabilityZones", params).await;
    insta::assert_snapshot!(pretty(&ask(&[]).await.good()));
    let one = ask(&[("ZoneName.1", "workers")]).await.good();
    assert!(one.contains("<zoneName>workers<") && !one.contains("<zoneName>services<"), "{one}");
    let up = ask(&[("Filter.1.Name", "state"), ("Filter.1.Value.1", "available")]).await.good();
    assert!(up.contains("<zoneName>workers<") && !up.contains("<zoneName>services<"), "{up}");
    assert_eq!(ask(&[("ZoneName.1", "moon")]).await.refused(400).1, "Invalid availability zone: [moon]");
}

#[tokio::test]
async fn types_are_flavors() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let ask = async |params: &[(&str, &str)]| farm.client.call("DescribeInstanceTypes", params).await;
    let one = [("InstanceType.1", "m1.large"), ("Availability", "true")];
    insta::assert_snapshot!(pretty(&ask(&one).await.good()));
    let current = ask(&[("Filter.1.Name", "current-generation"), ("Filter.1.Value.1", "false")]).await.good();
    assert!(current.contains("t1.old") && !current.contains("m1.small"), "{current}");
    let (code, message) = ask(&[("InstanceType.1", "m9")]).await.refused(400);
    assert_eq!((code.as_str(), message.contains("[m9]")), ("InvalidInstanceType", true));
    assert_eq!(ask(&[("MaxResults", "4")]).await.code(400), "InvalidParameterValue");
    assert_eq!(ask(&[("NextToken", "x")]).await.code(400), "InvalidNextToken");
    let both = [("InstanceType.1", "m1.large"), ("MaxResults", "5")];
    assert_eq!(ask(&both).await.code(400), "InvalidParameterCombination");
}

#[tokio::test]
async fn where_types_are_offered() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let ask = async |params: &[(&str, &str)]| farm.client.call("DescribeInstanceTypeOfferings", params).await;
    let filter = [
        ("LocationType", "availability-zone"),
        ("Filter.1.Name", "instance-type"),
        ("Filter.1.Value.1", "m1.*"),
        ("MaxResults", "5"),
    ];
    insta::assert_snapshot!(pretty(&ask(&filter).await.good()));
    assert!(ask(&[]).await.good().contains("<location>garr</location>"));
    assert_eq!(ask(&[("LocationType", "planet")]).await.code(400), "InvalidParameterValue");
}

#[tokio::test]
async fn what_an_account_may_have() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let limit = Amounts { instances: 7, addresses: 2, ..Amounts::UNLIMITED };
    site.submit(Command::SetQuota { tenant: farm.tenant, class: None, limit }).await;
    let ask = async |params: &[(&str, &str)]| farm.client.call("DescribeAccountAttributes", params).await;
    let some = [("AttributeName.1", "max-instances"), ("AttributeName.2", "max-elastic-ips")];
    insta::assert_snapshot!(pretty(&ask(&some).await.good()));
    assert!(ask(&[]).await.good().contains("<attributeName>default-vpc</attributeName>"));
    assert_eq!(ask(&[("AttributeName.1", "colour")]).await.code(400), "InvalidParameterValue");
}
