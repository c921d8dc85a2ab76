//! rpcd behind uhttpd, as far as a router's driver sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use serde_json::{Map, Value as Json, json};

pub(super) type Package = Map<String, Json>;
type Packages = BTreeMap<String, Package>;

#[derive(Default)]
struct State {
    packages: Packages,
    /// By session: packages with what was staged.
    staged: BTreeMap<String, Packages>,
    /// Whose change waits for its confirmation, what was there before, and until when it waits.
    waiting: Option<(String, Packages, Instant)>,
    calls: Vec<String>,
    written: Vec<(String, String)>,
    executed: Vec<Json>,
    deaf: BTreeSet<String>,
    forbidden: BTreeSet<String>,
    logins: u32,
}

pub(super) struct Fake {
    pub(super) address: SocketAddrV4,
    state: Arc<Mutex<State>>,
}

/// What an image and its operator begin with.
pub(super) fn factory(package: &str) -> Package {
    let of = |sections: Json| sections.as_object().cloned().unwrap();
    match package {
        "network" => of(json!({
            "loopback": { ".type": "interface", ".index": 0, "device": "lo", "ipaddr": "127.0.0.1" },
            "globals": { ".type": "globals", ".index": 1, "ula_prefix": "fd00::/48" },
            "mgmt": { ".type": "interface", ".index": 2, "device": "eth2", "ipaddr": "192.168.1.1" },
            "lan": { ".type": "interface", ".index": 3, "device": "br-lan", "ipaddr": "192.168.2.1" },
        })),
        "dhcp" => of(json!({ "cfg01411c": { ".type": "dnsmasq", ".index": 0, ".anonymous": true } })),
        _ => of(json!({
            "cfg01e63d": { ".type": "defaults", ".index": 0, ".anonymous": true, "syn_flood": "1" },
            "lan": { ".type": "forwarding", ".index": 1, "src": "lan" },
            "mgmt": { ".type": "zone", ".index": 2, "name": "mgmt", "network": ["mgmt"] },
            "mgmt_in": { ".type": "rule", ".index": 3, "src": "mgmt", "target": "ACCEPT" },
        })),
    }
}

pub(super) fn in_order(package: &Package) -> Vec<String> {
    let mut all: Vec<_> = package.iter().map(|(name, section)| (section[".index"].as_u64(), name.clone())).collect();
    all.sort();
    all.into_iter().map(|(_, name)| name).collect()
}

fn number(package: &mut Package, names: impl IntoIterator<Item = String>) {
    for (index, name) in names.into_iter().enumerate() {
        package[&name][".index"] = json!(index);
    }
}

/// What a call of `uci` makes of a package; the error is a status.
pub(super) fn change(package: &mut Package, method: &str, arguments: &Json) -> Result<(), i64> {
    let text = |key: &str| arguments[key].as_str().map(str::to_owned).ok_or(2);
    let values = || arguments["values"].as_object().cloned().ok_or(2);
    match method {
        "add" => {
            let (kind, name) = (text("type")?, text("name")?);
            if package.contains_key(&name) {
                return Err(2);
            }
            let mut section = values()?;
            section.extend([(".type".into(), json!(kind)), (".index".into(), json!(package.len()))]);
            package.insert(name, section.into());
        }
        "set" => {
            let section = package.get_mut(&text("section")?).and_then(Json::as_object_mut).ok_or(4)?;
            section.extend(values()?);
        }
        "delete" => match arguments["options"].as_array() {
            Some(options) => {
                let section = package.get_mut(&text("section")?).and_then(Json::as_object_mut).ok_or(4)?;
                for option in options {
                    section.remove(option.as_str().ok_or(2)?).ok_or(4)?;
                }
            }
            None => {
                package.remove(&text("section")?).ok_or(4)?;
                let names = in_order(package);
                number(package, names);
            }
        },
        "order" => {
            let first: Vec<String> = serde_json::from_value(arguments["sections"].clone()).map_err(|_| 2)?;
            if first.iter().any(|name| !package.contains_key(name)) {
                return Err(4);
            }
            let rest: Vec<_> = in_order(package).into_iter().filter(|name| !first.contains(name)).collect();
            number(package, first.into_iter().chain(rest));
        }
        _ => return Err(3),
    }
    Ok(())
}

impl State {
    fn take_back(&mut self) {
        if self.waiting.as_ref().is_some_and(|(_, _, until)| Instant::now() >= *until) {
            let (_, before, _) = self.waiting.take().unwrap();
            self.packages = before;
        }
    }

    fn answer(&mut self, request: &Json) -> Json {
        let params = request["params"].as_array().unwrap();
        let [session, object, method, arguments] = &params[..] else { panic!("{request}") };
        let session = session.as_str().unwrap().to_owned();
        let call = format!("{} {}", object.as_str().unwrap(), method.as_str().unwrap());
        self.calls.push(call.clone());
        self.take_back();
        let may = call == "session login" || self.staged.contains_key(&session);
        if !may || self.forbidden.contains(&call) {
            return json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": -32002, "message": "Access denied" } });
        }
        let result = match self.done(&session, &call, method.as_str().unwrap(), arguments) {
            Ok(None) => json!([0]),
            Ok(Some(said)) => json!([0, said]),
            Err(code) => json!([code]),
        };
        json!({ "jsonrpc": "2.0", "id": 1, "result": result })
    }

