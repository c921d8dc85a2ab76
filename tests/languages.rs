//! A policy in each language, as a new author makes one: an empty folder, a build, the cases that all languages
//! share, and made-up worlds. Where a language's toolchain is not installed (`sdk/install.sh target/languages`
//! does it), its test says so and ends; with `CASCINA_LANGUAGES=all` that is a failure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_cascina");
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// What `sdk/install.sh` found.
fn tools() -> &'static BTreeMap<String, String> {
    static TOOLS: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let text = std::fs::read_to_string(Path::new(ROOT).join("target/languages/env")).unwrap_or_default();
        let pairs = text.lines().filter_map(|line| line.split_once('='));
        pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    })
}

/// An author's folder, and the program in it.
struct Author {
    home: TempDir,
}

impl Author {
    fn new() -> Author {
        Author { home: tempfile::tempdir().unwrap() }
    }

    fn folder(&self) -> PathBuf {
        self.home.path().join("house-rules")
    }

    fn cascina(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.home.path()).envs(tools());
        // Compiled once for all tests: an interpreter takes a minute.
        command.env("XDG_CACHE_HOME", Path::new(ROOT).join("target/languages/cache"));
        command.env("CARGO_TARGET_DIR", Path::new(ROOT).join("target/languages/rust"));
        command.output().unwrap()
    }

    fn good(&self, arguments: &[&str]) -> String {
        let output = self.cascina(arguments);
        let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {said}{complained}");
        said.into_owned()
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["-o", "json"]).collect();
        serde_json::from_str(&self.good(&arguments)).unwrap()
    }
}

/// Builds the template of a language and puts it through everything. None: its toolchain is not here.
fn policy(language: &str, tool: &str, worlds: &str) -> Option<Author> {
    if !tools().contains_key(tool) {
        let all = std::env::var("CASCINA_LANGUAGES").is_ok_and(|wanted| wanted == "all");
        assert!(!all, "{language}: no {tool}; `sh sdk/install.sh target/languages` says why");
        eprintln!("{language}: its toolchain is not installed, so nothing was tried");
        return None;
    }
    let author = Author::new();
    author.good(&["policy", "new", "house-rules", "--lang", language]);
    conforms(&author, worlds);
    Some(author)
}

/// Every case that all languages share, word for word; and worlds that nobody thought of.
fn conforms(author: &Author, worlds: &str) {
    author.good(&["policy", "build", "house-rules"]);
    let cases = author.json(&["policy", "test", "house-rules"]);
    let cases = cases.as_array().unwrap();
    assert!(cases.len() >= 14, "{}", cases.len());
    assert!(cases.iter().all(|case| case["differences"] == serde_json::json!([])), "{cases:?}");
    let checked = author.json(&["policy", "check", "house-rules", "--worlds", worlds]);
    assert_eq!(checked["failed"], 0, "{checked}");
    let found = author.json(&["policy", "inspect", "house-rules"]);
    assert_eq!(found["policy"], "house-rules@0.1.0");
    assert_eq!(found["hooks"], serde_json::json!(["admission", "placement"]));
    let imports = found["imports"].as_array().unwrap();
    assert!(imports.iter().all(|import| import.as_str().unwrap().starts_with("cascina:policy/")), "{imports:?}");
}

#[test]
fn c() {
    policy("c", "CASCINA_CLANG", "1000");
}

#[test]
fn javascript() {
    policy("javascript", "CASCINA_JCO", "300");
}

#[test]
fn python() {
    policy("python", "CASCINA_COMPONENTIZE_PY", "100");
}

/// With whichever compiler `policies/build.sh` would take.
#[test]
fn rust() {
    let author = Author::new();
    author.good(&["policy", "new", "house-rules", "--lang", "rust"]);
    let built = author.cascina(&["policy", "build", "house-rules"]);
    let complained = String::from_utf8_lossy(&built.stderr).into_owned();
    if complained.contains("there is no compiler for wasm32") {
        assert!(std::env::var("CASCINA_LANGUAGES").is_err(), "{complained}");
        eprintln!("rust: no compiler for WebAssembly is here, so nothing was tried");
        return;
    }
    assert!(built.status.success(), "{complained}");
    conforms(&author, "1000");
}

/// A policy that judges hosts by their places, one that forgets a hook, and cases that do not hold.
#[test]
fn what_is_wrong_is_found() {
    let Some(author) = policy("javascript", "CASCINA_JCO", "20") else { return };
    let source = author.folder().join("policy.js");
    let good = std::fs::read_to_string(&source).unwrap();

    std::fs::write(&source, good.replace("scores[row] = (score >>> 16) * 10;", "scores[row] = row;")).unwrap();
    author.good(&["policy", "build", "house-rules"]);
    let output = author.cascina(&["policy", "check", "house-rules", "--worlds", "50"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("by its place among"), "{said}");
    // What was found is kept as cases, and they can be run.
    let found = author.folder().join("tests/found.json");
    author.good(&["policy", "run", "house-rules", "--case", found.to_str().unwrap()]);
    let output = author.cascina(&["policy", "test", "house-rules"]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("scores: expected"), "{said}");

    std::fs::write(&source, good.replace("most_instances\");", "most_instances\") + Math.random();")).unwrap();
    let built = author.cascina(&["policy", "build", "house-rules"]);
    let complained = String::from_utf8_lossy(&built.stderr).into_owned();
    let (said, refused) = match built.status.code() {
        // Refused by the trial that an upload makes, or found out by the worlds.
        Some(1) => (complained, true),
        _ => (String::from_utf8_lossy(&author.cascina(&["policy", "check", "house-rules"]).stdout).into_owned(), false),
    };
    assert!(refused || said.contains("FAILED"), "randomness goes through: {said}");
}

#[test]
fn mistakes_are_explained() {
    let author = Author::new();
    let refused = |arguments: &[&str], wanted: &str| {
        let output = author.cascina(arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{arguments:?}: {said}");
        assert!(said.contains(wanted), "{arguments:?}: {said}");
    };
    refused(&["policy", "new", "Not A Name", "--lang", "c"], "Not A Name");
    author.good(&["policy", "new", "house-rules", "--lang", "c"]);
    refused(&["policy", "new", "house-rules", "--lang", "c"], "exists already");
    refused(&["policy", "test", "house-rules"], "build it first");
    refused(&["policy", "build", "."], "policy.toml");
    let project = author.folder().join("policy.toml");
    let text = std::fs::read_to_string(&project).unwrap();
    std::fs::write(&project, text.replace("\"admission\"", "\"admision\"")).unwrap();
    refused(&["policy", "build", "house-rules"], "admision");
    std::fs::write(author.folder().join("house-rules.wasm"), b"\0asm\x01\0\0\0").unwrap();
    std::fs::write(&project, text).unwrap();
    refused(&["policy", "inspect", "house-rules"], "core WebAssembly module");
}
