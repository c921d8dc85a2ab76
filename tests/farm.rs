//! A farm's life over HTTP.

use serde_json::{Value, json};

use crate::server::{SITE, Server, Site, lines, wait};

#[test]
fn a_farm_is_made_whole_and_leaves_nothing() {
    let server = Server::new();
    let ask = json!({
        "name": "alpha", "tenant": "alice", "groups": ["grid"], "labels": {"purpose": "test"},
        "instances": [{"flavor": "m1.small", "image": "debian", "max_count": 2}],
    });
    let answer = server.admin.post("/v1/farms", ask);
    assert_eq!(answer.status, 202);
    let accepted = answer.good();
    let operation = server.operation(&accepted["operation"]);
    assert_eq!(operation["state"], "done", "{operation:#}");
    let steps: Vec<_> =
        operation["steps"].as_array().unwrap().iter().map(|step| step["step"].as_str().unwrap()).collect();
    assert_eq!(steps.first(), Some(&"create-identity"));
    assert_eq!(steps.last(), Some(&"activate"));

    let farm = server.admin.get("/v1/farms/alpha").good();
    assert_eq!((&farm["state"], &farm["labels"]["purpose"]), (&json!("active"), &json!("test")));
    assert_eq!(farm["network"]["cidr"], "10.64.1.0/24");
    assert_eq!(farm["network"]["mac_prefix"], "02:00:00:01");
    let router = &farm["router"];
    assert_eq!((&router["state"], &router["class"]), (&json!("running"), &json!("services")));
    assert!(router["host"].as_str().unwrap().starts_with("s-"), "{router:#}");
    let address = &farm["addresses"][0];
    assert_eq!((&address["ip"], &address["router"]), (&json!("203.0.113.1"), &json!(true)));
    let instances = farm["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 2);
    for instance in instances {
        assert_eq!(instance["state"], "running");
        assert!(instance["host"].as_str().unwrap().starts_with("w-"), "{instance:#}");
        assert!(instance["ip"].as_str().unwrap().starts_with("10.64.1."), "{instance:#}");
        assert!(instance["mac"].as_str().unwrap().starts_with("02:00:00:01:"), "{instance:#}");
    }
    let users = server.admin.list("/v1/users");
    assert_eq!(users.len(), 1);
    let keys = server.admin.list(&format!("/v1/users/{}/access-keys", users[0]["id"].as_str().unwrap()));
    assert_eq!(keys.len(), 1);
    let quota = &server.admin.list("/v1/quotas?tenant=alice")[0];
    assert_eq!((&quota["limit"]["instances"], &quota["used"]["instances"]), (&json!(4), &json!(2)));
    assert_eq!((&quota["held"]["instances"], &quota["available"]["instances"]), (&json!(0), &json!(2)));
    // Two instances and the router; three disks; the network where each of them is.
    let totals = server.totals();
    assert_eq!((&totals["running"], &totals["disks"]), (&json!(3), &json!(3)));

    server.delete_farm("alpha");
    server.nothing_left();
    for list in ["/v1/users", "/v1/tenants", "/v1/quotas"] {
        assert_eq!(server.admin.list(list), Vec::<Value>::new(), "{list}");
    }
    server.end();
}

#[test]
fn too_much_is_refused_with_reasons_and_a_decision_that_can_be_read_and_made_again() {
    let server = Server::new();
    let ask = json!({"name": "big", "tenant": "bob", "instances": lines("m1.large", 200)});
    let problem = server.admin.post("/v1/farms", ask).refused(403);
    assert!(problem["detail"].as_str().unwrap().contains("at most 512 vCPUs"), "{problem:#}");
    let link = problem["decision"].as_str().unwrap();
    let decision = server.admin.get(link).good();
    let words = decision["explanation"].to_string();
    assert!(words.contains("admission-default") && words.contains("512"), "{words}");
    let replay = server.admin.post(&format!("{link}/replay"), json!({})).good();
    assert_eq!(replay["same"], true, "{replay:#}");

    // Within what may be, but beyond what a new tenant of its tier gets: told at once, with the decision that set it.
    let ask = json!({"name": "big", "tenant": "bob", "instances": lines("m1.small", 5)});
    let problem = server.admin.post("/v1/farms", ask).refused(403);
    assert_eq!((&problem["field"], &problem["allowed"]), (&json!("instances"), &json!("at most 4")));
    let decision = server.admin.get(problem["decision"].as_str().unwrap()).good();
    assert!(decision["explanation"].to_string().contains("quota-tiers"), "{decision:#}");
    assert_eq!(server.admin.list("/v1/farms"), Vec::<Value>::new());
    server.nothing_left();
    server.end();
}

#[test]
fn instances_live_and_elastic_ips_move() {
    let server = Server::new();
    let farm = server.farm("alpha", lines("m1.small", 1));
    let first = farm["instances"][0]["id"].as_str().unwrap().to_owned();
    let more = server.admin.post("/v1/farms/alpha/instances", lines("m1.large", 2)[0].clone()).good();
    server.operation(&more["operation"]);
    let second = more["instances"][0].as_str().unwrap().to_owned();

    let act = |path: String, body: Value| {
        let outcome = server.admin.post(&path, body).good();
        let operation = server.operation(&outcome["operation"]);
        assert_eq!(operation["state"], "done", "{operation:#}");
    };
    let state = |id: &str| server.admin.get(&format!("/v1/instances/{id}")).good()["state"].clone();
    act(format!("/v1/instances/{first}/reboot"), json!({}));
    act(format!("/v1/instances/{first}/stop"), json!({}));
    assert_eq!(state(&first), "stopped");
    act(format!("/v1/instances/{first}/start"), json!({}));
    assert_eq!(state(&first), "running");

    let address = server.admin.post("/v1/addresses", json!({"farm": "alpha"})).good();
    let ip = address["ip"].as_str().unwrap();
    for target in [&first, &second] {
        act(format!("/v1/addresses/{ip}/associate"), json!({"instance": target}));
        assert_eq!(server.admin.get(&format!("/v1/addresses/{ip}")).good()["instance"], **target);
    }
    act(format!("/v1/addresses/{ip}/disassociate"), json!({}));
    assert_eq!(server.admin.get(&format!("/v1/addresses/{ip}")).good()["state"], "allocated");
    server.admin.delete(&format!("/v1/addresses/{ip}")).good();

    let router = farm["router"]["id"].as_str().unwrap();
    let forwards = json!({"forwards": [{"protocol": "tcp", "public_port": 2222, "to": farm["instances"][0]["ip"], "to_port": 22}]});
    let outcome = server.admin.put(&format!("/v1/routers/{router}/forwards"), forwards).good();
    server.operation(&outcome["operation"]);
    let row = server.admin.get(&format!("/v1/routers/{router}")).good();
    assert_eq!(row["applied_revision"], row["desired_revision"]);
    assert_eq!(row["forwards"][0]["public_port"], 2222);

    let outcome = server.admin.delete(&format!("/v1/instances/{second}")).good();
    server.operation(&outcome["operation"]);
    assert_eq!(state(&second), "terminated");
    server.delete_farm("alpha");
    server.nothing_left();
    server.end();
}

#[test]
fn a_step_that_fails_unwinds_all_before_it() {
    let server = Site::new(&SITE.replace("203.0.113.4", "203.0.113.40")).start();
    for call in ["define-network", "stage-disk", "boot", "apply-router", "probe-router"] {
        server.faults(json!([{"call": call, "fault": {"kind": "refuse", "why": "the host is moody"}}]));
        let ask = json!({"name": "alpha", "tenant": "alice", "instances": lines("m1.small", 1)});
        let accepted = server.admin.post("/v1/farms", ask).good();
        let operation = server.operation(&accepted["operation"]);
        assert_eq!(operation["state"], "failed", "{call}: {operation:#}");
        assert!(operation["error"].as_str().unwrap().contains("the host is moody"), "{operation:#}");
        for step in operation["steps"].as_array().unwrap() {
            assert!(matches!(step["state"].as_str(), Some("pending" | "undone")), "{call}: {step:#}");
        }
        server.nothing_left();
        assert_eq!(server.admin.list("/v1/tenants"), Vec::<Value>::new());
    }
    server.faults(json!([]));
    server.farm("alpha", lines("m1.small", 1));
    server.delete_farm("alpha");
    server.end();
}

#[test]
fn what_cannot_be_undone_is_stuck_in_sight_and_can_be_mended() {
    let server = Server::new();
    let no = json!({"kind": "refuse", "why": "the host is moody"});
    for remedy in ["retry", "skip"] {
        server.faults(json!([{"call": "probe-router", "fault": no}, {"call": "destroy", "fault": no}]));
        let accepted = server.admin.post("/v1/farms", json!({"name": "alpha", "tenant": "alice"})).good();
        let operation = server.operation(&accepted["operation"]);
        assert_eq!(operation["state"], "stuck", "{operation:#}");
        assert_eq!(
            server.admin.get(&format!("/v1/farms/{}", accepted["id"].as_str().unwrap())).good()["state"],
            "stuck"
        );
        server.faults(json!([]));
        let id = operation["id"].as_str().unwrap();
        server.admin.post(&format!("/v1/operations/{id}/{remedy}"), json!({})).good();
        let operation = server.operation(&operation["id"]);
        assert_eq!(operation["state"], "failed", "{operation:#}");
        // What was skipped is swept by the reconciler, since no row owns it.
        wait(|| (server.totals()["disks"] == 0).then_some(()));
        wait(|| (server.totals()["networks"] == 0).then_some(()));
        server.nothing_left();
    }
    server.end();
}

#[test]
fn a_farm_can_be_deleted_while_it_is_being_made() {
    let server = Server::new();
    server.faults(json!([{"call": "boot", "fault": {"kind": "hang"}}]));
    let accepted = server.admin.post("/v1/farms", json!({"name": "alpha", "tenant": "alice"})).good();
    let outcome = server.admin.delete(&format!("/v1/farms/{}", accepted["id"].as_str().unwrap())).good();
    assert_eq!(server.operation(&outcome["operation"])["state"], "done");
    assert_eq!(server.operation(&accepted["operation"])["state"], "failed");
    server.nothing_left();
    server.end();
}

#[test]
fn placements_follow_the_policy_that_is_bound() {
    let server = Server::new();
    let hosts = |farm: &Value| {
        let mut hosts: Vec<_> =
            farm["instances"].as_array().unwrap().iter().map(|row| row["host"].to_string()).collect();
        hosts.sort_unstable();
        hosts.dedup();
        hosts.len()
    };
    assert_eq!(hosts(&server.farm("packed", lines("m1.small", 4))), 1);
    let change = json!({"policy": "placement-spread", "settings": {}});
    server.admin.patch("/v1/bindings/placement-pack", change).good();
    assert_eq!(hosts(&server.farm("spread", lines("m1.small", 4))), 4);
    server.delete_farm("packed");
    server.delete_farm("spread");
    server.end();
}

#[test]
fn a_lost_host_is_noticed_and_what_it_had_is_swept_when_it_returns() {
    let server = Server::new();
    let farm = server.farm("alpha", lines("m1.small", 1));
    let host = farm["instances"][0]["host"].as_str().unwrap();
    server.admin.post("/v1/simulation/incidents", json!({"kind": "lose", "host": host})).good();
    let state = |wanted: &str| {
        wait(|| (server.admin.get(&format!("/v1/hosts/{host}")).good()["state"] == wanted).then_some(()));
    };
    state("down");
    // Others go elsewhere.
    let other = server.farm("beta", lines("m1.small", 1));
    assert_ne!(other["instances"][0]["host"], farm["instances"][0]["host"]);
    server.admin.post("/v1/simulation/incidents", json!({"kind": "restore", "host": host})).good();
    state("up");
    server.delete_farm("alpha");
    server.delete_farm("beta");
    server.nothing_left();
    server.end();
}

#[test]
fn a_guest_that_ends_by_itself_is_seen_as_stopped() {
    let server = Server::new();
    let farm = server.farm("alpha", lines("m1.small", 1));
    let id = farm["instances"][0]["id"].as_str().unwrap();
    let incident = json!({"kind": "crash-guest", "guest": {"kind": "instance", "id": id}});
    server.admin.post("/v1/simulation/incidents", incident).good();
    let row = wait(|| {
        let row = server.admin.get(&format!("/v1/instances/{id}")).good();
        (row["state"] == "stopped").then_some(row)
    });
    assert_eq!(row["note"], "it ended by itself");
    server.delete_farm("alpha");
    server.end();
}

#[test]
fn a_running_instance_goes_to_another_host_and_says_where_it_is_bound() {
    let server = Server::new();
    let farm = server.farm("alpha", lines("m1.small", 2));
    let (id, was) = (farm["instances"][0]["id"].as_str().unwrap(), farm["instances"][0]["host"].as_str().unwrap());
    let path = format!("/v1/instances/{id}");
    let move_to = |to: &str| server.admin.post(&format!("{path}/migrate"), json!({"to": to}));
    let problem = move_to(was).refused(422);
    assert_eq!((&problem["field"], &problem["value"]), (&json!("to"), &json!(was)), "{problem:#}");
    let other = farm["router"]["host"].as_str().unwrap();
    assert!(move_to(other).refused(422)["allowed"].as_str().unwrap().contains("class workers"));
    move_to("nowhere").refused(404);

    let hosts = server.admin.list("/v1/hosts");
    let workers = hosts.iter().filter(|row| row["class"] == "workers").filter_map(|row| row["name"].as_str());
    let to = workers.into_iter().find(|name| *name != was).unwrap();
    let operation = server.operation(&move_to(to).good()["operation"]);
    assert_eq!(
        (&operation["saga"], &operation["state"]),
        (&json!("instance-migrate"), &json!("done")),
        "{operation:#}"
    );
    let row = server.admin.get(&path).good();
    assert_eq!(
        (&row["host"], &row["state"], &row["moving"]),
        (&json!(to), &json!("running"), &json!(false)),
        "{row:#}"
    );
    // Without a name, placement chooses; never the host that it is on.
    let operation = server.operation(&server.admin.post(&format!("{path}/migrate"), json!({})).good()["operation"]);
    assert_eq!(operation["state"], "done", "{operation:#}");
    assert_ne!(server.admin.get(&path).good()["host"], to);
    server.admin.post(&format!("{path}/stop"), json!({})).good();
    wait(|| (server.admin.get(&path).good()["state"] == "stopped").then_some(()));
    move_to(to).refused(409);
    server.delete_farm("alpha");
    // Networks that it left behind on its way are swept.
    wait(|| (server.totals()["networks"] == 0).then_some(()));
    server.nothing_left();
    server.end();
}

#[test]
fn the_router_of_a_lost_host_is_made_anew_elsewhere_with_its_addresses() {
    let server = Server::new();
    let farm = server.farm("alpha", lines("m1.small", 1));
    let (id, was) = (farm["router"]["id"].as_str().unwrap(), farm["router"]["host"].as_str().unwrap());
    let path = format!("/v1/routers/{id}");
    let rebuild = || server.admin.post(&format!("{path}/rebuild"), json!({}));
    assert!(rebuild().refused(409)["detail"].as_str().unwrap().contains("repaired there"));
    server.admin.post("/v1/simulation/incidents", json!({"kind": "lose", "host": was})).good();
    wait(|| (server.admin.get(&format!("/v1/hosts/{was}")).good()["state"] == "down").then_some(()));
    let operation = server.operation(&rebuild().good()["operation"]);
    assert_eq!(operation["state"], "done", "{operation:#}");
    let router = server.admin.get(&path).good();
    assert_eq!((&router["state"], router["host"] == was), (&json!("running"), false), "{router:#}");
    assert_eq!(router["applied_revision"], router["desired_revision"]);
    let now = server.admin.get("/v1/farms/alpha").good();
    assert_eq!((&now["state"], &now["addresses"]), (&json!("active"), &farm["addresses"]));
    // What the old host still has of it goes when it is back.
    server.admin.post("/v1/simulation/incidents", json!({"kind": "restore", "host": was})).good();
    wait(|| (server.totals()["running"] == 2).then_some(()));
    server.delete_farm("alpha");
    server.nothing_left();
    server.end();
}
