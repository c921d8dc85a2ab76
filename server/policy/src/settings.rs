//! Settings of bindings: checked before they are saved, everything that is wrong at once.

use cascina_core::policy::{Digest, Hook};
use serde_json::Value;

use crate::abi::v1::metadata::Description;
use crate::abi::v1::types::Failure;
use crate::answer;
use crate::component::Loaded;
use crate::error::SettingsComplaint;
use crate::evaluate::{Evaluated, Runner};
use crate::sandbox::Sandbox;
use crate::schema::Schema;

impl Sandbox {
    /// Could a binding of this component to this hook work with these settings?
    pub fn check_settings(&self, digest: &Digest, hook: Hook, settings: &str) -> Result<(), Vec<SettingsComplaint>> {
        let whole = |text: String| SettingsComplaint { pointer: String::new(), text };
        let Some(loaded) = self.loaded(digest) else {
            return Err(vec![whole(format!("component {digest} is not loaded"))]);
        };
        if !loaded.exports.has(hook) {
            let hooks: Vec<&str> = loaded.exports.hooks().into_iter().map(Hook::as_str).collect();
            return Err(vec![whole(format!("the component has no {hook} hook; it has {}", hooks.join(", ")))]);
        }
        let most = self.runner.bounds.settings_bytes;
        if settings.len() > most {
            return Err(vec![whole(format!("{} bytes, where at most {most} are allowed", settings.len()))]);
        }
        let document: Value = match serde_json::from_str(settings) {
            Ok(document @ Value::Object(_)) => document,
            Ok(_) => return Err(vec![whole("it must be a JSON object".into())]),
            Err(error) => return Err(vec![whole(format!("it is not JSON: {error}"))]),
        };
        let described = describe(&self.runner, &loaded).answer.map_err(|error| vec![whole(error.to_string())])?;
        let complaints = if described.settings_schema.is_empty() {
            match document.as_object() {
                Some(members) if !members.is_empty() => {
                    vec![whole("the policy takes no settings; give an empty object".into())]
                }
                _ => Vec::new(),
            }
        } else {
            let schema = Schema::parse(&described.settings_schema, most).map_err(|error| vec![whole(error)])?;
            schema.complaints(&document)
        };
        if !complaints.is_empty() {
            return Err(complaints);
        }
        self.validate(&loaded, settings)
    }

    /// The policy's own word on settings that its schema allows.
    pub(crate) fn validate(&self, loaded: &Loaded, settings: &str) -> Result<(), Vec<SettingsComplaint>> {
        let whole = |text: String| SettingsComplaint { pointer: String::new(), text };
        let bounds = &self.runner.bounds;
        let validated: Evaluated<Result<(), Vec<Failure>>> =
            self.runner.call(loaded, &loaded.exports.validate_settings, (settings,), 0);
        match validated.answer {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failures)) if failures.is_empty() => {
                Err(vec![whole("the policy refuses these settings, and does not say why".into())])
            }
            Ok(Err(failures)) => Err(failures
                .iter()
                .map(|failure| {
                    let (code, text) = answer::failure_texts(failure, bounds);
                    whole(if code.is_empty() { text } else { format!("{text} ({code})") })
                })
                .collect()),
            Err(error) => Err(vec![whole(format!("the policy cannot check its settings: {error}"))]),
        }
    }
}

pub(crate) fn describe(runner: &Runner, loaded: &Loaded) -> Evaluated<Description> {
    runner.call(loaded, &loaded.exports.describe, (), 0)
}
