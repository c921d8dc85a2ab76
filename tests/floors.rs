//! The floors of the house: which package may know which, and what each must not know at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// From the ground up; packages on one floor do not see each other.
const FLOORS: [&[&str]; 6] = [
    &["cascina-core"],
    &["cascina-context"],
    &["cascina-policy", "cascina-store", "cascina-drivers"],
    &["cascina-engine"],
    &["cascina-api", "cascina-ec2", "cascina-sim"],
    &["cascina"],
];

/// Who alone may use what.
const ONLY: [(&str, &[&str]); 6] = [
    ("rusqlite", &["cascina-store"]),
    ("wasmtime", &["cascina-policy"]),
    ("axum", &["cascina-api", "cascina-ec2", "cascina"]),
    ("clap", &["cascina"]),
    ("utoipa", &["cascina-api"]),
    ("jsonwebtoken", &["cascina-api"]),
];

/// What the ground floor must not have: input, output, threads, chance, time, logs.
const NEVER_IN_CORE: [&str; 8] =
    ["tokio", "rand", "tracing", "rusqlite", "wasmtime", "axum", "parking_lot", "async-trait"];

/// Packages of a workspace with the dependencies that they have beyond their tests.
fn packages(manifest: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(manifest)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut packages = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let needed = package["dependencies"].as_array().unwrap().iter().filter(|needed| needed["kind"] != "dev");
        let names = needed.map(|needed| needed["name"].as_str().unwrap().to_owned()).collect();
        packages.insert(package["name"].as_str().unwrap().to_owned(), names);
    }
    packages
}

fn floor(name: &str) -> Option<usize> {
    FLOORS.iter().position(|floor| floor.contains(&name))
}

#[test]
fn dependencies_point_down() {
    let packages = packages(&Path::new(ROOT).join("Cargo.toml"));
    for (name, needed) in &packages {
        let own = floor(name).unwrap_or_else(|| panic!("{name} is on no floor: give it one"));
        for below in needed.iter().filter(|needed| needed.starts_with("cascina")) {
            assert!(floor(below).is_some_and(|floor| floor < own), "{name} must not see {below}");
        }
    }
    for name in FLOORS.iter().flat_map(|floor| floor.iter()) {
        assert!(packages.contains_key(*name), "{name} has a floor and does not exist");
    }
}

#[test]
fn each_technology_has_its_room() {
    for (name, needed) in packages(&Path::new(ROOT).join("Cargo.toml")) {
        for (what, who) in ONLY {
            assert!(!needed.contains(what) || who.contains(&name.as_str()), "{name} must not use {what}");
        }
        if name == "cascina-core" {
            for what in NEVER_IN_CORE {
                assert!(!needed.contains(what), "{name} must not use {what}");
            }
        }
    }
}

#[test]
fn policies_know_the_contract_and_nothing_of_the_server() {
    for (name, needed) in packages(&Path::new(ROOT).join("policies/Cargo.toml")) {
        for what in &needed {
            assert!(floor(what).is_none(), "policy package {name} must not see {what}");
        }
    }
}

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            sources(&entry, found);
        } else if entry.extension().is_some_and(|ending| ending == "rs") {
            found.push(entry);
        }
    }
}

#[test]
fn rooms_have_names_and_a_size() {
    let mut found = Vec::new();
    for folder in ["server", "policies", "sdk", "tests"] {
        sources(&Path::new(ROOT).join(folder), &mut found);
    }
    assert!(found.len() > 150, "{}", found.len());
    for path in found {
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(!["utils", "util", "helpers", "common", "misc", "manager"].contains(&name), "{}", path.display());
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 600, "{} has {lines} lines: more than one purpose?", path.display());
    }
}
