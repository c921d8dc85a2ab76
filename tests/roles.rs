//! Who may do what: each role does its own work, and a stranger's things do not exist.

use serde_json::{Value, json};

use crate::approval::user;
use crate::server::{Server, lines};

#[test]
fn a_tenants_people() {
    let server = Server::new();
    server.farm("alpha", lines("m1.small", 1));
    let of = |name: &str, role: &str| user(&server, json!({"name": name, "role": role, "tenant": "alpha-tenant"}));
    let (head, member, viewer) = (of("head", "tenant-admin"), of("mary", "member"), of("vera", "viewer"));
    let more = || lines("m1.small", 1)[0].clone();

    let instance = server.admin.list("/v1/instances")[0]["id"].as_str().unwrap().to_owned();
    viewer.get("/v1/farms/alpha").good();
    viewer.post("/v1/farms/alpha/instances", more()).refused(403);
    viewer.delete(&format!("/v1/instances/{instance}")).refused(403);
    let outcome = member.post("/v1/farms/alpha/instances", more()).good();
    server.operation(&outcome["operation"]);
    member.post("/v1/farms", json!({"name": "beta", "tenant": "alpha-tenant"})).refused(403);
    member.delete("/v1/farms/alpha").refused(403);
    member.post("/v1/users", json!({"name": "x", "role": "member"})).refused(403);
    let made = head.post("/v1/users", json!({"name": "x", "role": "member"})).good();
    assert_eq!(made["tenant"], server.admin.get("/v1/tenants/alpha-tenant").good()["id"]);
    head.post("/v1/users", json!({"name": "y", "role": "site-admin"})).refused(422);
    let accepted = head.post("/v1/farms", json!({"name": "beta", "tenant": "alpha-tenant"})).good();
    server.operation(&accepted["operation"]);

    for client in [&head, &member, &viewer] {
        // Hosts are the site's matter, and limits are set by it.
        assert_eq!(client.list("/v1/hosts"), Vec::<Value>::new());
        let row = client.get("/v1/farms/alpha").good();
        assert_eq!((&row["router"]["host"], &row["instances"][0]["host"]), (&Value::Null, &Value::Null));
        client.put("/v1/quotas/alpha-tenant", json!({"limit": {}})).refused(403);
        client.put("/v1/flavors/m1.huge", json!({"vcpus": 64, "memory_mib": 1, "disk_gib": 1})).refused(403);
        client.post("/v1/tenants", json!({"name": "own"})).refused(403);
        client.get("/v1/simulation/world").refused(404);
    }
    // A tenant has rules of its own, which its admin brings.
    viewer.upload(b"\0asm").refused(403);
    member.upload(b"\0asm").refused(403);
    head.upload(b"\0asm").refused(422);
    // A suspended tenant may look.
    server.admin.post("/v1/tenants/alpha-tenant/suspend", json!({})).good();
    member.get("/v1/farms/alpha").good();
    member.post("/v1/farms/alpha/instances", more()).refused(409);
    server.admin.post("/v1/tenants/alpha-tenant/resume", json!({})).good();
    // A user who is gone takes the token along.
    server.admin.delete("/v1/users/mary").good();
    member.get("/v1/farms/alpha").refused(401);
    server.delete_farm("alpha");
    server.delete_farm("beta");
    server.end();
}

#[test]
fn an_owner_speaks_for_its_share_and_an_author_uploads() {
    let server = Server::new();
    let owner = user(&server, json!({"name": "olga", "role": "owner", "groups": ["theory"]}));
    let author = user(&server, json!({"name": "paul", "role": "policy-author"}));
    let hosts: Vec<_> = owner.list("/v1/hosts").iter().map(|row| row["name"].clone()).collect();
    assert_eq!(hosts, ["w-3", "w-4"]);
    owner.post("/v1/shares/theory/recall", json!({})).good();
    assert_eq!(owner.get("/v1/shares/theory").good()["recalled"], true);
    author.post("/v1/shares/theory/return", json!({})).refused(404);
    owner.post("/v1/shares/theory/return", json!({})).good();
    let rule = json!({"name": "mine", "hook": "placement", "policy": "placement-owner", "share": "theory"});
    owner.post("/v1/bindings", rule.clone()).good();
    owner.patch("/v1/bindings/mine", json!({"settings": {"lend_percent": 10}})).good();
    owner.delete("/v1/bindings/mine").good();
    let site = json!({"name": "ours", "hook": "placement", "policy": "placement-spread"});
    owner.post("/v1/bindings", site.clone()).refused(403);
    author.post("/v1/bindings", site).refused(403);
    let component = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/dist/placement-spread.wasm"));
    assert_eq!(author.upload(&component.unwrap()).good()["name"], "placement-spread");
    owner.post("/v1/hosts/w-1/cordon", json!({})).refused(404);
    server.end();
}
