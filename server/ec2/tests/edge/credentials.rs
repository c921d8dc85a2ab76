//! Whose requests are heard.

use axum::body::Body;
use axum::http::Request;
use cascina_core::command::Command;
use cascina_core::principal::Role;
use cascina_ec2::Settings;

use crate::client::send;
use crate::site::{TestSite, settings};

#[tokio::test]
async fn nobody_and_nobodys_keys() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let bare = Request::get("/?Action=DescribeRegions&Version=2016-11-15").body(Body::empty()).unwrap();
    assert_eq!(send(&site.edge.router(), bare).await.code(401), "AuthFailure");
    let wrong = farm.client.with_secret("another").call("DescribeRegions", &[]).await.refused(401);
    let unknown = crate::client::Client::new(site.edge.router(), "AKIAXXXXXXXXXXXXXXXX", "another");
    assert_eq!(unknown.call("DescribeRegions", &[]).await.refused(401), wrong);
    // Nothing is told of actions before it is known who asks.
    assert_eq!(farm.client.with_secret("another").call("Nonsense", &[]).await.code(401), "AuthFailure");
}

#[tokio::test]
async fn keys_that_were_good() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let ask = async || farm.client.call("DescribeRegions", &[]).await;
    ask().await.good();
    site.submit(Command::SetAccessKey { key: farm.key, disabled: true }).await;
    assert_eq!(ask().await.code(401), "AuthFailure");
    site.submit(Command::SetAccessKey { key: farm.key, disabled: false }).await;
    ask().await.good();
    site.submit(Command::DeleteAccessKey { key: farm.key }).await;
    assert_eq!(ask().await.code(401), "AuthFailure");
}

#[tokio::test]
async fn a_key_for_tokens_only() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let other = site.key(None, farm.tenant, farm.user).await;
    assert_eq!(other.client.call("DescribeRegions", &[]).await.code(403), "UnauthorizedOperation");
}

#[tokio::test]
async fn a_farm_that_has_gone_takes_its_keys_along() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let gone = site.submit(Command::DeleteFarm { farm: farm.id }).await;
    site.done(gone.operation.unwrap()).await;
    assert_eq!(farm.client.call("DescribeRegions", &[]).await.code(401), "AuthFailure");
}

#[tokio::test]
async fn viewers_and_the_suspended_may_look() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let viewer = site.member(farm.id, farm.tenant, "viewer", Role::Viewer).await;
    viewer.client.call("DescribeRegions", &[]).await.good();
    site.submit(Command::SuspendTenant { tenant: farm.tenant, suspended: true }).await;
    farm.client.call("DescribeRegions", &[]).await.good();
}

#[tokio::test]
async fn version_2_where_it_is_allowed() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let params = [("Action", "DescribeRegions"), ("Version", "2012-12-01")];
    assert_eq!(farm.client.get_v2(&params).await.code(401), "AuthFailure");
    let mut settings: Settings = settings();
    settings.rules.sigv2 = true;
    let site = TestSite::with(settings).await;
    let farm = site.farm("alpha").await;
    farm.client.get_v2(&params).await.good();
}
