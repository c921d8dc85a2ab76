//! The reference policies, compiled once.

use std::sync::OnceLock;

use cascina_policy::{Bounds, Compiler, Sandbox, SandboxConfig};
use cascina_sim::Policies;

pub fn policies() -> &'static Policies {
    static POLICIES: OnceLock<Policies> = OnceLock::new();
    POLICIES.get_or_init(|| {
        let dist = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policies/dist");
        let names = ["admission-default", "quota-tiers", "placement-pack", "placement-spread", "placement-owner"];
        let components: Vec<_> = names
            .iter()
            .map(|name| (name.to_string(), std::fs::read(dist.join(format!("{name}.wasm"))).unwrap()))
            .collect();
        let config = SandboxConfig { cache: None, bounds: Bounds::default(), compiler: Compiler::InProcess };
        Policies::load(Sandbox::new(config).unwrap(), &components).unwrap()
    })
}
