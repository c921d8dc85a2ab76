//! The real program, started on an empty folder, stopped, killed, and checked when it is over.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::Client;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cascina");

/// A small site: two service hosts, four workers (two of them theory's), four elastic IPs.
pub const SITE: &str = r#"
[server]
listen = "127.0.0.1:0"
call_deadline_s = 2
reconcile_every_s = 1

[simulation]
time_scale = 0.0

[site]
name = "small"
private_pool = "10.64.0.0/16"
public_pool = ["203.0.113.1-203.0.113.4"]
address_rest_s = 0

# Nothing happens that a test did not ask for.
[site.images]
spread = false

[[class]]
name = "services"
kind = "services"

[[class]]
name = "workers"
kind = "workers"

[[share]]
name = "theory"
group = "theory"
lends = true

[[host]]
names = "s-[1-2]"
class = "services"
vcpus = 16
memory_mib = 65536
disk_gib = 1000

[[host]]
names = "w-[1-2]"
class = "workers"
vcpus = 16
memory_mib = 65536
disk_gib = 1000

[[host]]
names = "w-[3-4]"
class = "workers"
share = "theory"
vcpus = 16
memory_mib = 65536
disk_gib = 1000

[[flavor]]
name = "m1.small"
vcpus = 1
memory_mib = 512
disk_gib = 10

[[flavor]]
name = "m1.large"
vcpus = 4
memory_mib = 8192
disk_gib = 80

[[image]]
name = "debian"
source = "images/debian.qcow2"
min_disk_gib = 3
"#;

/// A folder with a configuration and everything that servers on it leave behind.
pub struct Site {
    folder: TempDir,
}

pub struct Server {
    child: Child,
    pub url: String,
    site: Site,
    /// Where the site's admin looks.
    pub admin: Client,
    token: String,
}

/// Policies compiled once for all tests: a server takes what is in its folder, if it is of its own.
fn compiled() -> &'static Path {
    static FIRST: OnceLock<TempDir> = OnceLock::new();
    let first = FIRST.get_or_init(|| {
        let site = Site::bare(SITE);
        let server = site.start();
        let (_, site) = server.stop();
        site.folder
    });
    first.path()
}

impl Site {
    fn bare(configuration: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("cascina.toml"), configuration).unwrap();
        Site { folder }
    }

    pub fn new(configuration: &str) -> Site {
        let from = compiled().join("data/compiled");
        let site = Site::bare(configuration);
        let to = site.folder.path().join("data/compiled");
        std::fs::create_dir_all(&to).unwrap();
        for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap).filter(|entry| entry.path().is_file()) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn database(&self) -> PathBuf {
        self.path("data/cascina.db")
    }

    pub fn start(self) -> Server {
        self.start_with(&[])
    }

    pub fn start_with(self, variables: &[(&str, &str)]) -> Server {
        self.try_start_with(variables).unwrap_or_else(|site| panic!("the server did not start: {}", site.log()))
    }

    /// The site again, if the server ended before it was ready.
    pub fn try_start_with(self, variables: &[(&str, &str)]) -> Result<Server, Site> {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.path("log")).unwrap();
        let mut child = Command::new(PROGRAM)
            .arg("serve")
            .arg("--config")
            .arg(self.path("cascina.toml"))
            .env_clear()
            .env("CASCINA_SERVER_DATA", self.path("data"))
            .env("CASCINA_EC2_LISTEN", "127.0.0.1:0")
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let Some(url) = line.trim().strip_prefix("cascina is ready at ").map(ToOwned::to_owned) else {
            child.wait().unwrap();
            return Err(self);
        };
        // The rest is guidance; it fits into the pipe.
        child.stdout = Some(out.into_inner());
        let token = std::fs::read_to_string(self.path("data/admin.token")).unwrap().trim().to_owned();
        let admin = Client::new(&url, Some(&token));
        Ok(Server { child, url, site: self, admin, token })
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// What `cascina fsck` says.
    pub fn fsck(&self) -> Output {
        run(&["fsck", self.database().to_str().unwrap()])
    }

    #[track_caller]
    pub fn sound(&self) {
        let output = self.fsck();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && text.ends_with("sound\n"), "{text}");
    }
}

/// The program with these arguments, and no server known to it.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(PROGRAM).args(arguments).env_clear().output().unwrap()
}

impl Server {
    pub fn new() -> Server {
        let server = Site::new(SITE).start();
        // Files of images are looked at when the server starts, which is an event.
        wait(|| server.admin.list("/v1/images").iter().all(|image| !image["sha256"].is_null()).then_some(()));
        server
    }

    pub fn site(&self) -> &Site {
        &self.site
    }

