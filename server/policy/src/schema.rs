//! Settings schemas: JSON Schema, draft 2020-12, without what could make checking it expensive.
//!
//! A schema comes with an upload, so it is hostile until proven otherwise. One that refers to
//! itself can send a validator into endless recursion, and a short chain of doubling references
//! stands for a schema of astronomical size. Settings need neither: references must be local and
//! free of circles, and the schema written out in full must stay small.

use std::collections::HashMap;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Value, json};

use crate::error::SettingsComplaint;

/// Places of the schema written out in full.
const MOST_PLACES: u64 = 20_000;
/// Levels of the same; validators recurse.
const MOST_HEIGHT: u32 = 100;
/// References followed one after the other.
const MOST_REFERENCES: usize = 16;
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// What these hold are values, not schemas.
const VALUES: [&str; 4] = ["const", "enum", "default", "examples"];
const REFUSED: [&str; 6] = ["$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"];

#[derive(Debug)]
pub(crate) struct Schema {
    document: Value,
    validator: Validator,
}

impl Schema {
    pub fn parse(text: &str, most_bytes: usize) -> Result<Schema, String> {
        if text.len() > most_bytes {
            return Err(format!(
                "its settings schema has {} bytes, where at most {most_bytes} are allowed",
                text.len()
            ));
        }
        let document: Value =
            serde_json::from_str(text).map_err(|error| format!("its settings schema is not JSON: {error}"))?;
        if !document.is_object() {
            return Err("its settings schema is not a JSON object".into());
        }
        if let Some(dialect) = document.get("$schema")
            && dialect.as_str().map(|name| name.trim_end_matches('#')) != Some(DIALECT)
        {
            return Err(format!("its settings schema is of dialect {dialect}; only {DIALECT} is spoken here"));
        }
        let mut measure = Measure { root: &document, known: HashMap::new(), under_way: Vec::new() };
        let extent = measure.node(&document)?;
        if extent.places > MOST_PLACES || extent.height > MOST_HEIGHT {
            return Err(format!(
                "its settings schema, written out in full, has more than {MOST_PLACES} places or is nested more than {MOST_HEIGHT} deep"
            ));
        }
        // Patterns run in time linear in the text; look-around and back references are errors.
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(1 << 20))
            .build(&document)
            .map_err(|error| format!("its settings schema is wrong at `{}`: {error}", error.instance_path))?;
        Ok(Schema { document, validator })
    }

    /// Everything that is wrong with a document, as far as the schema can tell.
    pub fn complaints(&self, settings: &Value) -> Vec<SettingsComplaint> {
        const MOST: usize = 100;
        self.validator
            .iter_errors(settings)
            .take(MOST)
            .map(|error| SettingsComplaint {
                pointer: error.instance_path.as_str().to_owned(),
                text: crate::wording::printable(crate::wording::cut(&error.to_string(), 500)),
            })
            .collect()
    }

    /// A document that the schema allows, for trials: empty if possible, else made of defaults and
    /// smallest values. None if that simple recipe does not do.
    pub fn example(&self) -> Option<Value> {
        let candidates = [json!({}), self.sample(&self.document)];
        candidates.into_iter().find(|candidate| candidate.is_object() && self.validator.is_valid(candidate))
    }

    fn sample(&self, schema: &Value) -> Value {
        let Some(schema) = schema.as_object() else { return Value::Null };
        let ready = schema.get("default").or_else(|| schema.get("const")).or_else(|| {
            schema
                .get("examples")
                .and_then(|list| list.get(0))
                .or_else(|| schema.get("enum").and_then(|list| list.get(0)))
        });
        if let Some(ready) = ready {
            return ready.clone();
        }
        if let Some(target) = schema.get("$ref").and_then(Value::as_str).and_then(|at| target(&self.document, at)) {
            return self.sample(target);
        }
        if let Some(first) = ["anyOf", "oneOf"].iter().find_map(|key| schema.get(*key)?.get(0)) {
            return self.sample(first);
        }
        let kind = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.first().and_then(Value::as_str),
            other => other.and_then(Value::as_str),
        };
        let at_least = |key: &str| schema.get(key).and_then(Value::as_u64).unwrap_or(0).min(1_000) as usize;
        match kind {
            Some("string") => Value::String("a".repeat(at_least("minLength"))),
            Some("integer" | "number") => schema.get("minimum").cloned().unwrap_or(json!(0)),
            Some("boolean") => json!(false),
            Some("array") => {
                let item = schema.get("items").map_or(Value::Null, |items| self.sample(items));
                Value::Array(vec![item; at_least("minItems")])
            }
            Some("null") => Value::Null,
            _ => Value::Object(self.sample_members(schema)),
        }
    }

    fn sample_members(&self, schema: &Map<String, Value>) -> Map<String, Value> {
        let required = schema.get("required").and_then(Value::as_array);
        required
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter_map(|key| Some((key.to_owned(), self.sample(schema.get("properties")?.get(key)?))))
            .collect()
    }
}

fn target<'d>(root: &'d Value, reference: &str) -> Option<&'d Value> {
    root.pointer(reference.strip_prefix('#')?)
}

/// How large a part of a schema is with each reference replaced by what it refers to.
#[derive(Clone, Copy)]
struct Extent {
    places: u64,
    height: u32,
}

