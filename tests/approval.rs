//! Requests that wait for a person: the site's admin, or the owner of a share.

use serde_json::{Value, json};

use crate::http::Client;
use crate::server::{Server, lines};

/// 65 vCPUs: beyond what is given without a person's yes, and small enough to be placed.
fn large(name: &str) -> Value {
    let instances = json!([{"flavor": "m1.small", "image": "debian", "min_count": 1, "max_count": 65}]);
    json!({"name": name, "tenant": "alice", "tier": "unlimited", "groups": ["theory"], "instances": instances})
}

/// A user of the site with its own token.
pub fn user(server: &Server, body: Value) -> Client {
    let user = server.admin.post("/v1/users", body).good();
    let path = format!("/v1/users/{}/access-keys", user["id"].as_str().unwrap());
    let key = server.admin.post(&path, json!({})).good();
    let ask = json!({"access_key": key["access_key"], "secret": key["secret"]});
    let token = Client::new(&server.url, None).post("/v1/tokens", ask).good();
    server.admin.as_token(token["token"].as_str().unwrap())
}

#[test]
fn the_admin_says_yes_or_no_and_the_requester_sees_where_it_stands() {
    let server = Server::new();
    let accepted = server.admin.post("/v1/farms", large("alpha")).good();
    assert_eq!((&accepted["pending"], &accepted["approver"]), (&json!(true), &json!("site-admin")));
    assert_eq!(accepted["operation"], Value::Null);
    let path = format!("/v1/farms/{}", accepted["id"].as_str().unwrap());
    let farm = server.admin.get(&path).good();
    assert_eq!((&farm["state"], &farm["approver"]), (&json!("pending-approval"), &json!("site-admin")));
    // Nothing is taken before the yes.
    server.nothing_left_but_pending();
    let outcome = server.admin.post(&format!("{path}/approve"), json!({"note": "for the beam time"})).good();
    let operation = server.operation(&outcome["operation"]);
    assert_eq!(operation["state"], "done", "{operation:#}");
    assert_eq!(server.admin.get(&path).good()["state"], "active");
    server.admin.post(&format!("{path}/approve"), json!({})).refused(409);
    server.delete_farm("alpha");

    let accepted = server.admin.post("/v1/farms", large("beta")).good();
    let path = format!("/v1/farms/{}", accepted["id"].as_str().unwrap());
    server.admin.post(&format!("{path}/reject"), json!({"note": "not this month"})).good();
    let farm = server.admin.get(&path).good();
    assert_eq!((&farm["state"], &farm["note"]), (&json!("rejected"), &json!("not this month")));
    server.admin.post(&format!("{path}/approve"), json!({})).refused(409);
    server.nothing_left();
    server.end();
}

#[test]
fn the_owner_of_a_share_speaks_for_it_and_for_no_other() {
    let server = Server::new();
    // The owner's own rule: what is large waits for the owner.
    let owner = user(&server, json!({"name": "olga", "role": "owner", "groups": ["theory"]}));
    let stranger = user(&server, json!({"name": "otto", "role": "owner", "groups": ["detector"]}));
    let binding = json!({
        "name": "theory-admission", "hook": "admission", "policy": "admission-default", "share": "theory",
        "settings": {"pend_above": {"vcpus": 2}, "approver": "owner"},
    });
    stranger.post("/v1/bindings", binding.clone()).refused(404);
    owner.post("/v1/bindings", binding).good();
    let ask = json!({"name": "alpha", "tenant": "alice", "groups": ["theory"], "instances": lines("m1.small", 3)});
    let accepted = server.admin.post("/v1/farms", ask).good();
    assert_eq!((&accepted["pending"], &accepted["approver"]), (&json!(true), &json!("owner")));
    let path = format!("/v1/farms/{}", accepted["id"].as_str().unwrap());
    assert_eq!(owner.get(&path).good()["state"], "pending-approval");
    // To others it does not exist.
    stranger.get(&path).refused(404);
    stranger.post(&format!("{path}/approve"), json!({})).refused(404);
    let outcome = owner.post(&format!("{path}/approve"), json!({})).good();
    assert_eq!(server.operation(&outcome["operation"])["state"], "done");
    server.delete_farm("alpha");
    server.end();
}

#[test]
fn a_tenant_can_wait_too() {
    let server = Server::new();
    let rule = json!({"settings": {"groups_denied": ["guests"]}});
    server.admin.patch("/v1/bindings/admission-default", rule).good();
    let problem = server.admin.post("/v1/tenants", json!({"name": "eve", "groups": ["guests"]})).refused(403);
    assert!(problem["decision"].is_string(), "{problem:#}");
    let tenant = server.admin.post("/v1/tenants", json!({"name": "alice"})).good();
    assert_eq!(tenant["state"], "active");
    server.admin.delete("/v1/tenants/alice").good();
    server.end();
}