    /// The admin's token.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The command line as the admin uses it.
    pub fn cli(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .args(arguments)
            .env_clear()
            .env("CASCINA_SERVER", &self.url)
            .env("CASCINA_TOKEN_FILE", self.site.path("data/admin.token"))
            .output()
            .unwrap()
    }

    /// Waits until the operation is over, or stuck.
    #[track_caller]
    pub fn operation(&self, id: &Value) -> Value {
        let id = id.as_str().unwrap_or_else(|| panic!("no operation: {id}"));
        wait(|| {
            let row = self.admin.get(&format!("/v1/operations/{id}")).good();
            matches!(row["state"].as_str(), Some("done" | "failed" | "stuck")).then_some(row)
        })
    }

    /// Asks for a farm and waits until it is there.
    #[track_caller]
    pub fn farm(&self, name: &str, instances: Value) -> Value {
        let ask =
            json!({"name": name, "tenant": format!("{name}-tenant"), "tier": "unlimited", "instances": instances});
        let accepted = self.admin.post("/v1/farms", ask).good();
        let operation = self.operation(&accepted["operation"]);
        assert_eq!(operation["state"], "done", "{operation:#}");
        // Its router hears of names after that.
        for operation in self.admin.list(&format!("/v1/operations?farm={name}")) {
            self.operation(&operation["id"]);
        }
        self.admin.get(&format!("/v1/farms/{name}")).good()
    }

    /// Deletes a farm and waits until it is gone.
    #[track_caller]
    pub fn delete_farm(&self, name: &str) {
        let outcome = self.admin.delete(&format!("/v1/farms/{name}")).good();
        let operation = self.operation(&outcome["operation"]);
        assert_eq!(operation["state"], "done", "{operation:#}");
    }

    /// Guests, disks, networks on all hosts.
    pub fn totals(&self) -> Value {
        self.admin.get("/v1/simulation/world").good()["totals"].clone()
    }

    #[track_caller]
    pub fn nothing_left(&self) {
        let none = json!({
            "guests": 0, "running": 0, "crashed": 0, "disks": 0, "networks": 0, "volumes": 0, "snapshots": 0,
        });
        assert_eq!(self.totals(), none);
        for list in ["/v1/networks", "/v1/routers"] {
            assert_eq!(self.admin.list(list), Vec::<Value>::new(), "{list}");
        }
        // A released address rests until the next sweep.
        let held = |row: &Value| row["state"] != "quarantined";
        let left: Vec<_> = self.admin.list("/v1/addresses").into_iter().filter(held).collect();
        assert_eq!(left, Vec::<Value>::new());
        let alive =
            |row: &Value| !matches!(row["state"].as_str(), Some("terminated" | "deleted" | "failed" | "rejected"));
        for list in ["/v1/farms", "/v1/instances"] {
            let left: Vec<_> = self.admin.list(list).into_iter().filter(alive).collect();
            assert_eq!(left, Vec::<Value>::new(), "{list}");
        }
    }

    /// Farms may wait for approval, but nothing is held for them.
    #[track_caller]
    pub fn nothing_left_but_pending(&self) {
        assert_eq!(self.totals()["disks"], 0);
        for list in ["/v1/networks", "/v1/routers", "/v1/addresses", "/v1/instances", "/v1/tenants"] {
            assert_eq!(self.admin.list(list), Vec::<Value>::new(), "{list}");
        }
    }

    pub fn faults(&self, rules: Value) {
        self.admin.put("/v1/simulation/faults", json!({"faults": rules})).good();
    }

    /// Ends it as a loss of power would.
    pub fn kill(mut self) -> Site {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.take()
    }

    /// Waits until it ends by itself, as at a crash point.
    pub fn wait_for_death(mut self) -> Site {
        wait(|| self.child.try_wait().unwrap());
        self.take()
    }

    /// Asks it to end.
    pub fn stop(mut self) -> (ExitStatus, Site) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        (status, self.take())
    }

    /// At the end of a test: no work is left over, it ends in order, and the books are sound.
    #[track_caller]
    pub fn end(self) {
        let under_way = wait(|| {
            let rows = self.admin.list("/v1/operations?state=running");
            rows.is_empty().then_some(rows)
        });
        assert_eq!(under_way, Vec::<Value>::new());
        let log = self.site.log();
        assert!(!log.contains("panicked"), "{log}");
        let (status, site) = self.stop();
        assert!(status.success(), "{status}: {}", site.log());
        site.sound();
    }

    fn take(&mut self) -> Site {
        let empty = Site { folder: tempfile::tempdir().unwrap() };
        std::mem::replace(&mut self.site, empty)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("---- log of the server\n{}", self.site.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Looks again and again, for as long as anybody would wait.
#[track_caller]
pub fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Lines of a shopping list.
pub fn lines(flavor: &str, count: u32) -> Value {
    json!([{"flavor": flavor, "image": "debian", "max_count": count}])
}
