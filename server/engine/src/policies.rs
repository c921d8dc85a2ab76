//! Brings components into the sandbox: those in the store at start, those embedded, those uploaded.

use std::sync::Arc;

use cascina_core::command::{Command, NewBinding, Outcome};
use cascina_core::policy::PolicyVersion;
use cascina_core::principal::Principal;
use cascina_core::refusal::Refusal;

use crate::command::policy::{find, may_upload};
use crate::engine::{Engine, Request};
use crate::error::{EngineError, Fault};

impl Engine {
    /// Checks a component and keeps it. Nothing is bound by that.
    pub async fn upload_policy(&self, principal: &Principal, bytes: Vec<u8>) -> Result<Outcome, EngineError> {
        may_upload(principal)?;
        self.add_policy(principal, bytes, false).await
    }

    pub(crate) async fn add_policy(
        &self,
        principal: &Principal,
        bytes: Vec<u8>,
        embedded: bool,
    ) -> Result<Outcome, EngineError> {
        let shared = self.shared();
        let bytes = Arc::new(bytes);
        let (sandbox, copy) = (Arc::clone(&shared.sandbox), Arc::clone(&bytes));
        // Checking compiles, which takes its time: beside the threads that answer requests.
        let inspected = tokio::task::spawn_blocking(move || sandbox.inspect(&copy))
            .await
            .map_err(|error| Fault::Internal(error.to_string()))?
            .map_err(|error| Refusal::invalid("component", "(bytes)", error.to_string()))?;
        shared.store_component(inspected.digest, bytes.to_vec()).await?;
        let version = PolicyVersion {
            digest: inspected.digest,
            name: inspected.name,
            version: inspected.version,
            summary: inspected.summary,
            hooks: inspected.hooks,
            settings_schema: inspected.settings_schema,
            size: bytes.len() as u64,
            embedded,
            uploaded_by: principal.name.clone(),
            created: self.now(),
        };
        let command = Command::AddPolicy(Box::new(version));
        self.submit(Request { principal: principal.clone(), command, idempotency: None }).await
    }

    /// Loads what the store has, adds what the program brings, and makes the first bindings.
    pub(crate) async fn load_policies(
        &self,
        embedded: Vec<(String, Vec<u8>)>,
        bindings: Vec<NewBinding>,
    ) -> Result<(), EngineError> {
        let shared = self.shared();
        let known: Vec<_> = self.read(|state| state.rows.policies.keys().copied().collect());
        let first = known.is_empty();
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
        for (name, bytes) in embedded {
            let digest = cascina_policy::digest(&bytes);
            if self.read(|state| state.rows.policies.contains_key(&digest)) {
                continue;
            }
            self.add_policy(&Principal::system(), bytes, true)
                .await
                .map_err(|error| Fault::Internal(format!("embedded policy {name}: {error}")))?;
        }
        if first {
            for binding in bindings {
                let command = Command::Bind(binding);
                self.submit(Request { principal: Principal::system(), command, idempotency: None }).await?;
            }
        }
        Ok(())
    }

    /// Settings must suit the component before a binding gets them.
    pub(crate) fn check_settings(&self, command: &Command) -> Result<(), Refusal> {
        let (policy, hook, settings) = match command {
            Command::Bind(binding) => {
                (self.read(|state| find(state, &binding.policy))?, binding.hook, binding.settings.clone())
            }
            Command::Rebind { binding, change } if change.settings.is_some() || change.policy.is_some() => {
                let row = self.read(|state| state.rows.bindings.get(binding).cloned());
                let Some(row) = row else { return Ok(()) };
                let text = change.policy.clone().unwrap_or_else(|| row.digest.to_string());
                let settings = change.settings.clone().unwrap_or_else(|| row.settings.clone());
                (self.read(|state| find(state, &text))?, row.hook, settings)
            }
            _ => return Ok(()),
        };
        self.shared().sandbox.check_settings(&policy.digest, hook, &settings).map_err(|complaints| {
            let text: Vec<String> = complaints.iter().map(ToString::to_string).collect();
            Refusal::invalid("settings", settings, text.join("; "))
        })
    }
}
