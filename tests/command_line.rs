//! What people see on the command line, as snapshots, with what differs each time taken out.

use crate::server::{Server, run};

/// Ids, times and addresses of the day become words.
fn plain(text: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.');
    let mut out = String::new();
    let mut rest = text;
    while let Some(begin) = rest.find(is_word) {
        out.push_str(&rest[..begin]);
        rest = &rest[begin..];
        let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        let word = &rest[..end];
        let hex = word.rsplit('-').next().unwrap_or_default();
        let is_id = hex.len() == 17 && hex.bytes().all(|b| b.is_ascii_hexdigit()) && word.len() > 17;
        let is_time = word.len() >= 20 && word.ends_with('Z') && word.as_bytes()[10] == b'T';
        let is_digest = word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        match (is_id, is_time, is_digest) {
            (true, _, _) => out.push_str(&format!("{}-ID", &word[..word.len() - 18])),
            (_, true, _) => out.push_str("TIME"),
            (_, _, true) => out.push_str("DIGEST"),
            _ => out.push_str(word),
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    // Columns are as wide as what was taken out of them.
    let squeeze = |line: &str| {
        let mut words = line.trim_end().split("  ").filter(|word| !word.is_empty()).map(str::trim);
        let indent = line.len() - line.trim_start().len();
        let first = words.next().unwrap_or_default();
        words.fold(format!("{}{first}", " ".repeat(indent)), |line, word| format!("{line}  {word}"))
    };
    out.lines().map(squeeze).collect::<Vec<_>>().join("\n")
}

struct Terminal<'a> {
    server: &'a Server,
    text: String,
}

impl Terminal<'_> {
    fn type_in(&mut self, command: &str) -> std::process::Output {
        let arguments: Vec<_> = command.split(' ').collect();
        let output = self.server.cli(&arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let code = output.status.code().unwrap();
        self.text += &format!("$ cascina {}\n{}\n", plain(command), plain(&out));
        if !err.is_empty() {
            self.text += &format!("{}\n", plain(&err));
        }
        if code != 0 {
            self.text += &format!("[exit code {code}]\n");
        }
        self.text += "\n";
        output
    }

    /// Like `type_in`, as JSON and without showing it.
    fn json(&self, command: &str) -> serde_json::Value {
        let arguments: Vec<_> = command.split(' ').chain(["-o", "json"]).collect();
        let output = self.server.cli(&arguments);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }
}

#[test]
fn a_farms_life() {
    let server = Server::new();
    let mut terminal = Terminal { server: &server, text: String::new() };
    terminal.type_in("farm create alpha --tenant alice --instances flavor=m1.small,image=debian,count=2");
    terminal.type_in("farm list");
    terminal.type_in("farm show alpha");
    terminal.type_in("quota show alice");
    terminal.type_in("host list");
    terminal.type_in("instance run alpha flavor=m1.small,image=debian");
    terminal.type_in("simulation world");
    terminal.type_in("address list");
    terminal.type_in("farm delete alpha");
    terminal.type_in("farm list");
    insta::assert_snapshot!(terminal.text);
    server.end();
}

#[test]
fn a_refusal_explained() {
    let server = Server::new();
    let mut terminal = Terminal { server: &server, text: String::new() };
    terminal.type_in("farm create big --tenant bob --instances flavor=m1.large,image=debian,count=200");
    let decision = terminal.json("decision list")[0]["id"].as_str().unwrap().to_owned();
    terminal.type_in(&format!("decision explain {decision}"));
    terminal.type_in(&format!("decision replay {decision}"));
    terminal.type_in("farm create small --tenant bob --instances flavor=m9,image=debian");
    terminal.type_in("farm show nothing");
    terminal.type_in("binding list");
    terminal.type_in("policy list");
    insta::assert_snapshot!(terminal.text);
    server.end();
}

#[test]
fn a_step_that_fails() {
    let server = Server::new();
    server.faults(serde_json::json!([{"call": "probe-router", "fault": {"kind": "refuse", "why": "no route"}}]));
    let mut terminal = Terminal { server: &server, text: String::new() };
    terminal.type_in("farm create alpha --tenant alice");
    insta::assert_snapshot!(terminal.text);
    server.nothing_left();
    server.end();
}

#[test]
fn without_a_server() {
    let output = run(&["--server", "http://127.0.0.1:1", "farm", "list"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&output.stderr).contains("cascina serve"));
    let output = run(&["check-config", "--config", "/nothing/there.toml"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nothing/there.toml"));
    let output = run(&["farm", "make"]);
    assert_eq!(output.status.code(), Some(2));
}
