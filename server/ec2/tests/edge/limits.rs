//! How much and how often one may ask, and what the books say of it.

use cascina_ec2::Settings;
use cascina_engine::EventFilter;

use crate::client::Client;
use crate::site::{TestSite, settings};

#[tokio::test]
async fn a_body_that_is_too_long() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let long = format!("Action=DescribeRegions&Name={}", "x".repeat(1 << 20));
    assert_eq!(farm.client.post(&long).await.code(400), "RequestEntityTooLarge");
    let many: Vec<_> = (0..2001).map(|number| format!("A.{number}=")).collect();
    assert_eq!(farm.client.post(&many.join("&")).await.code(400), "RequestEntityTooLarge");
    let value = format!("Action=DescribeRegions&RegionName.1={}", "x".repeat(300 << 10));
    assert_eq!(farm.client.post(&value).await.code(400), "InvalidParameterValue");
}

#[tokio::test]
async fn too_often() {
    let site = TestSite::with(Settings { rate: 1, burst: 3, ..settings() }).await;
    let (farm, other) = (site.farm("alpha").await, site.farm("beta").await);
    for _ in 0..3 {
        farm.client.call("DescribeRegions", &[]).await.good();
    }
    assert_eq!(farm.client.call("DescribeRegions", &[]).await.code(503), "RequestLimitExceeded");
    // Who cannot sign takes nothing from who can, and farms take nothing from each other.
    assert_eq!(farm.client.with_secret("x").call("DescribeRegions", &[]).await.code(401), "AuthFailure");
    other.client.call("DescribeRegions", &[]).await.good();
}

#[tokio::test]
async fn calls_are_in_the_books() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    for _ in 0..3 {
        farm.client.call("DescribeRegions", &[]).await.good();
    }
    farm.client.call("DescribeRegions", &[("X", "1")]).await.code(400);
    Client::new(site.edge.router(), "AKIAXXXXXXXXXXXXXXXX", "x").call("DescribeRegions", &[]).await.code(401);
    site.edge.flush().await;
    let events = site.engine.events(EventFilter::default()).await.unwrap();
    let mut called: Vec<_> =
        events.iter().filter(|event| event.kind == "api.called").map(|event| event.text.as_str()).collect();
    called.sort_unstable();
    assert_eq!(
        called,
        [
            "ec2 DescribeRegions by alpha-user: UnknownParameter",
            "ec2 DescribeRegions by alpha-user: ok, 3 times",
            "ec2 none by AKIAXXXXXXXXXXXXXXXX: AuthFailure",
        ]
    );
    let used = site.engine.read(|state| state.rows.access_keys[&farm.key].last_used.clone());
    assert_eq!(used.unwrap().action, "DescribeRegions");
}
