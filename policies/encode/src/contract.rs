//! What a policy component may import and must export.

use anyhow::{Result, bail, ensure};
use wit_component::DecodedWasm;

const IMPORTS: [&str; 2] = ["cascina:policy/log@1.0.0", "cascina:policy/types@1.0.0"];

const METADATA: &str = "cascina:policy/metadata@1.0.0";

const HOOKS: [&str; 5] = [
    "cascina:policy/admission@1.0.0",
    "cascina:policy/choose-victims@1.0.0",
    "cascina:policy/placement@1.0.0",
    "cascina:policy/quota@1.0.0",
    "cascina:policy/reallocation@1.0.0",
];

/// Fails with what is wrong and what to do about it.
pub fn check(component: &[u8]) -> Result<()> {
    let DecodedWasm::Component(resolve, world) = wit_component::decode(component)? else {
        bail!("it is a WIT package, not a component");
    };
    let world = &resolve.worlds[world];
    let names = |items: &wit_parser::IndexMap<_, _>| -> Vec<String> {
        items.keys().map(|key| resolve.name_world_key(key)).collect()
    };

    for import in names(&world.imports) {
        ensure!(
            IMPORTS.contains(&import.as_str()),
            "it imports {import}; a policy may import only {}. A `wasi:` import comes from a \
             target other than wasm32-unknown-unknown, or from a dependency that asks for time, \
             randomness or files",
            IMPORTS.join(" and ")
        );
    }
    let exports = names(&world.exports);
    ensure!(
        exports.iter().any(|export| export == METADATA),
        "it does not export {METADATA}; is `cascina_policy_sdk::export!` missing?"
    );
    let (hooks, others): (Vec<_>, Vec<_>) =
        exports.into_iter().filter(|export| export != METADATA).partition(|export| HOOKS.contains(&export.as_str()));
    ensure!(others.is_empty(), "it exports unknown interfaces: {others:?}");
    ensure!(!hooks.is_empty(), "it exports no hook; name at least one in `cascina_policy_sdk::export!`");
    Ok(())
}
