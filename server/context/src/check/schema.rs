//! Whether cloud-config is as cloud-init's own schema has it.

use std::sync::OnceLock;

use jsonschema::{Draft, PatternOptions, Validator};
use serde_json::{Map, Number, Value as Json};

use crate::yaml::{Kind, Node, Scalar, Value};

/// See `schema/README.md`.
const SCHEMA: &str = include_str!("../../schema/cloud-config.json");
const MOST: usize = 20;

fn validator() -> &'static Validator {
    static VALIDATOR: OnceLock<Validator> = OnceLock::new();
    VALIDATOR.get_or_init(|| {
        let schema: Json = serde_json::from_str(SCHEMA).unwrap_or_default();
        jsonschema::options()
            .with_draft(Draft::Draft4)
            .with_pattern_options(PatternOptions::fancy_regex().backtrack_limit(10_000))
            .build(&schema)
            .unwrap_or_else(|error| panic!("the schema that comes with it is broken: {error}"))
    })
}

/// Where, and what. What was given is not repeated: it may be secret.
pub(super) fn problems(node: &Node) -> Vec<String> {
    if node.is_null() {
        return Vec::new();
    }
    let json = to_json(node);
    let said = validator().iter_errors(&json).take(MOST).map(|error| {
        let place = error.instance_path.to_string();
        let place = if place.is_empty() { "the whole".to_owned() } else { place };
        format!("{place}: {}", error.masked_with("what is there")).chars().take(300).collect()
    });
    said.collect()
}

/// As a guest's reader takes it: YAML 1.1.
pub(super) fn to_json(node: &Node) -> Json {
    match &node.value {
        Value::Scalar(scalar) => of_scalar(scalar),
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|(key, value)| (key.text.clone(), to_json(value))).collect::<Map<_, _>>())
        }
    }
}

fn of_scalar(scalar: &Scalar) -> Json {
    if scalar.kind != Kind::Plain {
        return Json::String(scalar.text.clone());
    }
    if scalar.is_null() {
        return Json::Null;
    }
    if let Some(truth) = scalar.boolean() {
        return Json::Bool(truth);
    }
    if let Some(number) = scalar.number() {
        return Json::Number(number.into());
    }
    // 0644 is a number there, and 420; 0x1f is 31.
    let text = scalar.text.replace('_', "");
    let octal =
        text.strip_prefix('0').filter(|rest| !rest.is_empty()).and_then(|rest| i64::from_str_radix(rest, 8).ok());
    if let Some(number) = octal.or_else(|| text.strip_prefix("0x").and_then(|rest| i64::from_str_radix(rest, 16).ok()))
    {
        return Json::Number(number.into());
    }
    let float = text.contains('.')
        && text.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '-' | '+' | '.'));
    match text.parse::<f64>().ok().filter(|_| float).and_then(Number::from_f64) {
        Some(number) => Json::Number(number),
        None => Json::String(scalar.text.clone()),
    }
}
