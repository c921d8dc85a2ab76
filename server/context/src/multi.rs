//! `#multiple-config`: one file in YAML for all that a guest is told, and the archive that is made of it.
//!
//! Two steps, for there is no hand here that fetches: [`MultiConfig::parse`] says what it refers to
//! ([`MultiConfig::references`]); whoever has hands fetches that, within its rules; and
//! [`MultiConfig::build`] makes the archive. The same file and bytes give the same archive.

mod build;
mod item;
mod keys;

use std::fmt;

use crate::archive::Archive;
use crate::yaml::{Limits, Node, Scalar, YamlError};

pub use build::REPORT_NAME;
use item::Item;
pub use item::Reference;

/// What the file begins with.
pub const FIRST_LINE: &str = "#multiple-config";
/// Things that may be referred to.
pub const MOST_REFERENCES: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MultiError {
    #[error("the first line has to be {FIRST_LINE}")]
    FirstLine,
    #[error(transparent)]
    Yaml(#[from] YamlError),
    #[error("line {line}: {said}")]
    Line { line: usize, said: String },
    #[error("line {line}: nothing handles {block}: it is no block of the library ({library}), no key of cloud-config, and no handler in parthandlers has {kind:?}", library = keys::library())]
    Block { line: usize, block: String, kind: String },
    #[error("more than {MOST_REFERENCES} files and addresses are referred to: put some of them together")]
    References,
    #[error("{from} was not given")]
    NotGiven { from: Reference },
    #[error("{from} has the SHA-256 digest {found}, and not {expected} as the file says")]
    Digest { from: Reference, expected: String, found: String },
    #[error("{from} is not as it should be: {said}")]
    Content { from: Reference, said: String },
    #[error("the archive is {given} bytes, and {most} are the most: give guests less, or addresses to fetch it from")]
    TooLarge { given: usize, most: usize },
}

/// A file that has been read, and makes sense as far as can be seen without what it refers to.
#[derive(Clone)]
pub struct MultiConfig {
    boothooks: Vec<Item>,
    handlers: Vec<Item>,
    blocks: Vec<Block>,
    /// Keys of cloud-config that stand in the file itself.
    cloud_config: Vec<(Scalar, Node)>,
    more_cloud_config: Vec<Item>,
    includes: Vec<Item>,
    scripts: Vec<Item>,
    reports: bool,
}

/// A block and what is to be embedded in it.
#[derive(Clone)]
struct Block {
    name: String,
    line: usize,
    config: Node,
    embedded: Vec<Item>,
}

/// An archive with what went into it from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub archive: Archive,
    /// Where from, and the SHA-256 digest of what came.
    pub embedded: Vec<(Reference, String)>,
}

impl MultiConfig {
    /// # Errors
    ///
    /// What is wrong, with its line.
    pub fn parse(text: &str) -> Result<MultiConfig, MultiError> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.lines().next().map(str::trim_end) != Some(FIRST_LINE) {
            return Err(MultiError::FirstLine);
        }
        let root = crate::yaml::parse(text, &Limits::default())?;
        let config = keys::sort(&root)?;
        if config.references().len() > MOST_REFERENCES {
            return Err(MultiError::References);
        }
        Ok(config)
    }

    fn items(&self) -> impl Iterator<Item = &Item> {
        let embedded = self.blocks.iter().flat_map(|block| &block.embedded);
        [&self.boothooks, &self.handlers, &self.more_cloud_config, &self.includes, &self.scripts]
            .into_iter()
            .flatten()
            .chain(embedded)
    }

    /// What it refers to, each once.
    pub fn references(&self) -> Vec<Reference> {
        let mut all: Vec<Reference> = self.items().filter_map(|item| item.reference().cloned()).collect();
        all.sort();
        all.dedup();
        all
    }

    /// Whether guests that are given it report how it went.
    pub fn reports(&self) -> bool {
        self.reports
    }
}

impl fmt::Debug for MultiConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blocks: Vec<&str> = self.blocks.iter().map(|block| block.name.as_str()).collect();
        f.debug_struct("MultiConfig").field("blocks", &blocks).field("references", &self.references()).finish()
    }
}

#[cfg(test)]
mod tests;
