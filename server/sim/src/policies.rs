//! The policies of a simulated site: real components in the real sandbox, compiled once and shared by
//! all runs.

use std::sync::Arc;

use cascina_core::command::NewBinding;
use cascina_core::name::Name;
use cascina_core::policy::{Fallback, Hook, Mode, Scope};
use cascina_engine::policies::Checked;
use cascina_policy::Sandbox;

#[derive(Debug, thiserror::Error)]
#[error("policy {name}: {error}")]
pub struct PolicyError {
    pub name: String,
    pub error: String,
}

#[derive(Debug, Clone)]
pub struct Policies {
    pub sandbox: Arc<Sandbox>,
    pub checked: Arc<Vec<Checked>>,
    /// Of each of them.
    pub bytes: Arc<Vec<Vec<u8>>>,
}

impl Policies {
    /// Loads components: name, bytes.
    pub fn load(sandbox: Sandbox, components: &[(String, Vec<u8>)]) -> Result<Policies, PolicyError> {
        let check = |(name, bytes): &(String, Vec<u8>)| match sandbox.inspect(bytes) {
            Ok(inspected) => Ok(Checked { inspected, size: bytes.len() as u64 }),
            Err(error) => Err(PolicyError { name: name.clone(), error: error.to_string() }),
        };
        let checked = components.iter().map(check).collect::<Result<Vec<_>, _>>()?;
        let bytes = components.iter().map(|(_, bytes)| bytes.clone()).collect();
        Ok(Policies { sandbox: Arc::new(sandbox), checked: Arc::new(checked), bytes: Arc::new(bytes) })
    }
}

/// A policy at work for the whole site, with its own defaults.
pub fn bound(policy: &Name, hook: Hook) -> NewBinding {
    NewBinding {
        name: policy.clone(),
        hook,
        scope: Scope::Site,
        policy: policy.to_string(),
        settings: "{}".into(),
        order: 100,
        weight: 100,
        mode: Mode::Enforce,
        on_error: Fallback::Deny,
    }
}
