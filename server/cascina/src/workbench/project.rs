//! `policy.toml`: what a folder is the policy of.

use std::path::{Path, PathBuf};

use cascina_core::name::Name;
use cascina_core::policy::Hook;
use cascina_policy::Manifest;
use serde::Deserialize;

use crate::client::http::{Done, Failure};

pub const FILE: &str = "policy.toml";

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Language {
    Rust,
    Python,
    #[value(alias = "typescript")]
    Javascript,
    C,
}

impl Language {
    pub fn as_str(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Python => "python",
            Language::Javascript => "javascript",
            Language::C => "c",
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Project {
    pub name: Name,
    pub language: Language,
    pub hooks: Vec<Hook>,
    /// The file that it is written in; a crate needs none.
    #[serde(default)]
    pub source: PathBuf,
    #[serde(default)]
    pub author: String,
    #[serde(default)]
    pub needs: Needs,
}

/// What the server is asked for beyond the ordinary.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Needs {
    pub memory_mib: u32,
    pub warm: bool,
}

impl Project {
    pub fn read(folder: &Path) -> Done<Project> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path).map_err(|error| {
            Failure::Usage(format!("{}: {error}; `cascina policy new` makes such a folder", path.display()))
        })?;
        let project: Project =
            toml::from_str(&text).map_err(|error| Failure::Usage(format!("{}: {error}", path.display())))?;
        if project.hooks.is_empty() {
            let known: Vec<_> = Hook::ALL.iter().map(|hook| hook.as_str()).collect();
            return Err(Failure::Usage(format!(
                "{}: hooks = []; give at least one of {}",
                path.display(),
                known.join(", ")
            )));
        }
        Ok(project)
    }

    pub fn component(&self, folder: &Path) -> PathBuf {
        folder.join(format!("{}.wasm", self.name))
    }

    pub fn manifest(&self) -> Manifest {
        Manifest {
            language: self.language.as_str().into(),
            author: self.author.clone(),
            memory_mib: self.needs.memory_mib,
            warm: self.needs.warm,
        }
    }
}
