//! What a component is, from its bytes.

use std::path::Path;

use serde_json::{Value, json};

use super::table::{Table, Taken};
use crate::client::http::Done;
use crate::client::show::Output;

pub fn inspect(output: Output, policy: &Path) -> Done {
    let Taken { found, bytes, .. } = Table::take(policy)?;
    let schema: Value = serde_json::from_str(&found.settings_schema).unwrap_or(Value::Null);
    let asked = &found.manifest;
    output.thing(&json!({
        "policy": format!("{}@{}", found.name, found.version),
        "summary": found.summary,
        "digest": found.digest.to_string(),
        "size": bytes.len(),
        "hooks": found.hooks,
        "imports": found.imports,
        "language": (!asked.language.is_empty()).then_some(&asked.language),
        "author": (!asked.author.is_empty()).then_some(&asked.author),
        "memory_mib": (asked.memory_mib > 0).then_some(asked.memory_mib),
        "warm": asked.warm,
        "settings_schema": schema,
    }))
}
