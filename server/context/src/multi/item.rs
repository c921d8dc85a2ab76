use std::fmt;

use super::MultiError;
use crate::archive::{COMMENT_OF_JINJA, PartName};
use crate::yaml::{Node, Value};

/// Something that is not in the file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    Url(String),
    /// As it was written: relative to the file that it stands in.
    File(String),
}

/// When a script runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// Once, last of all.
    Last,
    PerBoot,
    PerInstance,
    PerOnce,
}

#[derive(Clone)]
pub(super) enum Source {
    Inline(String),
    Elsewhere { from: Reference, sha256: Option<String> },
}

/// A script, a hook, a handler: as text, as a file, or at an address.
#[derive(Clone)]
pub(super) struct Item {
    pub line: usize,
    pub name: Option<PartName>,
    pub source: Source,
    pub jinja: bool,
    pub run: Run,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Url(url) => f.write_str(url),
            Reference::File(path) => write!(f, "file {path}"),
        }
    }
}

impl Reference {
    /// What follows the last slash, without a query.
    pub fn base(&self) -> &str {
        let (Reference::Url(text) | Reference::File(text)) = self;
        let path = text.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

fn wrong(line: usize, said: impl Into<String>) -> MultiError {
    MultiError::Line { line, said: said.into() }
}

pub(super) fn is_url(text: &str) -> bool {
    let lower = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    lower.starts_with("http://") || lower.starts_with("https://")
}

/// An address, or a file.
pub(super) fn reference(text: &str, line: usize) -> Result<Reference, MultiError> {
    if text.is_empty() || text.len() > 2000 || text.chars().any(char::is_control) {
        return Err(wrong(line, "an address or a path of one line with at most 2000 letters is expected"));
    }
    Ok(if is_url(text) { Reference::Url(text.to_owned()) } else { Reference::File(text.to_owned()) })
}

impl Item {
    pub fn inline(line: usize, text: &str) -> Item {
        Item { line, name: None, source: Source::Inline(text.to_owned()), jinja: false, run: Run::Last }
    }

    pub fn elsewhere(line: usize, from: Reference) -> Item {
        Item { line, name: None, source: Source::Elsewhere { from, sha256: None }, jinja: false, run: Run::Last }
    }

    pub fn reference(&self) -> Option<&Reference> {
        match &self.source {
            Source::Inline(_) => None,
            Source::Elsewhere { from, .. } => Some(from),
        }
    }

    /// A text with its own first line, an address, a path, or a map that says which.
    pub fn parse(node: &Node) -> Result<Item, MultiError> {
        let line = node.line;
        match &node.value {
            Value::Scalar(scalar) if !scalar.is_null() => {
                let text = scalar.text.as_str();
                if text.contains('\n') || text.starts_with('#') {
                    Ok(Item::inline(line, text))
                } else {
                    Ok(Item::elsewhere(line, reference(text, line)?))
                }
            }
            Value::Map(_) => Item::of_map(node),
            _ => Err(wrong(
                line,
                format!("a text, an address, a path or a map is expected, and here is {}", node.kind()),
            )),
        }
    }

    fn of_map(node: &Node) -> Result<Item, MultiError> {
        let line = node.line;
        let (mut name, mut sha256, mut jinja, mut run, mut source) = (None, None, false, Run::Last, None);
        for (key, value) in node.map().unwrap_or_default() {
            let line = value.line;
            let text = value.as_str().ok_or_else(|| wrong(line, format!("{} has no value", key.text)))?;
            let given = match key.text.as_str() {
                "content" => Source::Inline(text.to_owned()),
                "url" if is_url(text) => Source::Elsewhere { from: reference(text, line)?, sha256: None },
                "url" => return Err(wrong(line, "a url begins with http:// or https://")),
                "file" if !is_url(text) => Source::Elsewhere { from: reference(text, line)?, sha256: None },
                "file" => return Err(wrong(line, "this is a url, no file")),
                "name" => {
                    name =
                        Some(text.parse().map_err(|error: crate::archive::NameError| wrong(line, error.to_string()))?);
                    continue;
                }
                "sha256" => {
                    if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                        return Err(wrong(line, "sha256 has 64 hexadecimal digits"));
                    }
                    sha256 = Some(text.to_ascii_lowercase());
                    continue;
                }
                "jinja" => {
                    jinja = value
                        .scalar()
                        .and_then(crate::yaml::Scalar::boolean)
                        .ok_or_else(|| wrong(line, "jinja is true or false"))?;
                    continue;
                }
                "run" => {
                    run = match text {
                        "last" => Run::Last,
                        "per-boot" => Run::PerBoot,
                        "per-instance" => Run::PerInstance,
                        "per-once" => Run::PerOnce,
                        _ => return Err(wrong(line, "run is last, per-boot, per-instance or per-once")),
                    };
                    continue;
                }
                other => {
                    return Err(wrong(
                        line,
                        format!("{other} is not known: name, content, url, file, sha256, jinja, run"),
                    ));
                }
            };
            if source.replace(given).is_some() {
                return Err(wrong(line, "one of content, url and file is enough"));
            }
        }
        let mut source = source.ok_or_else(|| wrong(line, "one of content, url and file is missing"))?;
        match &mut source {
            Source::Elsewhere { sha256: expected, .. } => *expected = sha256,
            Source::Inline(_) if sha256.is_some() => {
                return Err(wrong(line, "sha256 is for what comes from elsewhere"));
            }
            Source::Inline(_) => {}
        }
        Ok(Item { line, name, source, jinja, run })
    }

    /// With the first line of a template, if it is one.
    pub fn rendered(&self, body: Vec<u8>) -> Vec<u8> {
        if self.jinja && !body.starts_with(COMMENT_OF_JINJA.as_bytes()) {
            [COMMENT_OF_JINJA.as_bytes(), b"\n", &body].concat()
        } else {
            body
        }
    }
}
