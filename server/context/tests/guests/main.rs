//! What programs of guests make of it: cloud-init's own code, mtools, dosfstools, blkid, curl's likes.
//!
//! The programs come from Debian's packages, unpacked below `target` and not installed; `apt-get` has to
//! reach a mirror once. Run them with `cargo test -p cascina-context -- --ignored`.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

mod archives;
mod disks;
mod service;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guests");

/// Where the packages are unpacked.
fn unpacked() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
        run(Command::new("sh").arg(format!("{HERE}/unpack.sh")).arg(&folder));
        folder.join("root")
    })
}

fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {said}");
    output
}

/// The folder that all is unpacked below.
fn folder() -> &'static Path {
    unpacked().parent().unwrap()
}

/// cloud-init's code on user-data, `debian`'s or the `newest`.
fn process(version: &str) -> Command {
    let debian = unpacked().join("usr/lib/python3/dist-packages");
    let newest = folder().join("newest/usr/lib/python3/dist-packages");
    let path = match version {
        "newest" => format!("{}:{}", newest.display(), debian.display()),
        _ => debian.display().to_string(),
    };
    let mut python = Command::new("/usr/bin/python3");
    python.env("PYTHONPATH", path).env("PYTHONDONTWRITEBYTECODE", "1").arg(format!("{HERE}/process.py"));
    python
}

/// cloud-init's word. Of warnings there must be none.
fn cloud_init(kind: &str, place: &str) -> Value {
    // The distribution's interpreter, for which its packages are.
    let mut python = Command::new("/usr/bin/python3");
    python.env("PYTHONPATH", unpacked().join("usr/lib/python3/dist-packages")).env("PYTHONDONTWRITEBYTECODE", "1");
    let output = run(python.arg(format!("{HERE}/read.py")).args([kind, place]));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(read["warnings"], serde_json::json!([]), "{read:#}");
    read
}
