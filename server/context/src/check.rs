//! What is wrong with an archive that can be read, or may not be what was meant.

mod schema;

use std::collections::HashMap;
use std::fmt;

use crate::archive::{ContentType, Found, Reading};
use crate::yaml::{self, Node};

/// Something that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub severity: Severity,
    /// From 1.
    pub part: usize,
    pub name: String,
    pub said: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    Warning,
    /// A guest will not do what is asked for.
    Error,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = if self.severity == Severity::Error { "error" } else { "warning" };
        write!(f, "{word}: part {} ({}): {}", self.part, self.name, self.said)
    }
}

/// Findings of one part.
const MOST: usize = 20;

struct Check<'a> {
    parts: &'a [Found],
    findings: Vec<Finding>,
}

/// All that can be seen without a guest.
pub fn check(reading: &Reading) -> Vec<Finding> {
    let mut check = Check { parts: &reading.parts, findings: Vec::new() };
    if reading.parts.is_empty() {
        return check.findings;
    }
    check.handlers();
    check.names();
    check.scripts();
    check.cloud_configs();
    check.findings.sort_by_key(|finding| finding.part);
    check.findings
}

fn name(part: &Found, place: usize) -> String {
    part.name.as_ref().map_or_else(|| format!("part-{:03}", place + 1), ToString::to_string)
}

impl Check<'_> {
    fn say(&mut self, severity: Severity, place: usize, said: String) {
        if self.findings.iter().filter(|finding| finding.part == place + 1).count() < MOST {
            let name = name(&self.parts[place], place);
            self.findings.push(Finding { severity, part: place + 1, name, said });
        }
    }

    /// A part is handled by what came before it, and is lost otherwise.
    fn handlers(&mut self) {
        for (place, part) in self.parts.iter().enumerate() {
            let kind = part.content_type.as_str();
            if part.content_type.is_include() {
                let said =
                    "addresses that each guest fetches when it boots: one that is not there fails all of its user-data";
                self.say(Severity::Warning, place, said.to_owned());
            } else if !part.content_type.is_built_in() && !part.body.is_empty() {
                let is_for = |other: &Found| {
                    other.content_type == ContentType::part_handler()
                        && other.body.windows(kind.len()).any(|word| word.eq_ignore_ascii_case(kind.as_bytes()))
                };
                if self.parts[..place].iter().any(is_for) {
                    continue;
                }
                let said = match self.parts[place..].iter().any(is_for) {
                    true => {
                        format!("the handler of {kind} comes after it, and guests pass it over: put the handler first")
                    }
                    false if *part.content_type.as_str() == *ContentType::unknown().as_str() => {
                        "it does not say what it is by its first line, and guests pass it over".to_owned()
                    }
                    false => format!("nothing handles {kind}, and guests pass it over"),
                };
                self.say(Severity::Error, place, said);
            }
        }
    }

    fn names(&mut self) {
        let mut seen: HashMap<(String, &str), usize> = HashMap::new();
        for (place, part) in self.parts.iter().enumerate() {
            let Some(name) = &part.name else { continue };
            // Handlers are numbered, and cloud-configs merged; of scripts and hooks files are made.
            let kind = if part.content_type.is_script() { "script" } else { part.content_type.as_str() };
            if !matches!(kind, "script" | "text/cloud-boothook") {
                continue;
            }
            if let Some(other) = seen.insert((name.to_string(), kind), place) {
                let said = format!("part {} has the same name, and guests keep the later one only", other + 1);
                self.say(Severity::Warning, place, said);
            }
        }
    }

    fn scripts(&mut self) {
        for (place, part) in self.parts.iter().enumerate() {
            if part.content_type.is_script() && !part.body.starts_with(b"#!") {
                let said = "a script that does not begin with #! cannot be run".to_owned();
                self.say(Severity::Error, place, said);
            }
            let jinja = ContentType::of_beginning(&part.body) == Some(ContentType::jinja());
            if jinja && part.content_type != ContentType::jinja() && !part.content_type.is_built_in() {
                let said = format!(
                    "templates are for cloud-config, scripts and hooks: a handler of {} gets it as it is",
                    part.content_type
                );
                self.say(Severity::Warning, place, said);
            }
        }
    }

    fn cloud_configs(&mut self) {
        let mut seen: HashMap<String, usize> = HashMap::new();
        for (place, part) in self.parts.iter().enumerate() {
            if part.content_type != ContentType::cloud_config() {
                continue;
            }
            let node = match std::str::from_utf8(&part.body)
                .map_err(|error| error.to_string())
                .and_then(|text| yaml::parse(text, &yaml::Limits::default()).map_err(|error| error.to_string()))
            {
                Ok(node) => node,
                Err(error) => {
                    self.say(Severity::Error, place, format!("no YAML: {error}"));
                    continue;
                }
            };
            if !node.is_null() && node.map().is_none() {
                self.say(Severity::Error, place, format!("cloud-config is a map, and here is {}", node.kind()));
                continue;
            }
            if !part.body.starts_with(b"#cloud-config") {
                self.say(Severity::Warning, place, "its first line is not #cloud-config".to_owned());
            }
            for said in schema::problems(&node) {
                self.say(Severity::Error, place, said);
            }
            // Without a word on how, a key of a later part wins over the same one before.
            let merges = part.merges || node.get("merge_how").or_else(|| node.get("merge_type")).is_some();
            for (key, _) in node.map().unwrap_or_default() {
                if let Some(other) = seen.insert(key.text.clone(), place)
                    && !merges
                {
                    let key: String = key.text.chars().take(60).collect();
                    let said = format!(
                        "{key} takes the place of the one in part {}, silently: say merge_how, or put them together",
                        other + 1
                    );
                    self.say(Severity::Warning, place, said);
                }
            }
        }
    }
}

/// What a policy or a person may want to see of a cloud-config.
pub fn to_json(node: &Node) -> serde_json::Value {
    schema::to_json(node)
}

#[cfg(test)]
mod tests;
