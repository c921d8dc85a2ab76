//! What every policy says of itself.

use crate::{Context, Failure};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// A policy's name and settings. The hooks are traits on top of it.
pub trait Policy: Sized {
    /// Lower-case words joined by "-".
    const NAME: &'static str;
    /// Semantic version; `env!("CARGO_PKG_VERSION")` in most cases.
    const VERSION: &'static str;
    /// One sentence that tells an operator what binding this policy does.
    const SUMMARY: &'static str;

    /// What may be set on a binding. Derive `Deserialize` with `#[serde(deny_unknown_fields)]`, so
    /// that a misspelt key is an error and not a setting that is never read, and `JsonSchema`, so
    /// that the server can tell people what there is. [`NoSettings`] if there is nothing to set.
    type Settings: DeserializeOwned + JsonSchema;

    /// A policy with these settings. Runs once a decision: keep it cheap.
    fn new(settings: Self::Settings) -> Self;

    /// Complaints about settings that have the right shape and still make no sense, such as a
    /// minimum above a maximum. All of them at once, so that people fix them in one go.
    fn complaints(_settings: &Self::Settings) -> Vec<Failure> {
        Vec::new()
    }
}

/// For policies without settings: only `{}` is accepted.
#[derive(Debug, Default, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoSettings {}

/// Reads settings as the server will: by type only, without [`Policy::complaints`].
///
/// # Errors
/// A failure `invalid-settings` whose text is serde's message, which names the key and the place.
pub fn parse_settings<P: Policy>(settings: &str) -> Result<P::Settings, Failure> {
    serde_json::from_str(settings).map_err(|error| Failure::new("invalid-settings", format!("settings: {error}")))
}

/// The JSON Schema (2020-12) of a policy's settings, without the noise that readers do not need.
pub fn settings_schema<P: Policy>() -> String {
    SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<P::Settings>().to_value().to_string()
}

/// The policy that a decision asks for.
pub(crate) fn instantiate<P: Policy>(ctx: &Context) -> Result<P, Failure> {
    parse_settings::<P>(&ctx.settings).map(P::new)
}
