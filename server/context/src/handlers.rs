//! The part handlers that come with Cascina, and what goes before and after them.
//!
//! They are Python, as cloud-init takes nothing else, and go into the archive itself: a guest fetches
//! nothing to find out what to do. `docs/contextualization.md` says how to write one.

use serde_json::{Value, json};

use crate::yaml::Node;

/// Where guests keep logs, statuses, and the summary.
pub const FOLDER: &str = "/var/log/cascina";

const COMMON: &str = include_str!("handlers/common.py");
const REPORT: &str = include_str!("handlers/report.py");
const MANIFEST: &str = include_str!("handlers/manifest.sh");

/// A handler and the blocks that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Handler {
    pub name: &'static str,
    pub blocks: &'static [&'static str],
    source: &'static str,
    /// What may be in a block; none: it is a list, or a map of names.
    keys: &'static [&'static str],
}

pub const LIBRARY: [Handler; 6] = [
    Handler {
        name: "localfs",
        blocks: &["localfs"],
        source: include_str!("handlers/localfs.py"),
        keys: &["extdisk", "disks", "volume-group", "filesystem", "wipe", "parts", "mounts", "ephemeral", "swapfile"],
    },
    Handler {
        name: "cvmfs",
        blocks: &["cvmfs"],
        source: include_str!("handlers/cvmfs.py"),
        keys: &["install", "version", "el", "release", "local", "domain", "keys", "start", "probe"],
    },
    Handler {
        name: "batch",
        blocks: &["condor-worker", "batch"],
        source: include_str!("handlers/batch.py"),
        keys: &[
            "kind",
            "manager",
            "install",
            "version",
            "release",
            "token",
            "password",
            "slots",
            "domain",
            "config",
            "start",
            "controller",
            "munge-key",
            "munge-key-base64",
        ],
    },
    Handler {
        name: "puppet",
        blocks: &["puppet", "puppetconfig"],
        source: include_str!("handlers/puppet.py"),
        keys: &[
            "server",
            "master",
            "environment",
            "certname",
            "install",
            "version",
            "repository",
            "options",
            "settings",
            "ca",
            "attributes",
            "run",
            "service",
        ],
    },
    Handler { name: "files", blocks: &["files"], source: include_str!("handlers/files.py"), keys: &[] },
    Handler { name: "users", blocks: &["users"], source: include_str!("handlers/users.py"), keys: &[] },
];

/// The handler that a block is for.
pub fn of_block(block: &str) -> Option<&'static Handler> {
    LIBRARY.iter().find(|handler| handler.blocks.contains(&block))
}

impl Handler {
    /// As a part.
    pub fn text(&self) -> String {
        let kinds: Vec<String> = self.blocks.iter().map(|block| format!("text/{block}-config")).collect();
        format!("#part-handler\n# Handles {}.\n{COMMON}\n\n{}", kinds.join(" and "), self.source)
    }

    /// What can be known to be wrong before a guest sees it.
    ///
    /// # Errors
    ///
    /// The line, and what is wrong there.
    pub fn check(&self, config: &Node) -> Result<(), (usize, String)> {
        if self.keys.is_empty() {
            return match config.list().is_some() || config.map().is_some() {
                true => Ok(()),
                false => Err((config.line, format!("{} is a list, and here is {}", self.name, config.kind()))),
            };
        }
        let entries = config
            .map()
            .ok_or_else(|| (config.line, format!("{} is a map, and here is {}", self.name, config.kind())))?;
        for (key, node) in entries {
            if !self.keys.contains(&key.text.as_str()) {
                let text = format!("{} is not known in {}: {}", key.text, self.name, self.keys.join(", "));
                return Err((node.line, text));
            }
        }
        if self.name == "localfs" { parts(config) } else { Ok(()) }
    }
}

/// Percentages of a volume group.
fn parts(config: &Node) -> Result<(), (usize, String)> {
    let Some(parts) = config.get("parts").filter(|node| !node.is_null()) else { return Ok(()) };
    let entries = parts.map().ok_or((parts.line, "parts is a map of names and percentages".to_owned()))?;
    let mut sum = 0;
    for (name, node) in entries.iter().filter(|(name, _)| !name.text.ends_with("_mount")) {
        let text = node.as_str().unwrap_or_default();
        let number: Option<u32> = text.strip_suffix('%').unwrap_or(text).parse().ok().filter(|number| *number <= 100);
        let Some(number) = number else {
            return Err((node.line, format!("{} of {text:?} is no percentage: give 0 to 100", name.text)));
        };
        let mounted = matches!(name.text.as_str(), "cvmfs" | "home" | "tmp" | "swap");
        let mount = format!("{}_mount", name.text);
        if !mounted && parts.get(&mount).is_none() {
            return Err((node.line, format!("{} needs {mount}: where it is mounted", name.text)));
        }
        // Swap is a part of what is left.
        sum += if name.text == "swap" { 0 } else { number };
    }
    if sum > 100 { Err((parts.line, format!("parts are {sum} percent together: at most 100"))) } else { Ok(()) }
}

/// The first boothook: says which blocks are to come, and what was fetched for them.
pub fn manifest(blocks: &[&str], embedded: &[(String, String)]) -> String {
    let embedded: Vec<Value> = embedded.iter().map(|(from, sha256)| json!({"from": from, "sha256": sha256})).collect();
    // JSON within a quoted here-document: a line of it never is the word that ends it.
    format!("{MANIFEST}{}\nMANIFEST\n", json!({"version": 1, "blocks": blocks, "embedded": embedded}))
}

/// The last script: reports.
pub fn report() -> &'static str {
    REPORT
}

/// Whether a part is that script, of whatever version: an archive with it says how it went.
pub fn is_report(name: &str) -> bool {
    name == crate::multi::REPORT_NAME
}
