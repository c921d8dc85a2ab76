//! The contract, which the program brings along, as toolchains want to see it.

use std::path::Path;

use anyhow::Context;
use cascina_core::policy::Hook;

/// The whole of it.
pub const WIT: &str = include_str!("../../../../wit/policy-v1/policy.wit");
/// Name of the world below: also what bindings are called.
pub const WORLD: &str = "built";

/// The contract with a world of just these hooks.
pub fn with_world(hooks: &[Hook]) -> String {
    let exports: String = hooks.iter().map(|hook| format!(" export {hook};")).collect();
    format!("{WIT}\nworld {WORLD} {{ include policy;{exports} }}\n")
}

/// Bindings for C, as files beside one another.
pub fn c_bindings(hooks: &[Hook], into: &Path) -> anyhow::Result<()> {
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("policy.wit", &with_world(hooks))?;
    let world = resolve.select_world(&[package], Some(WORLD))?;
    let mut files = wit_bindgen_core::Files::default();
    wit_bindgen_c::Opts::default().build().generate(&mut resolve, world, &mut files)?;
    std::fs::create_dir_all(into)?;
    for (name, bytes) in files.iter() {
        let path = into.join(name);
        std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

/// A core module, with a description of its world inside, as a component.
pub fn encode(core: &[u8]) -> anyhow::Result<Vec<u8>> {
    wit_component::ComponentEncoder::default()
        .validate(true)
        .module(core)
        .context("it is no core module with a policy in it")?
        .encode()
        .context("it does not make a component")
}
