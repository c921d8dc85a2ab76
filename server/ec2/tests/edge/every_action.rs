//! Every action of the table: for nobody, for a viewer, with nonsense, and as the documentation has it.

use axum::body::Body;
use axum::http::Request;
use cascina_core::principal::Role;
use cascina_ec2::Settings;
use cascina_ec2::action::{Access, Actions};

use crate::client::send;
use crate::site::{TestSite, settings};

#[tokio::test]
async fn asked_by_nobody() {
    let site = TestSite::new().await;
    for (action, _) in Actions::default().list() {
        let body = format!("Action={action}&Version=2016-11-15");
        let request = Request::post("/").header("content-type", "application/x-www-form-urlencoded");
        let answer = send(&site.edge.router(), request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.code(401), "AuthFailure", "{action}");
    }
}

#[tokio::test]
async fn asked_by_a_viewer() {
    let site = TestSite::new().await;
    let farm = site.farm("alpha").await;
    let viewer = site.member(farm.id, farm.tenant, "viewer", Role::Viewer).await;
    for (action, access) in Actions::default().list() {
        let answer = viewer.client.call(action, &[]).await;
        match access {
            Access::Write => assert_eq!(answer.code(403), "UnauthorizedOperation", "{action}"),
            Access::Read => assert!(matches!(answer.status, 200 | 400), "{action}: {}", answer.status),
        }
    }
}

#[tokio::test]
async fn asked_for_nonsense() {
    // More often than a key may ask at once.
    let site = TestSite::with(Settings { rate: 0, ..settings() }).await;
    let farm = site.farm("alpha").await;
    let rows = || {
        let mut rows = site.engine.read(|state| state.rows.clone());
        // When they were last used is written down.
        rows.access_keys.clear();
        rows
    };
    let before = rows();
    for (action, access) in Actions::default().list() {
        assert_eq!(farm.client.call(action, &[("Nonsense.1.Of", "x")]).await.code(400), "UnknownParameter", "{action}");
        let answer = farm.client.call(action, &[("DryRun", "maybe")]).await;
        assert_eq!(answer.code(400), "InvalidParameterValue", "{action}");
        // None but this one does anything when it is told nothing.
        if access == Access::Write && action != "AllocateAddress" {
            assert_eq!(farm.client.call(action, &[("DryRun", "")]).await.status / 100, 4, "{action}");
        }
    }
    assert!(before == rows(), "nonsense changed something");
}

#[test]
fn the_documentation_names_them() {
    let text = include_str!("../../../../docs/ec2.md");
    for (action, _) in Actions::default().list() {
        assert!(text.contains(&format!("`{action}`")), "docs/ec2.md does not name {action}");
    }
    // … and no others.
    for word in text.split('`').skip(1).step_by(2) {
        let verbs = ["Describe", "Create", "Delete", "Modify", "Run", "Start", "Stop", "Get", "Authorize", "Revoke"];
        if verbs.iter().any(|verb| word.starts_with(verb)) && word.chars().all(char::is_alphanumeric) {
            let there = Actions::default().find(word).is_ok();
            assert!(there || word == "CreateTransitGateway", "docs/ec2.md names {word}, which is not there");
        }
    }
}
