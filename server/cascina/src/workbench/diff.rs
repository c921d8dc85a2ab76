//! What a new version can do that the old one could not.

use std::collections::BTreeMap;

use cascina_policy::Inspected;
use serde_json::{Value, json};

use crate::client::http::Done;
use crate::client::show::Output;

/// What there is to compare, as text: the same keys for both.
fn facts(found: &Inspected, size: usize) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut put = |key: &str, value: String| facts.insert(key.to_owned(), value);
    put("policy", format!("{}@{}", found.name, found.version));
    put("digest", found.digest.to_string());
    put("size", size.to_string());
    put("language", found.manifest.language.clone());
    put("author", found.manifest.author.clone());
    put("memory_mib", found.manifest.memory_mib.to_string());
    put("warm", found.manifest.warm.to_string());
    for hook in &found.hooks {
        put(&format!("hook {hook}"), "yes".into());
    }
    for import in &found.imports {
        put(&format!("import {import}"), "yes".into());
    }
    let schema: Value = serde_json::from_str(&found.settings_schema).unwrap_or(Value::Null);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        put(&format!("setting {name}"), property.to_string());
    }
    facts
}

/// Words that mean more power, or other power, than before.
fn is_capability(key: &str) -> bool {
    key.starts_with("hook ") || key.starts_with("import ") || matches!(key, "memory_mib" | "warm")
}

pub fn diff(output: Output, old: (&Inspected, usize), new: (&Inspected, usize)) -> Done {
    let (old, new) = (facts(old.0, old.1), facts(new.0, new.1));
    let keys: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let differs = |key: &&&String| old.get(**key) != new.get(**key);
    let rows: Vec<Value> = keys
        .iter()
        .filter(differs)
        .map(|key| {
            let kind = if is_capability(key) { "capability" } else { "detail" };
            json!({"what": key, "kind": kind, "old": old.get(*key), "new": new.get(*key)})
        })
        .collect();
    output.list(&rows, &[("what", "what"), ("kind", "kind"), ("old", "old"), ("new", "new")])
}
