//! A folder with a policy that works, to change into one's own.

use std::path::Path;

use cascina_core::name::Name;
use serde_json::json;

use super::contract;
use super::project::Language;
use crate::client::http::{Done, Failure};
use crate::client::show::Output;

/// What templates are called until somebody names them.
const NAME: &str = "house-rules";
/// Of all languages: they are to say the same.
const CASES: &str = include_str!("../../../../sdk/conformance/cases.toml");

macro_rules! files {
    ($folder:literal: $($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../../sdk/", $folder, "/", $name)))),*]
    };
}

type Files = &'static [(&'static str, &'static str)];

const RUST: Files = files!("rust/template": "policy.toml", "Cargo.toml", "src/lib.rs", "README.md");
const PYTHON: Files = files!("python/template": "policy.toml", "policy.py", "README.md");
const JAVASCRIPT: Files = files!("javascript/template": "policy.toml", "package.json", "policy.js", "README.md");
const C: Files = files!("c/template": "policy.toml", "policy.c", "README.md");

/// The SDK, so that a policy in Rust needs nothing but crates that are published.
const SDK: Files = files!("rust": "Cargo.toml", "README.md", "src/admission.rs", "src/answer.rs", "src/bindings.rs",
    "src/choose_victims.rs", "src/component.rs", "src/lib.rs", "src/limits.rs", "src/log.rs", "src/placement.rs",
    "src/policy.rs", "src/quota.rs", "src/reallocation.rs", "src/reason.rs", "src/resources.rs", "src/testing.rs");

pub fn new(output: Output, name: &str, language: Language, into: &Path) -> Done {
    let name: Name = name.parse().map_err(|error| Failure::Usage(format!("{error}")))?;
    let folder = into.join(name.as_str());
    if folder.exists() {
        return Err(Failure::Usage(format!("{} exists already; it is left alone", folder.display())));
    }
    let put = |below: &str, text: &str| {
        let path = folder.join(below);
        let parent = path.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|error| Failure::Fault(format!("{}: {error}", path.display())))
    };
    let (files, ignored) = match language {
        Language::Rust => (RUST, "target/\n*.wasm\n"),
        Language::Python => (PYTHON, ".venv/\n__pycache__/\n*.wasm\n"),
        Language::Javascript => (JAVASCRIPT, "node_modules/\n*.wasm\n"),
        Language::C => (C, "build/\n*.wasm\n"),
    };
    for (below, text) in files {
        put(below, &text.replace(NAME, name.as_str()))?;
    }
    put(".gitignore", ignored)?;
    put("tests/cases.toml", CASES)?;
    if language == Language::Rust {
        for (below, text) in SDK {
            // In the repository the contract lies elsewhere.
            put(&format!("sdk/{below}"), &text.replace("../../wit/policy-v1", "wit"))?;
        }
        put("sdk/wit/policy.wit", contract::WIT)?;
    }
    let said = format!(
        "{0} is a policy in {1}; build it with `cascina policy build {0}`, then `cascina policy test {0}` (README.md says what it needs)",
        folder.display(),
        language.as_str()
    );
    output.said(&said, &json!({"folder": folder, "language": language.as_str()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_sdk_is_forgotten() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk/rust/src");
        let there = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        for name in there {
            let path = format!("src/{name}");
            assert!(
                SDK.iter().any(|(below, _)| *below == path),
                "sdk/rust/{path} is not among the files of a new crate"
            );
        }
    }

    #[test]
    fn every_template_is_called_what_is_replaced() {
        for files in [RUST, PYTHON, JAVASCRIPT, C] {
            let (_, project) = files.iter().find(|(name, _)| *name == "policy.toml").unwrap();
            assert!(project.contains(&format!("name = \"{NAME}\"")), "{project}");
        }
        assert!(toml::from_str::<cascina_policy::case::Cases>(CASES).unwrap().case.len() >= 14);
    }
}
