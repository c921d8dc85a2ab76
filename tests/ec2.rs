//! Stock EC2 clients against the real program: the suites of `tests/clients`, each on a server of its own.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::server::{SITE, Server, Site, wait};

/// Room for what several tests of a suite do at the same time.
const LARGE: &str = r#"
[ec2]
listen = "127.0.0.1:0"
sigv2 = true
requests_per_s = 0

# There are guests on no gateway: options are for clients to see.
[metadata]
listen = "127.0.0.1:0"

[gateway.router]
public = []
domain_suffix = "farm.internal"
mtu = 1450
metadata = { to = "198.51.100.1:8775", seen_as = "100.64.0.0/10" }
"#;

fn clients() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/clients")
}

/// Where `make clients` puts the clients.
fn installed() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target"));
    let python = target.join("clients/bin/python");
    assert!(python.exists(), "{} is missing: `make clients` installs it", python.display());
    python
}

struct Farms {
    server: Server,
    variables: Vec<(String, String)>,
}

impl Farms {
    fn new() -> Farms {
        let site = SITE.replace("203.0.113.4\"", "203.0.113.60\"");
        let server = Site::new(&format!("{LARGE}{site}\n{MEDIUM}")).start();
        server.farm("alpha", json!([]));
        server.farm("beta", json!([]));
        let image = server.admin.list("/v1/images")[0]["id"].as_str().unwrap().to_owned();
        let mut variables = vec![("EC2_IMAGE".to_owned(), image), ("EC2_ZONE".to_owned(), "workers".to_owned())];
        for (farm, prefix) in [("alpha", "EC2_"), ("beta", "EC2_OTHER_")] {
            let answer = server.admin.post(&format!("/v1/farms/{farm}/credentials"), json!({})).good();
            let text = |name: &str| answer[name].as_str().unwrap().to_owned();
            variables.push((format!("{prefix}ACCESS_KEY"), text("access_key")));
            variables.push((format!("{prefix}SECRET_KEY"), text("secret")));
            if farm == "alpha" {
                variables.push(("EC2_URL".to_owned(), text("url")));
            }
        }
        Farms { server, variables }
    }

    fn run(&self, suites: &[&str]) -> Output {
        let python = installed();
        let path = format!("{}:/usr/bin:/bin", python.parent().unwrap().display());
        Command::new(&python)
            .args(["-m", "pytest", "-q", "-n", "2", "--dist", "loadfile", "-p", "no:cacheprovider"])
            .args(suites)
            .current_dir(clients())
            .env_clear()
            .env("PATH", path)
            .env("HOME", self.server.site().path("home"))
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(self.variables.iter().map(|(name, value)| (name, value)))
            .output()
            .unwrap()
    }

    /// Both farms go, and nothing is left of what clients made.
    fn end(self) {
        self.server.delete_farm("alpha");
        self.server.delete_farm("beta");
        self.server.nothing_left();
        self.server.end();
    }
}

const MEDIUM: &str = r#"
[[flavor]]
name = "m1.medium"
vcpus = 2
memory_mib = 2048
disk_gib = 20
"#;

#[track_caller]
fn suites(names: &[&str]) {
    let farms = Farms::new();
    let output = farms.run(names);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}\n{errors}\n{}", farms.server.site().log());
    // Calls that only look are written every ten seconds.
    let audited = || {
        let audited: Vec<Value> = farms.server.admin.list("/v1/events?kind=api.called");
        (!audited.is_empty()).then_some(())
    };
    wait(audited);
    farms.end();
}

#[test]
fn boto3() {
    suites(&["test_boto3.py", "test_user_data.py", "test_filters.py", "test_paginators.py", "test_isolation.py"]);
}

#[test]
fn boto3_on_resources() {
    suites(&[
        "test_addresses.py",
        "test_images.py",
        "test_key_pairs.py",
        "test_network_views.py",
        "test_security_groups.py",
        "test_tags.py",
        "test_volumes.py",
    ]);
}

#[test]
fn the_aws_command() {
    suites(&["test_awscli.py"]);
}

#[test]
fn euca2ools_boto_libcloud_and_terraform() {
    suites(&["test_boto.py", "test_euca2ools.py", "test_libcloud.py", "test_terraform.py"]);
}

#[test]
fn signatures() {
    suites(&["test_signatures.py"]);
}
