//! From a folder to a component.

use std::path::Path;

use cascina_core::policy::Hook;
use serde_json::json;

use super::project::{Language, Project};
use super::{Table, failed, toolchain};
use crate::client::http::{Done, Failure};
use crate::client::show::Output;

pub fn build(output: Output, folder: &Path, file: Option<&Path>) -> Done {
    let folder = &folder.canonicalize().map_err(|error| Failure::Usage(format!("{}: {error}", folder.display())))?;
    let project = Project::read(folder)?;
    let scratch = tempfile::tempdir().map_err(|error| Failure::Fault(format!("no temporary folder: {error}")))?;
    let component = match project.language {
        Language::Rust => toolchain::rust(folder, &project),
        Language::Python => toolchain::python(folder, &project, scratch.path()),
        Language::Javascript => toolchain::javascript(folder, &project, scratch.path()),
        Language::C => toolchain::c(folder, &project),
    };
    let component = component.map_err(|error| failed(format!("{error:#}")))?;
    let component = project.manifest().attach(&component);
    // What would be refused by a server is refused here.
    let table = Table::new()?;
    let found = table.inspect(&component)?;
    if found.name != project.name {
        return Err(failed(format!(
            "policy.toml calls it {}, and its `describe` calls it {}; a policy has one name",
            project.name, found.name
        )));
    }
    if let Some(hook) = project.hooks.iter().find(|hook| !found.hooks.contains(hook)) {
        return Err(failed(format!("policy.toml names the hook {hook}, which the component does not have")));
    }
    let path = file.map_or_else(|| project.component(folder), Path::to_owned);
    std::fs::write(&path, &component).map_err(|error| Failure::Fault(format!("{}: {error}", path.display())))?;
    let hooks: Vec<_> = found.hooks.iter().copied().map(Hook::as_str).collect();
    let said = format!(
        "{}: {}@{} ({}), {} KiB, {}",
        path.display(),
        found.name,
        found.version,
        hooks.join(", "),
        component.len().div_ceil(1024),
        found.digest
    );
    let digest = found.digest.to_string();
    output.said(
        &said,
        &json!({"file": path, "name": found.name, "version": found.version, "digest": digest, "size": component.len()}),
    )
}