    fn done(&mut self, session: &str, call: &str, method: &str, arguments: &Json) -> Result<Option<Json>, i64> {
        match call {
            "session login" => {
                if arguments["username"] != "cascina" || arguments["password"] != "secret" {
                    return Err(6);
                }
                self.logins += 1;
                let id = format!("{:032x}", self.logins);
                self.staged.insert(id.clone(), self.packages.clone());
                return Ok(Some(json!({ "ubus_rpc_session": id, "timeout": 300 })));
            }
            "session destroy" => drop(self.staged.remove(session)),
            "uci get" => {
                let package = self.staged[session].get(arguments["config"].as_str().ok_or(2)?).ok_or(4)?;
                return Ok(Some(json!({ "values": package })));
            }
            "uci apply" => {
                if self.waiting.is_some() {
                    return Err(6);
                }
                assert_eq!(arguments["rollback"], true);
                let until = Instant::now() + Duration::from_secs(arguments["timeout"].as_u64().ok_or(2)?);
                let before = std::mem::replace(&mut self.packages, self.staged[session].clone());
                self.waiting = Some((session.to_owned(), before, until));
            }
            "uci confirm" => match self.waiting.take() {
                Some((whose, ..)) if whose == session => {}
                Some(other) => {
                    self.waiting = Some(other);
                    return Err(6);
                }
                None => return Err(5),
            },
            "file write" => {
                let text = |key: &str| arguments[key].as_str().map(str::to_owned).ok_or(2);
                self.written.push((text("path")?, text("data")?));
            }
            "file exec" => {
                self.executed.push(arguments.clone());
                return Ok(Some(json!({ "code": 0 })));
            }
            _ if call.starts_with("uci ") => {
                let package = arguments["config"].as_str().ok_or(2)?;
                let staged = self.staged.get_mut(session).ok_or(6)?;
                change(staged.get_mut(package).ok_or(4)?, method, arguments)?;
            }
            _ => return Err(3),
        }
        Ok(None)
    }
}

/// One connection: requests until the other end has enough.
fn serve(stream: TcpStream, state: &Mutex<State>) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut line, mut length) = (String::new(), 0);
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        assert_eq!(line.trim_end(), "POST /ubus HTTP/1.1");
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
        }
        assert!(length <= 64 << 10);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let request: Json = serde_json::from_slice(&body).unwrap();
        let call = format!("{} {}", request["params"][1].as_str()?, request["params"][2].as_str()?);
        if state.lock().deaf.contains(&call) {
            return None;
        }
        let answer = state.lock().answer(&request).to_string();
        let head =
            format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", answer.len());
        reader.get_mut().write_all((head + &answer).as_bytes()).ok()?;
    }
}

impl Fake {
    pub(super) fn start() -> Fake {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, listener.local_addr().unwrap().port());
        let packages = ["network", "dhcp", "firewall"].map(|name| (name.to_owned(), factory(name))).into();
        let state = Arc::new(Mutex::new(State { packages, ..State::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        Fake { address, state }
    }

    /// For what the router does by itself.
    pub(super) fn wait(&self, time: Duration) {
        #[allow(clippy::disallowed_methods, reason = "a router's own time passes")]
        std::thread::sleep(time);
    }

    pub(super) fn calls(&self) -> Vec<String> {
        self.state.lock().calls.clone()
    }

    pub(super) fn names(&self, package: &str) -> Vec<String> {
        in_order(&self.state.lock().packages[package])
    }

    pub(super) fn option(&self, package: &str, section: &str, option: &str) -> Option<Json> {
        self.state.lock().packages[package].get(section)?.get(option).cloned()
    }

    /// Addresses whose conversations ended.
    pub(super) fn forgotten(&self) -> Vec<String> {
        let state = self.state.lock();
        let written = state.written.iter().filter(|(path, _)| path == "/proc/net/nf_conntrack");
        written.map(|(_, data)| data.trim_end().to_owned()).collect()
    }

    pub(super) fn announced(&self) -> Vec<String> {
        let executed = &self.state.lock().executed;
        executed
            .iter()
            .map(|call| call["params"].as_array().unwrap().last().unwrap().as_str().unwrap().into())
            .collect()
    }

    pub(super) fn sessions(&self) -> usize {
        self.state.lock().staged.len()
    }

    pub(super) fn meddle(&self, hand: impl FnOnce(&mut Packages)) {
        let mut state = self.state.lock();
        hand(&mut state.packages);
    }

    pub(super) fn deaf_to(&self, call: &str) {
        self.state.lock().deaf.insert(call.into());
    }

    pub(super) fn hears_all(&self) {
        self.state.lock().deaf.clear();
    }

    pub(super) fn forbid(&self, call: &str) {
        self.state.lock().forbidden.insert(call.into());
    }
}
