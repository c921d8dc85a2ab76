//! `policies-encode CORE.wasm COMPONENT.wasm`: makes a component of a policy's core module.
//!
//! The result is written only if it is valid and stays within the contract: nothing imported but
//! the shared types and the log, and nothing exported but hooks and the description.

mod contract;

use anyhow::{Context, Result, bail};
use std::path::Path;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [core, component] = arguments.as_slice() else {
        bail!("usage: policies-encode CORE.wasm COMPONENT.wasm");
    };
    let encoded = encode(Path::new(core))?;
    std::fs::write(component, &encoded).with_context(|| format!("writing {component}"))
}

fn encode(core: &Path) -> Result<Vec<u8>> {
    let shown = core.display();
    let module = std::fs::read(core).with_context(|| format!("reading {shown}"))?;
    let component = wit_component::ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .with_context(|| format!("{shown} is no core module with a policy in it"))?
        .encode()
        .with_context(|| format!("{shown} does not make a component"))?;
    contract::check(&component).with_context(|| format!("{shown} breaks the contract"))?;
    Ok(component)
}