struct Measure<'d> {
    root: &'d Value,
    known: HashMap<&'d str, Extent>,
    under_way: Vec<&'d str>,
}

impl<'d> Measure<'d> {
    fn node(&mut self, node: &'d Value) -> Result<Extent, String> {
        let mut extent = Extent { places: 1, height: 1 };
        let mut add = |below: Extent| {
            extent.places = extent.places.saturating_add(below.places);
            extent.height = extent.height.max(below.height.saturating_add(1));
        };
        match node {
            Value::Array(list) => {
                for item in list {
                    add(self.node(item)?);
                }
            }
            Value::Object(members) => {
                for (key, value) in members {
                    // A property may be called `$ref`; a keyword's value is a string.
                    match (key.as_str(), value.as_str()) {
                        (key, Some(_)) if REFUSED.contains(&key) => {
                            return Err(format!(
                                "its settings schema uses `{key}`; only local references (`#/$defs/…`) are allowed"
                            ));
                        }
                        ("$ref", Some(reference)) => add(self.reference(reference)?),
                        (key, _) if VALUES.contains(&key) => {}
                        _ => add(self.node(value)?),
                    }
                }
            }
            _ => {}
        }
        Ok(extent)
    }

    fn reference(&mut self, reference: &'d str) -> Result<Extent, String> {
        if let Some(extent) = self.known.get(reference) {
            return Ok(*extent);
        }
        if self.under_way.contains(&reference) {
            return Err(format!("its settings schema refers to itself at `{reference}`"));
        }
        if self.under_way.len() >= MOST_REFERENCES {
            return Err(format!("its settings schema has more than {MOST_REFERENCES} references one after the other"));
        }
        let root = self.root;
        let Some(node) = target(root, reference) else {
            return Err(format!("its settings schema refers to `{reference}`, which is not in it"));
        };
        self.under_way.push(reference);
        let extent = self.node(node)?;
        self.under_way.pop();
        self.known.insert(reference, extent);
        Ok(extent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(schema: Value) -> Result<Schema, String> {
        Schema::parse(&schema.to_string(), 64 << 10)
    }

    #[test]
    fn all_complaints_at_once() {
        let schema = parse(json!({
            "type": "object",
            "properties": {"a": {"type": "integer", "minimum": 1}, "b": {"$ref": "#/$defs/b"}},
            "additionalProperties": false,
            "$defs": {"b": {"type": "string", "maxLength": 2}},
        }))
        .unwrap();
        let complaints = schema.complaints(&json!({"a": 0, "b": "long", "c": 1}));
        let pointers: Vec<_> = complaints.iter().map(|complaint| complaint.pointer.as_str()).collect();
        assert_eq!(complaints.len(), 3, "{complaints:?}");
        assert!(pointers.contains(&"/a") && pointers.contains(&"/b") && pointers.contains(&""));
    }

    #[test]
    fn circles_and_explosions_are_refused() {
        for circle in [
            json!({"$ref": "#"}),
            json!({"allOf": [{"$ref": "#/allOf/0"}]}),
            json!({"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
        ] {
            let error = parse(circle).unwrap_err();
            assert!(error.contains("refers to itself"), "{error}");
        }
        let mut defs = serde_json::Map::new();
        defs.insert("d0".into(), json!({"type": "integer"}));
        for i in 1..16 {
            let below = json!({"$ref": format!("#/$defs/d{}", i - 1)});
            defs.insert(format!("d{i}"), json!({"allOf": [below, below, below, below]}));
        }
        let error = parse(json!({"$defs": defs, "$ref": "#/$defs/d15"})).unwrap_err();
        assert!(error.contains("places") || error.contains("one after the other"), "{error}");

        let mut deep = json!({"type": "integer"});
        for _ in 0..50 {
            deep = json!({"items": deep});
        }
        let twice = json!({"items": {"$ref": "#/$defs/a"}, "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": deep.clone()}});
        assert!(parse(twice).is_ok());
        let mut above = json!({"$ref": "#/$defs/b"});
        for _ in 0..60 {
            above = json!({"items": above});
        }
        let error = parse(json!({"items": above, "$defs": {"b": deep}})).unwrap_err();
        assert!(error.contains("deep"), "{error}");
    }

    #[test]
    fn nothing_is_fetched_and_nothing_is_renamed() {
        for bad in [
            json!({"$ref": "https://example.org/schema"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"$id": "https://example.org/schema"}),
            json!({"$schema": "http://json-schema.org/draft-07/schema#"}),
            json!({"type": "nonsense"}),
            json!([]),
            json!({"pattern": "(a+)+\\1"}),
        ] {
            assert!(parse(bad.clone()).is_err(), "{bad}");
        }
        assert!(Schema::parse("{", 100).is_err());
        assert!(Schema::parse(&" ".repeat(101), 100).is_err());
    }

    #[test]
    fn an_example_for_trials() {
        let schema = parse(json!({
            "type": "object",
            "required": ["tiers", "mode"],
            "properties": {
                "mode": {"enum": ["fast", "slow"]},
                "tiers": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/tier"}},
            },
            "$defs": {"tier": {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer", "minimum": 3}}}},
        }))
        .unwrap();
        assert_eq!(schema.example(), Some(json!({"mode": "fast", "tiers": [{"n": 3}]})));
        assert_eq!(parse(json!({})).unwrap().example(), Some(json!({})));
    }
}
