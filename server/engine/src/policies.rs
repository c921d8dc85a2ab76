//! Brings components into the sandbox: those in the store at start, those embedded, those uploaded.

use std::sync::Arc;

use cascina_core::command::{Command, NewBinding, Outcome, TrialStep};
use cascina_core::event::Change;
use cascina_core::policy::{About, PolicyVersion};
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;
use cascina_core::state::State;
use cascina_core::units::Timestamp;
use cascina_policy::{Inspected, Manifest, Sandbox};

use crate::command::policy::{find, may_upload};
use crate::engine::{Engine, Request};
use crate::error::{EngineError, Fault};

impl Engine {
    /// Checks a component and keeps it. Nothing is bound by that.
    pub async fn upload_policy(
        &self,
        principal: &Principal,
        bytes: Vec<u8>,
        signatures: Vec<String>,
    ) -> Result<Outcome, EngineError> {
        may_upload(principal)?;
        let signatures = self.shared().supply.check(&bytes, &signatures)?;
        let inspected = self.keep_component(bytes).await?;
        let mut version = inspected.version(false, &principal.name, self.now());
        version.about.signatures = signatures;
        let command = Command::AddPolicy(Box::new(version));
        self.submit(Request { principal: principal.clone(), command, idempotency: None }).await
    }

    /// Inspects a component, and puts its bytes into the store.
    async fn keep_component(&self, bytes: Vec<u8>) -> Result<Checked, EngineError> {
        let shared = self.shared();
        let bytes = Arc::new(bytes);
        let (sandbox, copy) = (Arc::clone(&shared.sandbox), Arc::clone(&bytes));
        // Checking compiles, which takes its time: beside the threads that answer requests.
        let inspected = tokio::task::spawn_blocking(move || sandbox.inspect(&copy))
            .await
            .map_err(|error| Fault::Internal(error.to_string()))?
            .map_err(|error| Refusal::invalid("component", "(bytes)", error.to_string()))?;
        shared.store_component(inspected.digest, bytes.to_vec()).await?;
        Ok(Checked { size: bytes.len() as u64, inspected })
    }

    /// Loads what the store has, adds what the program brings, and makes the first bindings.
    pub(crate) async fn load_policies(
        &self,
        embedded: Vec<(String, Vec<u8>)>,
        bindings: Vec<NewBinding>,
    ) -> Result<(), EngineError> {
        let shared = self.shared();
        let known: Vec<_> = self.read(|state| state.rows.policies.keys().copied().collect());
        for digest in known {
            let (sandbox, reader) = (Arc::clone(&shared.sandbox), shared.reader.clone());
            let loaded = tokio::task::spawn_blocking(move || -> Result<(), String> {
                let bytes = reader.component(&digest).map_err(|error| error.to_string())?;
                let bytes =
                    bytes.ok_or_else(|| format!("component {digest} is not in the store; run `cascina fsck`"))?;
                sandbox.load(digest, &bytes).map_err(|error| error.to_string())
            })
            .await
            .map_err(|error| Fault::Internal(error.to_string()))?;
            if let Err(error) = loaded {
                // Its bindings answer with their fallback, which the decisions show.
                tracing::error!(policy.digest = %digest, error = %error, "a policy could not be loaded");
            }
        }
        let mut brought = Vec::new();
        for (name, bytes) in embedded {
            let digest = cascina_policy::digest(&bytes);
            if self.read(|state| state.rows.policies.contains_key(&digest)) {
                continue;
            }
            let checked = self
                .keep_component(bytes)
                .await
                .map_err(|error| Fault::Internal(format!("embedded policy {name}: {error}")))?;
            brought.push(checked.version(true, &Principal::system().name, self.now()));
        }
        for command in self.read(|state| at_start(state, brought, bindings)) {
            self.submit(Request { principal: Principal::system(), command, idempotency: None }).await?;
        }
        Ok(())
    }
}

/// A component that passed the sandbox's checks.
#[derive(Debug, Clone)]
pub struct Checked {
    pub inspected: Inspected,
    pub size: u64,
}

impl Checked {
    pub fn version(&self, embedded: bool, uploaded_by: &str, now: Timestamp) -> PolicyVersion {
        let Inspected { digest, name, version, summary, hooks, settings_schema, imports, manifest } =
            self.inspected.clone();
        let Manifest { language, author, memory_mib, warm } = manifest;
        let about = About { language, author, imports, memory_mib, warm, signatures: Vec::new() };
        let uploaded_by = uploaded_by.into();
        PolicyVersion {
            digest,
            name,
            version,
            summary,
            hooks,
            settings_schema,
            size: self.size,
            embedded,
            uploaded_by,
            created: now,
            about,
        }
    }
}

/// What a start does with the policies that the program brings and the store does not have.
pub fn at_start(state: &State, brought: Vec<PolicyVersion>, bindings: Vec<NewBinding>) -> Vec<Command> {
    // Later, bindings are their owners' affair: one that is missing was taken away.
    if state.rows.policies.is_empty() && state.rows.bindings.is_empty() && !(brought.is_empty() && bindings.is_empty())
    {
        return vec![Command::FirstPolicies { versions: brought, bindings }];
    }
    brought.into_iter().map(|version| Command::AddPolicy(Box::new(version))).collect()
}

/// Settings must suit the component before a binding gets them.
pub fn check_settings(state: &State, sandbox: &Sandbox, command: &Command) -> Result<(), Refusal> {
    let (policy, hook, settings) = match command {
        Command::Bind(binding) => (find(state, &binding.policy)?, binding.hook, binding.settings.clone()),
        Command::Rebind { binding, change } if change.settings.is_some() || change.policy.is_some() => {
            let Some(row) = state.rows.bindings.get(binding) else { return Ok(()) };
            let text = change.policy.clone().unwrap_or_else(|| row.digest.to_string());
            let settings = change.settings.clone().unwrap_or_else(|| row.settings.clone());
            (find(state, &text)?, row.hook, settings)
        }
        Command::Trial { binding, step: TrialStep::Begin(new) } => {
            let Some(row) = state.rows.bindings.get(binding) else { return Ok(()) };
            let text = new.policy.clone().unwrap_or_else(|| row.digest.to_string());
            (find(state, &text)?, row.hook, new.settings.clone().unwrap_or_else(|| row.settings.clone()))
        }
        Command::FirstPolicies { versions, bindings } => {
            let mut state = State::default();
            for version in versions {
                state.apply(&Change::Put(version.clone().into()));
            }
            return bindings
                .iter()
                .try_for_each(|binding| check_settings(&state, sandbox, &Command::Bind(binding.clone())));
        }
        _ => return Ok(()),
    };
    sandbox.check_settings(&policy.digest, hook, &settings).map_err(|complaints| {
        let text: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        Refusal::invalid("settings", settings, text.join("; "))
    })
}
