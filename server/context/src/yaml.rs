//! YAML as people write it for guests: a tree that keeps what was meant, within bounds.
//!
//! Guests read YAML with a library that takes `yes` for true and `0644` for a number. So a scalar is not
//! interpreted here until somebody asks, and is written again as it was read: plain if it was plain.
//! Comments are lost, and anchors are written out; how much an alias may multiply is bounded.

mod emit;
mod parse;

use std::fmt;

pub use emit::{document, emit};
pub use parse::{Limits, parse};

/// A node of the tree. Two are equal if they mean the same, wherever they stood.
#[derive(Debug, Clone)]
pub struct Node {
    /// From 1.
    pub line: usize,
    pub value: Value,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    /// In the order in which it was written; no key is there twice.
    Map(Vec<(Scalar, Node)>),
}

/// A scalar as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar {
    pub text: String,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Without quotes: the reader decides what it is.
    Plain,
    /// In quotes or as a block: a text, whatever it looks like.
    Text,
    /// Tagged `!!binary`: base64.
    Binary,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    #[error("line {line}: {said}")]
    Syntax { line: usize, said: String },
    #[error("{given} bytes of YAML are too many: at most {most}")]
    TooLong { given: usize, most: usize },
    #[error("line {line}: YAML nests deeper than {most} levels")]
    TooDeep { line: usize, most: usize },
    #[error("line {line}: more than {most} values, aliases written out: say it without so many aliases")]
    TooMany { line: usize, most: usize },
    #[error("line {line}: the key {key:?} is there twice: the later one would silently win")]
    Twice { line: usize, key: String },
    #[error("line {line}: a key has to be a plain word or text")]
    Key { line: usize },
    #[error("line {line}: the tag {tag} is not known: use none, or !!str, !!int, !!bool, !!float, !!null, !!binary")]
    Tag { line: usize, tag: String },
    #[error("line {line}: `<<` takes a map, or a list of maps")]
    Merge { line: usize },
    #[error("line {line}: an alias within what it stands for, or to nothing")]
    Alias { line: usize },
    #[error("line {line}: a second document begins: give one")]
    Documents { line: usize },
}

impl PartialEq for Node {
    fn eq(&self, other: &Node) -> bool {
        self.value == other.value
    }
}

impl Eq for Node {}

impl Scalar {
    pub fn plain(text: impl Into<String>) -> Scalar {
        Scalar { text: text.into(), kind: Kind::Plain }
    }

    pub fn text(text: impl Into<String>) -> Scalar {
        Scalar { text: text.into(), kind: Kind::Text }
    }

    fn is_plain(&self) -> bool {
        self.kind == Kind::Plain
    }

    pub fn is_null(&self) -> bool {
        self.is_plain() && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }

    /// As YAML 1.1 has it, which guests speak.
    pub fn boolean(&self) -> Option<bool> {
        let word = self.text.to_ascii_lowercase();
        // `yEs` is none.
        let known = self.text == word
            || self.text == word.to_ascii_uppercase()
            || self.text.get(1..) == word.get(1..) && self.text.starts_with(|first: char| first.is_ascii_uppercase());
        if !self.is_plain() || !known {
            return None;
        }
        match word.as_str() {
            "yes" | "true" | "on" => Some(true),
            "no" | "false" | "off" => Some(false),
            _ => None,
        }
    }

    /// A whole number in decimal; what begins with a zero would be octal there.
    pub fn number(&self) -> Option<i64> {
        let digits = self.text.strip_prefix(['-', '+']).unwrap_or(&self.text);
        let decimal = digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
        (self.is_plain() && decimal).then(|| self.text.parse().ok()).flatten()
    }
}

impl Node {
    pub fn new(value: Value) -> Node {
        Node { line: 0, value }
    }

    pub fn text(text: impl Into<String>) -> Node {
        Node::new(Value::Scalar(Scalar::text(text)))
    }

    pub fn plain(text: impl fmt::Display) -> Node {
        Node::new(Value::Scalar(Scalar::plain(text.to_string())))
    }

    /// What it says, be it a word, a number or a text; none for nothing, maps and lists.
    pub fn scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) if !scalar.is_null() => Some(scalar),
            _ => None,
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        self.scalar().map(|scalar| scalar.text.as_str())
    }

    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.is_null())
    }

    pub fn list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    pub fn map(&self) -> Option<&[(Scalar, Node)]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            _ => None,
        }
    }

    pub fn get(&self, key: &str) -> Option<&Node> {
        self.map()?.iter().find_map(|(known, node)| (known.text == key).then_some(node))
    }

    /// For people: what kind of thing it is.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) if scalar.is_null() => "nothing",
            Value::Scalar(_) => "a value",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

#[cfg(test)]
mod tests;
